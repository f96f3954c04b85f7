"""``trie``: how fast and how small the Trie is on this machine."""

from __future__ import annotations

import argparse
from typing import Any

from lookahead.cli import options
from lookahead.cli.console import print_json, table
from lookahead.inputs import read_trace

_EPILOG = """\
Without a trace the tokens are synthetic: Zipf-distributed words of a large vocabulary with repeated passages.

examples:
  python -m lookahead trie --tokens 1000000
  python -m lookahead trie --trace trace.jsonl --json
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "trie",
        help="measure retrieval, insertion and size of the trie, without a model",
        description="Fill a trie with tokens, then measure retrieval and insertion times and bytes a token.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--tokens", type=options.count(1000), default=1_000_000, metavar="N", help="tokens in the trie (1000000)"
    )
    parser.add_argument("--trace", metavar="TRACE.jsonl", help="take the tokens from a trace, repeated if too short")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    options.add_draft_options(parser, budget=False)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Carry out the command."""
    config = options.config_from(args, budget="fixed")
    rows = None if args.trace is None else read_trace(args.trace)
    raise NotImplementedError((config, rows, print_json, table))
