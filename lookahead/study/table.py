"""A study's rows as flat tables, for CSV files and data frames."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Sequence
from typing import Any

import msgspec

from lookahead.study.result import Row

_KINDS = ("source", "depth", "match_length")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def flat(row: Row) -> dict[str, Any]:
    """The row as one level of columns.

    ``source_prompt_accepted``, ``depth_3-4_drafted`` and the like hold the draft tokens by kind, ``loss_unseen_passes``
    and ``loss_unseen_tokens`` the losses by cause.
    """
    fields = msgspec.structs.asdict(row)
    fields["acceptance_rate"] = row.acceptance_rate
    losses = fields.pop("losses")
    kinds = {label: fields.pop(f"by_{label}") for label in _KINDS}
    for label, found in kinds.items():
        for kind, counts in found.items():
            fields |= {f"{label}_{kind}_{what}": number for what, number in dataclasses.asdict(counts).items()}
    for loss in losses:
        fields |= {f"loss_{loss.cause}_passes": loss.passes, f"loss_{loss.cause}_tokens": loss.tokens}
    return fields


def table(rows: Sequence[Row]) -> tuple[list[str], list[dict[str, Any]]]:
    """Names of the columns that any of the rows has, and the columns of each row by name."""
    flats = [flat(row) for row in rows]
    # The plain columns first, then those of each kind together, in the order in which they come.
    heads = tuple(f"{label}_" for label in (*_KINDS, "loss"))
    names = list(dict.fromkeys(name for one in flats for name in one))
    names.sort(key=lambda name: next((place for place, head in enumerate(heads, 1) if name.startswith(head)), 0))
    return names, flats


def to_csv(rows: Sequence[Row]) -> str:
    """The rows as CSV with a header; an empty cell is a number that is not known."""
    names, flats = table(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in one.items()} for one in flats)
    return text.getvalue()


def _cell(value: Any) -> Any:
    """The same value; a text that a spreadsheet would take for a formula gets an apostrophe in front."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
