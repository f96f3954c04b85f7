"""How the commands print results, tables, notes and progress, and their errors."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from lookahead.backend import PASS_ERRORS, failure_line


class UsageError(ValueError):
    """The caller's mistake: one line says what is wrong and what to do; exit status 2."""


class BrokenOff(RuntimeError):
    """A forward pass failed: one line says what happened and what to do; exit status 1."""


@contextmanager
def forward_passes() -> Iterator[None]:
    """Turn the errors of a failing forward pass into ``BrokenOff``; other errors are left alone."""
    try:
        yield
    except PASS_ERRORS as error:
        raise BrokenOff(failure_line(error)) from error


def print_json(result: dict[str, Any]) -> None:
    """The result as the last line of stdout."""
    print(json.dumps(result, allow_nan=False), flush=True)


def note(message: str) -> None:
    """A line for people, on stderr."""
    print(f"lookahead: {message}", file=sys.stderr, flush=True)


def one_line(message: object) -> str:
    """A message without line breaks.

    >>> one_line("a\\n  b")
    'a b'
    """
    return " ".join(str(message).split())


def progress(total: int, unit: str, description: str) -> Any:
    """A progress bar on stderr; silent if stderr is not a terminal."""
    from tqdm import tqdm

    return tqdm(total=total, unit=unit, desc=description, file=sys.stderr, disable=None, leave=False)


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
