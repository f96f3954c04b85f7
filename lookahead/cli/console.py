"""How the commands print results, tables, notes and progress, and their errors."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any

from lookahead.backend import BackendError, failure_line
from lookahead.inputs import InputError, excerpt

LONGEST_LINE = 1000
"""Characters of the longest note; whoever writes one cuts what is foreign in it to a part of that."""

SECONDS_PER_LINE = 15.0
"""Time between two lines about a long work where stderr is not a terminal."""


class UsageError(ValueError):
    """The caller's mistake: one line says what is wrong and what to do; exit status 2."""


class BrokenOff(RuntimeError):
    """A forward pass failed: one line says what happened and what to do; exit status 1."""


BAD_INPUT = (UsageError, InputError, BackendError)
"""Errors whose message is the line for the user."""


@contextmanager
def forward_passes() -> Iterator[None]:
    """Turn whatever a failing forward pass raises into ``BrokenOff``: the code of a model is foreign."""
    try:
        yield
    except BAD_INPUT:
        raise
    except Exception as error:
        raise BrokenOff(failure_line(error)) from error


@contextmanager
def bad_input(what: str, advice: str = "") -> Iterator[None]:
    """Turn whatever is raised inside into ``UsageError``: tokenizers, templates and configurations are foreign code.

    Args:
        what: What it is about; the first words of the line.
        advice: What to do; the last words.
    """
    try:
        yield
    except BAD_INPUT:
        raise
    except Exception as error:
        reason = str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
        raise UsageError(f"{what}: {excerpt(reason, 120)}" + (f"; {advice}" if advice else "")) from error


@contextmanager
def writing(path: str) -> Iterator[None]:
    """Turn an OSError into ``UsageError``: the caller named a file that cannot be written."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror or error})") from None


def print_json(result: dict[str, Any]) -> None:
    """The result as the last line of stdout."""
    print(json.dumps(result, allow_nan=False), flush=True)


def print_result(args: argparse.Namespace, result: dict[str, Any], text: Callable[[dict[str, Any]], str]) -> None:
    """The result on stdout: for ``--json`` as JSON, else as this text."""
    if args.json:
        print_json(result)
    else:
        print(text(result))


def note(message: str) -> None:
    """A line for people, on stderr."""
    print(f"lookahead: {excerpt(message, LONGEST_LINE)}", file=sys.stderr, flush=True)


def complain(message: object, arguments: Sequence[str]) -> None:
    """An error for people, on stderr, which repeats no argument at length unless it names something that is there."""
    line = excerpt(message, sys.maxsize)
    for text in {text for argument in arguments for text in (argument, argument.partition("=")[2])}:
        if len(text) > 80 and not os.path.exists(text):
            for spelled in (text, repr(text)[1:-1]):
                line = line.replace(excerpt(spelled, sys.maxsize), excerpt(spelled))
    note(line)


def progress(total: int, unit: str, description: str) -> Any:
    """A progress bar on stderr; silent if stderr is not a terminal."""
    from tqdm import tqdm

    return tqdm(total=total, unit=unit, desc=description, file=sys.stderr, disable=None, leave=False)


def ticks(bar: Any) -> Callable[[str, int, int], None]:
    """Shows each part of the work on one bar, from its start to its end; in lines where there is no terminal."""

    shown, begun, due = "", 0.0, 0.0

    def tick(what: str, done: int, of: int) -> None:
        nonlocal shown, begun, due
        now = monotonic()
        if what != shown:
            shown, begun, due = what, now, now + SECONDS_PER_LINE
            bar.set_description(what, refresh=False)
            bar.reset(of)
        bar.update(done - bar.n)
        if bar.disable and now >= due and 0 < done < of:
            due = now + SECONDS_PER_LINE
            note(f"{what}: {done} of {of}, about {(now - begun) * (of - done) / done:.0f} s left")

    return tick


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns under their names: the first aligned left, the others right.

    >>> print(table(("a", "n"), [("x", 10), ("yy", 2)]))
    a    n
    x   10
    yy   2
    """
    cells = [list(header), *([shown(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = []
    for row in cells:
        rest = [text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *rest]).rstrip())
    return "\n".join(lines)


def shown(value: object) -> str:
    """A value for a table: fractions with three decimals (with one from 100 on), None as a dash."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 100 else f"{value:.1f}"
    return str(value)
