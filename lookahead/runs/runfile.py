"""Run files: one RunRecord as versioned JSON, checked field by field and step by step when it is read."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from lookahead.records import RunRecord
from lookahead.runs.format import run_from_data, run_to_data
from lookahead.runs.rules import check_run
from lookahead.runs.schema import SchemaError, parse_json

MAX_FILE_BYTES = 32_000_000
"""Largest run file that is opened; 500 steps of 64 nodes are about 1 MB."""


class RunFileError(ValueError):
    """A file that is no run file, or one that cannot be written; one line says what is wrong."""


def to_json(run: RunRecord) -> str:
    """The run as one compact JSON text, which ``from_json`` is known to take.

    Raises:
        RunFileError: If the record contradicts itself (``rules.py`` says how).
    """
    try:
        text = json.dumps(run_to_data(run), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        from_json(text)
    except (ValueError, KeyError) as error:
        raise RunFileError(f"this run cannot be written: {error}") from None
    return text


def from_json(text: str) -> RunRecord:
    """The run in a JSON text.

    Raises:
        RunFileError: If it is no run of this version, or contradicts itself.
    """
    if len(text) > MAX_FILE_BYTES:
        raise RunFileError(f"no run file: {len(text)} characters; at most {MAX_FILE_BYTES}")
    try:
        run = run_from_data(parse_json(text))
        check_run(run)
    except SchemaError as error:
        raise RunFileError(f"no run file: {error}") from None
    return run


def save(run: RunRecord, path: str | Path) -> None:
    """Write a run file, whole or not at all.

    Raises:
        RunFileError: If the record contradicts itself or the file cannot be written.
    """
    target = Path(path)
    check_target(target)
    text = to_json(run)
    try:
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(temporary, 0o644)
            os.replace(temporary, target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise RunFileError(f"{path}: cannot be written ({error.strerror or error})") from None


def check_target(path: str | Path) -> None:
    """Raise RunFileError unless a file can be written there; writes nothing (call it before a long run)."""
    target = Path(path)
    if target.is_dir():
        raise RunFileError(f"{path}: is a folder; name a file in it")
    if not target.parent.is_dir():
        raise RunFileError(f"{path}: the folder {target.parent} does not exist; make it first")
    if not os.access(target.parent, os.W_OK):
        raise RunFileError(f"{path}: the folder {target.parent} cannot be written to")


def load(path: str | Path) -> RunRecord:
    """Read a run file.

    Raises:
        RunFileError: If it cannot be read, is too large, is no run of this version, or contradicts itself.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise RunFileError(f"{path}: cannot be read ({error.strerror or error})") from None
    if len(data) > MAX_FILE_BYTES:
        raise RunFileError(f"{path}: larger than {MAX_FILE_BYTES} bytes")
    try:
        return from_json(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise RunFileError(f"{path}: no run file: not UTF-8 text") from None
    except RunFileError as error:
        raise RunFileError(f"{path}: {error}") from None
