"""The one thread in which everything computes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

Result = TypeVar("Result")


class EngineThread:
    """One thread for everything that computes.

    OpenMP gives every thread that computes a pool of its own, and with more pooled threads than cores they sleep
    between two parallel pieces of work instead of waiting for the next: a pass of a small model takes 1.5 times as
    long. So the model is loaded, measured and run in one and the same thread.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "engine")
        self._cancelled: threading.Event | None = None

    def call(self, function: Callable[[], Result]) -> Result:
        """What the function returns, called in the thread."""
        return self._executor.submit(function).result()

    def start(self, task: Callable[[], Result], cancelled: threading.Event) -> Future[Result]:
        """Have a run made in the thread, in the caller's context (who pays for a borrowed GPU).

        Args:
            cancelled: Ends the run.
        """
        self._cancelled = cancelled
        return self._executor.submit(copy_context().run, task)

    def close(self) -> None:
        """End the run in progress after its current pass, and the thread with it."""
        if self._cancelled is not None:
            self._cancelled.set()
        self._executor.shutdown(wait=False, cancel_futures=True)
