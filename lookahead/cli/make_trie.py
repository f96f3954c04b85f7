"""``make-trie``: a trie file from texts or recorded outputs, to draft from later."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lookahead.cli import options
from lookahead.cli.console import UsageError, bad_input, note, print_result, progress, table, writing
from lookahead.config import LookaheadConfig
from lookahead.inputs import read_text, read_trace
from lookahead.runs.runfile import check_target

if TYPE_CHECKING:
    from lookahead.hf.text import Vocabulary

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
    parser.add_argument("files", nargs="+", metavar="FILE", help="texts of at most 4 MB each, or traces (.jsonl)")
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
    vocabulary, size = _vocabulary(options.model_folder(args))
    sequences: list[tuple[int, ...]] = []
    for path, content in contents:
        if isinstance(content, str):
            with bad_input(f"{path} cannot be encoded"):
                rows = [tuple(vocabulary.encode(content, raw=True))]
        else:
            rows = [prompt_ids + output_ids for prompt_ids, output_ids in content]
        _check_ids(path, rows, vocabulary.highest_id, size)
        sequences += rows
    result = _save(sequences, args.save, vocabulary.fingerprint())
    print_result(args, result, lambda found: table(("make-trie", ""), found.items()))


def _vocabulary(model: str) -> tuple[Vocabulary, int | None]:
    """The tokenizer of a model, and how many token ids the model has, if that is known without its weights."""
    from lookahead.hf.loading import load_tokenizer, vocabulary_size
    from lookahead.hf.quiet import quiet
    from lookahead.hf.text import Vocabulary

    quiet()
    with bad_input(f"model {model!r}"):
        vocabulary = Vocabulary(load_tokenizer(model))
        size, highest = vocabulary_size(model), vocabulary.highest_id
    if size is None:
        note(f"note: the model's own vocabulary is not known here; its tokenizer has the ids 0 to {highest}")
    elif highest >= size:
        note(f"note: the tokenizer has the ids 0 to {highest}, the model 0 to {size - 1}: they may not belong together")
    return vocabulary, size


def _check_ids(path: str, rows: Sequence[tuple[int, ...]], highest: int, size: int | None) -> None:
    """Raise UsageError if there is an id that the tokenizer or the model does not know."""
    found = max((max(row) for row in rows if row), default=0)
    if found > highest:
        raise UsageError(f"{path}: token id {found}; the tokenizer knows 0 to {highest}: name the model of the trace")
    if size is not None and found >= size:
        raise UsageError(f"{path}: token id {found}; the model has 0 to {size - 1}: its tokenizer is of another model")


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
    with writing(path):
        save_trie(trie, path, fingerprint)
    size = trie.stats()
    return {
        "tokens": tokens,
        "trie_nodes": size.nodes + size.leaves,
        "trie_bytes": size.bytes,
        "pruned": size.pruned,
    }
