"""What the page shows first: a recorded run of the embedded model."""

from __future__ import annotations

from pathlib import Path

from app.model.host import ModelHost
from app.run.settings import offered_here
from app.run.store import RunStore
from app.run.stored_run import from_record
from app.views.step_messages import since, to_json
from lookahead.runs import runfile
from lookahead.sources.registry import SOURCES

RUNS = Path(__file__).resolve().parents[2] / "assets" / "runs"


def first_sight(host: ModelHost, store: RunStore, folder: Path = RUNS) -> str:
    """The stage's first value: what it needs to know of the page, and the messages of the first recorded scene.

    A scene is ``NAME.json``, and ``NAME.greedy.json`` if the same prompt was also decoded greedily. Without recorded
    runs there are no messages, and the page says what to do.
    """
    files = [path for path in sorted(folder.glob("*.json")) if not path.name.endswith(".greedy.json")][:1]
    messages = []
    for path in [found for first in files for found in (first, first.with_suffix(".greedy.json")) if found.is_file()]:
        run = from_record(runfile.load(path), note=f"a recorded run: {files[0].stem.replace('-', ' ')}")
        store.pin(run)
        messages.append(since(run, 0))
    shown = ("name", "symbol", "light", "dark", "help")
    page = {
        "knobs": [one.to_json() for one in offered_here(host, "what-if").values()],
        "sources": [{name: getattr(info, name) for name in shown} for info in SOURCES.values()],
    }
    return to_json({"page": page, "recorded": True, "messages": messages})
