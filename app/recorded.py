"""Runs that were recorded with the embedded model: what a visitor sees first."""

from __future__ import annotations

from pathlib import Path

from lookahead.runs import runfile

from . import stage
from .store import RunStore
from .stored_run import from_record

RUNS = Path(__file__).resolve().parents[1] / "assets" / "runs"


def first_sight(store: RunStore, folder: Path = RUNS, sources: object = ()) -> str:
    """The first recorded pair (``NAME.json``, and ``NAME.greedy.json`` beside it) as the stage's first value.

    An empty text where nothing was recorded; the stage then says what to do.
    """
    files = [path for path in sorted(folder.glob("*.json")) if not path.name.endswith(".greedy.json")]
    if not files:
        return ""
    messages = []
    for path in (files[0], files[0].with_suffix(".greedy.json")):
        if path.is_file():
            stored = from_record(runfile.load(path), note=f"a recorded run: {files[0].stem.replace('-', ' ')}")
            store.pin(stored)
            messages.append(stored.since(0))
    from lookahead.config import offered
    from lookahead.sources.registry import SOURCES

    knobs = [one.within(high=128).to_json() if one.kind == "whole" else one.to_json() for one in offered("what-if").values()]
    shown = [
        {"name": one.name, "symbol": one.symbol, "light": one.light, "dark": one.dark, "help": one.help}
        for one in SOURCES.values()
        if one.offered
    ]
    return stage.to_json({"page": {"knobs": knobs, "sources": shown}, "recorded": True, "messages": messages})
