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
from lookahead.report.report import sources
from lookahead.runs import runfile

RUNS = Path(__file__).resolve().parents[2] / "assets" / "runs"


def first_sight(host: ModelHost, store: RunStore, titles: Mapping[str, str]) -> str:
    """The stage's first value: what it needs to know of the page, and the messages of the first example.

    Without recorded runs there are no messages, and the page says what to do.

    Args:
        titles: Titles of examples by name, in the order of the page; those without a file are left out.
    """
    scenes = {name: example(store, name) for name in titles if (RUNS / f"{name}.json").is_file()}
    page = {
        "knobs": [one.to_json() for one in offered_here(host, "what-if").values()],
        "sources": sources(),
        "examples": [
            {"name": name, "title": titles[name], "model": runs[0].model.name, "seconds": list(map(_seconds, runs))}
            for name, runs in scenes.items()
        ],
    }
    first = next(iter(scenes), None)
    messages = [] if first is None else [since(run, 0) for run in scenes[first]]
    return to_json({"page": page, "recorded": True, "example": first, "messages": messages})


def example_lines(store: RunStore, titles: Mapping[str, str]) -> dict[str, str]:
    """What there is to say of each example where a link to it is shown: ``JSON: 96 tokens in 40 forward passes``."""
    found = {}
    for name, title in titles.items():
        if (RUNS / f"{name}.json").is_file():
            record = example(store, name)[0].run
            assert record is not None
            found[name] = f"{title}: {len(record.token_ids)} tokens in {len(record.steps)} forward passes"
    return found


def example(store: RunStore, name: Any) -> list[StoredRun]:
    """The runs of an example, kept in the store for good under ids that tell their name.

    Raises:
        ValueError: If there is no such example.
    """
    if not isinstance(name, str) or name not in {path.stem for path in RUNS.glob("*.json")}:
        raise ValueError(f"no example is called {str(name)[:40]!r}")
    ids = [f"example-{name}", f"example-{name}-greedy"]
    if store.get(ids[0]) is None:
        pair = runfile.load_pair(RUNS / f"{name}.json")
        for run_id, record in zip(ids, (pair.run, pair.greedy), strict=True):
            if record is not None:
                parted = pair.parted if record is pair.greedy else None
                run = from_record(record, "recorded, mistakes included", parted)
                run.run_id = run_id
                store.pin(run)
    return [run for run_id in ids if (run := store.get(run_id))]


def _seconds(run: StoredRun) -> list[float]:
    """Wall clock of every try of a finished run."""
    record = run.run
    return [] if record is None else [record.seconds, *(record.repeat_seconds or ())]
