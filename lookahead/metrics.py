"""Every number that is shown, printed or compared: pure functions of step and run records.

One definition for the command line, the figures and the tests; the page sums up steps as they come, and a test holds
the two together. Steps are decode steps: the prefill is a forward pass
but no step. Ratios without a denominator raise ValueError; ``or_none`` turns that into None for JSON. What became of
single draft nodes is told by ``node_metrics.py``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from lookahead.draft import DraftTree
from lookahead.records import RunRecord, StepRecord, StepTimings


def or_none(ratio: Callable[[Sequence[StepRecord]], float], steps: Sequence[StepRecord]) -> float | None:
    """The ratio, or None where it has no denominator.

    >>> or_none(mean_accepted_tokens, []) is None
    True
    """
    try:
        return ratio(steps)
    except ValueError:
        return None


# ------------------------------------------------------------------ counts and ratios


def emitted_ids(steps: Iterable[StepRecord]) -> tuple[int, ...]:
    """All generated tokens in order, EOS included when it was generated."""
    return tuple(token_id for step in steps for token_id in step.emitted_ids)


def decode_steps(steps: Iterable[StepRecord]) -> Iterator[tuple[StepRecord, DraftTree]]:
    """The steps after the prefill, each with its draft tree."""
    for step in steps:
        if step.draft is not None:
            yield step, step.draft


def forward_passes(steps: Iterable[StepRecord]) -> int:
    """Forward passes, the prefill included."""
    return sum(1 for _ in steps)


def mean_accepted_tokens(steps: Iterable[StepRecord]) -> float:
    """Tokens emitted per decode step, bonus token included (>= 1.0).

    The paper's EDL (arXiv:2312.12728) and Spec-Bench's "#Mean accepted tokens"; the prefill is left out.

    Raises:
        ValueError: If no step decoded anything.
    """
    emitted = [len(step.emitted_ids) for step, _ in decode_steps(steps)]
    if not emitted:
        raise ValueError("no decode step: mean accepted tokens is not defined")
    return sum(emitted) / len(emitted)


def acceptance_rate(steps: Iterable[StepRecord]) -> float:
    """Accepted draft tokens / draft tokens; roots and bonus tokens are neither.

    Raises:
        ValueError: If nothing was drafted.
    """
    drafted = accepted = 0
    for step, draft in decode_steps(steps):
        drafted += len(draft) - 1
        accepted += len(step.accepted_nodes)
    if not drafted:
        raise ValueError("no draft token: the acceptance rate is not defined")
    return accepted / drafted


def draft_tokens_per_step(steps: Iterable[StepRecord]) -> float:
    """Draft tokens (roots excluded) per decode step.

    Raises:
        ValueError: If no step decoded anything.
    """
    widths = [len(draft) - 1 for _, draft in decode_steps(steps)]
    if not widths:
        raise ValueError("no decode step: draft tokens per step is not defined")
    return sum(widths) / len(widths)


def summary(run: RunRecord) -> dict[str, Any]:
    """The numbers of one run, as JSON carries them; null where one is not defined."""
    return {
        "token_ids": list(run.token_ids),
        "forward_passes": forward_passes(run.steps),
        "mean_accepted_tokens": or_none(mean_accepted_tokens, run.steps),
        "acceptance_rate": or_none(acceptance_rate, run.steps),
        "seconds": run.seconds,
        "decode_seconds": decode_seconds(run),
        "tokens_per_second": tokens_per_second(run),
        "finish_reason": run.finish_reason,
    }


# ------------------------------------------------------------------ time


def decode_seconds(run: RunRecord) -> float:
    """Wall clock after the first token (0.0 where there was none)."""
    return 0.0 if run.first_token_seconds is None else run.seconds - run.first_token_seconds


def tokens_per_second(run: RunRecord) -> float:
    """Generated tokens / wall clock of the whole run, the prefill included (0.0 for a run that took no time)."""
    return len(run.token_ids) / run.seconds if run.seconds > 0 else 0.0


def speedup(reference: RunRecord, run: RunRecord) -> float:
    """Wall clock of ``reference`` / of ``run``, end to end: above 1 the run is the faster one.

    Raises:
        ValueError: If the run took no time.
    """
    return _ratio(reference.seconds, run.seconds, "speedup")


def decode_speedup(reference: RunRecord, run: RunRecord) -> float:
    """The same after the first token.

    Raises:
        ValueError: If the run spent no time after its first token.
    """
    return _ratio(decode_seconds(reference), decode_seconds(run), "decode speedup")


def _ratio(reference_seconds: float, seconds: float, name: str) -> float:
    if not seconds > 0:
        raise ValueError(f"{seconds} seconds: {name} is not defined")
    return reference_seconds / seconds


def mean_step_timings(steps: Iterable[StepRecord]) -> StepTimings:
    """Where the time of a decode step goes on average, phase by phase.

    Raises:
        ValueError: If no step decoded anything.
    """
    timings = [step.timings for step, _ in decode_steps(steps)]
    if not timings:
        raise ValueError("no decode step: the time of a step is not defined")
    return StepTimings(
        sum(timing.retrieve_seconds for timing in timings) / len(timings),
        sum(timing.forward_seconds for timing in timings) / len(timings),
        sum(timing.verify_seconds for timing in timings) / len(timings),
        sum(timing.commit_seconds for timing in timings) / len(timings),
    )


def accepted_length_histogram(steps: Iterable[StepRecord]) -> dict[int, int]:
    """Accepted draft tokens (the bonus not counted) -> number of decode steps, shortest first."""
    return dict(sorted(Counter(len(step.accepted_nodes) for step, _ in decode_steps(steps)).items()))


def first_difference(tokens: Sequence[int], others: Sequence[int]) -> int | None:
    """Index of the first token that differs; the shorter length where one goes on; None where they are the same.

    >>> first_difference([5, 6, 7], [5, 6])
    2
    """
    for place, (token_id, other_id) in enumerate(zip(tokens, others, strict=False)):
        if token_id != other_id:
            return place
    return None if len(tokens) == len(others) else min(len(tokens), len(others))
