"""``bench``: lookahead against transformers' own decoding, wall clock."""

from __future__ import annotations

import argparse
import itertools
import random
from typing import TYPE_CHECKING, Any

from lookahead.bench import METHODS, WORDS, Bench, BenchPlan
from lookahead.cli import options
from lookahead.cli.console import UsageError, forward_passes, note, print_result, progress, table, ticks
from lookahead.inputs import excerpt, prompt_lines
from lookahead.models import SHAPES
from lookahead.process import everything_stays, uninterrupted
from lookahead.records import METHOD_WORDS

if TYPE_CHECKING:
    from lookahead.hf.backend import HFBackend

RANDOM_PROMPTS = 4
RANDOM_PROMPT_TOKENS = 256
MOST_REPEATS = 10_000

_EPILOG = f"""\
Methods: greedy and lookahead are this library's, hf-greedy and hf-prompt-lookup are transformers' own generate().
With --temperature all methods draw the same tokens, which depend on --seed, position and token alone.
All methods run every prompt in turn, in rotating order; times are medians over the repeats. speedup is the wall
clock of hf-greedy divided by the method's; decode_speedup is the same after the first token. Without hf-greedy among
the methods greedy is the reference ("reference" in the JSON). Without --warm the trie is empty for every prompt; with
--warm it is kept from one prompt to the next and emptied before each repeat.
If an output differs from the reference's, "parted" in the JSON gives the first different token and the gap of the
scores. The table says "near ties" if rounding explains all differences, and "no" if it does not: that is a bug. One
exception: transformers looks for a --stop string token by token, so with a tokenizer that has a token for "a capital
follows" (like the embedded model's) hf-greedy may not stop where the string ends in the text.

Ctrl-C and SIGTERM print the result of the prompts that every method has finished.

--shape creates a model with random weights instead of loading one: {", ".join(SHAPES)}.
Its prompts are random tokens, or with --prompts the UTF-8 bytes of the texts.

examples:
  python -m lookahead bench --prompts prompts.jsonl --repeat 5
  python -m lookahead bench --prompts prompts.jsonl --methods hf-greedy,lookahead --budget fixed --decoding-length 16
  python -m lookahead bench --prompts prompts.jsonl --methods greedy,lookahead --rows
  python -m lookahead bench --shape qwen2.5-0.5b --dtype bfloat16 --max-new-tokens 64 --json
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = options.add_command(
        commands,
        "bench",
        run,
        help="measure the speedup against transformers' own decoding",
        description="Run the same prompts with several methods in turn, and compare wall clock and tokens.",
        epilog=_EPILOG,
    )
    parser.add_argument("--prompts", metavar="F.jsonl", help='a file with one {"prompt": text} per line')
    parser.add_argument(
        "--shape",
        choices=tuple(SHAPES),
        metavar="NAME",
        help="use a model of this shape with random weights instead of --model",
    )
    parser.add_argument(
        "--methods",
        default=",".join(METHODS),
        metavar="A,B,...",
        help=f"some of {', '.join(METHODS)} (default: all); plain is another name for greedy",
    )
    parser.add_argument(
        "--repeat",
        type=options.count(MOST_REPEATS),
        default=3,
        metavar="N",
        help="how often every method runs every prompt (default: 3)",
    )
    parser.add_argument("--warm", action="store_true", help="keep the trie from one prompt to the next")
    parser.add_argument("--rows", action="store_true", help="also print a row per prompt and method")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    options.add_model_options(parser)
    options.add_run_options(parser)
    options.add_draft_options(parser, "generate")


def run(args: argparse.Namespace) -> None:
    """Carry out the command."""
    config, stop, methods = options.config_from(args), options.check_stop(args.stop), _methods(args.methods)
    sampling = options.sampling_from(args)
    options.check_trie(args)
    texts = _texts(args)
    if args.shape is not None and stop:
        raise UsageError("--stop needs a tokenizer, and --shape has none; leave one of them out")
    backend = options.load_backend(args) if args.shape is None else options.load_shape(args)
    prompts = _prompts(args, backend, texts)
    if "lookahead" in methods:
        options.note_lengths(backend, prompts, args.max_new_tokens)
    from lookahead.trie.file import load_corpus

    tries = load_corpus(args.trie, backend, config)
    plan = BenchPlan(prompts, methods, config, args.max_new_tokens, stop, args.repeat, args.warm, tries, sampling)
    name = options.model_name(args) if args.shape is None else f"{args.shape}, random weights"
    runs = len(prompts) * len(methods) * args.repeat
    with everything_stays(), progress(runs, "run", "bench") as bar, forward_passes():
        tick, done = ticks(bar), itertools.count(1)
        bench = Bench(backend, plan, name, lambda: tick("runs", next(done), runs))
        try:
            bench.run()
        except BaseException:
            with uninterrupted():
                _print_cut(args, bench, plan)
            raise
        _print(args, bench)


def _print_cut(args: argparse.Namespace, bench: Bench, plan: BenchPlan) -> None:
    """The result as far as every method has come, if there is one."""
    prompts, repeat = bench.cut()
    if prompts:
        kept = f"{prompts} of {len(plan.prompts)} prompts that ran with all methods"
        turns = f", {repeat} of {plan.repeat} times" if plan.repeat > 1 else ""
        note(f"broken off: the result is of the {kept}{turns}")
        _print(args, bench)


def _print(args: argparse.Namespace, bench: Bench) -> None:
    print_result(args, bench.result() | ({"rows": bench.rows()} if args.rows else {}), _report)


def _methods(text: str) -> list[str]:
    """The methods with the caller's names, each once."""
    methods = [name.strip() for name in text.split(",")]
    named: dict[str, str] = {}
    for name in methods:
        if name not in WORDS:
            raise UsageError(f"--methods: {excerpt(name)!r} is not known; choose some of {', '.join(WORDS)}")
        method = METHOD_WORDS.get(name, name)
        if method in named:
            raise UsageError(f"--methods: {named[method]} and {name} are the same method; name it once")
        named[method] = name
    return methods


