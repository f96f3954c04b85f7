"""All numbers that are shown, printed or compared: pure functions of step and run records.

The command line, the figures and the tests share these definitions; the page sums up steps as they arrive, and a test
compares the two. The prefill is a forward pass, but not a decode step. A ratio without a denominator raises ValueError;
``or_none`` turns that into None for JSON.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, astuple, dataclass
from statistics import median
from typing import Any, Literal, TypeVar, get_args

from lookahead.costs import PassCosts
from lookahead.draft import DraftTree
from lookahead.records import Reason, RunRecord, StepRecord, StepTimings

NodeStatus = Literal["root", "accepted", "rejected", "unchecked"]
Kind = TypeVar("Kind", int, str)


def or_none(ratio: Callable[[Sequence[StepRecord]], float], steps: Sequence[StepRecord]) -> float | None:
    """The ratio, or None if it has no denominator.

    >>> or_none(mean_accepted_tokens, []) is None
    True
    """
    try:
        return ratio(steps)
    except ValueError:
        return None


# ------------------------------------------------------------------ counts and ratios


def decode_steps(steps: Iterable[StepRecord]) -> Iterator[tuple[StepRecord, DraftTree]]:
    """The steps after the prefill, each with its draft tree."""
    for step in steps:
        if step.draft is not None:
            yield step, step.draft


def outcomes(steps: Iterable[StepRecord]) -> tuple[tuple[int, int], ...]:
    """Of every decode step, its draft tokens and the accepted ones (the root and the bonus are neither)."""
    return tuple((len(draft) - 1, len(step.accepted_nodes)) for step, draft in decode_steps(steps))


def forward_passes(steps: Iterable[StepRecord]) -> int:
    """Forward passes, the prefill included."""
    return sum(1 for _ in steps)


def mean_accepted_tokens(steps: Iterable[StepRecord]) -> float:
    """Tokens emitted per decode step, bonus token included (>= 1.0).

    The paper's EDL (arXiv:2312.12728) and Spec-Bench's "#Mean accepted tokens"; the prefill is left out.

    Raises:
        ValueError: If no step decoded anything.
    """
    return _mean([len(step.emitted_ids) for step, _ in decode_steps(steps)], "mean accepted tokens is")


def acceptance_rate(steps: Iterable[StepRecord]) -> float:
    """Accepted draft tokens / draft tokens; roots and bonus tokens are neither.

    Raises:
        ValueError: If nothing was drafted.
    """
    found = outcomes(steps)
    drafted = sum(nodes for nodes, _ in found)
    if not drafted:
        raise ValueError("no draft token: the acceptance rate is not defined")
    return sum(accepted for _, accepted in found) / drafted


def draft_tokens_per_step(steps: Iterable[StepRecord]) -> float:
    """Draft tokens (roots excluded) per decode step.

    Raises:
        ValueError: If no step decoded anything.
    """
    return _mean([len(draft) - 1 for _, draft in decode_steps(steps)], "draft tokens per step is")


def _mean(values: Sequence[float], what: str) -> float:
    """The mean over decode steps, one value each."""
    if not values:
        raise ValueError(f"no decode step: {what} not defined")
    return sum(values) / len(values)


def _means(rows: Sequence[Sequence[float]]) -> Iterator[float]:
    """The mean of each column."""
    return (sum(column) / len(rows) for column in zip(*rows, strict=True))


def summary(run: RunRecord) -> dict[str, Any]:
    """The numbers of one run for JSON; null if one is not defined."""
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


def in_vllm_words(outcomes: Iterable[tuple[int, int]]) -> dict[str, Any]:
    """The outcomes of decode steps by the names of vLLM's counters and logs; None if a ratio is not defined.

    vLLM counts only the passes that had a draft: ``mean_acceptance_length`` is 1 + accepted tokens / drafts, and
    ``mean_accepted_tokens`` the like over all decode steps. Position i of a draft is accepted if more than i of its
    tokens are, on whatever branch. ``assets/docs/acceptance.md`` says which of the numbers compare.

    >>> in_vllm_words([(3, 2), (3, 0), (0, 0)])["mean_acceptance_length"]
    2.0
    """
    drafts = [(drafted, accepted) for drafted, accepted in outcomes if drafted]
    drafted, accepted = (sum(column) for column in zip(*drafts, strict=True)) if drafts else (0, 0)
    deepest = max((length for _, length in drafts), default=0)
    per_position = [sum(length > place for _, length in drafts) for place in range(deepest)]
    return {
        "num_drafts": len(drafts),
        "num_draft_tokens": drafted,
        "num_accepted_tokens": accepted,
        "num_accepted_tokens_per_pos": per_position,
        "mean_acceptance_length": 1 + accepted / len(drafts) if drafts else None,
        "draft_acceptance_rate": accepted / drafted if drafts else None,
        "per_position_acceptance_rate": [count / len(drafts) for count in per_position],
    }


# ------------------------------------------------------------------ time


def decode_seconds(run: RunRecord) -> float:
    """Wall clock after the first token (0.0 if there was none)."""
    return 0.0 if run.first_token_seconds is None else run.seconds - run.first_token_seconds


def tokens_per_second(run: RunRecord) -> float:
    """Generated tokens / wall clock of the whole run, the prefill included (0.0 for a run that took no time)."""
    return len(run.token_ids) / run.seconds if run.seconds > 0 else 0.0


def mean_step_timings(steps: Iterable[StepRecord]) -> StepTimings:
    """Mean time of each phase of a decode step.

    Raises:
        ValueError: If no step decoded anything.
    """
    timings = [astuple(step.timings) for step, _ in decode_steps(steps)]
    if not timings:
        raise ValueError("no decode step: the time of a step is not defined")
    return StepTimings(*_means(timings))


def modelled_seconds(steps: Iterable[StepRecord], costs: PassCosts) -> float:
    """Seconds of the decode steps if every forward pass took T(n): those, and the measured time of the drafting.

    Drafting is all that plain decoding does not do: retrieving, verifying, and reading what came out.
    """
    return sum(
        costs.at(len(draft) + (step.chain.reread if step.chain else 0))
        + step.timings.retrieve_seconds
        + step.timings.verify_seconds
        + step.timings.commit_seconds
        for step, draft in decode_steps(steps)
    )


def accepted_length_histogram(steps: Iterable[StepRecord]) -> dict[int, int]:
    """Accepted draft tokens (the bonus not counted) -> number of decode steps, shortest first."""
    return dict(sorted(Counter(len(step.accepted_nodes) for step, _ in decode_steps(steps)).items()))


def first_difference(tokens: Sequence[int], others: Sequence[int]) -> int | None:
    """Index of the first token that differs; the shorter length if one is a prefix of the other; None if equal.

    >>> first_difference([5, 6, 7], [5, 6])
    2
    """
    common = min(len(tokens), len(others))
    equal = None if len(tokens) == len(others) else common
    return next((place for place in range(common) if tokens[place] != others[place]), equal)


# ------------------------------------------------------------------ draft nodes


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Draft nodes of one kind: how many were drafted, checked by the model, and accepted."""

    drafted: int = 0
    checked: int = 0
    accepted: int = 0

    def __add__(self, other: Acceptance) -> Acceptance:
        return Acceptance(self.drafted + other.drafted, self.checked + other.checked, self.accepted + other.accepted)

    @property
    def rate(self) -> float:
        """Accepted / drafted, the acceptance rate of this kind."""
        return self.accepted / self.drafted


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Draft nodes with an estimated probability in ``low..high``: mean estimate and observed acceptance."""

    low: float
    high: float
    nodes: int
    estimated: float
    observed: float


def node_statuses(step: StepRecord) -> tuple[NodeStatus, ...]:
    """The outcome of every node of a step's draft, shape ``(n,)`` (empty for the prefill).

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
    """Acceptance of the draft nodes, by source."""
    return _by_kind(steps, lambda _, draft: draft.sources)


