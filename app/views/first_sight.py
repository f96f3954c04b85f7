"""What the page shows before a visitor does anything: recorded runs, each an example with a name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.model.host import ModelHost
from app.run.settings import offered_here
from app.run.store import RunStore
from app.run.stored_run import StoredRun, from_record
from app.views.step_messages import since, to_json
from lookahead.runs import runfile
from lookahead.sources.registry import SOURCES

RUNS = Path(__file__).resolve().parents[2] / "assets" / "runs"


def first_sight(host: ModelHost, store: RunStore, titles: Mapping[str, str], folder: Path = RUNS) -> str:
    """The stage's first value: what it needs to know of the page, and the messages of the first example.

    Without recorded runs there are no messages, and the page says what to do.

    Args:
        titles: Titles of examples by name, in the order of the page; those without a file are left out.
        folder: Where ``NAME.json`` lies, a run file that may hold greedy decoding, too.
    """
    scenes = {name: example(store, name, folder) for name in titles if (folder / f"{name}.json").is_file()}
    shown = ("name", "symbol", "light", "dark", "help")
    page = {
        "knobs": [one.to_json() for one in offered_here(host, "what-if").values()],
        "sources": [{name: getattr(info, name) for name in shown} for info in SOURCES.values()],
        "examples": [
            {"name": name, "title": titles[name], "model": runs[0].model.name, "seconds": list(map(_seconds, runs))}
            for name, runs in scenes.items()
        ],
    }
    first = next(iter(scenes), None)
    messages = [] if first is None else [since(run, 0) for run in scenes[first]]
    return to_json({"page": page, "recorded": True, "example": first, "messages": messages})


def example_lines(store: RunStore, titles: Mapping[str, str], folder: Path = RUNS) -> dict[str, str]:
    """What there is to say of each example where a link to it is shown: ``JSON: 96 tokens in 40 forward passes``."""
    found = {}
    for name, title in titles.items():
        if (folder / f"{name}.json").is_file():
            record = example(store, name, folder)[0].run
            assert record is not None
            found[name] = f"{title}: {len(record.token_ids)} tokens in {len(record.steps)} forward passes"
    return found


def example(store: RunStore, name: Any, folder: Path = RUNS) -> list[StoredRun]:
    """The runs of an example, kept in the store for good under ids that tell their name.

    Raises:
        ValueError: If there is no such example.
    """
    if not isinstance(name, str) or name not in {path.stem for path in folder.glob("*.json")}:
        raise ValueError(f"no example is called {str(name)[:40]!r}")
    ids = [f"example-{name}", f"example-{name}-greedy"]
    if store.get(ids[0]) is None:
        pair = runfile.load_pair(folder / f"{name}.json")
        for run_id, record in zip(ids, (pair.run, pair.greedy), strict=True):
            if record is not None:
                parted = pair.parted if record is pair.greedy else None
                run = from_record(record, "a recorded run", parted)
                run.run_id = run_id
                store.pin(run)
    return [run for run_id in ids if (run := store.get(run_id))]


def _seconds(run: StoredRun) -> list[float]:
    """Wall clock of every try of a finished run."""
    record = run.run
    return [] if record is None else [record.seconds, *(record.repeat_seconds or ())]
