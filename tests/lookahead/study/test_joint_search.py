"""One search for several widths teaches each of them what its own search would."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookahead.config import Strategy
from lookahead.costs import choose_width
from lookahead.search.best_first import Search
from lookahead.search.confidence import Confidence
from lookahead.search.growing import GrowingTree
from lookahead.search.width import StopRule
from lookahead.sources.tries import listed
from lookahead.study.joint import best_widths
from lookahead.study.joint_search import Cut, Ground, JointSearch
from lookahead.trie import ROOT
from tests.lookahead.drafters import drafter
from tests.lookahead.study.samples import FLAT, text_of

WIDTHS = (2, 3, 4, 6, 9, 14, 20)


@pytest.mark.parametrize("strategy", ["hierarchical", "parallel", "single"])
@pytest.mark.parametrize("longest", [3, 63])
def test_a_full_search_that_ends_early_accepts_and_teaches_the_same(strategy: Strategy, longest: int):
    """With many ways to go on, and with outputs of earlier requests beside the prompt."""
    text, drafter_ = text_of(7, 60, 15, 80), drafter()
    drafter_.keep(text_of(8, 60, 15, 40))
    early = 0
    for length in range(60, 300, 3):
        own, shared = drafter_.sources(text[:length])
        for source in shared:
            source.follow(text[length - 20 : length])
        sources, following = [own, *shared], text[length : length + 12]
        cuts = [Cut(width, min(longest, width - 1), None) for width in (4, 8, 16, 32, 64)]
        cuts = [cut for cut in cuts if cut.longest == cut.width - 1 or longest == 3]
        joint = JointSearch(Ground(sources, [source.locus() for source in sources]), Confidence(), text[length - 1])
        joint.serve(cuts, strategy, 1.0, following, len(list(listed(own.trie, ROOT))))
        early += len(joint.grown) < max(cut.nodes for cut in cuts)
        for cut in cuts:
            confidence = Confidence()
            alone = Search(sources, confidence, text[length - 1])
            tree = alone.run(cut.width, cut.longest, strategy, None)
            assert cut.nodes == len(tree)
            tokens = following[: len(accepted(joint.grown, cut.nodes, following)) + 1]
            assert tokens == following[: len(accepted(alone._tree, cut.nodes, following)) + 1]
            alone.learn(tokens)
            told = Confidence()
            for source, number, held in joint.lessons(tokens, cut):
                told.of(source).learn(number, held)
            assert [told.of(source).values for source in sources] == [confidence.of(one).values for one in sources]
    assert early > 40


def accepted(tree: GrowingTree, nodes: int, following: list[int]) -> list[int]:
    """The nodes that hold the next tokens."""
    path = [0]
    for token_id in following:
        child = tree.child(path[-1], token_id)
        if child is None or child >= nodes:
            break
        path.append(child)
    return path[1:]


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=30), st.lists(st.floats(0.5, 3.0), min_size=1, max_size=30))
def test_the_best_width_of_every_cut_is_the_engines(probabilities: list[float], seconds: list[float]):
    found = best_widths(probabilities, seconds)
    for nodes in range(1, min(len(probabilities), len(seconds)) + 1):
        assert found[nodes] == choose_width(probabilities[1:nodes], seconds)


@pytest.mark.parametrize("strategy", ["hierarchical", "parallel", "single"])
@pytest.mark.parametrize("adaptive", [False, True])
def test_every_width_gets_the_tree_and_the_lessons_of_its_own_search(strategy: Strategy, adaptive: bool):
    text = text_of(7, 12, 8, 9)
    for length in range(4, len(text) - 1):
        own, shared = drafter().sources(text[:length])
        sources = [own, *shared]
        cuts = [Cut(width, width - 1, StopRule(FLAT.table(width)) if adaptive else None) for width in WIDTHS]
        ground = Ground(sources, [source.locus() for source in sources])
        joint = JointSearch(ground, Confidence(), text[length - 1])
        joint.serve(cuts, strategy, 1.0)
        for cut in cuts:
            confidence = Confidence()
            alone = Search(sources, confidence, text[length - 1])
            tree = alone.run(cut.width, cut.longest, strategy, cut.rule.fresh() if cut.rule else None)
            probabilities = joint.grown.probabilities
            kept = best_widths(probabilities, FLAT.table(cut.width))[cut.nodes] if adaptive else cut.nodes
            assert tuple(node[:2] for node in joint.grown.nodes[:kept]) == (
                *zip(tree.token_ids, tree.parents, strict=True),
            )
            alone.learn(text[length : length + 3])
            told = Confidence()
            for source, number, held in joint.lessons(text[length : length + 3], cut):
                told.of(source).learn(number, held)
            assert told.of(own).values == confidence.of(own).values
