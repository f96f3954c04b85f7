"""A study's rows as flat tables, for CSV files and data frames."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from lookahead.study.result import Row

_KINDS = {"by_source": "source", "by_depth": "depth", "by_match_length": "match_length"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def flat(row: Row) -> dict[str, Any]:
    """The row as one level of columns.

    ``source_prompt_accepted``, ``depth_3-4_drafted`` and the like hold the draft tokens by kind, ``loss_unseen_passes``
    and ``loss_unseen_tokens`` the losses by cause.
    """
    fields = msgspec.structs.asdict(row)
    losses = fields.pop("losses")
    kinds = {name: fields.pop(name) for name in _KINDS}
    for name, label in _KINDS.items():
        for kind, found in kinds[name].items():
            fields |= {f"{label}_{kind}_{what}": number for what, number in dataclasses.asdict(found).items()}
    for loss in losses:
        fields |= {f"loss_{loss.cause}_passes": loss.passes, f"loss_{loss.cause}_tokens": loss.tokens}
    return fields


def table(rows: Sequence[Row]) -> tuple[list[str], list[list[Any]]]:
    """Names of the columns that any of the rows has, and the rows; None where one does not have a column."""
    flats = [flat(row) for row in rows]
    # The plain columns first, then those of each kind together, in the order in which they come.
    names = list(dict.fromkeys(name for one in flats for name in one))
    names.sort(key=_group)
    return names, [[one.get(name) for name in names] for one in flats]


def _group(name: str) -> int:
    heads = ("source_", "depth_", "match_length_", "loss_")
    return next((place for place, head in enumerate(heads, start=1) if name.startswith(head)), 0)


def to_csv(rows: Sequence[Row]) -> str:
    """The rows as CSV with a header; an empty cell is a number that is not known."""
    names, lines = table(rows)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([list(_cells(line)) for line in lines])
    return text.getvalue()


def _cells(line: Sequence[Any]) -> Iterator[Any]:
    """The cells; a text that a spreadsheet would take for a formula gets an apostrophe in front."""
    for value in line:
        yield f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