def acceptance_by_depth(steps: Iterable[StepRecord]) -> dict[int, Acceptance]:
    """Acceptance of the draft nodes, by depth (the root's children have depth 1)."""
    return _by_kind(steps, lambda _, draft: draft.depths())


def acceptance_by_match_length(steps: Iterable[StepRecord]) -> dict[int, Acceptance]:
    """Acceptance of the draft nodes, by the match length of their step."""
    return _by_kind(steps, lambda step, draft: [step.match_length] * len(draft))


def in_ranges(kinds: dict[int, Acceptance]) -> dict[str, Acceptance]:
    """Depths or match lengths grouped in ranges 0, 1, 2, 3-4, 5-8, 9-16, ..., shortest first.

    >>> in_ranges({3: Acceptance(2, 2, 1), 4: Acceptance(1, 0, 0)})
    {'3-4': Acceptance(drafted=3, checked=2, accepted=1)}
    """
    ranges: dict[str, Acceptance] = {}
    for number, kind in sorted(kinds.items()):
        high = 1 << (number - 1).bit_length() if number else 0
        label = str(high) if high < 3 else f"{high // 2 + 1}-{high}"
        ranges[label] = ranges.get(label, Acceptance()) + kind
    return ranges


def _by_kind(
    steps: Iterable[StepRecord], kinds: Callable[[StepRecord, DraftTree], Sequence[Kind]]
) -> dict[Kind, Acceptance]:
    nodes = Counter(
        node
        for step, draft in decode_steps(steps)
        for node in list(zip(kinds(step, draft), node_statuses(step), strict=True))[1:]
    )
    by_kind: dict[Kind, Acceptance] = {}
    for (kind, status), count in sorted(nodes.items()):
        checked, accepted = status != "unchecked", status == "accepted"
        by_kind[kind] = by_kind.get(kind, Acceptance()) + Acceptance(count, count * checked, count * accepted)
    return by_kind


