"""Runs of the embedded model without a page: where they compute, and how they end."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from app import zero_gpu
from app.host import ModelHost
from app.options import AppOptions
from app.runner import RunRequest
from lookahead import LookaheadConfig
from lookahead.runs import runfile


@pytest.fixture(scope="module")
def host() -> Iterator[ModelHost]:
    """The embedded model."""
    found = ModelHost.load(AppOptions())
    yield found
    found.close()


def _request(host: ModelHost, prompt: str = "abc abc abc", most: int = 400, width: int = 1) -> RunRequest:
    return RunRequest(host.encode(prompt), LookaheadConfig(decoding_length=width), most, "lookahead")


def test_model_and_runs_share_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads that compute have two OpenMP pools, and a pass takes half as long again."""
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
        list(host.stream(_request(host, most=3), threading.Event()))
    host.close()
    assert len(seen) == 1
    assert threading.main_thread().name not in seen


def test_no_step_is_lost(host: ModelHost) -> None:
    batches = list(host.stream(_request(host), threading.Event()))
    steps = [step for batch in batches for step in batch.steps]
    assert [step.index for step in steps] == list(range(400))
    run = batches[-1].run
    assert run is not None
    assert run.steps == tuple(steps)
    assert len([end for batch in batches for end in batch.ends]) == 400


def test_a_closed_iterator_ends_the_run_within_one_step(host: ModelHost, monkeypatch: pytest.MonkeyPatch) -> None:
    from lookahead.hf import session

    passes = 0
    choose = session.TreeSession.choose

    def counted(self: session.TreeSession, tree: object) -> object:
        nonlocal passes
        passes += 1
        return choose(self, tree)  # type: ignore[arg-type]

    monkeypatch.setattr(session.TreeSession, "choose", counted)
    batches = host.stream(_request(host), threading.Event())
    first = next(batches)
    assert first.run is None
    batches.close()
    after = passes
    assert after < 400
    list(host.stream(_request(host, most=1), threading.Event()))  # one more run gets its turn: the other has ended
    assert passes == after


def test_a_worker_that_is_stopped_leaves_a_whole_run(host: ModelHost) -> None:
    """As on a ZeroGPU Space, where the event of Stop does not reach the worker."""
    stream = zero_gpu.lent(lambda task: task, host.stream, lambda: "a notice", host.info)
    cancelled = threading.Event()
    batches = stream(_request(host), cancelled)
    first = next(batches)
    assert first.notice == "a notice"
    cancelled.set()
    last = list(batches)[-1].run
    assert last is not None
    assert last.finish_reason == "cancelled"
    assert 0 < len(last.steps) < 400
    assert runfile.from_json(runfile.to_json(last)).token_ids == last.token_ids


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
