"""Recycled logits as a source: what the model found likely after a token is drafted when the token comes again."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookahead.config import LookaheadConfig
from lookahead.costs import PassCosts
from lookahead.drafter import Drafter
from lookahead.engine import LookaheadEngine
from lookahead.search.best_first import Search
from lookahead.search.confidence import Confidence
from lookahead.sources.recycled import LATELY_LISTED, LATELY_RANK, RANKS, ROW_BYTES, ROW_VALUE, RecycledLogits
from lookahead.sources.source import Level
from tests.lookahead.fake_backend import FakeBackend, row

ids = st.integers(0, 9)
passes = st.lists(st.lists(st.tuples(ids, st.lists(ids, min_size=1, max_size=3, unique=True)), min_size=1), max_size=9)


def after(context: list[int], *passes: list[tuple[int, list[int]]]) -> RecycledLogits:
    """The source after these passes, each a chain of tokens and what was likely after each, and at a context."""
    return read_on(RecycledLogits(), context, *passes)


def read_on(source: RecycledLogits, context: list[int], *passes: list[tuple[int, list[int]]]) -> RecycledLogits:
    for chain in passes:
        token_ids = [token_id for token_id, _ in chain]
        source.follow(token_ids[:1])
        source.read(token_ids, range(-1, len(chain) - 1), b"".join(row(*likely) for _, likely in chain))
        source.follow(token_ids[1:])
    source.follow(context)
    return source


def rows_at(source: RecycledLogits) -> list[Level]:
    """Its levels without what was likely lately."""
    return [level for level in source.levels(source.locus()) if level[0] in RANKS]


def lately(source: RecycledLogits) -> list[int]:
    """The tokens that were likely lately, the heaviest first."""
    levels = [level for level in source.levels(source.locus()) if level[0] == LATELY_RANK]
    return [token for level in levels for _, token, _ in source.candidates(level)]


@given(passes, st.lists(ids, min_size=2, max_size=5))
def test_levels_are_the_last_rows_of_the_last_two_tokens_and_of_the_last_one(read, context):
    source = after(context, *read)
    chain = [token_id for one in read for token_id, _ in one]
    likely = [found for one in read for _, found in one]
    expected = {}
    for place, found in enumerate(likely):
        expected[1, chain[place]] = expected[2, *chain[max(0, place - 1) : place + 1]] = found
    wanted = [(RANKS[0], expected.get((2, *context[-2:]))), (RANKS[1], expected.get((1, context[-1])))]
    levels = rows_at(source)
    assert [(level[0], [token for _, token, _ in source.candidates(level)]) for level in levels] in (
        [(length, found) for length, found in wanted if found],
        [(length, found) for length, found in wanted[:1] if found],  # the same row twice is one level
    )
    for level in source.levels(source.locus()):
        weights = [weight for weight, _, _ in source.candidates(level)]
        assert weights == sorted(weights, reverse=True)
        assert abs(sum(weights) - level[1]) < 1e-9
        assert level[2] == (len(weights) == 1)
        held = {token_id for token_id in range(10) if source.holds(level, token_id)}
        assert held == {token for _, token, _ in source.candidates(level)}


@given(passes, st.integers(1, 6))
def test_the_table_is_never_larger_than_its_bound_and_forgets_the_oldest(read, most):
    source = RecycledLogits(most)
    for chain in read:
        read_on(source, [], chain)
        assert len(source.rows) <= most
        assert next(iter(source.levels(source.locus())), None) is not None  # the row written last is there


def test_a_row_of_zeros_says_nothing():
    source = RecycledLogits()
    source.follow([4])
    source.read([4, 5], [-1, 0], bytes(ROW_BYTES) + row(6))
    assert list(source.levels(source.locus())) == []
    source.follow([5])
    assert [level[0] for level in source.levels(source.locus())] == [RANKS[0], LATELY_RANK]
    assert lately(source) == [6]


@given(passes, st.lists(ids, min_size=1, max_size=5))
def test_lately_are_the_tokens_of_the_rows_and_the_last_level_everywhere(read, context):
    source = after(context, *read)
    held = {token_id for one in read for _, likely in one for token_id in likely}
    assert set(lately(source)) <= held
    assert len(lately(source)) == min(len(held), LATELY_LISTED)
    further = list(source.levels(source.advance(source.locus(), 99)))
    assert further[-1:] == list(source.levels(source.locus()))[-1:]


def test_what_was_likely_after_the_wrong_guess_comes_first_after_the_right_token():
    """The draft had 5 and 6 after 4, the model wrote 7: what follows it may well be what follows 5 and 6."""
    source = RecycledLogits()
    source.follow([4])
    source.read([4, 5, 6, 8], [-1, 0, 0, 1], row(1) + row(2, 3) + row(3) + row(9))
    source.follow([7])
    assert lately(source)[0] == 3
    assert set(lately(source)) == {1, 2, 3, 9}
    source.read([7], [-1], row(2))
    source.follow([2])
    assert lately(source)[0] == 2  # what the passes before found likely fades
    source.read([2], [-1], bytes(ROW_BYTES))
    source.follow([1])
    assert set(lately(source)) == {1, 2, 3, 9}


def test_a_draft_node_is_worth_more_where_its_row_is_kept(monkeypatch: pytest.MonkeyPatch):
    source = RecycledLogits()
    assert source.row_value == 0
    source.read([4], [-1], row(5))
    assert source.row_value == ROW_VALUE
    costs = PassCosts((1, 64), (1.0, 1.64))  # a node costs 1 % of a pass
    widths: dict[tuple[bool, float], int] = {}
    for recycles in (False, True):
        for value in (0.0, 0.1):
            monkeypatch.setattr("lookahead.sources.recycled.ROW_VALUE", value)
            _, steps = run_of(LookaheadConfig(), recycles, costs)
            widths[recycles, value] = sum(len(step.draft or ()) for step in steps)
    assert widths[True, 0.1] > widths[True, 0.0]
    assert widths[False, 0.1] == widths[False, 0.0]


def test_alone_it_drafts_the_likeliest_paths_and_learns_what_was_right():
    source = after([1], [(1, [2, 3]), (2, [4]), (3, [5])], [(4, [1])])
    confidence = Confidence()
    search = Search([source], confidence, 1)
    tree = search.run(16, 15, "hierarchical", None)
    tree.check()
    assert set(tree.sources[1:]) == {"model"}
    assert tree.token_ids[1:3] in ((2, 4), (2, 3))
    assert (4, tree.token_ids.index(2)) in zip(tree.token_ids, tree.parents, strict=True)
    before = list(confidence.of(source).values)
    search.learn([2, 4, 9])
    assert confidence.of(source).values != before


def likes_what_came_before(context: Sequence[int]) -> int:
    """A model whose outputs repeat no three tokens soon, but whose next token depends on the last one mostly."""
    return (3 * context[-1] + 1 + (len(context) // 11) % 2) % 50


def run_of(config: LookaheadConfig, recycles: bool, costs: PassCosts | None = None):
    backend = FakeBackend(likes_what_came_before, recycles=recycles)
    steps = list(LookaheadEngine(backend, config, pass_costs=costs).generate([1, 2, 3], max_new_tokens=120))
    return [token_id for step in steps for token_id in step.emitted_ids], steps


def test_the_same_tokens_in_fewer_passes_and_rejected_rows_are_used():
    tokens, steps = run_of(LookaheadConfig(decoding_length=16, budget="fixed"), recycles=True)
    without, more = run_of(LookaheadConfig(decoding_length=16, budget="fixed"), recycles=False)
    assert tokens == without
    assert len(steps) < len(more)
    assert any(step.draft and step.draft.sources[node] == "model" for step in steps for node in step.accepted_nodes)
    assert all(len(step.successors or b"") == ROW_BYTES * len(step.target_ids) for step in steps)


def test_switched_off_or_not_handed_back_there_are_no_rows():
    for config, recycles in (
        (LookaheadConfig(sources=("prompt", "output")), True),
        (LookaheadConfig(), False),
        (LookaheadConfig(decoding_length=1), True),
    ):
        _, steps = run_of(config, recycles)
        assert all(step.successors is None for step in steps)


@pytest.mark.parametrize(
    ("seconds", "kept"), [((1.0, 2.0, 64.0), False), ((1.0, 1.99, 64.0), True), ((1.0, 2.5, 63.0), True)]
)
def test_no_rows_are_kept_where_no_width_can_pay(seconds: tuple[float, ...], kept: bool):
    _, steps = run_of(LookaheadConfig(), True, PassCosts((1, 2, 64), seconds))
    assert all((step.successors is not None) is kept for step in steps)


def test_where_a_wider_pass_costs_its_width_it_drafts_nothing():
    _, steps = run_of(LookaheadConfig(), True, PassCosts((1, 64), (0.001, 0.064)))
    drafted = [len(step.draft or ()) - 1 for step in steps[1:]]
    assert sum(drafted) / len(drafted) < 1
    _, steps = run_of(LookaheadConfig(), True, PassCosts((1, 64), (0.001, 0.0011)))
    assert any(step.draft and "model" in step.draft.sources for step in steps)


def test_rows_stay_with_their_run():
    """The next request begins without them: a run's file has all that it drafted from."""
    drafter = Drafter(LookaheadConfig())
    first = drafter.start([1, 2])
    first.draft(1, 0, None)
    first.recycle(row(3))
    first.commit([3])
    first.commit([4])
    first.finish()
    assert "model" not in drafter.start([9, 2]).draft(8, 7, None).sources
