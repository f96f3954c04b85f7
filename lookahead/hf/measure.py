"""Measuring T(n): what a forward pass of n tokens costs on this model, device and dtype."""

from __future__ import annotations

from time import perf_counter

from lookahead.costs import PassCosts, measured_lengths
from lookahead.draft import DraftTree
from lookahead.hf.session import TreeSession

CONTEXT_ROWS = 192
"""Cached tokens behind which the passes are timed: a short answer in the making."""
BUDGET_SECONDS = 2.0
MOST_ROUNDS = 25
FEWEST_ROUNDS = 3
_TRIALS = 5
STALE, BENT = 3.0, 1.6
"""Remembered times that are off by the first factor, or whose ratio is off by the second, either way, were taken on a
busy machine or on another one."""


def trial_tree(count: int, vocab_size: int, deepest: int) -> DraftTree:
    """A tree of ``count`` nodes that branches at every other node, as drafts do.

    Where a branch is ``deepest`` tokens deep (>= 1), the next node begins another one at the root.
    """
    parents = [-1]
    for node in range(1, count):
        place = (node - 1) % (2 * deepest) + 1
        above = 1 if place % 2 else 2
        parents.append(node - above if place > 2 else 0)
    token_ids = tuple((17 + 5 * node) % vocab_size for node in range(count))
    return DraftTree(token_ids, tuple(parents), (1.0,) * count, ("prompt",) * count, (0,) * count)


def measure_pass_costs(
    session: TreeSession,
    vocab_size: int,
    longest: int,
    context_limit: int | None,
    budget_seconds: float = BUDGET_SECONDS,
) -> PassCosts:
    """Times of whole steps (pass, choices, accepted rows moved), the lengths in turns so that all see the same noise.

    The lower quartile counts: other work on the machine only ever adds time, and would bend the ratios.

    Args:
        session: An empty session; it is used up.
        longest: Longest pass to time.
        context_limit: Most tokens of a run; None where the model has no limit.
        budget_seconds: No new round begins after this much time once three are done, nor after four times as much.
    """
    lengths = measured_lengths(longest)
    room = CONTEXT_ROWS if context_limit is None else min(CONTEXT_ROWS, context_limit - longest)
    context = max(1, room)
    session.prefill([(3 + 7 * index) % vocab_size for index in range(context)])
    deepest = _deepest(context, longest, context_limit)
    trees = {length: trial_tree(length, vocab_size, deepest) for length in lengths}
    started = perf_counter()
    times: dict[int, list[float]] = {length: [] for length in lengths}
    for completed in range(MOST_ROUNDS):
        spent = perf_counter() - started
        if (completed >= FEWEST_ROUNDS and spent > budget_seconds) or (completed and spent > 4 * budget_seconds):
            break
        for length in lengths:
            times[length].append(_timed_step(session, trees[length], context))
    session.close()
    # The first round picks kernels and fills buffers; it counts only where there was no time for another.
    return PassCosts(lengths, tuple(_lower_quartile(times[length][1:] or times[length]) for length in lengths))


def _deepest(context: int, longest: int, context_limit: int | None) -> int:
    """Longest branch of a trial tree of ``longest`` tokens that ends within the model's positions."""
    return longest if context_limit is None else max(1, min(longest, context_limit - context - 1))


def _lower_quartile(values: list[float]) -> float:
    return sorted(values)[len(values) // 4]


def still_true(session: TreeSession, vocab_size: int, costs: PassCosts, widest: int, context_limit: int | None) -> bool:
    """Whether a few passes now take about as long as remembered, and the wide one as many times as long as the narrow.

    The fastest of five counts, of 1 token and of ``widest`` in turns.

    Args:
        session: An empty session; it is used up.
        widest: The other length to try.
        context_limit: Most tokens of a run; None where the model has no limit.
    """
    session.prefill([3 % vocab_size])
    trees = [trial_tree(length, vocab_size, _deepest(1, widest, context_limit)) for length in (1, widest)]
    rounds = [[_timed_step(session, tree, 1) for tree in trees] for _ in range(_TRIALS + 1)]
    session.close()
    one, wide = (min(times) for times in zip(*rounds[1:], strict=True))
    off_one, off_wide = one / costs.at(1), wide / costs.at(widest)
    return 1 / STALE < off_one < STALE and 1 / STALE < off_wide < STALE and 1 / BENT < off_wide / off_one < BENT


def _timed_step(session: TreeSession, tree: DraftTree, context: int) -> float:
    started = perf_counter()
    session.choose(tree)
    session.keep(tree.path(len(tree) - 1))
    seconds = perf_counter() - started
    session.rewind(context)
    return seconds
