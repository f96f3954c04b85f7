"""One search for several widths teaches each of them what its own search would."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookahead.config import Strategy
from lookahead.costs import choose_width
from lookahead.search.best_first import Search
from lookahead.search.confidence import CLASSES, Confidence
from lookahead.search.width import StopRule
from lookahead.sources.source import Source
from lookahead.sources.tries import listed
from lookahead.study.joint import best_widths
from lookahead.study.joint_search import Cut, Ground, JointSearch
from lookahead.trie import ROOT
from tests.lookahead.drafters import drafter
from tests.lookahead.study.samples import FLAT, text_of


@pytest.mark.parametrize("strategy", ["hierarchical", "parallel", "single"])
@pytest.mark.parametrize("vocabulary", [6, 60])
@pytest.mark.parametrize("adaptive", [False, True])
def test_a_search_goes_on_for_others_and_each_accepts_and_learns_as_by_itself(strategy, vocabulary, adaptive):
    """With few and many ways to go on, and with outputs of earlier requests beside the prompt."""
    text, kept_by = text_of(7, vocabulary, 15, 80), drafter()
    kept_by.keep(text_of(8, vocabulary, 15, 40))
    generator, early = random.Random(vocabulary), 0
    for length in range(60, 300, 20):
        own, shared = kept_by.sources(text[:length])
        sources, following = [own, *shared], text[length : length + 12]
        shapes = [(width, min(longest, width - 1)) for width in (2, 4, 8, 16, 32, 64) for longest in (2, 8, 63)]
        cuts = [Cut(*shape, StopRule(FLAT.table(shape[0])) if adaptive else None) for shape in dict.fromkeys(shapes)]
        roots = len(list(listed(own.trie, ROOT)))
        confidence = Confidence()
        for source in 200 * sources if length % 40 else ():
            confidence.of(source).learn(generator.randrange(CLASSES), generator.random() < 0.5)
        values = [confidence.of(source).values for source in sources]
        ground = Ground(sources, [source.locus() for source in sources])
        joint = JointSearch(ground, text[length - 1], strategy, 1.0, following, 63, roots, adaptive)
        for served in (cuts[:9], cuts[9:]) if generator.random() < 0.5 else ([cut] for cut in cuts):
            served = [*served]
            for cut in joint.serve(served, values):
                own = JointSearch(ground, text[length - 1], strategy, 1.0, following, cut.longest, roots, adaptive)
                assert own.serve([cut], values) == []
            for cut in served:
                assert_as_alone(cut, sources, confidence.copy(), strategy, following)
        early += sum(cut.nodes > len(cut.seen.nodes) for cut in cuts)
    assert adaptive or early > 5


def assert_as_alone(
    cut: Cut, sources: Sequence[Source], confidence: Confidence, strategy: Strategy, following: list[int]
) -> None:
    joint, told = cut.search, confidence.copy()
    alone = Search(sources, confidence, joint.grown.nodes[0][0])
    tree = alone.run(cut.width, cut.longest, strategy, cut.rule.fresh() if cut.rule else None)
    nodes = cut.nodes
    if cut.rule:
        nodes = best_widths(cut.seen.probabilities, FLAT.table(cut.width))[nodes]
        seen = [joint.grown.nodes[node] for node in cut.seen.nodes[:nodes]]
        assert [one[0] for one in seen] == [*tree.token_ids]
        assert cut.seen.probabilities[:nodes] == [*tree.probabilities]
    assert nodes == len(tree)
    accepted, node = 0, 0
    for token_id in following:
        node = next((one for one in range(nodes) if tree.parents[one] == node and tree.token_ids[one] == token_id), -1)
        if node < 0:
            break
        accepted += 1
    assert joint.accepted(cut, nodes) == accepted
    tokens = following[: accepted + 1]
    alone.learn(tokens)
    for source, number, held in joint.lessons(tokens, cut):
        told.of(source).learn(number, held)
    assert [told.of(source).values for source in sources] == [confidence.of(source).values for source in sources]


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=30), st.lists(st.floats(0.5, 3.0), min_size=1, max_size=30))
def test_the_best_width_of_every_cut_is_the_engines(probabilities: list[float], seconds: list[float]):
    found = best_widths(probabilities, seconds)
    for nodes in range(1, min(len(probabilities), len(seconds)) + 1):
        assert found[nodes] == choose_width(probabilities[1:nodes], seconds)
