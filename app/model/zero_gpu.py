"""ZeroGPU Spaces: a GPU is lent for one call, which runs in a forked worker. Elsewhere nothing of this happens.

Two of its rules shape the app. ``spaces`` pretends to torch that there is a CUDA device, in the main thread, for what
is imported after it: the model is loaded there, and nothing is computed before a worker has a GPU. And a worker is
another process: what it changes is lost, so everything that counts travels in the batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from time import monotonic
from typing import Any

from app.model.runs import Generate, RunRequest, Take, broken_off
from lookahead.records import ModelInfo, RunRecord, StepRecord
from lookahead.runs.recorder import RecordedRun

MOST_SECONDS = 120
"""Longest loan of a GPU that is asked for."""
BATCH_SECONDS = 0.04
"""Time between two batches of a worker."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What happened in a worker since its last batch.

    Attributes:
        steps: The new steps.
        ends: When each ended, seconds from the start of the run.
        run: The run, once it has ended.
        notice: Why the model decodes one token at a time, which only a worker can tell.
    """

    steps: tuple[StepRecord, ...]
    ends: tuple[float, ...]
    run: RunRecord | None = None
    notice: str = ""


def decorator() -> Callable[[Any], Any] | None:
    """``spaces.GPU`` on a ZeroGPU Space, None elsewhere; to be asked before torch is imported."""
    try:
        import spaces  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None

    def probe() -> None: ...

    lends = spaces.GPU(probe) is not probe  # elsewhere the decorator hands back what it gets
    return spaces.GPU(duration=seconds_for) if lends else None


def seconds_for(request: object, *_: object) -> int:
    """How long a run (or one pass, for anything else) may hold the GPU; short loans wait less."""
    tokens = request.max_new_tokens if isinstance(request, RunRequest) else 0
    return min(MOST_SECONDS, 20 + tokens // 8)


def lent(
    decorate: Callable[[Any], Any],
    make: Callable[[RunRequest], RecordedRun],
    info: ModelInfo,
    notice: Callable[[], str],
    noticed: Callable[[str], None],
) -> Generate:
    """The same runs, each in a worker that has a GPU.

    The event that stops a run stays in this process: the worker is closed instead, and the run is put together here
    from the steps that arrived.

    Args:
        decorate: ``spaces.GPU``.
        make: Prepares a run, in the worker.
        notice: Why the model decodes one token at a time, asked in the worker.
        noticed: Gets that, here.
    """

    @decorate
    def in_worker(request: RunRequest) -> Iterator[Batch]:
        run = make(request)
        told, due = 0, 0.0
        try:
            for _ in run:
                if monotonic() >= due:
                    yield Batch(tuple(run.steps[told:]), tuple(run.ends[told:]), notice=notice())
                    told, due = len(run.steps), monotonic() + BATCH_SECONDS
        except Exception:
            yield Batch(tuple(run.steps[told:]), tuple(run.ends[told:]), notice=notice())
            raise
        yield Batch(tuple(run.steps[told:]), tuple(run.ends[told:]), run.record(), notice())

    def generate(request: RunRequest, cancelled: Any, take: Take) -> RunRecord:
        steps: list[StepRecord] = []
        ends: list[float] = []
        with closing(in_worker(request)) as batches:
            for batch in batches:
                noticed(batch.notice)
                for step, end in zip(batch.steps, batch.ends, strict=True):
                    take(step, end)
                steps += batch.steps
                ends += batch.ends
                if batch.run is not None:
                    return batch.run
                if cancelled.is_set():
                    break
        return broken_off(request, info, steps, ends, "cancelled")

    return generate
