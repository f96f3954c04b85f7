"""``replay``: recorded answers drafted again, no model at all."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

from lookahead.cli import options
from lookahead.cli.console import print_json, progress, table
from lookahead.inputs import TraceRow, read_trace

_EPILOG = """\
A trace is a text file with one JSON object a line: {"prompt": [token ids], "output": [token ids]}.
The draft is always as wide as --decoding-length allows: without a model there is no time to weigh it against.

examples:
  python -m lookahead replay trace.jsonl --decoding-length 16 --limit 200
  python -m lookahead replay trace.jsonl --shared --json
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "replay",
        help="measure the drafts on recorded outputs, without a model",
        description="How many tokens a step would have accepted on recorded outputs; no model runs.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("trace", metavar="TRACE.jsonl", help="recorded prompts and outputs as token ids")
    parser.add_argument(
        "--shared", action="store_true", help="keep the outputs of earlier rows in the trie (default: empty each row)"
    )
    parser.add_argument("--limit", type=options.count(1), metavar="N", help="replay the first N rows only")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    options.add_draft_options(parser, "replay")
    parser.set_defaults(run=run)


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


def _shown(rows: Iterable[TraceRow]) -> Iterator[TraceRow]:
    """The rows, with a progress bar."""
    rows = list(rows)
    with progress(len(rows), "row", "replay") as bar:
        for row in rows:
            yield row
            bar.update()
