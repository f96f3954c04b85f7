"""A study on a cluster, without one: prompts are handed out, taken back from workers that end, and given up in the end.

``ray_study.py`` beside this does it on two real nodes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookahead.backend import BackendError
from lookahead.cli.main import main
from lookahead.config import LookaheadConfig
from lookahead.costs import PassCosts
from lookahead.inputs import InputError
from lookahead.records import ModelInfo
from lookahead.study.cluster import ATTEMPTS, ClusterRunner, Device, Loaded, ModelName
from lookahead.study.material import Sample
from lookahead.study.recording import PromptError, RunPlan

ROOT = Path(__file__).resolve().parents[3]
COSTS = PassCosts((1, 4), (1.0, 2.0))


class _ActorError(Exception):
    """A worker ended."""


class _TaskError(Exception):
    """A worker raised something."""

    def __init__(self, cause: Exception) -> None:
        self.cause = cause


class _Worker:
    """A worker of whom a script says what each of its calls does: an answer, or an exception."""

    def __init__(self, answers: Callable[[str, Any], Any]) -> None:
        for name in ("load", "run", "measure"):
            call = lambda *arguments, name=name: lambda: answers(name, arguments)  # noqa: E731
            setattr(self, name, SimpleNamespace(remote=call))


class _Ray:
    """As much of Ray as a runner uses; calls run when they are waited for, in the order in which they were made."""

    exceptions = SimpleNamespace(RayActorError=_ActorError, RayTaskError=_TaskError)

    def put(self, value: Any) -> Any:
        return value

    def wait(self, calls: Sequence[Any], num_returns: int) -> tuple[list[Any], list[Any]]:
        return [calls[0]], list(calls[1:])

    def get(self, call: Any) -> Any:
        return call()

    def kill(self, worker: Any) -> None:
        worker.killed = True


class _Cluster:
    """Devices, and a script for their workers."""

    def __init__(self, devices: int, answers: Callable[[str, Any], Any], there: bool = True) -> None:
        self.ray, self.answers, self.there = _Ray(), answers, there
        self.found = [Device(str(number), 1, 0) for number in range(devices)]
        self.workers: list[_Worker] = []

    def devices(self, device: str) -> list[Device]:
        return self.found

    def worker(self, device: Device) -> Any:
        self.workers.append(_Worker(self.answers))
        return self.workers[-1]

    def alive(self, device: Device) -> bool:
        return self.there


def _loaded(torch: str = "2") -> Loaded:
    return {"hardware": "some", "threads": 2, "torch": torch}, ModelInfo("m", "cpu", "float32", 1, 9)


def _answers(
    run: Callable[..., Any] = lambda sample, place, costs: (sample, None),
    load: Callable[..., Any] = lambda *_: _loaded(),
    measure: Callable[..., Any] = lambda: COSTS,
) -> Callable[[str, Any], Any]:
    """A script of workers, by what each kind of call does."""
    calls = {"run": run, "load": load, "measure": measure}
    return lambda name, arguments: calls[name](*arguments)


def _raise(error: Exception) -> Any:
    raise error


def _runner(cluster: Any) -> ClusterRunner:
    runner = ClusterRunner(cluster, ModelName("folder", "name"), RunPlan(LookaheadConfig(), 4))
    runner.pass_costs = runner.measure()
    return runner


def _prompts(count: int) -> list[tuple[int, Sample]]:
    return [(place, Sample(str(place), (place,))) for place in range(1, count + 1)]


@given(st.integers(1, 3), st.integers(0, 9), st.sets(st.integers(0, 40), max_size=4))
def test_every_prompt_is_done_once_whichever_workers_end(devices: int, count: int, ends: set[int]) -> None:
    """With devices enough; a call in ``ends`` brings its worker down."""
    calls = 0

    def run(sample: Sample, place: int, costs: PassCosts) -> Any:
        nonlocal calls
        calls += 1
        if calls - 1 in ends:
            raise _ActorError
        assert costs is COSTS
        return sample, place

    runner = _runner(_Cluster(devices + len(ends), _answers(run)))
    found = dict(runner.each(_prompts(count)))
    assert sorted(found) == list(range(1, count + 1))
    for place, ran in found.items():
        assert isinstance(ran, PromptError) or ran == (Sample(str(place), (place,)), place)
    assert sum(isinstance(ran, PromptError) for ran in found.values()) <= len(ends) / ATTEMPTS
    runner.close()


def test_a_prompt_that_ends_every_worker_is_given_up_and_the_others_run() -> None:
    def run(sample: Sample, place: int, costs: PassCosts) -> Any:
        return _raise(_ActorError()) if place == 2 else (sample, None)

    found = dict(_runner(_Cluster(3, _answers(run))).each(_prompts(3)))
    assert str(found[2]) == f"its worker ended {ATTEMPTS} times"
    assert not any(isinstance(found[place], PromptError) for place in (1, 3))


def test_where_no_worker_is_left_one_line_says_so() -> None:
    ending = _answers(run=lambda *_: _raise(_ActorError()))
    with pytest.raises(InputError, match="no worker of the cluster is left"):
        list(_runner(_Cluster(2, ending, there=False)).each(_prompts(9)))


def test_a_model_that_cannot_be_loaded_is_the_worker_s_own_line() -> None:
    failing = _answers(load=lambda *_: _raise(_TaskError(BackendError("no such folder"))))
    with pytest.raises(BackendError, match=r"^no such folder$"):
        _runner(_Cluster(2, failing))


def test_a_worker_with_other_versions_is_left_out() -> None:
    versions = iter(["2.13", "2.12"])
    cluster = _Cluster(2, _answers(load=lambda *_: _loaded(next(versions))))
    runner = _runner(cluster)
    assert len(dict(runner.each(_prompts(4)))) == 4
    assert runner.notes == ["a worker was left out: it has torch=2.12, the first one 2.13"]
    assert runner.facts == {"hardware": "Ray", "threads": "Ray", "torch": "2.13"}
    assert [getattr(worker, "killed", False) for worker in cluster.workers] == [False, True]


def test_the_first_worker_may_end_before_it_has_measured() -> None:
    measured = iter([lambda: _raise(_ActorError()), lambda: COSTS])
    assert _runner(_Cluster(1, _answers(measure=lambda: next(measured)()))).pass_costs is COSTS


def test_without_ray_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["study", "any.jsonl", "--ray", "auto"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "lookahead: error: --ray: Ray is not installed; install it with the extra ray (pip install ray)"


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:99999"])
def test_where_no_cluster_answers_one_line_says_so_at_once(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace())
    assert main(["study", "any.jsonl", "--ray", address]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"lookahead: error: --ray {address}: no Ray cluster answers there (")


def test_ray_is_imported_where_a_cluster_is_asked_for_and_nowhere_else() -> None:
    found = re.compile(r"^\s*(?:import|from) ray\b", re.MULTILINE)
    files = [path for folder in ("lookahead", "app") for path in (ROOT / folder).rglob("*.py")]
    assert [path.name for path in files if found.search(path.read_text(encoding="utf-8"))] == ["cluster.py"]
    cluster = (ROOT / "lookahead" / "study" / "cluster.py").read_text(encoding="utf-8")
    assert all(line.startswith(" ") for line in cluster.splitlines() if found.match(line))
