"""``make-trie``: a trie file from texts or recorded outputs, to draft from later."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from lookahead.cli import options
from lookahead.cli.console import UsageError, print_json, progress, table
from lookahead.config import LookaheadConfig
from lookahead.inputs import TraceRow, read_text, read_trace
from lookahead.runs.runfile import check_target

_EPILOG = """\
A FILE that ends in .jsonl is a trace, {"prompt": [token ids], "output": [token ids]} per line; any other is a
UTF-8 text. Only the model's tokenizer is loaded. The result works with that tokenizer only, and it contains
the input: it is as confidential as the texts.

examples:
  python -m lookahead make-trie manual.txt faq.txt --save manual.trie
  python -m lookahead make-trie answers.jsonl --model Qwen/Qwen2.5-0.5B-Instruct --save answers.trie
  python -m lookahead generate --prompt "How do I reset it?" --trie manual.trie
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = options.add_command(
        commands,
        "make-trie",
        run,
        help="make a trie file from texts or traces, for --trie",
        description="Read texts or recorded outputs into a trie and save it; generate, bench and app.py draft from it.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="texts of at most 4 million characters each, or traces (.jsonl)"
    )
    parser.add_argument("--save", required=True, metavar="OUT.trie", help="the file to write")
    parser.add_argument("--model", metavar="ID_OR_DIR", help="whose tokenizer to use (default: the embedded model's)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")


def run(args: argparse.Namespace) -> None:
    """Carry out the command."""
    check_target(args.save)
    contents = [(path, read_trace(path) if path.endswith(".jsonl") else read_text(path)) for path in args.files]
    for path, content in contents:
        if not content:
            raise UsageError(f"{path}: is empty; there is nothing to read")
    from lookahead.hf.loading import load_tokenizer
    from lookahead.hf.quiet import quiet
    from lookahead.hf.text import Vocabulary

    quiet()
    vocabulary = Vocabulary(load_tokenizer(options.model_folder(args)))
    sequences: list[tuple[int, ...]] = []
    for path, content in contents:
        if isinstance(content, str):
            sequences.append(tuple(vocabulary.encode(content, raw=True)))
        else:
            _check_ids(path, content, vocabulary.highest_id)
            sequences += [prompt_ids + output_ids for prompt_ids, output_ids in content]
    result = _save(sequences, args.save, vocabulary.fingerprint())
    if args.json:
        print_json(result)
    else:
        print(table(("make-trie", ""), result.items()))


def _check_ids(path: str, rows: Sequence[TraceRow], highest: int) -> None:
    """Raise UsageError if a trace has an id that the tokenizer does not know."""
    found = max(max(prompt_ids + output_ids) for prompt_ids, output_ids in rows)
    if found > highest:
        raise UsageError(f"{path}: token id {found}; the tokenizer knows 0 to {highest}: name the model of the trace")


def _save(sequences: list[tuple[int, ...]], path: str, fingerprint: str) -> dict[str, Any]:
    """Read the sequences into a trie within the default bounds, write it, and return its size."""
    from lookahead.drafter import MAX_DEPTH
    from lookahead.trie import Trie
    from lookahead.trie.file import save_trie

    config = LookaheadConfig()
    trie = Trie(MAX_DEPTH, config.trie_capacity, config.trie_bytes)
    tokens = sum(map(len, sequences))
    with progress(tokens, "token", "make-trie") as bar:
        for token_ids in sequences:
            trie.insert(token_ids)
            bar.update(len(token_ids))
    try:
        save_trie(trie, path, fingerprint)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror or error})") from None
    size = trie.stats()
    return {
        "tokens": tokens,
        "trie_nodes": size.nodes + size.leaves,
        "trie_bytes": size.bytes,
        "pruned": size.pruned,
    }
