"""Runs of the embedded model in the engine's thread and in a worker: where they compute, and how they end."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from app.model import zero_gpu
from app.model.host import ModelHost
from app.model.runs import RunRequest
from app.options import AppOptions
from lookahead import LookaheadConfig, RunRecord
from lookahead.records import StepRecord
from lookahead.runs import runfile


def _request(host: ModelHost, prompt: str = "abc abc abc", most: int = 60, width: int = 1) -> RunRequest:
    return RunRequest(host.encode(prompt), LookaheadConfig(decoding_length=width), most)


def _run(
    host: ModelHost, request: RunRequest, cancelled: threading.Event, stop_after: int = 10**9
) -> tuple[RunRecord, list[StepRecord]]:
    """The run and its steps as they were passed on, stopped after so many."""
    steps: list[StepRecord] = []

    def take(step: StepRecord, _: float) -> None:
        steps.append(step)
        if len(steps) >= stop_after:
            cancelled.set()

    return host.thread.start(partial(host.generate, request, cancelled, take), cancelled).result(), steps


def test_model_and_runs_share_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads that compute have two OpenMP pools, and a pass takes 1.5 times as long."""
    from lookahead.hf import backend, measure, session

    seen: set[str] = set()
    for place, name in ((backend, "load"), (measure.SessionTimer, "measure"), (session.TreeSession, "choose")):
        original = getattr(place, name)

        def noted(*args: object, original: object = original, **more: object) -> object:
            seen.add(threading.current_thread().name)
            return original(*args, **more)  # type: ignore[operator]

        monkeypatch.setattr(place, name, noted)
    host = ModelHost.load(AppOptions())
    for _ in range(2):
        _run(host, _request(host, most=3), threading.Event())
    host.close()
    assert len(seen) == 1
    assert threading.main_thread().name not in seen


def test_no_step_is_lost(host: ModelHost) -> None:
    run, steps = _run(host, _request(host), threading.Event())
    assert [step.index for step in steps] == list(range(60))
    assert run.steps == tuple(steps)


def test_a_cancelled_run_ends_after_the_pass_and_the_next_has_its_turn(host: ModelHost) -> None:
    run, steps = _run(host, _request(host), threading.Event(), stop_after=7)
    assert len(run.steps) == len(steps) <= 8
    assert run.finish_reason == "cancelled"
    assert len(_run(host, _request(host, most=1), threading.Event())[0].steps) == 1


@pytest.fixture
def lending(host: ModelHost, monkeypatch: pytest.MonkeyPatch) -> ModelHost:
    """The model as on a ZeroGPU Space, where the event of Stop does not reach the worker."""
    monkeypatch.setattr(host, "generate", zero_gpu.lent(lambda task: task, host))
    monkeypatch.setattr(host, "notice", "")
    monkeypatch.setattr(host, "info", host.info)  # a worker's verdict changes it
    monkeypatch.setattr(host.backend, "_notice", "a notice")
    return host


def test_a_worker_loses_no_step_and_reports_its_notice(lending: ModelHost) -> None:
    run, steps = _run(lending, _request(lending), threading.Event())
    assert [step.index for step in steps] == list(range(60))
    assert run.steps == tuple(steps)
    assert lending.notice == "a notice"
    assert run.model.exactness in ("bitwise", "within rounding")


def test_a_worker_keeps_what_is_known_of_the_model_s_files(lending: ModelHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lending.backend, "notices", ("of its files",))
    _run(lending, _request(lending, most=2), threading.Event())
    assert lending.notice == "of its files; a notice"


def test_a_worker_that_is_stopped_leaves_a_whole_run(lending: ModelHost) -> None:
    run, steps = _run(lending, _request(lending), threading.Event(), stop_after=5)
    assert run.finish_reason == "cancelled"
    assert 5 <= len(run.steps) == len(steps) < 60
    assert runfile.from_json(runfile.to_json(run)).token_ids == run.token_ids


def test_the_steps_before_a_pass_that_fails_in_a_worker_arrive(
    lending: ModelHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lookahead.hf.session import TreeSession

    choose, passes = TreeSession.choose, []

    def failing(self: TreeSession, tree: object) -> object:
        passes.append(tree)
        if len(passes) > 20:
            raise RuntimeError("out of memory")
        return choose(self, tree)  # type: ignore[arg-type]

    monkeypatch.setattr(TreeSession, "choose", failing)
    steps: list[StepRecord] = []
    cancelled = threading.Event()
    task = partial(lending.generate, _request(lending), cancelled, lambda step, _: steps.append(step))
    with pytest.raises(RuntimeError, match="out of memory"):
        lending.thread.start(task, cancelled).result()
    assert [step.index for step in steps] == list(range(21))


def test_loans_of_a_gpu_are_short(host: ModelHost) -> None:
    assert zero_gpu.seconds_for(_request(host, most=16)) < 30
    assert zero_gpu.seconds_for(_request(host, most=100_000)) == zero_gpu.MOST_SECONDS


@pytest.mark.parametrize("text", ["🌳👩‍🚀 𝒳𝒴 שלום ＦＵＬＬ ❤️", "a\n\n\tb 🌳", "𐍈" * 20])
def test_characters_split_over_tokens_come_whole(host: ModelHost, text: str) -> None:
    from lookahead.hf.describe import RunTextStream

    prompt_ids, ids = host.encode("abc"), host.backend.encode(text, raw=True)
    assert len(ids) > len(text) // 2
    stream = RunTextStream(host.backend, prompt_ids)
    pieces = [piece for token_id in ids for piece in stream.push((token_id,))]
    assert "".join(pieces) + stream.finish() == text
    assert not any("\ufffd" in piece for piece in pieces)
