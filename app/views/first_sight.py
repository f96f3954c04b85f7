"""What the page shows first: a run that was recorded with the embedded model."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from app.model.host import ModelHost
from app.run.settings import offered_here
from app.run.store import RunStore
from app.run.stored_run import from_record
from app.views.step_messages import since, to_json
from lookahead.runs import runfile
from lookahead.sources.registry import SOURCES

RUNS = Path(__file__).resolve().parents[2] / "assets" / "runs"


def first_sight(host: ModelHost, store: RunStore, folder: Path = RUNS) -> str:
    """The stage's first value: what it needs of the page, and the messages of the first recorded scene.

    A scene is ``NAME.json``, and ``NAME.greedy.json`` where the same prompt was decoded greedily, too. There are no
    messages where nothing was recorded; the page then says what to do.
    """
    files = [path for path in sorted(folder.glob("*.json")) if not path.name.endswith(".greedy.json")][:1]
    messages = []
    for path in [found for first in files for found in (first, first.with_suffix(".greedy.json")) if found.is_file()]:
        run = from_record(runfile.load(path), note=f"a recorded run: {files[0].stem.replace('-', ' ')}")
        store.pin(run)
        messages.append(since(run, 0))
    return to_json({"page": page_facts(host), "recorded": True, "messages": messages})


def page_facts(host: ModelHost) -> dict[str, Any]:
    """What the page's script needs to know of this page: its what-if knobs, and all sources of draft tokens."""
    shown = ("name", "symbol", "light", "dark", "help")
    return {
        "knobs": [one.to_json() for one in offered_here(host, "what-if").values()],
        "sources": [{name: dataclasses.asdict(info)[name] for name in shown} for info in SOURCES.values()],
    }
