"""``replay``: draft recorded outputs again, without a model."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from lookahead.cli import options
from lookahead.cli.console import print_json, progress, table
from lookahead.inputs import TraceRow, read_trace

_EPILOG = """\
A trace is a text file with one JSON object per line: {"prompt": [token ids], "output": [token ids]}.
The draft is always as wide as --decoding-length allows: without a model there is no pass time to compare it with.

examples:
  python -m lookahead replay trace.jsonl --decoding-length 16 --limit 200
  python -m lookahead replay trace.jsonl --shared --json
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = options.add_command(
        commands,
        "replay",
        run,
        help="measure the drafts on recorded outputs, without a model",
        description="Replay recorded outputs and count how many tokens each step accepts; no model runs.",
        epilog=_EPILOG,
    )
    parser.add_argument("trace", metavar="TRACE.jsonl", help="recorded prompts and outputs as token ids")
    parser.add_argument(
        "--shared",
        action="store_true",
        help="keep the outputs of earlier rows in the trie (default: start each row with an empty trie)",
    )
    parser.add_argument("--limit", type=options.count(), metavar="N", help="replay the first N rows only")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    options.add_draft_options(parser, "replay")


def run(args: argparse.Namespace) -> None:
    """Carry out the command."""
    config = options.config_from(args, budget="fixed")
    rows = read_trace(args.trace, args.limit)
    from lookahead.replay import replay_rows

    result = dataclasses.asdict(replay_rows(_shown(rows), config, args.shared))
    if args.json:
        print_json(result)
    else:
        print(table(("replay", args.trace.rsplit("/", 1)[-1]), result.items()))


def _shown(rows: Sequence[TraceRow]) -> Iterator[TraceRow]:
    """The rows, with a progress bar."""
    with progress(len(rows), "row", "replay") as bar:
        for row in rows:
            yield row
            bar.update()
