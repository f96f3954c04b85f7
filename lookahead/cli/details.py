"""Why the acceptance rate of a run is what it is: draft tokens by source, depth and match length; time by phase."""

from __future__ import annotations

from lookahead.cli.console import table
from lookahead.metrics import decode_steps, mean_step_timings
from lookahead.node_metrics import Acceptance, acceptance_by_depth, acceptance_by_match_length, acceptance_by_source
from lookahead.records import RunRecord


def details(run: RunRecord) -> str:
    """A table of the draft tokens and a line on the mean decode step."""
    steps = run.steps
    kinds = {f"source {name}": kind for name, kind in acceptance_by_source(steps).items()}
    kinds |= _in_ranges("depth", acceptance_by_depth(steps))
    kinds |= _in_ranges("match_length", acceptance_by_match_length(steps))
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


def _in_ranges(name: str, kinds: dict[int, Acceptance]) -> dict[str, Acceptance]:
    """Counts by number put together in ranges 0, 1, 2, 3-4, 5-8, 9-16, ..., shortest first.

    >>> _in_ranges("depth", {3: Acceptance(2, 2, 1), 4: Acceptance(1, 0, 0)})
    {'depth 3-4': Acceptance(drafted=3, checked=2, accepted=1)}
    """
    ranges: dict[str, Acceptance] = {}
    for number, kind in sorted(kinds.items()):
        high = 1 << (number - 1).bit_length() if number else 0
        label = f"{name} {high}" if high < 3 else f"{name} {high // 2 + 1}-{high}"
        so_far = ranges.get(label, Acceptance(0, 0, 0))
        ranges[label] = Acceptance(
            so_far.drafted + kind.drafted, so_far.checked + kind.checked, so_far.accepted + kind.accepted
        )
    return ranges
