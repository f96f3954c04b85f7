"""Two short runs that are compared are made once more, so that their times say how much they vary."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.model.host import ModelHost
from app.model.runs import RunRequest
from app.options import AppOptions
from app.run import start
from app.run.start import start_run
from app.run.store import RunStore
from app.run.stored_run import StoredRun
from app.views.step_messages import since
from lookahead import LookaheadConfig, RunRecord
from lookahead.runs import runfile
from tests.app.making import record_of


@pytest.fixture(scope="module")
def host(tiny_model: Path) -> Iterator[ModelHost]:
    found = ModelHost.load(AppOptions(model=(str(tiny_model),)))
    yield found
    found.close()


def _compared(host: ModelHost, cancelled: threading.Event | None = None) -> tuple[StoredRun, StoredRun]:
    store, runs = RunStore(), []
    for method in ("lookahead", "plain"):
        beside = runs[0] if runs else None
        prompt, config = "abc abc abc", LookaheadConfig()
        runs.append(start_run(host, store, prompt, config, 12, method, cancelled=cancelled, beside=beside))
        assert runs[-1].wait(60)
    return runs[0], runs[1]


def test_both_lanes_are_timed_twice_and_the_file_holds_the_times(host: ModelHost) -> None:
    run, plain = _compared(host)
    records = record_of(run), record_of(plain)
    assert [len(record.repeat_seconds or ()) for record in records] == [1, 1]
    told = [since(stored, 0)["end"] for stored in (run, plain)]
    assert told[1]["beside_seconds"] == told[0]["repeat_seconds"] == records[0].repeat_seconds
    read = runfile.pair_from_json(runfile.to_json(*records))
    assert read.run.repeat_seconds == pytest.approx(records[0].repeat_seconds, abs=1e-6)
    assert read.greedy is not None
    assert read.greedy.repeat_seconds == pytest.approx(records[1].repeat_seconds, abs=1e-6)


def test_long_runs_are_made_once(host: ModelHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "SHORT_SECONDS", 0.0)
    assert [record_of(stored).repeat_seconds for stored in _compared(host)] == [None, None]


@pytest.mark.parametrize("how", ["stopped", "failed"])
def test_a_second_try_that_breaks_off_leaves_the_runs_whole(
    host: ModelHost, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    made: list[RunRequest] = []
    generate: Callable[..., RunRecord] = host.generate

    def breaking(request: RunRequest, cancelled: threading.Event, take: Callable[..., None]) -> RunRecord:
        made.append(request)
        if len(made) > 2 and how == "failed":
            raise RuntimeError("out of memory")
        if len(made) > 2:
            cancelled.set()
        return generate(request, cancelled, take)

    monkeypatch.setattr(host, "generate", breaking)
    for record in map(record_of, _compared(host, threading.Event())):
        assert record.finish_reason == "length"
        assert record.repeat_seconds is None
    assert len(made) == 3
