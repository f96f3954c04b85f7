"""A user's input files, read to their limit and no further: texts, prompts, traces; and how a refusal repeats them."""

from __future__ import annotations

import codecs
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, BinaryIO, TypeVar

import msgspec
from msgspec import Meta

from lookahead.strict_json import SchemaError, checked, parse_json, refuse_half_pairs
from lookahead.trie import MAX_TOKEN_ID

MAX_TEXT_BYTES = 4_000_000
"""Largest text, and largest prompt in a file of prompts, in UTF-8."""
MAX_LINE_BYTES = 32_000_000
MAX_FILE_BYTES = 200_000_000
"""Most bytes read from a file of prompts or a trace."""
MAX_ROW_TOKENS = 2_000_000

TraceRow = tuple[tuple[int, ...], tuple[int, ...]]
"""Prompt ids and output ids of one recorded answer."""

TokenIds = Annotated[tuple[Annotated[int, Meta(ge=0, lt=MAX_TOKEN_ID)], ...], Meta(max_length=MAX_ROW_TOKENS)]
"""Token ids as a trie takes them."""


class InputError(ValueError):
    """An input file cannot be used; one line says what is wrong and where."""


class TraceLine(msgspec.Struct):
    """One line of a trace."""

    prompt: TokenIds
    output: TokenIds


class PromptLine(msgspec.Struct):
    """One line of a prompt file."""

    prompt: str


_Line = TypeVar("_Line", TraceLine, PromptLine)
_HINTS = {
    TraceLine: 'a row is {"prompt": [ids], "output": [ids]}',
    PromptLine: 'a row is {"prompt": text}',
}


