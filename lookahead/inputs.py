"""Files that a user hands in: prompts and traces, one JSON object a line, read whole before anything runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from lookahead.runs.schema import Fields, SchemaError, parse_json
from lookahead.trie import MAX_TOKEN_ID

MAX_ID = MAX_TOKEN_ID - 1
"""Largest token id: what a trie takes."""
MAX_LINE = 32_000_000
MAX_ROW_TOKENS = 2_000_000
MAX_PROMPT_CHARACTERS = 4_000_000

TraceRow = tuple[tuple[int, ...], tuple[int, ...]]
"""Prompt ids and output ids of one recorded answer."""


class InputError(ValueError):
    """A file that cannot be used; one line says what is wrong and where."""


def read_trace(path: str | Path, limit: int | None = None) -> list[TraceRow]:
    """The rows ``{"prompt": [ids], "output": [ids]}`` of a trace, in file order; other fields are left alone.

    Args:
        limit: Read only this many rows.

    Raises:
        InputError: If the file cannot be read, holds no row, or one of the rows read is no such row.
    """
    rows: list[TraceRow] = []
    for place, fields in islice(_objects(path), None if limit is None else min(limit, sys.maxsize)):
        try:
            prompt = fields.integers("prompt", 0, MAX_ID, MAX_ROW_TOKENS)
            output = fields.integers("output", 0, MAX_ID, MAX_ROW_TOKENS)
            if not prompt:
                fields.fail("prompt", "need at least one token id")
        except SchemaError as error:
            hint = 'a row is {"prompt": [ids], "output": [ids]}'
            raise InputError(f"{path}, line {place}: {error}; {hint}") from None
        rows.append((prompt, output))
    if not rows:
        raise InputError(f'{path}: no row in it; a row is {{"prompt": [ids], "output": [ids]}}')
    return rows


def read_prompts(path: str | Path) -> list[str]:
    """The texts of a prompt file, ``{"prompt": text}`` a line; other fields are left alone.

    Raises:
        InputError: If the file cannot be read, holds no prompt, or one line is no such prompt.
    """
    prompts: list[str] = []
    for place, fields in _objects(path):
        try:
            prompt = fields.text("prompt", MAX_PROMPT_CHARACTERS)
            if not prompt.strip():
                fields.fail("prompt", "is empty")
        except SchemaError as error:
            raise InputError(f'{path}, line {place}: {error}; a line is {{"prompt": text}}') from None
        prompts.append(prompt)
    if not prompts:
        raise InputError(f'{path}: no prompt in it; a line is {{"prompt": text}}')
    return prompts


def read_text(path: str | Path) -> str:
    """The text of a file, whole.

    Raises:
        InputError: If it cannot be read or is no UTF-8 text.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8 text") from None
    if len(text) > MAX_PROMPT_CHARACTERS:
        raise InputError(f"{path}: longer than {MAX_PROMPT_CHARACTERS} characters; cut it into several files")
    return text


def _objects(path: str | Path) -> Iterator[tuple[int, Fields]]:
    """Line number and object of every line that is not blank."""
    try:
        with open(path, encoding="utf-8") as file:
            place = 0
            while line := file.readline(MAX_LINE):
                place += 1
                if len(line) == MAX_LINE:
                    raise InputError(f"{path}, line {place}: longer than {MAX_LINE} characters")
                if not line.strip():
                    continue
                try:
                    fields = Fields(parse_json(line), "the line")
                except SchemaError as error:
                    raise InputError(f"{path}, line {place}: {error}; need one JSON object a line (JSONL)") from None
                fields.place = ""
                yield place, fields
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8 text; need one JSON object a line (JSONL)") from None
