"""What ``--details`` prints: the reasons for a run's acceptance rate, and where the time went."""

from __future__ import annotations

from typing import Any

from lookahead import metrics
from lookahead.cli.console import shown, table
from lookahead.records import Reason, RunRecord

_BECAUSE: dict[Reason, str] = {
    "unseen": "nothing more was seen there",
    "pays": "not probable enough to pay for a wider pass",
    "branch_length": "the branch was full",
    "width": "the draft was full",
    "strategy": "the strategy gives its parent one child",
}


def details(run: RunRecord) -> str:
    """Tables of ``metrics.details``: the draft tokens, what was not drafted (if known), and a line on the mean step."""
    numbers = metrics.details(run.steps)
    parts = [_accepted(numbers), _left_out(numbers), _times(numbers["mean_step"])]
    return "\n\n".join(part for part in parts if part)


def _accepted(numbers: dict[str, Any]) -> str:
    """Draft tokens by source, depth and match length, and in sum in the words of vLLM."""
    rows = [
        (f"{kind} {label}", *(found[column] for column in ("drafted", "checked", "accepted", "rate")))
        for kind in ("source", "depth", "match_length")
        for label, found in numbers[f"by_{kind}"].items()
    ]
    if not rows:
        return "nothing was drafted"
    vllm = numbers["vllm"]
    per_position = " ".join(map(shown, vllm["per_position_acceptance_rate"])) or "-"
    return (
        f"{table(('draft tokens by', 'drafted', 'checked', 'accepted', 'rate'), rows)}\n"
        f"as vLLM counts: {vllm['num_drafts']} drafts, mean acceptance length {shown(vllm['mean_acceptance_length'])}, "
        f"draft acceptance rate {shown(vllm['draft_acceptance_rate'])}, per position {per_position}"
    )


def _left_out(numbers: dict[str, Any]) -> str:
    """Why tokens were not drafted; empty if no step recorded it."""
    counts, empty = numbers["not_drafted"], numbers["undrafted"]
    if not counts:
        return ""
    rows = [(_BECAUSE[reason], count) for reason, count in counts.items()]
    line = f"steps without a draft: {empty['steps']}"
    if empty["median_probability"] is not None:
        line += f"; median probability of their best guess: {shown(empty['median_probability'])}"
    return f"{table(('not drafted because', 'times'), rows)}\n{line}"


def _times(mean: dict[str, float] | None) -> str:
    """How the time of a decode step is spent; empty if there is no decode step."""
    if mean is None:
        return ""
    phases = (f"{name} {1000 * mean[f'{name}_seconds']:.2f} ms" for name in ("retrieve", "forward", "verify", "commit"))
    return f"mean decode step: {', '.join(phases)}"
