"""Material for a study from files and folders, told apart by content: prompts, traces, run files."""

from __future__ import annotations

import codecs
import csv
import io
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from lookahead.inputs import (
    MAX_FILE_BYTES,
    MAX_TEXT_BYTES,
    InputError,
    PromptLine,
    TraceLine,
    check_prompt,
    checked_line,
    excerpt,
    json_lines,
    read_bytes,
    without_prompt,
)
from lookahead.runs.format import FORMAT as RUN_FORMAT
from lookahead.runs.runfile import pair_in
from lookahead.strict_json import SchemaError, parse_json
from lookahead.study.folder import TABLE, StudyFolder
from lookahead.study.material import Sample, category_of, sample_of
from lookahead.traffic.read import is_traffic, traffic_in

_JSON_ENDINGS = (".json", ".jsonl", ".ndjson")
_LINES_ENDINGS = _JSON_ENDINGS[1:]
_TEXT_ENDINGS = (".txt", ".text", ".md")
"""A file of such a name is one prompt, even if it looks like a table."""
_COLUMN = re.compile(r"[A-Za-z_][\w-]{0,23}")
_NEED = (
    'need prompts ({"prompt": text} per line, CSV with a column "prompt", or one prompt as text), a trace '
    '({"prompt": [ids], "output": [ids]} per line), a run file, traffic of another engine, or a folder of those'
)


def read_material(
    path: str | os.PathLike[str],
    limit: int | None = None,
    tokenizer: str | None = None,
    note: Callable[[str], None] | None = None,
) -> list[Sample]:
    """The samples in a file or folder, at least one, in order; ``-`` is standard input.

    A folder is read file by file in the order of the names (hidden files and folders left out); a study's own folder as
    that study. Samples that are only text have no ids yet.

    Args:
        limit: Read only this many.
        tokenizer: Folder or model id of the tokenizer for traffic of other engines that is only text.
        note: Takes a line about such traffic: what was left out, how far it drifts.

    Raises:
        InputError: If something cannot be read or is not valid; one line with file and line number.
    """
    found = list(islice(_samples(Path(path), tokenizer, note), limit))
    if not found:
        raise InputError(f"{path}: holds nothing to study; {_NEED}")
    return _named_apart(found)


def _samples(path: Path, tokenizer: str | None, note: Callable[[str], None] | None) -> Iterator[Sample]:
    if (path / TABLE).is_file():
        yield from StudyFolder.opened(path).samples()
        return
    try:
        found = sorted(path.iterdir()) if path.is_dir() else [path]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    for file in found:
        if file == path or not (file.name.startswith(".") or file.is_dir()):
            yield from _in_file(file, tokenizer, note)


def _in_file(file: Path, tokenizer: str | None, note: Callable[[str], None] | None) -> Iterator[Sample]:
    data, path = read_bytes(file, MAX_FILE_BYTES), str(file)
    if data.startswith(b"SQLite format 3\0"):
        raise InputError(f"{path}: a table of a study; give its folder")
    plain = data.removeprefix(codecs.BOM_UTF8)
    if is_traffic(plain.lstrip().partition(b"\n")[0]):
        yield from traffic_in(data, path, tokenizer, note)
        return
    reader = _json_reader(plain, path) if plain.lstrip()[:1] == b"{" else None
    if reader is None:
        if not plain.strip():
            raise InputError(f"{path}: is empty; give a file with prompts, a trace or runs")
        text = _text(plain, path)
        header = _header(text)
        reader = _csv if "prompt" in header else _one_prompt
        if reader is _one_prompt and _is_table(text, header, path):
            raise InputError(f"{path}: {without_prompt('column', header or [text.partition(chr(10))[0]])}")
        if reader is _one_prompt and path.lower().endswith(_LINES_ENDINGS):
            yield from _traced(data, path)  # says what is wrong with the first line
        else:
            yield from reader(text, path)
    else:
        yield from reader(data, path)


