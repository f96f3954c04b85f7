"""The one thread that answers questions, so that they cannot take the processor from runs or from the page."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep
from typing import TypeVar

from app.run.store import RunStore

Result = TypeVar("Result")

MOST_WAITING = 32
"""Most questions that wait at one time."""
RESTS = 8
"""While runs are made, a question is followed by a rest of this many times its own time: Python code takes the
interpreter from the engine, whose passes then take several times as long."""
LONGEST_REST = 20.0
"""Seconds."""
_STEP = 0.05


class BusyError(ValueError):
    """Too many questions wait already."""


class QuestionThread:
    """One thread that answers questions one after the other.

    Args:
        store: Its runs in progress go first.
    """

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._executor = ThreadPoolExecutor(1, "questions")
        self._lock = threading.Lock()
        self._waiting = 0
        self._rest_until = self._pause_until = 0.0

    async def ask(self, question: Callable[[], Result]) -> Result:
        """What the question returns or raises.

        Raises:
            BusyError: If too many wait.
        """
        with self._lock:
            if self._waiting >= MOST_WAITING:
                raise BusyError(f"{MOST_WAITING} questions are waiting already. Try again in a moment.")
            self._waiting += 1
        return await asyncio.wrap_future(self._executor.submit(self._answer, question))

    def close(self) -> None:
        """Answer nothing more."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _answer(self, question: Callable[[], Result]) -> Result:
        while monotonic() < self._pause_until:  # the page is served from another thread of the same interpreter
            sleep(_STEP)
        while monotonic() < self._rest_until and self._store.busy():
            sleep(_STEP)
        begun = monotonic()
        try:
            return question()
        finally:
            ended = monotonic()
            self._pause_until = ended + min(1.0, ended - begun)
            self._rest_until = ended + min(LONGEST_REST, RESTS * (ended - begun))
            with self._lock:
                self._waiting -= 1
