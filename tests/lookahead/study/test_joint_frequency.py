"""One tree by frequency for several shapes gives each of them what its own search would."""

from __future__ import annotations

import pytest

from lookahead.search.frequency import FrequencySearch
from lookahead.sources.tries import ReadTrie
from lookahead.study.joint_frequency import JointFrequency, Prospect
from lookahead.study.remembered import Remembered
from tests.lookahead.drafters import drafter
from tests.lookahead.study.samples import text_of

ALL = [(width, longest) for width in (4, 16, 64) for longest in (1, 2, 4, 63) if longest < width]
SOON_SURE = [(8, 4), (16, 4), (16, 15), (40, 39)]
"""Shapes that short texts have enough tokens for."""


@pytest.mark.parametrize("strategy", ["hierarchical", "parallel", "single"])
@pytest.mark.parametrize("vocabulary", [6, 30, 300])
@pytest.mark.parametrize("kept", [0, 12])
@pytest.mark.parametrize("shapes", [ALL, SOON_SURE])
def test_each_shape_has_as_many_nodes_and_accepts_as_by_itself(strategy, vocabulary, kept, shapes):
    """Also where earlier outputs end soon, so that branches end short, and where the context is as short as that."""
    text, kept_by, early = text_of(vocabulary, vocabulary, 15, 80), drafter(), 0
    for number in range(kept):
        kept_by.keep(text_of(number, vocabulary, 15, 60)[: 2 + 30 * (number % 3)])
    for length in (3, 5, 9, *range(20, 320, 20)):
        own, shared = kept_by.sources(text[:length])
        sources = [Remembered(source) for source in (own, *shared) if isinstance(source, ReadTrie)]
        widths = {longest: max(width for width, deep in shapes if deep == longest) for _, longest in shapes}
        if strategy == "single":
            widths = {longest: min(width, longest + 1) for longest, width in widths.items()}
        following = text[length : length + 63]
        joint = JointFrequency(Prospect(sources, following), text[length - 1], False)
        grown = joint.grow(widths, strategy)
        early += joint.full
        for width, longest in shapes:
            tree = FrequencySearch(sources, text[length - 1]).run(width, longest, strategy, None)
            most = min(width, longest + 1) if strategy == "single" else width
            nodes = [node for node, one in enumerate(grown.nodes) if one[2] <= longest][:most]
            assert (most if joint.full else len(nodes)) == len(tree)
            accepted, node = 0, 0
            for token_id in following:
                children = {tree.token_ids[one]: one for one in range(len(tree)) if tree.parents[one] == node}
                if (node := children.get(token_id, -1)) < 0:
                    break
                accepted += 1
            assert sum(one in nodes for one in joint.path[:longest]) == accepted
    assert bool(early) == (strategy != "single" and shapes is SOON_SURE)


def test_earlier_outputs_that_end_soon_do_not_fill_a_tree():
    kept_by = drafter()
    for number in range(40):
        kept_by.keep([100 + 2 * number, 101 + 2 * number])
    own, shared = kept_by.sources([1, 2, 3])
    sources = [Remembered(source) for source in (own, *shared) if isinstance(source, ReadTrie)]
    joint = JointFrequency(Prospect(sources, [7]), 3, False)
    grown = joint.grow({39: 40}, "parallel")
    assert not joint.full
    assert len(grown) == len(FrequencySearch(sources, 3).run(40, 39, "parallel", None)) < 40
