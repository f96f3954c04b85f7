"""Stopping early finds the same width as looking at the whole draft."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookahead.costs import PassCosts, choose_width
from lookahead.draft import Chain
from lookahead.search.width import ChainRule, StopRule

falling = st.lists(st.floats(1e-4, 1), min_size=1, max_size=63).map(lambda values: sorted(values, reverse=True))
times = st.floats(0.05, 20)
any_seconds = st.lists(times, min_size=64, max_size=64)


@st.composite
def measured_seconds(draw) -> list[float]:
    """T(n) on straight lines between measured lengths, up and down."""
    lengths = (1, *sorted(draw(st.sets(st.integers(2, 64), max_size=6))))
    return PassCosts(lengths, tuple(draw(times) for _ in lengths)).table(64)


def nodes_of(probabilities) -> list[float]:
    """Path probability of every node, the root first."""
    return [1.0, *probabilities]


def rate(probabilities, seconds, width: int) -> float:
    return (1 + sum(probabilities[: width - 1])) / seconds[width - 1]


values = st.sampled_from([0.0, 0.015]) | st.floats(0, 1)


@given(falling, any_seconds | measured_seconds(), values)
def test_a_search_that_stops_early_finds_the_best_cut_of_all(probabilities, seconds, value):
    rule = StopRule(seconds).fresh(value)
    nodes = nodes_of(probabilities)
    made = next((n for n in range(1, len(nodes)) if rule.reached(nodes[:n], probabilities[n - 1])), len(nodes))
    width = rule.width(nodes[:made])
    assert width <= made
    worth = [probability + value for probability in probabilities]
    best = max(rate(worth, seconds, n) for n in range(1, len(nodes) + 1))
    assert rate(worth, seconds, width) >= best * (1 - 1e-5)


@given(falling, any_seconds, st.floats(1, 3))
def test_a_loose_bound_stops_later_never_worse(probabilities, seconds, slack):
    rule = StopRule(seconds).fresh()
    nodes = nodes_of(probabilities)
    bounds = [min(1.0, slack * probability) for probability in probabilities]
    made = next((n for n in range(1, len(nodes)) if rule.reached(nodes[:n], bounds[n - 1])), len(nodes))
    best = max(rate(probabilities, seconds, n) for n in range(1, len(nodes) + 1))
    assert rate(probabilities, seconds, rule.width(nodes[:made])) >= best * (1 - 1e-5)


@given(falling, st.integers(1, 40), st.floats(1, 20))
def test_a_search_that_is_over_stays_over(probabilities, cheap, dear):
    """Also where the same nodes are asked about twice."""
    rule = StopRule([1.0] * cheap + [dear] * (64 - cheap))
    nodes = nodes_of(probabilities)
    made = next((n for n in range(1, len(nodes)) if rule.reached(nodes[:n], probabilities[n - 1])), None)
    if made is not None:
        assert rule.reached(nodes[:made], probabilities[made - 1] / 2)


@given(falling, any_seconds, values)
def test_the_width_is_choose_width(probabilities, seconds, value):
    width = choose_width(probabilities, seconds, value)
    assert StopRule(seconds).fresh(value).width(nodes_of(probabilities)) == width
    worth = [probability + value for probability in probabilities]
    assert rate(worth, seconds, width) == pytest.approx(max(rate(worth, seconds, n) for n in range(1, len(worth) + 2)))


@given(falling, any_seconds, falling)
def test_a_fresh_rule_remembers_no_other_draft(probabilities, seconds, other):
    used = StopRule(seconds)
    for n in range(1, len(other) + 1):
        used.reached(nodes_of(other)[:n], 1.0)
    answers = []
    for rule in (used.fresh(), StopRule(seconds)):
        nodes = nodes_of(probabilities)
        answers.append([rule.reached(nodes[:n], probabilities[n - 1]) for n in range(1, len(nodes))])
    assert answers[0] == answers[1]


def test_a_search_stops_at_once_where_no_draft_pays():
    steep = StopRule([float(n) for n in range(1, 65)])
    assert steep.reached(nodes_of([]), 0.5)
    assert not StopRule([1.0] * 64).reached(nodes_of([]), 0.5)


@pytest.mark.parametrize("seconds", [[], [0.0], [1.0, -1.0]])
def test_times_that_are_none_are_refused(seconds):
    with pytest.raises(ValueError, match="pass_seconds"):
        StopRule(seconds)


@given(falling, any_seconds)
def test_a_chain_that_reads_nothing_again_has_the_width_of_a_tree(probabilities, seconds):
    nodes = nodes_of(probabilities)
    assert ChainRule(seconds, Chain(0, rereads=False)).width(nodes) == StopRule(seconds).width(nodes)


@given(st.lists(st.floats(0.05, 1), min_size=1, max_size=20), any_seconds, st.integers(0, 20))
def test_a_chain_pays_for_what_may_be_read_again(chances, seconds, reread):
    """Against the sum over where the chain ends: so many tokens, and the wider pass that comes after it."""
    paths = [math.prod(chances[: depth + 1]) for depth in range(len(chances))]

    def rate(width: int) -> float:
        ends = [left - right for left, right in pairwise([1.0, *paths[: width - 1], 0.0])]
        failing = sum(ends[:-1])
        again = sum(share * (reread + 1 + accepted) for accepted, share in enumerate(ends[:-1]))
        later = 0.0
        if failing > 1e-9:
            later = max(0.0, seconds[min(round(again / failing), len(seconds) - 1)] - seconds[0]) * failing
        return sum(share * (1 + accepted) for accepted, share in enumerate(ends)) / (
            seconds[reread + width - 1] + later
        )

    best = max(map(rate, range(1, len(paths) + 2)))
    assert rate(ChainRule(seconds, Chain(reread)).width(nodes_of(paths))) == pytest.approx(best, rel=1e-3)
