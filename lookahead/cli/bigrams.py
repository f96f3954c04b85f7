"""``bigrams``: have a model say once what it finds likely after each token, for the drafts of later runs."""

from __future__ import annotations

import argparse
from time import perf_counter
from typing import Any

from lookahead.cli import options
from lookahead.cli.console import UsageError, forward_passes, note, print_result, writing

_EPILOG = """\
Where a text repeats nothing, a draft needs to know what usually follows a token. The model itself does: this computes
its likeliest successors of every token of the vocabulary, in passes of 255 tokens, and keeps them in the cache folder.
Later runs of the model in this dtype draft from them after tokens that they have not seen (source model); their outputs
stay the same. It takes about as long as reading a prompt of as many tokens as the vocabulary has.

examples:
  python -m lookahead bigrams --model HuggingFaceTB/SmolLM2-135M-Instruct --dtype bfloat16
  python -m lookahead bigrams --model Qwen/Qwen2.5-0.5B-Instruct --seconds 60
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = options.add_command(
        commands,
        "bigrams",
        run,
        help="compute once what a model finds likely after each token",
        description="Compute what a model finds likely after each token by itself, for the drafts of later runs.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "--seconds", type=options.count(), metavar="N", help="end after so long, with the most frequent tokens done"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a line")
    options.add_model_options(parser)


def run(args: argparse.Namespace) -> None:
    """Carry out the command."""
    backend = options.load_backend(args)
    if not backend.takes_bigrams:
        raise UsageError("bigrams are for models that take draft trees and have a tokenizer; this one does not")
    began = told = perf_counter()

    def tell(done: int) -> None:
        nonlocal told
        if perf_counter() - told > 10:
            told = perf_counter()
            note(f"{done:,} of {backend.vocab_size:,} tokens, {told - began:.0f} s")

    with forward_passes(), writing(str(backend.bigrams_path)):
        found = backend.find_bigrams(args.seconds, tell)
    result = {
        "tokens": len(found),
        "vocab_size": backend.vocab_size,
        "seconds": perf_counter() - began,
        "file": str(backend.bigrams_path),
    }
    print_result(
        args,
        result,
        lambda said: f"{said['tokens']:,} of {said['vocab_size']:,} tokens in {said['seconds']:.0f} s: {said['file']}",
    )