def excerpt(text: object, most: int = 80) -> str:
    """Foreign text as a message repeats it: on one line, without control characters, its middle left out if it is long.

    >>> excerpt("a\\n \\x1b[31mb"), excerpt("abcdefghijkl", 9)
    ('a \\\\x1b[31mb', 'abc...jkl')
    """
    words = " ".join(str(text).split())
    line = "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in words)
    kept = (most - 3) // 2
    return line if len(line) <= most else f"{line[:kept]}...{line[-kept:]}"


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """The file, open for reading bytes; ``-`` is standard input.

    Raises:
        InputError: If it cannot be read, or is not a regular file: a pipe or a device may never begin or never end.
    """
    if not str(path):
        raise InputError("the name of a file to read is empty; name one")
    try:
        if str(path) == "-":
            if sys.stdin is None:  # closed by the parent process
                raise InputError("-: there is no standard input")
            yield sys.stdin.buffer
            return
        with open(path, "rb", opener=_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise InputError(f"{path}: not a regular file; to read from a pipe give - and pipe it in")
            yield file
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None


def _at_once(path: str, flags: int) -> int:
    """Open a file without waiting for the writer of a pipe (where the system can)."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_bytes(path: str | os.PathLike[str], most: int) -> bytes:
    """The whole content of a file.

    Raises:
        InputError: If it cannot be read, is not a regular file, or has more than ``most`` bytes.
    """
    with opened(path) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise InputError(f"{path}: larger than {most} bytes, the limit for such a file")
    return data


def read_text(path: str | Path) -> str:
    """The whole text of a file of at most ``MAX_TEXT_BYTES``.

    Raises:
        InputError: If it cannot be read, is too large, or is not UTF-8 text.
    """
    try:
        return read_bytes(path, MAX_TEXT_BYTES).decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8 text") from None


def read_trace(path: str | Path, limit: int | None = None) -> list[TraceRow]:
    """The rows ``{"prompt": [ids], "output": [ids]}`` of a trace, in file order; other fields are ignored.

    Raises:
        InputError: If the file cannot be read, has no row, or one of the rows read is not valid.
    """
    return [(row.prompt, row.output) for _, row in _rows(path, TraceLine, limit)]


def prompt_lines(path: str | Path) -> list[tuple[int, str]]:
    """The texts of a prompt file, one ``{"prompt": text}`` per line, with the numbers of their lines.

    Other fields are ignored.

    Raises:
        InputError: If the file cannot be read, has no prompt, or a line is not valid.
    """
    return [(place, row.prompt) for place, row in _rows(path, PromptLine)]


def _rows(path: str | Path, kind: type[_Line], limit: int | None = None) -> list[tuple[int, _Line]]:
    """The checked lines of a file with their numbers, at least one."""
    with opened(path) as file:
        numbered = islice(json_lines(file, path), limit)
        rows = [(place, checked_line(path, place, value, kind)) for place, value in numbered]
    if not rows:
        raise InputError(f"{path}: has no row; {_HINTS[kind]}")
    return rows


def checked_line(path: str | Path, place: int, value: Any, kind: type[_Line]) -> _Line:
    """The line of a trace or of a prompt file in the object that it holds.

    Raises:
        InputError: If it is not valid; the message names the file and the line.
    """
    if isinstance(value, dict) and "prompt" not in value:
        raise InputError(f"{path}, line {place}: {without_prompt('field', value)}; {_HINTS[kind]}")
    try:
        row = checked(value, kind)
        check_prompt(row.prompt)
    except SchemaError as error:
        raise InputError(f"{path}, line {place}: {error}; {_HINTS[kind]}") from None
    return row


def without_prompt(what: str, names: Iterable[object]) -> str:
    """That a row or a table has no prompt, and what it has instead.

    >>> without_prompt("column", ["text", "kind"])
    'no column "prompt"; it has text, kind'
    """
    has = excerpt(", ".join(map(str, names)), 120)
    return f'no {what} "prompt"' + (f"; it has {has}" if has else "")


def check_prompt(prompt: str | tuple[int, ...]) -> None:
    """Raise SchemaError if a prompt is empty, too large, or holds half a surrogate pair."""
    refuse_half_pairs({"prompt": prompt})
    if not prompt or (isinstance(prompt, str) and prompt.isspace()):
        raise SchemaError("prompt: is empty")
    if isinstance(prompt, str) and len(prompt.encode()) > MAX_TEXT_BYTES:
        raise SchemaError(f"prompt: larger than {MAX_TEXT_BYTES} bytes")


def json_lines(file: BinaryIO, path: str | Path) -> Iterator[tuple[int, Any]]:
    """Line number and JSON object of every line that is not blank.

    Raises:
        InputError: If a line is too long or is not a JSON object, or the file is too large.
    """
    for place, line in lines(file, path):
        if line.strip():
            yield place, json_line(path, place, line)


def lines(file: BinaryIO, path: str | Path) -> Iterator[tuple[int, bytes]]:
    """Number and content of every line of an open file, without the mark that UTF-8 may begin with.

    Raises:
        InputError: At a line or a file beyond its limit.
    """
    place = size = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        place, size = place + 1, size + len(line)
        if len(line) > MAX_LINE_BYTES:
            raise InputError(f"{path}, line {place}: longer than {MAX_LINE_BYTES} bytes")
        if size > MAX_FILE_BYTES:
            raise InputError(f"{path}: larger than {MAX_FILE_BYTES} bytes; split it into several files")
        yield place, line.removeprefix(codecs.BOM_UTF8) if place == 1 else line


def json_line(path: str | Path, place: int, line: bytes, kinds: type | tuple[type, ...] = dict) -> Any:
    """The JSON value that a line consists of: an object, or one of other kinds.

    Raises:
        InputError: If it is not JSON, or of a kind that is not wanted.
    """
    try:
        value = parse_json(line.decode("utf-8"))
        if not isinstance(value, kinds):
            raise SchemaError("not an object")
        return value
    except UnicodeDecodeError:
        raise InputError(f"{path}, line {place}: is not UTF-8 text; need one JSON object per line (JSONL)") from None
    except SchemaError as error:
        raise InputError(f"{path}, line {place}: {error}; need one JSON object per line (JSONL)") from None
