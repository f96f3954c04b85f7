"""What ``--details`` prints: the reasons for a run's acceptance rate, and where the time went."""

from __future__ import annotations

from collections.abc import Sequence

from lookahead import metrics
from lookahead.cli.console import shown, table
from lookahead.records import Reason, RunRecord, StepRecord

_BECAUSE: dict[Reason, str] = {
    "unseen": "nothing more was seen there",
    "pays": "not probable enough to pay for a wider pass",
    "branch_length": "the branch was full",
    "width": "the draft was full",
    "strategy": "the strategy gives its parent one child",
}


def details(run: RunRecord) -> str:
    """A table of the draft tokens, one of what was not drafted (if known), and a line on the mean step."""
    parts = [_accepted(run.steps), _left_out(run.steps), _times(run.steps)]
    return "\n\n".join(part for part in parts if part)


def _accepted(steps: Sequence[StepRecord]) -> str:
    """Draft tokens by source, depth and match length."""
    ranges = metrics.in_ranges
    kinds = {f"source {name}": kind for name, kind in metrics.acceptance_by_source(steps).items()}
    kinds |= {f"depth {label}": kind for label, kind in ranges(metrics.acceptance_by_depth(steps)).items()}
    kinds |= {
        f"match_length {label}": kind for label, kind in ranges(metrics.acceptance_by_match_length(steps)).items()
    }
    rows = [(name, kind.drafted, kind.checked, kind.accepted, kind.rate) for name, kind in kinds.items()]
    header = ("draft tokens by", "drafted", "checked", "accepted", "rate")
    return table(header, rows) if rows else "nothing was drafted"


def _left_out(steps: Sequence[StepRecord]) -> str:
    """Why tokens were not drafted; empty if no step recorded it."""
    counts = metrics.left_out_by_reason(steps)
    if not counts:
        return ""
    rows = [(_BECAUSE[reason], count) for reason, count in counts.items()]
    empty = metrics.undrafted(steps)
    line = f"steps without a draft: {empty.steps}"
    if empty.median_probability is not None:
        line += f"; median probability of their best guess: {shown(empty.median_probability)}"
    return f"{table(('not drafted because', 'times'), rows)}\n{line}"


def _times(steps: Sequence[StepRecord]) -> str:
    """Where the time of a decode step goes; empty if there is no decode step."""
    if not any(metrics.decode_steps(steps)):
        return ""
    mean = metrics.mean_step_timings(steps)
    return (
        f"mean decode step: retrieve {1000 * mean.retrieve_seconds:.2f} ms, forward "
        f"{1000 * mean.forward_seconds:.2f} ms, verify {1000 * mean.verify_seconds:.2f} ms, commit "
        f"{1000 * mean.commit_seconds:.2f} ms"
    )
