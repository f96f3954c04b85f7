"""The one thread in which everything computes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

Result = TypeVar("Result")


class EngineThread:
    """One thread that loads the model, measures it and runs it.

    OpenMP gives every thread that computes its own pool. With more pooled threads than cores, they sleep between two
    parallel pieces of work instead of waiting for the next, and a pass of a small model takes 1.5 times as long.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "engine")
        self._cancelled: dict[Future[Any], threading.Event] = {}

    def call(self, function: Callable[[], Result]) -> Result:
        """What the function returns, called in the thread."""
        return self._executor.submit(function).result()

    def start(self, task: Callable[[], Result], cancelled: threading.Event) -> Future[Result]:
        """Start a task that makes a run until the event is set, in the context of its caller, who pays for a GPU."""
        future = self._executor.submit(copy_context().run, task)
        self._cancelled[future] = cancelled
        future.add_done_callback(lambda done: self._cancelled.pop(done, None))
        return future

    @property
    def busy(self) -> bool:
        """Whether a task that ``start`` took is in progress, or waits."""
        return bool(self._cancelled)

    def close(self) -> None:
        """End the run in progress after its current pass, and the thread with it."""
        for cancelled in list(self._cancelled.values()):
            cancelled.set()
        self._executor.shutdown(wait=False, cancel_futures=True)
