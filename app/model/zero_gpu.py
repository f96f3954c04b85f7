"""ZeroGPU Spaces: each call borrows a GPU and runs in a forked worker. Elsewhere none of this is used.

Two rules of these Spaces shape the app. ``spaces`` simulates a CUDA device for torch, in the main thread and for later
imports: so the model is loaded there, and nothing is computed before a worker has a GPU. And a worker is another
process: its changes are lost, so everything that matters travels in the batches.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING, Any

from app.model.runs import Generate, RunRequest, Take, broken_off, recorded_run
from lookahead.records import RunRecord, StepRecord

if TYPE_CHECKING:
    from app.model.host import ModelHost

MOST_SECONDS = 120
"""Longest loan of a GPU that a run asks for."""
BATCH_SECONDS = 0.04
"""Time between two batches of a worker."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What happened in a worker since its last batch.

    Attributes:
        steps: The new steps.
        ends: When each step ended, in seconds from the start of the run.
        run: The finished run; None before the last batch.
        notice: Why the model decodes one token per pass, which only a worker can find out.
        exactness: How exact its passes are (the ``kind`` of its verdict); None before the last batch.
    """

    steps: tuple[StepRecord, ...]
    ends: tuple[float, ...]
    run: RunRecord | None = None
    notice: str = ""
    exactness: str | None = None


def decorator() -> Callable[[Any], Any] | None:
    """``spaces.GPU`` on a ZeroGPU Space, None elsewhere; call it before torch is imported."""
    try:
        import spaces  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None

    def probe() -> None: ...

    lends = spaces.GPU(probe) is not probe  # elsewhere the decorator returns its argument
    return spaces.GPU(duration=seconds_for) if lends else None


def seconds_for(request: object, *_: object) -> int:
    """How long a run (or, for anything else, one pass) may hold the GPU; short loans wait less in the queue."""
    tokens = request.max_new_tokens if isinstance(request, RunRequest) else 0
    return min(MOST_SECONDS, 20 + tokens // 8)


def lent(decorate: Callable[[Any], Any], host: ModelHost) -> Generate:
    """The host's runs, each in a worker that has a GPU.

    The event that cancels a run stays in this process. When it is set, the worker is closed, and the run is put
    together here from the steps that arrived.
    """

    @decorate
    def in_worker(request: RunRequest) -> Iterator[Batch]:
        run = recorded_run(host.backend, host.info, host.corpus, request, threading.Event())
        told, due = 0, 0.0

        def batch(record: RunRecord | None = None) -> Batch:
            verdict, notice = host.backend.exactness if record else None, host.backend.notice or ""
            kind = None if verdict is None else verdict.kind
            return Batch(tuple(run.steps[told:]), tuple(run.ends[told:]), record, notice, kind)

        try:
            for _ in run:
                if monotonic() >= due:
                    yield batch()
                    told, due = len(run.steps), monotonic() + BATCH_SECONDS
        except Exception:
            yield batch()
            raise
        yield batch(run.record())

    def generate(request: RunRequest, cancelled: threading.Event, take: Take) -> RunRecord:
        steps: list[StepRecord] = []
        ends: list[float] = []
        with closing(in_worker(request)) as batches:
            for batch in batches:
                host.notice = "; ".join(filter(None, (*host.backend.notices, batch.notice)))
                for step, end in zip(batch.steps, batch.ends, strict=True):
                    take(step, end)
                steps += batch.steps
                ends += batch.ends
                if batch.run is not None:
                    host.info = replace(host.info, exactness=batch.exactness)
                    return replace(batch.run, model=host.info)
                if cancelled.is_set():
                    break
        return broken_off(request, host.info, steps, ends, "cancelled")

    return generate
