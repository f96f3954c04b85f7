"""Every number that is shown, printed or compared: pure functions of step and run records.

One definition for the page, the command line and the tests. Steps are decode steps: the prefill is a forward pass
but no step. Ratios without a denominator raise ValueError; ``or_none`` turns that into None for JSON.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeVar

from lookahead.draft import DraftTree
from lookahead.records import RunRecord, StepRecord

NodeStatus = Literal["root", "accepted", "rejected", "unchecked"]
Kind = TypeVar("Kind", int, str)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Draft nodes of one kind: how many were drafted, how many the model looked at, how many it accepted."""

    drafted: int
    checked: int
    accepted: int

    @property
    def rate(self) -> float:
        """Accepted / drafted, the acceptance rate of this kind."""
        return self.accepted / self.drafted


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Draft nodes whose estimated probability lies in ``low..high``: what was estimated, what was observed."""

    low: float
    high: float
    nodes: int
    estimated: float
    observed: float


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


# ------------------------------------------------------------------ what happened to the draft nodes


def node_statuses(step: StepRecord) -> tuple[NodeStatus, ...]:
    """What became of every node of a step's draft, shape ``(n,)`` (empty for the prefill).

    ``rejected``: its parent is on the accepted path and the model chose another token there. ``unchecked``: its
    parent is not on the path, or the output ended before the model's choice counted.
    """
    draft = step.draft
    if draft is None:
        return ()
    on_path = {0, *step.accepted_nodes}
    statuses: list[NodeStatus] = ["root"]
    for node in range(1, len(draft)):
        parent = draft.parents[node]
        if node in on_path:
            statuses.append("accepted")
        elif parent in on_path and step.target_ids[parent] not in (-1, draft.token_ids[node]):
            statuses.append("rejected")
        else:
            statuses.append("unchecked")
    return tuple(statuses)


def accepted_length_histogram(steps: Iterable[StepRecord]) -> dict[int, int]:
    """Accepted draft tokens (the bonus not counted) -> number of decode steps, shortest first."""
    return dict(sorted(Counter(len(step.accepted_nodes) for step, _ in decode_steps(steps)).items()))


def acceptance_by_source(steps: Iterable[StepRecord]) -> dict[str, Acceptance]:
    """Acceptance of the draft nodes of every source that drafted."""
    return _by_kind(steps, lambda _, draft: draft.sources)


def acceptance_by_depth(steps: Iterable[StepRecord]) -> dict[int, Acceptance]:
    """Acceptance of the draft nodes at every depth (the root's children have depth 1)."""
    return _by_kind(steps, lambda _, draft: draft.depths())


def acceptance_by_match_length(steps: Iterable[StepRecord]) -> dict[int, Acceptance]:
    """Acceptance of the draft nodes of the steps with every match length."""
    return _by_kind(steps, lambda step, draft: [step.match_length] * len(draft))


def _by_kind(
    steps: Iterable[StepRecord], kinds: Callable[[StepRecord, DraftTree], Sequence[Kind]]
) -> dict[Kind, Acceptance]:
    drafted: Counter[Kind] = Counter()
    checked: Counter[Kind] = Counter()
    accepted: Counter[Kind] = Counter()
    for step, draft in decode_steps(steps):
        statuses = node_statuses(step)
        for node, kind in enumerate(kinds(step, draft)):
            if node:
                drafted[kind] += 1
                checked[kind] += statuses[node] in ("accepted", "rejected")
                accepted[kind] += statuses[node] == "accepted"
    return {kind: Acceptance(drafted[kind], checked[kind], accepted[kind]) for kind in sorted(drafted)}


def calibration(steps: Iterable[StepRecord], bins: int = 10) -> list[CalibrationBin]:
    """Estimated against observed acceptance of draft nodes, in equal bins of the estimate; empty bins left out.

    A step that the end of the output cut short is left out: nobody knows what its other nodes would have become.
    """
    nodes, estimated, accepted = [0] * bins, [0.0] * bins, [0] * bins
    for step, draft in decode_steps(steps):
        if len(step.emitted_ids) == len(step.accepted_nodes):
            continue
        on_path = set(step.accepted_nodes)
        for node in range(1, len(draft)):
            place = min(bins - 1, int(draft.probabilities[node] * bins))
            nodes[place] += 1
            estimated[place] += draft.probabilities[node]
            accepted[place] += node in on_path
    edges = pairwise(place / bins for place in range(bins + 1))
    return [
        CalibrationBin(low, high, count, total / count, right / count)
        for (low, high), count, total, right in zip(edges, nodes, estimated, accepted, strict=True)
        if count
    ]


def first_difference(tokens: Sequence[int], others: Sequence[int]) -> int | None:
    """Index of the first token that differs; the shorter length where one goes on; None where they are the same.

    >>> first_difference([5, 6, 7], [5, 6])
    2
    """
    for place, (token_id, other_id) in enumerate(zip(tokens, others, strict=False)):
        if token_id != other_id:
            return place
    return None if len(tokens) == len(others) else min(len(tokens), len(others))
