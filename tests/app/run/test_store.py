"""Which runs the server keeps: all recorded ones, all in progress, and the latest of the others."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.model.host import ModelHost
from app.model.runs import RunRequest
from app.page.presets import titles
from app.run import store as place
from app.run import tabs
from app.run.store import RunStore
from app.run.stored_run import StoredRun, from_record
from app.run.tabs import Tabs
from app.views.first_sight import first_sight
from app.views.step_messages import steps_data
from lookahead import LookaheadConfig
from lookahead.records import RunRecord
from lookahead.runs import runfile
from tests.app.making import INFO, Words, asking


def _stored(prompt_tokens: int, going: bool = False) -> StoredRun:
    request = RunRequest((1,) * prompt_tokens, LookaheadConfig(), 10)
    stored = StoredRun(request, INFO, Words(()))
    if not going:
        stored.close()
    return stored


def test_recorded_runs_stay_and_are_saved_with_greedy(host: ModelHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "MOST_RUNS", 2)
    store = RunStore()
    run, greedy = (message["run"] for message in json.loads(first_sight(host, store, titles()))["messages"])
    for _ in range(5):
        store.add(_stored(1))
    asked = asking(store)
    assert "error" not in asked["trie_view"]({"run": run, "step": 1})
    saved = asked["run_file"]({"run": run, "beside": greedy})["text"]
    assert runfile.pair_from_json(saved).greedy is not None


def test_a_file_without_the_greedy_run_that_is_gone_says_so(run: RunRecord) -> None:
    store, stored = RunStore(), from_record(run)
    store.add(stored)
    asked = asking(store)
    assert asked["run_file"]({"run": stored.run_id, "beside": None}) == {"text": runfile.to_json(run)}
    answer = asked["run_file"]({"run": stored.run_id, "beside": "gone"})
    assert answer["text"] == runfile.to_json(run)
    assert "without the greedy run" in answer["note"]


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=30))
def test_the_others_stay_within_both_bounds(sizes: list[tuple[int, bool]]) -> None:
    most_runs, most_bytes = 4, 2000
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, "MOST_RUNS", most_runs)
        patch.setattr(place, "MOST_BYTES", most_bytes)
        store = RunStore()
        runs = [_stored(size, going) for size, going in sizes]
        for stored in runs:
            store.add(stored)
            assert store.get(stored.run_id) is stored
    kept = [stored for stored in runs if store.get(stored.run_id) is not None]
    assert all(stored in kept for stored in runs if stored.going)
    ended = [stored for stored in runs if not stored.going]
    left = [stored for stored in ended if stored in kept]
    assert left == ended[len(ended) - len(left) :]  # the oldest went first
    within = len(kept) <= most_runs and sum(stored.bytes for stored in kept) <= most_bytes
    assert within or all(stored.going or stored is runs[-1] for stored in kept)


def test_the_size_of_a_run_is_about_what_it_takes(run: RunRecord) -> None:
    """Measured: 1.5 kB per step and 460 bytes per draft node, records and page data together."""
    import tracemalloc

    text = runfile.to_json(run)
    steps_data(from_record(run))
    tracemalloc.start()
    stored = from_record(runfile.from_json(text))
    steps_data(stored)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken / 2 < stored.bytes < taken * 3


def test_outputs_are_remembered_for_the_tabs_that_ran_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tabs, "MOST_MEMORIES", 2)
    known = Tabs()
    for tab in ("first", "second", "first", "third"):
        known.remember(tab, (len(tab),))
    assert known.memory("first") == ((5,), (5,))
    assert known.memory("second") == ()
    assert known.memory("third") == ((5,),)


def test_a_run_that_was_left_while_it_was_queued_never_begins() -> None:
    known = Tabs()
    assert not known.stop("tab")
    with known.going("other") as cancelled:
        assert not cancelled.is_set()
    assert cancelled.is_set()
    with known.going("tab") as cancelled:
        assert cancelled.is_set()
    with known.going("tab") as cancelled:
        assert not cancelled.is_set()
        assert known.stop("tab")
        assert cancelled.is_set()
    known.stop("tab")
    known.arrive("tab")
    with known.going("tab") as cancelled:
        assert not cancelled.is_set()
    for number in range(1000):
        known.stop(str(number))
    assert len(known._left) < 1000
