"""Which runs the server keeps: all that are recorded or still going, the latest ones of the others."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import store as place
from app.recorded import RUNS, first_sight
from app.runner import RunRequest
from app.server import functions
from app.store import RunStore
from app.stored_run import StoredRun, from_record, new_id
from lookahead import LookaheadConfig
from lookahead.records import RunRecord
from lookahead.runs import runfile


@pytest.fixture(scope="module")
def run() -> RunRecord:
    """The recorded run."""
    return runfile.load(RUNS / "edit-code.json")


def _stored(prompt_tokens: int, going: bool = False) -> StoredRun:
    request = RunRequest((1,) * prompt_tokens, LookaheadConfig(), 10, "lookahead")
    stored = StoredRun(new_id(), "lookahead", request, (), {})
    stored.going = going
    return stored


def test_recorded_runs_stay_and_are_saved_with_greedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "MOST_RUNS", 2)
    store = RunStore()
    run, greedy = (message["run"] for message in json.loads(first_sight(store))["messages"])
    for _ in range(5):
        store.add(_stored(1))
    asked = {function.__name__: function for function in functions(store)}
    assert "error" not in asked["trie_view"]({"run": run, "step": 1})
    saved = asked["run_file"]({"run": run, "greedy": greedy})["text"]
    assert runfile.pair_from_json(saved).greedy is not None


def test_a_file_without_the_greedy_run_that_is_gone_says_so(run: RunRecord) -> None:
    store, stored = RunStore(), from_record(run)
    store.add(stored)
    asked = {function.__name__: function for function in functions(store)}
    assert asked["run_file"]({"run": stored.run_id, "greedy": None}) == {"text": runfile.to_json(run)}
    answer = asked["run_file"]({"run": stored.run_id, "greedy": "gone"})
    assert answer["text"] == runfile.to_json(run)
    assert "without greedy decoding" in answer["note"]


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
    """Measured: 460 bytes a draft node and 1.5 kB a step besides, records and page data together."""
    import tracemalloc

    text = runfile.to_json(run)
    from_record(run)
    tracemalloc.start()
    stored = from_record(runfile.from_json(text))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken / 2 < stored.bytes < taken * 3


def test_outputs_are_remembered_for_the_sessions_that_ran_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "MOST_MEMORIES", 2)
    store = RunStore()
    for session in ("first", "second", "first", "third"):
        store.remember(session, (*store.memory(session), (len(session),)))
    assert store.memory("first") == ((5,), (5,))
    assert store.memory("second") == ()
    assert store.memory("third") == ((5,),)