def _json_reader(data: bytes, path: str) -> Callable[[bytes, str], Iterator[Sample]] | None:
    """What reads a file that begins like JSON; None if that is only text that begins with a brace."""
    start = data.lstrip()
    try:
        first = parse_json(start.partition(b"\n")[0].decode())
    except (SchemaError, UnicodeDecodeError):
        head = start[:2000].decode(errors="replace")
        if "format" in head and RUN_FORMAT in head:  # a run file that somebody has indented
            return _run
        return _traced if path.lower().endswith(_JSON_ENDINGS) or head.startswith('{"') else None
    if first.get("format") == RUN_FORMAT:
        return _run
    return _prompted if isinstance(first.get("prompt"), str) else _traced


def _prompted(data: bytes, path: str) -> Iterator[Sample]:
    """One prompt per line, as text."""
    for place, value in json_lines(io.BytesIO(data), path):
        row = checked_line(path, place, value, PromptLine)
        yield Sample(_name(path, place, value), (), text=row.prompt, category=category_of(value))


def _traced(data: bytes, path: str) -> Iterator[Sample]:
    """One recorded output per line, as ids."""
    for place, value in json_lines(io.BytesIO(data), path):
        if "prompt" not in value:
            raise InputError(f"{path}, line {place}: {without_prompt('field', value)}; {_NEED}")
        row = checked_line(path, place, value, TraceLine)
        yield Sample(_name(path, place, value), row.prompt, row.output, category=category_of(value))


def _run(data: bytes, path: str) -> Iterator[Sample]:
    """A recorded run, and plain decoding beside it if the file has both."""
    pair = pair_in(data.removeprefix(codecs.BOM_UTF8), path)
    if pair.run.steps:  # one that was stopped before its first token has nothing to look at
        yield sample_of(Sample(os.path.basename(path), ()), pair)


def _csv(text: str, path: str) -> Iterator[Sample]:
    """One prompt per row of a table with a column ``prompt``."""
    csv.field_size_limit(MAX_TEXT_BYTES + 1)
    lines = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    _ = lines.fieldnames  # reads the header, so that the first row begins after it
    while True:
        begins = lines.line_num + 1
        try:
            row = next(lines)
            prompt = row.get("prompt") or ""
            check_prompt(prompt)
        except StopIteration:
            return
        except (csv.Error, SchemaError) as error:
            raise InputError(f"{path}, line {begins}: {error}; need a CSV table with a column prompt") from None
        yield Sample(_name(path, begins, row), (), text=prompt, category=category_of(row))


def _header(text: str) -> list[str]:
    """The names of the columns, if the text is a CSV table."""
    try:
        return next(csv.reader([text.partition("\n")[0]], strict=True), [])
    except csv.Error:
        return []


def _is_table(text: str, header: list[str], path: str) -> bool:
    """Whether a text is a CSV table, by its name or plainly: short names, and rows with as many fields."""
    name = path.lower()
    if name.endswith(".csv") or name.endswith(_TEXT_ENDINGS):
        return name.endswith(".csv")
    if len(header) < 2 or not all(_COLUMN.fullmatch(column) for column in header):
        return False
    try:
        _, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    except csv.Error:
        return False
    return bool(rows) and all(len(row) == len(header) for row in rows if row)


def _one_prompt(text: str, path: str) -> Iterator[Sample]:
    """The whole text as one prompt."""
    try:
        check_prompt(text)
    except SchemaError as error:
        raise InputError(f"{path}: {error}; {_NEED}") from None
    yield Sample(os.path.basename(path) if path != "-" else "-", (), text=text)


def _text(data: bytes, path: str) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8 text; {_NEED}") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InputError(f"{path}, line {line}: a NUL character, which text does not have; {_NEED}")
    return text


def _name(path: str, place: int, value: dict[Any, Any]) -> str:
    """The row's own name if it has one, else the file and the line."""
    given = value.get("id")
    own = excerpt(given) if isinstance(given, str | int) and not isinstance(given, bool) else ""
    return own or f"{os.path.basename(path)}:{place}"


def _named_apart(samples: list[Sample]) -> list[Sample]:
    """The samples, a name that was there before with a number behind it."""
    taken: Counter[str] = Counter()
    named = []
    for sample in samples:
        taken[sample.name] += 1
        number = taken[sample.name]
        named.append(sample if number == 1 else replace(sample, name=f"{sample.name} ({number})"))
    return named
