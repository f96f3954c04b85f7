"""``generate``: continue one prompt, stream the text, and report the cost."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from lookahead import metrics
from lookahead.cli import options
from lookahead.cli.console import BrokenOff, UsageError, bad_input, forward_passes, note, print_json, progress
from lookahead.cli.details import details
from lookahead.config import LookaheadConfig, Sampling
from lookahead.inputs import read_text
from lookahead.process import everything_stays, uninterrupted
from lookahead.records import METHOD_WORDS, RunRecord
from lookahead.runs import runfile
from lookahead.runs.recorder import RecordedRun
from lookahead.strict_json import SchemaError, parse_json

if TYPE_CHECKING:
    from lookahead.hf.backend import HFBackend

_EPILOG = """\
examples:
  python -m lookahead generate --prompt "Once upon a time" --max-new-tokens 200
  python -m lookahead generate --prompt-file question.txt --model Qwen/Qwen2.5-0.5B-Instruct --run-file run.json
  python -m lookahead generate --prompt "1, 2, 3," --raw --method greedy --json
  python -m lookahead generate --prompt "How do I reset it?" --trie answers.trie
  python -m lookahead generate --prompt "Tell me a story" --temperature 0.8 --top-p 0.95 --seed 7
  python -m lookahead generate --prompt-file edit.txt --expected before.py
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = options.add_command(
        commands,
        "generate",
        run,
        help="continue one prompt",
        description="Continue one prompt; the text streams to stdout, a summary is printed to stderr.",
        epilog=_EPILOG,
    )
    prompt = parser.add_mutually_exclusive_group(required=True)
    prompt.add_argument("--prompt", metavar="TEXT", help="the prompt")
    prompt.add_argument("--prompt-file", metavar="FILE", help="a UTF-8 file that holds the prompt")
    parser.add_argument(
        "--method",
        choices=tuple(METHOD_WORDS),
        default="lookahead",
        help="plain (or greedy) drafts nothing and writes the same tokens (default: lookahead)",
    )
    parser.add_argument(
        "--expected",
        metavar="FILE",
        help="also draft from this text, which the output should be like (source: expected)",
    )
    parser.add_argument("--run-file", metavar="OUT.json", help="write every step of the run to this file")
    parser.add_argument(
        "--details",
        action="store_true",
        help="also say which draft tokens were accepted, what was not drafted and why, and where the time went",
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object, details included, instead of the text"
    )
    options.add_model_options(parser)
    options.add_run_options(parser)
    options.add_draft_options(parser, "generate")


def run(args: argparse.Namespace) -> None:
    """Carry out the command."""
    config, stop, prompt = options.config_from(args), options.check_stop(args.stop), _prompt(args)
    sampling = options.sampling_from(args)
    expected = "" if args.expected is None else read_text(args.expected)
    if args.run_file is not None:
        runfile.check_target(args.run_file)
    options.check_trie(args)
    backend = options.load_backend(args)
    recorded = _prepared(args, backend, config, sampling, prompt, stop, expected)
    broken_off = None
    try:
        with everything_stays():
            text, broken_off = _generate(recorded, backend, args, stop)
        _report(args, _record(recorded, broken_off), text)
    finally:  # also where nobody reads the output any more
        if args.run_file is not None:
            _save(args.run_file, backend, _record(recorded, broken_off), prompt)
    if broken_off is not None:
        raise broken_off


def _prompt(args: argparse.Namespace) -> str:
    """The prompt from the options, at least one character."""
    prompt = args.prompt if args.prompt_file is None else _one_prompt(args.prompt_file)
    options.check_text(prompt, "--prompt")
    if not prompt:
        raise UsageError("the prompt is empty; give it at least one character")
    return prompt


def _one_prompt(path: str) -> str:
    """The text of a file that holds one prompt.

    Raises:
        UsageError: If it holds a prompt per line, as JSON.
    """
    text = read_text(path)
    row = None
    with suppress(SchemaError):
        row = parse_json(text.strip().partition("\n")[0])
    if text.strip() and (path.endswith(".jsonl") or (isinstance(row, dict) and "prompt" in row)):
        raise UsageError(
            f"{path}: holds prompts as JSON, one per line, and generate takes one prompt as plain text; run them with "
            f"study {path} or bench --prompts {path}"
        )
    return text


