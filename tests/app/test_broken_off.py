"""A run whose forward pass fails: what came before is a finished run, and one line says what happened."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator, Iterator

import pytest
import torch

from app.handlers import Handlers
from app.host import ModelHost
from app.lane import Update, updates
from app.options import AppOptions
from app.server import functions
from app.settings import Settings
from app.store import RunStore
from lookahead.hf.session import TreeSession
from lookahead.runs import runfile

OUT_OF_MEMORY = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nGPU 0 has 4 GiB.")


@pytest.fixture(scope="module")
def host() -> Iterator[ModelHost]:
    """The embedded model."""
    found = ModelHost.load(AppOptions())
    yield found
    found.close()


@pytest.fixture
def fail_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Exception], None]:
    """Makes the pass of that number (0: the prefill) raise an error."""
    choose, prefill = TreeSession.choose, TreeSession.prefill

    def arrange(number: int, error: Exception) -> None:
        passes = 0

        def failing(original: Callable[..., object]) -> Callable[..., object]:
            def run(self: TreeSession, given: object) -> object:
                nonlocal passes
                passes += 1
                if passes > number:
                    raise error
                return original(self, given)

            return run

        monkeypatch.setattr(TreeSession, "prefill", failing(prefill))
        monkeypatch.setattr(TreeSession, "choose", failing(choose))

    return arrange


def _updates(host: ModelHost, store: RunStore) -> Generator[Update, None, None]:
    settings = Settings(max_new_tokens=60, decoding_length=1)
    return updates(host, store, "abc abc abc", settings, "lookahead", (), threading.Event())


@pytest.mark.parametrize("number", [0, 1, 30])
def test_the_passes_before_it_are_a_finished_run(
    number: int, host: ModelHost, fail_at: Callable[[int, Exception], None]
) -> None:
    fail_at(number, OUT_OF_MEMORY)
    store = RunStore()
    updates = list(_updates(host, store))
    assert [step["i"] for update in updates for step in update.message["steps"]] == list(range(number))
    last = updates[-1]
    assert last.run is not None
    assert last.run.finish_reason == last.message["end"]["finish_reason"] == "error"
    assert last.message["end"]["problem"].startswith("out of memory; a smaller decoding_length")
    assert len(last.run.steps) == number
    assert not last.stored.going
    asked = {function.__name__: function for function in functions(store)}
    saved = asked["run_file"]({"run": last.stored.run_id})["text"]
    assert runfile.from_json(saved).token_ids == last.run.token_ids
    opened = asked["open_run"]({"text": saved})["messages"][0]
    assert opened["end"]["finish_reason"] == "error"
    assert len(Handlers(host, store).figures(last.stored.run_id)) == 7


def test_compare_ends_with_the_lane_that_broke_off_and_the_next_run_is_whole(
    host: ModelHost, fail_at: Callable[[int, Exception], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_at(5, OUT_OF_MEMORY)
    store = RunStore()
    handlers = Handlers(host, store)
    controls = [20, 1, 0, "hierarchical", "adaptive", ["prompt", "output"], True]
    *_, text = handlers.compare(*controls, "", "abc abc abc", None)
    assert json.loads(text)["lane"] == "lookahead"
    ending = store.take_ending("")
    assert ending
    status, drawn = ending.line, ending.run_id
    assert "broke off: out of memory" in status
    assert "\n" not in status
    monkeypatch.undo()
    *_, text = handlers.run(*controls, "", "abc abc abc", None)
    assert json.loads(text)["end"]["finish_reason"] in ("length", "eos")
    assert drawn


def test_a_run_that_is_left_is_kept_as_one_that_was_stopped(host: ModelHost) -> None:
    for count in range(1, 4):
        run = _updates(host, RunStore())
        stored = [next(run) for _ in range(count)][-1].stored
        assert stored.going or stored.run
        whole = stored.run
        run.close()
        assert not stored.going
        assert stored.run is not None
        assert stored.run.steps == tuple(stored.steps)
        assert stored.run is whole or stored.run.finish_reason == "cancelled"
        assert stored.since(0)["end"]["finish_reason"] == stored.run.finish_reason
        assert runfile.from_json(runfile.to_json(stored.run)).token_ids == stored.run.token_ids


def test_an_error_of_the_program_is_raised_once_the_page_knows_the_end(
    host: ModelHost, fail_at: Callable[[int, Exception], None]
) -> None:
    fail_at(3, KeyError("a mistake"))
    found: list[Update] = []
    with pytest.raises(KeyError, match="a mistake"):
        list(map(found.append, _updates(host, RunStore())))
    assert found[-1].message["end"]["finish_reason"] == "error"
