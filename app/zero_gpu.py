"""ZeroGPU Spaces: a GPU is lent for one call, which runs in a forked worker. Elsewhere nothing of this happens.

Two of its rules shape the app. ``spaces`` pretends to torch that there is a CUDA device, in the main thread, for what
is imported after it: the model is loaded there, and nothing is computed before a worker has a GPU. And a worker is
another process: what it changes is lost, so everything that counts travels in the batches.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from lookahead.records import ModelInfo, StepRecord

from .runner import Batch, Batches, RunRequest, Stream, broken_off

MOST_SECONDS = 120
"""Longest loan of a GPU that is asked for."""


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


def lent(decorate: Callable[[Any], Any], stream: Stream, notice: Callable[[], str], info: ModelInfo) -> Stream:
    """The same runs, each in a worker that has a GPU.

    The event that stops a run stays in this process: the worker is closed instead, and the run is put together here
    from the steps that arrived.

    Args:
        decorate: ``spaces.GPU``.
        notice: Why the model decodes one token at a time, asked in the worker.
    """

    @decorate
    def in_worker(request: RunRequest) -> Batches:
        for batch in stream(request, threading.Event()):
            yield replace(batch, notice=notice())

    def generate(request: RunRequest, cancelled: threading.Event) -> Batches:
        steps: list[StepRecord] = []
        ends: list[float] = []
        batches = in_worker(request)
        try:
            for batch in batches:
                steps += batch.steps
                ends += batch.ends
                yield batch
                if cancelled.is_set() and batch.run is None:
                    yield Batch((), (), broken_off(request, info, steps, ends, "cancelled"))
                    return
        finally:
            batches.close()

    return generate
