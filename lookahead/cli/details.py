"""Why the acceptance rate of a run is what it is: draft tokens by source, depth and match length; time by phase."""

from __future__ import annotations

from lookahead.cli.console import table
from lookahead.metrics import decode_steps, mean_step_timings
from lookahead.node_metrics import acceptance_by_depth, acceptance_by_match_length, acceptance_by_source, in_ranges
from lookahead.records import RunRecord


def details(run: RunRecord) -> str:
    """A table of the draft tokens and a line on the mean decode step."""
    steps = run.steps
    kinds = {f"source {name}": kind for name, kind in acceptance_by_source(steps).items()}
    kinds |= {f"depth {label}": kind for label, kind in in_ranges(acceptance_by_depth(steps)).items()}
    kinds |= {f"match_length {label}": kind for label, kind in in_ranges(acceptance_by_match_length(steps)).items()}
    rows = [(name, kind.drafted, kind.checked, kind.accepted, kind.rate) for name, kind in kinds.items()]
    header = ("draft tokens by", "drafted", "checked", "accepted", "rate")
    parts = [table(header, rows) if rows else "nothing was drafted"]
    if any(decode_steps(steps)):
        mean = mean_step_timings(steps)
        parts.append(
            f"mean decode step: retrieve {1000 * mean.retrieve_seconds:.2f} ms, forward "
            f"{1000 * mean.forward_seconds:.2f} ms, verify {1000 * mean.verify_seconds:.2f} ms, commit "
            f"{1000 * mean.commit_seconds:.2f} ms"
        )
    return "\n\n".join(parts)
