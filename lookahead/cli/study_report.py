"""The text of ``study``: the answer first, then the prompts, the losses, the settings and the machines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lookahead.cli.console import table
from lookahead.inputs import excerpt
from lookahead.study.decisions import DECISIONS
from lookahead.study.result import CAUSE_NAMES, Machine, Row, Study, Variant
from lookahead.study.rows import total_of

SHOWN_PROMPTS = 20
"""Prompts in the text, the worst first; a file of --csv has all."""
SHOWN_VARIANTS = 10


def report(study: Study) -> str:
    """All of the study as text."""
    parts = [_answer(study), _prompts(study), _kinds(study.rows), _sources(study.total), _losses(study.total)]
    peers = [one for one in study.variants if one.peer]
    parts += [_variants(study), _variant_table("other methods", peers), *_machines(study.machines)]
    parts.append("\n".join(f"note: {excerpt(line, 400)}" for line in study.notes))
    return "\n\n".join(part for part in parts if part)


def _answer(study: Study) -> str:
    total = study.total
    reason = study.verdict.reason
    branch = next((one for one in DECISIONS if one.reason == reason), None)
    why = [f"Reason: {reason} ({branch.when}). {branch.then}"] if branch else []
    lines = [study.verdict.text, *why, *(one.text for one in study.advice)]
    model = f", {study.model['name']} ({study.model['dtype']} on {study.model['device']})" if study.model else ""
    prompts = "prompt" if len(study.rows) == 1 else "prompts"
    rate = "" if total.tokens_per_pass is None else f", {total.tokens_per_pass:.2f} tokens per pass"
    speed = "" if total.speedup is None else f", {total.speedup:.2f}x the speed of plain decoding (measured)"
    if not speed and total.modelled_speedup is not None:
        speed = f", {total.modelled_speedup:.2f}x the speed of plain decoding (modelled by T(n))"
    lines.append(f"{excerpt(study.title)}: {len(study.rows)} {prompts}{model}{rate}{speed}")
    return "\n".join(lines)


def _badness(row: Row) -> float:
    """What the worst rows have least of: speedup, measured or modelled, or tokens per pass."""
    values = (row.counted_speedup, row.modelled_speedup, row.tokens_per_pass)
    return next((value for value in values if value is not None), float("inf"))


def _prompts(study: Study) -> str:
    """The worst prompts first, and the sums."""
    rows = sorted(study.rows, key=_badness)[:SHOWN_PROMPTS]
    columns = {
        "prompt": lambda row: excerpt(row.name, 32),
        "kind": lambda row: excerpt(row.category, 16) or None,
        "tokens": lambda row: row.tokens,
        "passes": lambda row: row.passes,
        "per pass": lambda row: row.tokens_per_pass,
        "drafted": lambda row: row.drafted,
        "accepted": lambda row: row.accepted,
        "rate": lambda row: row.acceptance_rate,
        "empty": lambda row: row.empty,
        "seconds": lambda row: row.seconds,
        "plain s": lambda row: row.plain_seconds,
        "speedup": lambda row: row.counted_speedup,
        "timing": lambda row: "disturbed" if row.disturbed else None,
        "modelled": lambda row: row.modelled_speedup,
        "near ties": lambda row: row.near_ties,
        "lost most at": lambda row: row.worst_step,
    }
    every = [*rows, study.total]
    cells = {name: [cell(row) for row in every] for name, cell in columns.items()}
    shown = {name: values for name, values in cells.items() if any(value is not None for value in values)}
    text = table(tuple(shown), zip(*shown.values(), strict=True))
    left = len(study.rows) - len(rows)
    return text + (f"\n({left} better prompts not shown; --csv FILE writes all)" if left else "")


def _kinds(rows: Sequence[Row]) -> str:
    """The sums of each kind of request, if there are several; the worst first."""
    kinds = {row.category: [one for one in rows if one.category == row.category] for row in rows}
    if len(kinds) < 2:
        return ""
    totals = [(kind or "-", len(found), total_of(found)) for kind, found in kinds.items()]
    totals.sort(key=lambda one: _badness(one[2]))
    cells = [
        (
            *(excerpt(kind, 32), count, total.tokens, total.tokens_per_pass, total.acceptance_rate),
            *(total.speedup, total.modelled_speedup),
        )
        for kind, count, total in totals
    ]
    return table(("kind", "prompts", "tokens", "per pass", "rate", "speedup", "modelled"), cells)


def _sources(total: Row) -> str:
    rows = [
        (f"{label} {name}", kind.drafted, kind.checked, kind.accepted, kind.accepted / kind.drafted)
        for label in ("source", "depth", "match_length")
        for name, kind in getattr(total, f"by_{label}").items()
    ]
    return table(("draft tokens by", "drafted", "checked", "accepted", "rate"), rows) if rows else ""


def _losses(total: Row) -> str:
    rows = [(CAUSE_NAMES.get(loss.cause, loss.cause), loss.passes, loss.tokens) for loss in total.losses]
    return table(("where passes ended", "passes", "tokens lost"), rows) if rows else ""


def _variants(study: Study) -> str:
    found = [one for one in study.variants if not one.peer]
    found.sort(key=lambda one: one.modelled_speedup or one.tokens_per_pass or 0.0, reverse=True)
    left = len(found) - SHOWN_VARIANTS
    text = _variant_table("best settings", found[:SHOWN_VARIANTS])
    return text + (f"\n({left} other settings not shown; --json has all)" if left > 0 else "")


def _variant_table(title: str, variants: Sequence[Variant]) -> str:
    rows = [(one.label, one.start, one.tokens_per_pass, one.drafted_per_pass, one.modelled_speedup) for one in variants]
    return table((title, "start", "per pass", "drafted per pass", "modelled speedup"), rows) if rows else ""


def _machines(machines: Sequence[Machine]) -> Iterator[str]:
    for one in machines:
        rows = [
            (str(n), 1000 * seconds, seconds / one.seconds[0], needed)
            for n, seconds, needed in zip(one.lengths, one.seconds, one.break_even, strict=True)
        ]
        speed = "" if one.modelled_speedup is None else f": {one.modelled_speedup:.2f}x"
        best = "" if one.best_speedup is None else f", {one.best_speedup:.2f}x with {one.best}"
        header = ("tokens in a pass", "T(n) ms", "T(n)/T(1)", "tokens per pass to pay")
        yield f"{excerpt(one.name, 120)}{speed}{best}\n{table(header, rows)}"
