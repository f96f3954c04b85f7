"""The one thread in which everything computes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

Result = TypeVar("Result")


class EngineThread:
    """One thread that loads the model, measures it and runs it.

    OpenMP gives every thread that computes its own pool. With more pooled threads than cores, they sleep between two
    parallel pieces of work instead of waiting for the next, and a pass of a small model takes 1.5 times as long.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "engine")
        self._cancelled: threading.Event | None = None

    def call(self, function: Callable[[], Result]) -> Result:
        """What the function returns, called in the thread."""
        return self._executor.submit(function).result()

    def start(self, task: Callable[[], Result], cancelled: threading.Event) -> Future[Result]:
        """Start a task that makes a run, in the caller's context (a borrowed GPU is charged to the caller).

        Args:
            cancelled: The event that ends the run.
        """
        self._cancelled = cancelled
        return self._executor.submit(copy_context().run, task)

    def close(self) -> None:
        """End the run in progress after its current pass, and the thread with it."""
        if self._cancelled is not None:
            self._cancelled.set()
        self._executor.shutdown(wait=False, cancel_futures=True)