def calibration(steps: Iterable[StepRecord], bins: int = 10) -> list[CalibrationBin]:
    """Estimated against observed acceptance of draft nodes, in equal bins of the estimate; empty bins left out.

    A step that the end of the output cut short is left out, because the outcome of its other nodes is unknown.
    """
    nodes: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for step, draft in decode_steps(steps):
        if len(step.emitted_ids) > len(step.accepted_nodes):
            for node, probability in enumerate(draft.probabilities[1:], start=1):
                nodes[min(bins - 1, int(probability * bins))].append((probability, node in step.accepted_nodes))
    return [
        CalibrationBin(place / bins, (place + 1) / bins, len(found), *_means(found))
        for place, found in enumerate(nodes)
        if found
    ]


# ------------------------------------------------------------------ what was not drafted


def left_out_by_reason(steps: Iterable[StepRecord]) -> dict[Reason, int]:
    """Reason -> how often it left something out, summed over the steps; empty if no step recorded it."""
    accounts = [step.left_out for step in steps if step.left_out is not None]
    if not accounts:
        return {}
    return {reason: sum(getattr(account, reason) for account in accounts) for reason in get_args(Reason)}


def undrafted(steps: Iterable[StepRecord]) -> dict[str, Any]:
    """The decode steps without a draft, among those that recorded what was left out.

    ``median_probability`` is the median over these steps of the probability of the best candidate that was left out;
    None if no step had a candidate.
    """
    accounts = [step.left_out for step, draft in decode_steps(steps) if len(draft) == 1 and step.left_out is not None]
    best = [account.best.probability for account in accounts if account.best is not None]
    return {"steps": len(accounts), "median_probability": median(best) if best else None}


def details(steps: Sequence[StepRecord]) -> dict[str, Any]:
    """The numbers behind an acceptance rate, for JSON: what ``generate --details`` prints.

    ``by_source``, ``by_depth`` and ``by_match_length`` hold draft tokens. ``not_drafted`` is empty and ``undrafted``
    None if no step recorded it; ``mean_step`` (seconds per phase) is None without a decode step.
    """
    kinds = {
        "by_source": acceptance_by_source(steps),
        "by_depth": in_ranges(acceptance_by_depth(steps)),
        "by_match_length": in_ranges(acceptance_by_match_length(steps)),
    }
    return {
        **{
            name: {label: asdict(kind) | {"rate": kind.rate} for label, kind in found.items()}
            for name, found in kinds.items()
        },
        "not_drafted": (reasons := left_out_by_reason(steps)),
        "undrafted": undrafted(steps) if reasons else None,
        "mean_step": asdict(mean_step_timings(steps)) if any(decode_steps(steps)) else None,
        "vllm": in_vllm_words(outcomes(steps)),
    }
