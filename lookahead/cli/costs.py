"""``costs``: what a forward pass of n tokens takes on this machine, and what drafts must bring to pay for it."""

from __future__ import annotations

import argparse
from typing import Any

from lookahead.atomic import write_whole
from lookahead.cli import options
from lookahead.cli.console import UsageError, forward_passes, print_result, table, writing
from lookahead.runs.runfile import check_target
from lookahead.study.machine_file import machine_json

_EPILOG = """\
T(n) is measured when a model first drafts on a machine; the passes of later runs correct it, and it is remembered.
break-even is how many of the n - 1 draft tokens a pass of n must have accepted on average to be as fast as plain
decoding, and of the draft the share of them. bandwidth is the share of the memory bandwidth that the pass reaches:
bytes of weights / T(n), against a plain read of a large buffer now. It can exceed 100 % if the weights fit in a cache.

examples:
  python -m lookahead costs
  python -m lookahead costs --model Qwen/Qwen2.5-0.5B-Instruct --measure --json
  python -m lookahead costs --write this-machine.json
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = options.add_command(
        commands,
        "costs",
        run,
        help="show what a forward pass of n tokens takes here",
        description="Show T(n), the time of a forward pass of n tokens, and how many accepted tokens pay for it.",
        epilog=_EPILOG,
    )
    parser.add_argument("--measure", action="store_true", help="measure now, whatever is remembered")
    parser.add_argument("--write", metavar="FILE", help="write T(n) to this file, for study --machine")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    options.add_model_options(parser)


def run(args: argparse.Namespace) -> None:
    """Carry out the command."""
    if args.write is not None:
        check_target(args.write)
    backend = options.load_backend(args)
    if backend.draft_shape == "none":
        raise UsageError("this model decodes one token at a time, so there is no T(n) to choose a width by")
    from lookahead.check import cost_report
    from lookahead.hf.bandwidth import read_bandwidth
    from lookahead.hf.describe import model_info
    from lookahead.hf.measure import environment

    with forward_passes():
        known = backend.known_costs(again=args.measure)
        report = cost_report(backend, known, read_bandwidth(backend.device))
    info = model_info(backend, options.model_name(args))
    facts = {"model": info.name, "parameters": info.parameters, "device": info.device, "dtype": info.dtype}
    result = {**facts, **environment(backend.model), **report}
    if args.write is not None:
        threads = f", {result['threads']} threads" if info.device == "cpu" else ""
        name = f"{info.name} on {result['hardware']}{threads}, {info.dtype}"
        with writing(args.write):
            write_whole(args.write, machine_json(name, known.costs))
    head = (
        f"{info.name}, {info.parameters:,} parameters, {info.dtype} on {info.device} ({result['hardware']}, "
        f"{result['threads']} threads)"
    )
    print_result(args, result, lambda found: f"{head}\n\n{cost_table(found)}")


def cost_table(report: dict[str, Any]) -> str:
    """A ``cost_report`` as a table, and a line on where its numbers are from."""
    rows = [
        (
            str(entry["tokens"]),
            1000 * entry["seconds"],
            entry["ratio"],
            entry["break_even"],
            _percent(entry["break_even_rate"]),
            _percent(entry["bandwidth_share"]),
        )
        for entry in report["passes"]
    ]
    lines = [table(("tokens", "T(n) ms", "T(n)/T(1)", "break-even", "of the draft", "bandwidth"), rows), ""]
    learned = f"corrected by {report['learned_passes']:,} passes of runs"
    if report["learned_seconds_ago"] is not None:
        learned += f", the last {_ago(report['learned_seconds_ago'])}"
    lines.append(f"measured {_ago(report['measured_seconds_ago'])}, {learned}")
    read = report["weight_bytes"]
    lines.append(
        f"memory is read at {report['read_bytes_per_second'] / 1e9:.1f} GB/s"
        + ("" if read is None else f"; a pass reads {read / 1e6:,.0f} MB of weights")
    )
    return "\n".join(lines)


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{100 * share:.0f} %"


def _ago(seconds: float) -> str:
    """How long ago, in the largest unit that fits.

    >>> _ago(7300)
    '2 h ago'
    """
    for unit, name in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds // unit:.0f} {name} ago"
    return f"{seconds:.0f} s ago"
