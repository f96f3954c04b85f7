"""What became of the draft nodes: the status of each, acceptance by kind, estimates against observations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeVar

from lookahead.draft import DraftTree
from lookahead.metrics import decode_steps
from lookahead.records import StepRecord

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


def acceptance_by_source(steps: Iterable[StepRecord]) -> dict[str, Acceptance]:
    """Acceptance of the draft nodes of every source that drafted."""
    return _by_kind(steps, lambda _, draft: draft.sources)


def acceptance_by_depth(steps: Iterable[StepRecord]) -> dict[int, Acceptance]:
    """Acceptance of the draft nodes at every depth (the root's children have depth 1)."""
    return _by_kind(steps, lambda _, draft: draft.depths())


def acceptance_by_match_length(steps: Iterable[StepRecord]) -> dict[int, Acceptance]:
    """Acceptance of the draft nodes of the steps with every match length."""
    return _by_kind(steps, lambda step, draft: [step.match_length] * len(draft))


def in_ranges(kinds: dict[int, Acceptance]) -> dict[str, Acceptance]:
    """Depths or match lengths put together in ranges 0, 1, 2, 3-4, 5-8, 9-16, ..., shortest first.

    >>> in_ranges({3: Acceptance(2, 2, 1), 4: Acceptance(1, 0, 0)})
    {'3-4': Acceptance(drafted=3, checked=2, accepted=1)}
    """
    ranges: dict[str, Acceptance] = {}
    for number, kind in sorted(kinds.items()):
        high = 1 << (number - 1).bit_length() if number else 0
        label = str(high) if high < 3 else f"{high // 2 + 1}-{high}"
        so_far = ranges.get(label, Acceptance(0, 0, 0))
        ranges[label] = Acceptance(
            so_far.drafted + kind.drafted, so_far.checked + kind.checked, so_far.accepted + kind.accepted
        )
    return ranges


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
