"""Run files: one RunRecord as versioned JSON, checked field by field and step by step when it is read.

Besides the run's own fields a file may hold ``greedy``, plain greedy decoding of the same prompt on the same model, and
``parted``, how close the decision was at the first token that differs.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from lookahead.atomic import write_whole
from lookahead.inputs import InputError, opened, read_bytes
from lookahead.metrics import first_difference
from lookahead.records import RunRecord, TokenGap
from lookahead.runs.format import FORMAT, Header, PairPart, check_header, run_from, written
from lookahead.runs.rules import check_run
from lookahead.strict_json import SchemaError, checked, parse_json, refuse_half_pairs

MAX_FILE_BYTES = 32_000_000
"""Largest run file that is opened; 500 steps of 64 nodes are about 1 MB."""


class RunFileError(InputError):
    """A file is not a run file or cannot be written; one line says what is wrong."""


@dataclass(frozen=True, slots=True)
class RunPair:
    """What a run file holds.

    Attributes:
        greedy: Greedy decoding of the same prompt on the same model, if it was run too.
        parted: How close the decision was at the first token that differs; None if none does, or it was not measured.
    """

    run: RunRecord
    greedy: RunRecord | None = None
    parted: TokenGap | None = None


def to_json(run: RunRecord, greedy: RunRecord | None = None, parted: TokenGap | None = None) -> str:
    """The run as one compact JSON text that ``from_json`` accepts; half a surrogate pair in a text becomes ``?``.

    Raises:
        RunFileError: If a record contradicts itself (``rules.py`` says how) or has a value that JSON does not have,
            ``greedy`` does not belong to it, or the text is larger than a file may be.
    """
    try:
        fields = written(run)
        if greedy is not None:
            fields |= {"greedy": written(greedy), "parted": msgspec.to_builtins(parted)}
        text = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode(errors="replace").decode()
        from_json(text)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise RunFileError(f"this run does not make a valid run file: {error}") from None
    return text


def from_json(text: str) -> RunRecord:
    """The run in a JSON text.

    Raises:
        RunFileError: If it is not a run of this version, or contradicts itself.
    """
    return pair_from_json(text).run


def pair_from_json(text: str) -> RunPair:
    """The run in a JSON text, and greedy decoding beside it if the text has both.

    Raises:
        RunFileError: If either is not a run of this version or contradicts itself, or the two do not belong together.
    """
    size = len(text.encode(errors="surrogatepass"))
    if size > MAX_FILE_BYTES:
        raise RunFileError(f"not a run file: {size} bytes; a run file has at most {MAX_FILE_BYTES}")
    try:
        data = parse_json(text)
        refuse_half_pairs(data, text)
        check_header(checked(data, Header))
        return _pair_from(checked(data, PairPart))
    except SchemaError as error:
        raise RunFileError(f"not a run file: {error}") from None
    except RecursionError:
        raise RunFileError("not a run file: nested too deeply") from None


def _pair_from(part: Any) -> RunPair:
    run, greedy, parted = _run_from(part), None, None
    if part.greedy is not None:
        try:
            greedy = _run_from(part.greedy)
        except SchemaError as error:
            raise SchemaError(f"greedy.{error}") from None
        _check_beside(run, greedy)
    if part.parted is not None:
        if greedy is None:
            raise SchemaError("parted: there is no greedy run to differ from")
        if first_difference(run.token_ids, greedy.token_ids) is None:
            raise SchemaError("parted: the two runs have the same tokens")
        parted = TokenGap(part.parted.gap, part.parted.spacing, part.parted.noise)
    return RunPair(run, greedy, parted)


def _run_from(part: Any) -> RunRecord:
    run = run_from(part)
    check_run(run)
    return run


def _check_beside(run: RunRecord, greedy: RunRecord) -> None:
    if run.method != "lookahead" or greedy.method != "plain":
        raise SchemaError("greedy.method: only a plain run beside a lookahead run")
    for name in ("prompt_ids", "model", "stop", "sampling"):
        if getattr(run, name) != getattr(greedy, name):
            raise SchemaError(f"greedy.{name}: not the same as the run's")


def save(run: RunRecord, path: str | Path, greedy: RunRecord | None = None, parted: TokenGap | None = None) -> None:
    """Write a run file (a ``RunPair``), whole or not at all.

    Raises:
        RunFileError: If the record contradicts itself or the file cannot be written.
    """
    check_target(path)
    try:
        text = to_json(run, greedy, parted)
    except RunFileError as error:
        raise RunFileError(f"{path}: not written: {error}") from None
    try:
        write_whole(path, text.encode())
    except OSError as error:
        raise RunFileError(f"{path}: cannot be written ({error.strerror or error})") from None


def check_target(path: str | Path) -> None:
    """Raise RunFileError unless a file can be written there; writes nothing (call it before a long run)."""
    if not str(path):
        raise RunFileError("the name of a file to write is empty; name one")
    if str(path) == "-":
        raise RunFileError("-: this is written to a file only, not to standard output; name one")
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    if os.path.isdir(target):
        raise RunFileError(f"{path}: is a folder; name a file in it")
    if os.path.exists(target) and not os.path.isfile(target):
        raise RunFileError(f"{path}: not an ordinary file, and saving would replace it; name another")
    if not os.path.isdir(folder):
        raise RunFileError(f"{path}: the folder {folder} does not exist; make it first")
    if not os.access(folder, os.W_OK):
        raise RunFileError(f"{path}: the folder {folder} cannot be written to")
    try:
        os.stat(target)
    except FileNotFoundError:
        return
    except OSError as error:  # a name that is too long, for example
        raise RunFileError(f"{path}: cannot be written ({error.strerror or error}); name another file") from None


def is_run_file(path: str | Path) -> bool:
    """Whether a file calls itself a run file.

    Raises:
        InputError: If it cannot be read.
    """
    with opened(path) as file:
        return f'"{FORMAT}"'.encode() in file.read(MAX_FILE_BYTES)


def load(path: str | Path) -> RunRecord:
    """The run in a file.

    Raises:
        RunFileError: As ``load_pair``.
    """
    return load_pair(path).run


def load_pair(path: str | Path) -> RunPair:
    """What a run file holds.

    Raises:
        RunFileError: If it cannot be read, is too large, is not a run of this version, or contradicts itself.
    """
    try:
        data = read_bytes(path, MAX_FILE_BYTES)
    except InputError as error:
        raise RunFileError(str(error)) from None
    return pair_in(data, path)


def pair_in(data: bytes, path: str | Path) -> RunPair:
    """What the content of a run file holds; ``path`` is its name in messages.

    Raises:
        RunFileError: As ``load_pair``.
    """
    if len(data) > MAX_FILE_BYTES:
        raise RunFileError(f"{path}: larger than {MAX_FILE_BYTES} bytes, the limit for a run file")
    try:
        return pair_from_json(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise RunFileError(f"{path}: not a run file: not UTF-8 text") from None
    except RunFileError as error:
        raise RunFileError(f"{path}: {error}") from None
