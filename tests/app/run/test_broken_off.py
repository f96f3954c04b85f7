"""A run whose forward pass fails: the steps before it are a finished run, and one line says what happened."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import pytest
import torch

from app.model.host import ModelHost
from app.page.events import COMPARE, RUN, Handlers
from app.run.store import RunStore
from app.serve.steps import messages, wait_while_read
from app.views.step_messages import since, to_json
from lookahead.hf.session import TreeSession
from lookahead.runs import runfile
from tests.app.making import asking, controls_of, finished, played, record_of

OUT_OF_MEMORY = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nGPU 0 has 4 GiB.")


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


@pytest.mark.parametrize("number", [0, 1, 30])
def test_the_passes_before_it_are_a_finished_run(
    number: int, host: ModelHost, fail_at: Callable[[int, Exception], None]
) -> None:
    fail_at(number, OUT_OF_MEMORY)
    store = RunStore()
    stored = finished(host, store, decoding_length=1)
    message = since(stored, 0)
    assert [step["i"] for step in message["steps"]] == list(range(number))
    run = record_of(stored)
    assert run.finish_reason == message["end"]["finish_reason"] == "error"
    assert message["end"]["problem"].startswith("out of memory; a smaller decoding_length")
    assert len(run.steps) == number
    assert not stored.going
    asked = asking(store)
    saved = asked["run_file"]({"run": stored.run_id})["text"]
    assert runfile.from_json(saved).token_ids == run.token_ids
    opened = asked["open_run"]({"text": saved})["messages"][0]
    assert opened["end"]["finish_reason"] == "error"
    assert len(Handlers(host, store).figures(stored.run_id)) == 6


def test_compare_ends_with_the_run_that_broke_off_and_the_next_run_is_whole(
    host: ModelHost, fail_at: Callable[[int, Exception], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_at(5, OUT_OF_MEMORY)
    handlers = Handlers(host, RunStore())
    values = controls_of(handlers, max_new_tokens=20, decoding_length=1)
    began, (_, status, drawn) = played(handlers, COMPARE, "", values)
    assert began[1] == "Running …"
    assert "broke off: out of memory" in status
    assert "\n" not in status
    assert handlers.store.get(drawn) is not None
    monkeypatch.undo()
    *_, (_, status, drawn) = played(handlers, RUN, "", values)
    run = handlers.store.get(drawn)
    assert run
    assert record_of(run).finish_reason in ("length", "eos")
    assert f"{len(run.steps)} forward passes" in status


def test_a_run_whose_page_is_gone_is_kept_as_a_stopped_one(host: ModelHost) -> None:
    handlers = Handlers(host, RunStore())
    scene = handlers.scene(RUN, "", controls_of(handlers, max_new_tokens=400, decoding_length=1))
    next(scene)
    (stored,) = handlers.store._runs.values()
    scene.close()  # type: ignore[attr-defined]
    assert stored.wait(20)
    run = record_of(stored)
    assert run.steps == tuple(stored.steps)
    assert run.finish_reason == "cancelled"
    assert since(stored, 0)["end"]["finish_reason"] == "cancelled"
    assert runfile.from_json(runfile.to_json(run)).token_ids == run.token_ids


def test_a_run_of_the_page_that_no_page_reads_is_cancelled(host: ModelHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.serve.steps.FIRST_READ_SECONDS", 0.1)
    monkeypatch.setattr(TreeSession, "choose", _slow(TreeSession.choose))
    handlers = Handlers(host, RunStore())
    scene = handlers.scene(RUN, "", controls_of(handlers, max_new_tokens=400, decoding_length=1))
    *_, (_, status, drawn) = scene
    assert "stopped" in status
    run = handlers.store.get(drawn)
    assert run
    assert len(run.steps) < 400
    *_, (_, _, drawn) = played(handlers, RUN, "", controls_of(handlers, max_new_tokens=60, decoding_length=1))
    run = handlers.store.get(drawn)
    assert run
    assert len(record_of(run).token_ids) == 60


def _slow(choose: Callable[..., object]) -> Callable[..., object]:
    def slow(self: TreeSession, tree: object) -> object:
        time.sleep(0.02)
        return choose(self, tree)

    return slow


@pytest.mark.parametrize("error", [KeyError("a mistake"), AssertionError(), TypeError("two\nlines"), OSError("\ud800")])
def test_any_error_of_a_pass_is_one_line_at_the_end(
    error: Exception, host: ModelHost, fail_at: Callable[[int, Exception], None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)  # half a character in a report would end a run of tests in two processes
    fail_at(3, error)
    stored = finished(host, decoding_length=1)
    *_, last = messages(stored)
    assert record_of(stored).finish_reason == last["end"]["finish_reason"] == "error"
    assert type(error).__name__ in last["end"]["problem"]
    assert "\n" not in last["end"]["problem"]
    to_json(last)
    wait_while_read(stored)


def test_a_tokenizer_that_cannot_spell_the_output_is_one_line(host: ModelHost, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AttributeError("no such method")

    monkeypatch.setattr(ModelHost, "with_texts", refuse)
    stored = finished(host, max_new_tokens=3)
    assert since(stored, 0)["end"]["problem"] == "AttributeError: no such method"
