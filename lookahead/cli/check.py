"""``check``: what a model does on this machine."""

from __future__ import annotations

import argparse
from time import perf_counter
from typing import Any

from lookahead.cli import options
from lookahead.cli.console import forward_passes, print_result, progress, table
from lookahead.cli.costs import cost_table
from lookahead.process import everything_stays

_EPILOG = """\
Says what the model is, whether it takes drafts and how exact their passes are, what a forward pass of n tokens takes
(see costs --help), and how fast five built-in prompts run with plain decoding and with lookahead, one after the other,
each once. A slow model writes fewer tokens. For a measurement use bench.

examples:
  python -m lookahead check
  python -m lookahead check --model Qwen/Qwen2.5-0.5B-Instruct --device cuda --json
"""
_COLUMNS = {
    "prompt": "prompt",
    "tokens": "tokens",
    "plain_tokens_per_second": "plain tokens/s",
    "tokens_per_second": "lookahead tokens/s",
    "mean_accepted_tokens": "MAT",
    "speedup": "speedup",
    "decode_speedup": "decode",
    "same": "same",
}


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = options.add_command(
        commands,
        "check",
        run,
        help="say what a model does on this machine",
        description="Try a model on this machine: drafts, exactness, pass times, and the speed of five prompts.",
        epilog=_EPILOG,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the text")
    options.add_model_options(parser)


def run(args: argparse.Namespace) -> None:
    """Carry out the command."""
    started = perf_counter()
    backend = options.load_backend(args)
    from lookahead.check import METHODS, PROMPTS, Check

    with forward_passes():
        check = Check(backend, options.model_name(args))
        if not args.json:
            print(_facts(check.result), flush=True)
        with everything_stays(), progress(len(METHODS) * len(PROMPTS), "run", "check") as bar:
            check.run(bar.update)
    print_result(args, {**check.result, "seconds": perf_counter() - started}, _speeds)


def _facts(result: dict[str, Any]) -> str:
    """What is known before the prompts run."""
    found = result["environment"]
    limit = "no limit" if result["context_limit"] is None else f"{result['context_limit']:,} tokens"
    drafts = {"tree": "yes", "chain": f"chains ({result['notice']})", "none": f"no: {result['notice']}"}[
        result["drafts"]
    ]
    drafts += "" if result["exactness"] is None else f", {result['exactness']}"
    lines = [
        f"model    {result['model']} ({result['architecture']}), {result['parameters']:,} parameters, context {limit}",
        f"machine  {result['dtype']} on {result['device']} ({found['hardware']}, {found['threads']} threads), "
        f"torch {found['torch']}, transformers {found['transformers']}",
        f"drafts   {drafts}",
    ]
    return "\n".join(lines if result["costs"] is None else [*lines, "", cost_table(result["costs"])])


def _speeds(result: dict[str, Any]) -> str:
    """The prompts, and how long the check took."""
    rows = [[row[name] for name in _COLUMNS] for row in result["prompts"]]
    return (
        f"\n{table(tuple(_COLUMNS.values()), rows)}\n\n"
        f"lookahead is {result['speedup']:.2f} times as fast as plain decoding (median), checked in "
        f"{result['seconds']:.0f} s"
    )
