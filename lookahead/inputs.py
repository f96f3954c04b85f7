"""A user's input files: prompts and traces, one JSON object per line, read in full before anything runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from lookahead.strict_json import SchemaError, checked, parse_json, refuse_half_pairs
from lookahead.trie import MAX_TOKEN_ID

MAX_LINE = 32_000_000
MAX_ROW_TOKENS = 2_000_000
MAX_PROMPT_CHARACTERS = 4_000_000

TraceRow = tuple[tuple[int, ...], tuple[int, ...]]
"""Prompt ids and output ids of one recorded answer."""


_Ids = Annotated[tuple[Annotated[int, Meta(ge=0, lt=MAX_TOKEN_ID)], ...], Meta(max_length=MAX_ROW_TOKENS)]
"""Token ids as a trie takes them."""


class InputError(ValueError):
    """An input file cannot be used; one line says what is wrong and where."""


class _Row(msgspec.Struct):
    """One line of a trace."""

    prompt: _Ids
    output: _Ids


class _Prompt(msgspec.Struct):
    """One line of a prompt file."""

    prompt: Annotated[str, Meta(max_length=MAX_PROMPT_CHARACTERS)]


def read_trace(path: str | Path, limit: int | None = None) -> list[TraceRow]:
    """The rows ``{"prompt": [ids], "output": [ids]}`` of a trace, in file order; other fields are ignored.

    Args:
        limit: Read only this many rows.

    Raises:
        InputError: If the file cannot be read, has no row, or one of the rows read is not valid.
    """
    rows: list[TraceRow] = []
    for place, value in islice(_lines(path), None if limit is None else min(limit, sys.maxsize)):
        try:
            row = checked(value, _Row)
            if not row.prompt:
                raise SchemaError("prompt: need at least one token id")
        except SchemaError as error:
            hint = 'a row is {"prompt": [ids], "output": [ids]}'
            raise InputError(f"{path}, line {place}: {error}; {hint}") from None
        rows.append((row.prompt, row.output))
    if not rows:
        raise InputError(f'{path}: has no row; a row is {{"prompt": [ids], "output": [ids]}}')
    return rows


def read_prompts(path: str | Path) -> list[str]:
    """The texts of a prompt file, one ``{"prompt": text}`` per line; other fields are ignored.

    Raises:
        InputError: If the file cannot be read, has no prompt, or a line is not valid.
    """
    prompts: list[str] = []
    for place, value in _lines(path):
        try:
            prompt = checked(value, _Prompt).prompt
            refuse_half_pairs({"prompt": prompt})
            if not prompt.strip():
                raise SchemaError("prompt: is empty")
        except SchemaError as error:
            raise InputError(f'{path}, line {place}: {error}; a line is {{"prompt": text}}') from None
        prompts.append(prompt)
    if not prompts:
        raise InputError(f'{path}: has no prompt; a line is {{"prompt": text}}')
    return prompts


def read_text(path: str | Path) -> str:
    """The whole text of a file.

    Raises:
        InputError: If it cannot be read or is not UTF-8 text.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8 text") from None
    if len(text) > MAX_PROMPT_CHARACTERS:
        raise InputError(f"{path}: longer than {MAX_PROMPT_CHARACTERS} characters; split it into several files")
    return text


def _lines(path: str | Path) -> Iterator[tuple[int, Any]]:
    """Line number and JSON value of every line that is not blank."""
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
                    value = parse_json(line)
                    if not isinstance(value, dict):
                        raise SchemaError("not an object")
                except SchemaError as error:
                    raise InputError(f"{path}, line {place}: {error}; need one JSON object per line (JSONL)") from None
                yield place, value
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8 text; need one JSON object per line (JSONL)") from None