def _texts(args: argparse.Namespace) -> list[tuple[int, str]] | None:
    """The prompts of the file with the numbers of their lines; None where there is no file."""
    if args.shape is not None:
        if args.model is not None:
            raise UsageError("--shape and --model name two models; leave one of them out")
    elif args.prompts is None:
        raise UsageError('--prompts is missing; name a file with one {"prompt": text} per line')
    return None if args.prompts is None else prompt_lines(args.prompts)


def _prompts(args: argparse.Namespace, backend: HFBackend, texts: list[tuple[int, str]] | None) -> list[list[int]]:
    """Token ids of all prompts, each within the model's context."""
    if texts is None:
        draws = [random.Random(seed) for seed in range(RANDOM_PROMPTS)]
        return [[draw.randrange(backend.vocab_size) for _ in range(RANDOM_PROMPT_TOKENS)] for draw in draws]
    return [options.encode(args, backend, text, f"{args.prompts}, line {place}") for place, text in texts]


def _same(identical: bool | None, parted: list[dict[str, Any]] | None) -> str | bool | None:
    """Whether the tokens are the reference's; ``near ties`` if rounding explains every difference."""
    return "near ties" if parted and all(place["near_tie"] for place in parted) else identical


def _report(result: dict[str, Any]) -> str:
    environment = result["environment"]
    header = ("method", "tokens", "seconds", "decode s", "tokens/s", "passes", "MAT", "speedup", "decode", "same")
    rows = [
        (
            name,
            numbers["tokens"],
            numbers["seconds"],
            numbers["decode_seconds"],
            numbers["tokens_per_second"],
            numbers["forward_passes"],
            numbers["mean_accepted_tokens"],
            result["speedup"][name],
            result["decode_speedup"][name],
            _same(numbers["identical_to_reference"], (result["parted"] or {}).get(name)),
        )
        for name, numbers in result["methods"].items()
    ]
    costs = environment["pass_costs"]
    lines = [
        f"{environment['model']}, {environment['parameters']:,} parameters, {environment['dtype']} on "
        f"{environment['device']} ({environment['hardware']}, {environment['threads']} threads), "
        f"torch {environment['torch']}, transformers {environment['transformers']}",
        f"{environment['prompts']} prompts x {environment['repeat']}, at most {environment['max_new_tokens']} new "
        f"tokens, {'warm' if environment['warm'] else 'cold'} trie"
        + (f", corpus of {environment['corpus_nodes']:,} nodes" if environment["corpus_nodes"] else ""),
        *([f"draft verification: {environment['exactness']}"] if environment["exactness"] else []),
        "",
        table(header, rows),
        *([f"speedup and same: compared with {result['reference']}"] if result["reference"] else []),
        *(["", _rows(result["rows"])] if "rows" in result else []),
    ]
    if costs is not None:
        cells = " ".join(
            f"{n}: {1000 * seconds:.2f}" for n, seconds in zip(costs["lengths"], costs["seconds"], strict=True)
        )
        lines += ["", f"T(n) in ms: {cells}"]
    return "\n".join(lines)


def _rows(rows: list[dict[str, Any]]) -> str:
    header = ("prompt", "method", "tokens", "passes", "MAT", "seconds", "speedup", "decode")
    fields = ("prompt", "method", "tokens", "forward_passes", "mean_accepted_tokens", "seconds", "speedup")
    return table(header, [[row[field] for field in (*fields, "decode_speedup")] for row in rows])
