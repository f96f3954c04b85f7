"""``trie``: speed and size of the Trie on this machine."""

from __future__ import annotations

import argparse
from typing import Any

from lookahead.cli import options
from lookahead.cli.console import UsageError, forward_passes, print_result, progress, table
from lookahead.config import DTYPES
from lookahead.costs import PassCosts
from lookahead.inputs import read_trace
from lookahead.models import SHAPES

MOST_TOKENS = 100_000_000
"""Some 10 GB of trie."""

_EPILOG = f"""\
Without a trace the tokens are synthetic: few frequent tokens, tokens that often come in pairs, repeated passages.
Drafts follow sequences that the trie has not read, and are always as wide as --decoding-length allows. --shape measures
T(n) of a model of that shape with random weights and compares the retrieval time with a forward pass of one token and
with one of a full draft. It also measures drafts of adaptive width, the default of a run, which end where more nodes
would not pay for the wider pass. Shapes: {", ".join(SHAPES)}.

examples:
  python -m lookahead trie --tokens 1000000
  python -m lookahead trie a.jsonl b.jsonl --tokens 200000 --json
  python -m lookahead trie --shape 10m
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = options.add_command(
        commands,
        "trie",
        run,
        help="measure retrieval, insertion and size of the trie",
        description="Fill a trie with tokens, then measure retrieval and insertion times and bytes per token.",
        epilog=_EPILOG,
    )
    parser.add_argument("traces", nargs="*", metavar="TRACE.jsonl", help="take the tokens from these traces")
    parser.add_argument(
        "--tokens",
        type=options.count(MOST_TOKENS),
        default=1_000_000,
        metavar="N",
        help="tokens in the trie (default: 1000000)",
    )
    parser.add_argument(
        "--shape", choices=tuple(SHAPES), metavar="NAME", help="compare with a forward pass of a model of this shape"
    )
    parser.add_argument("--device", default="auto", metavar="NAME", help="for --shape (default: auto)")
    parser.add_argument("--dtype", default="auto", choices=DTYPES, help="for --shape (default: auto)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    options.add_draft_options(parser, "replay")


def run(args: argparse.Namespace) -> None:
    """Carry out the command."""
    config = options.config_from(args, budget="fixed")
    rows = [prompt_ids + output_ids for path in args.traces for prompt_ids, output_ids in read_trace(path)]
    from lookahead.trie_bench import bench_trie, synthetic_sequences

    with forward_passes():
        costs = None if args.shape is None else options.load_shape(args).pass_costs(args.decoding_length)
    pass_seconds = None if costs is None else costs.table(args.decoding_length)
    with progress(args.tokens, "token", "trie") as bar:
        try:
            found = bench_trie(rows or synthetic_sequences(), args.tokens, config, bar.update, pass_seconds)
        except ValueError as error:
            if not args.traces:
                raise
            raise UsageError(f"--tokens: {error}") from None
    result: dict[str, Any] = {"corpus": ", ".join(args.traces) or "synthetic", **found}
    if costs is not None:
        result |= _share(args, costs, result["retrieve_us_mean"])
    print_result(args, result, lambda found: table(("trie", ""), found.items()))


def _share(args: argparse.Namespace, costs: PassCosts, retrieve_us: float) -> dict[str, Any]:
    """The times of a pass of one token and of one that verifies a full draft, and retrieval as a share of each."""
    one, widest = 1e6 * costs.at(1), 1e6 * costs.at(args.decoding_length)
    return {
        "shape": args.shape,
        "forward_us": one,
        "forward_us_at_decoding_length": widest,
        "retrieve_share_of_forward": retrieve_us / one,
        "retrieve_share_at_decoding_length": retrieve_us / widest,
    }
