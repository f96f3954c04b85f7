"""One search for several widths teaches each of them what its own search would."""

from __future__ import annotations

import random

import pytest

from lookahead.config import Strategy
from lookahead.search.best_first import Search
from lookahead.search.confidence import Confidence
from lookahead.search.width import StopRule
from lookahead.study.joint_search import Cut, JointSearch
from tests.lookahead.drafters import drafter
from tests.lookahead.study.samples import FLAT

WIDTHS = (2, 3, 4, 6, 9, 14, 20)


@pytest.mark.parametrize("strategy", ["hierarchical", "parallel", "single"])
@pytest.mark.parametrize("adaptive", [False, True])
def test_every_width_gets_the_tree_and_the_lessons_of_its_own_search(strategy: Strategy, adaptive: bool):
    generator = random.Random(7)
    phrases = [[generator.randrange(12) for _ in range(generator.randrange(2, 6))] for _ in range(8)]
    text = [token_id for _ in range(12) for token_id in generator.choice(phrases)]
    for length in range(4, len(text) - 1):
        own, shared = drafter().sources(text[:length])
        sources = [own, *shared]
        cuts = [Cut(width, width - 1, StopRule(FLAT.table(width)) if adaptive else None) for width in WIDTHS]
        joint = JointSearch(sources, Confidence(), text[length - 1])
        joint.serve(cuts, strategy, 1.0)
        for cut in cuts:
            confidence = Confidence()
            alone = Search(sources, confidence, text[length - 1])
            tree = alone.run(cut.width, cut.longest, strategy, cut.rule.fresh() if cut.rule else None)
            kept = cut.kept(joint.grown.probabilities)
            assert tuple(node[:2] for node in joint.grown.nodes[:kept]) == (
                *zip(tree.token_ids, tree.parents, strict=True),
            )
            alone.learn(text[length : length + 3])
            told = Confidence()
            for source, number, held in joint.lessons(text[length : length + 3], cut):
                told.of(source).learn(number, held)
            assert told.of(own).values == confidence.of(own).values