def _prepared(
    args: argparse.Namespace,
    backend: HFBackend,
    config: LookaheadConfig,
    sampling: Sampling,
    prompt: str,
    stop: tuple[str, ...],
    expected: str,
) -> RecordedRun:
    """The run, ready to start: its one-time work is done."""
    from lookahead.drafter import Drafter
    from lookahead.engine import LookaheadEngine
    from lookahead.hf.describe import model_info
    from lookahead.trie.file import load_corpus

    limit = args.max_new_tokens
    engine = LookaheadEngine(backend, config, Drafter(config, load_corpus(args.trie, backend, config)))
    prompt_ids = options.encode(args, backend, prompt, "the prompt")
    with bad_input("--expected"):
        expected_ids = backend.encode_expected(expected, prompt_ids) if expected else []
    if METHOD_WORDS[args.method] == "lookahead":
        options.note_lengths(backend, [prompt_ids], limit)
    with forward_passes():
        model = model_info(backend, options.model_name(args))
        more = {"method": args.method, "stop": stop, "sampling": sampling, "expected": expected_ids}
        return RecordedRun(engine, prompt_ids, model, max_new_tokens=limit, **more)


def _generate(
    run: RecordedRun, backend: HFBackend, args: argparse.Namespace, stop: tuple[str, ...]
) -> tuple[str, BrokenOff | KeyboardInterrupt | None]:
    """The run's text (streamed as it comes unless it is for ``--json``), and what broke it off, if anything."""
    stream, silent = backend.output_text((*stop, *backend.stop_strings)), args.json
    broken_off = None

    def pieces() -> Iterator[tuple[int, str]]:
        with forward_passes():
            for step in run:
                yield len(step.emitted_ids), stream.push(step.emitted_ids)

    try:
        with progress(args.max_new_tokens if silent else 0, "token", "generate") as bar:
            for count, piece in pieces():
                if silent:
                    bar.update(count)
                _emit(piece, silent)
    except (BrokenOff, KeyboardInterrupt) as error:
        broken_off = error
    with forward_passes():
        rest = stream.finish()
    _emit(rest, silent)
    return stream.text, broken_off


def _record(run: RecordedRun, broken_off: BaseException | None) -> RunRecord:
    return run.record("cancelled" if isinstance(broken_off, KeyboardInterrupt) else "error")


def _report(args: argparse.Namespace, record: RunRecord, text: str) -> None:
    """Print the result (the text is out already, unless it is part of the JSON)."""
    if args.json:
        print_json({"text": text, **metrics.summary(record), "details": metrics.details(record.steps)})
    else:
        print()
        note(_sentence(record))
    if args.details:
        print(f"\n{details(record)}", file=sys.stderr)


def _save(path: str, backend: HFBackend, record: RunRecord, prompt: str) -> None:
    """Write the run file, with texts unless the tokenizer fails."""
    from lookahead.hf.describe import with_texts

    with uninterrupted():
        with suppress(Exception):
            record = with_texts(backend, record, prompt)
        runfile.save(record, path)


def _emit(piece: str, silent: bool) -> None:
    if piece and not silent:
        sys.stdout.write(piece)
        sys.stdout.flush()


def _sentence(run: RunRecord) -> str:
    accepted = metrics.or_none(metrics.mean_accepted_tokens, run.steps)
    rate = metrics.or_none(metrics.acceptance_rate, run.steps)
    parts = [
        f"{len(run.token_ids)} tokens in {metrics.forward_passes(run.steps)} forward passes",
        f"{run.seconds:.2f} s ({metrics.tokens_per_second(run):.1f} tokens/s)",
        "" if accepted is None else f"{accepted:.2f} tokens per decode step",
        "" if rate is None else f"{100 * rate:.0f} % of the draft tokens accepted",
        f"ended by {run.finish_reason}",
    ]
    return ", ".join(part for part in parts if part)
