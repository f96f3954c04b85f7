"""The one thread that answers questions, so that they cannot take the processor from runs or from the page."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic, sleep
from typing import Any, TypeVar

from app.run.store import RunStore

Result = TypeVar("Result")

MOST_WAITING = 256
"""Most questions that wait at one time. One that waits costs nothing; one that is refused at once is soon asked again,
and 170 such requests per second kept the page waiting for 3 s."""
LONGEST_WAIT = 30.0
"""Seconds after which a question whose turn has not come is refused."""
RESTS = 8
"""While runs are made, a question is followed by a rest of this many times its own time: Python code takes the
interpreter from the engine, whose passes then take several times as long."""
LONGEST_REST = 20.0
"""Seconds."""
_STEP = 0.05


class BusyError(ValueError):
    """Too many questions wait already."""


class QuestionThread:
    """One thread that answers questions one after the other; the runs in progress in the store go first."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._executor = ThreadPoolExecutor(1, "questions")
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._lock = threading.Lock()
        self._rest_until = self._pause_until = 0.0

    async def ask(self, question: Callable[[], Result]) -> Result:
        """What the question returns or raises.

        Raises:
            BusyError: If too many wait, or this one waited too long.
        """
        asked = Future[Result](), question
        with self._lock:
            if len(self._waiting) >= MOST_WAITING:
                raise BusyError(f"{MOST_WAITING} questions are waiting already. Try again in a moment.")
            self._waiting.append(asked)
        self._executor.submit(self._answer_next)
        answer = asyncio.wrap_future(asked[0])
        try:
            await asyncio.wait((answer,), timeout=LONGEST_WAIT)
        finally:
            with self._lock:
                if too_long := asked in self._waiting:
                    self._waiting.remove(asked)
        if too_long:
            raise BusyError("Other questions take all the time. Try again in a moment.")
        return await answer

    def _answer_next(self) -> None:
        """Answer the question that has waited longest; nothing if all were refused meanwhile."""
        # In a pause the page is served, from another thread of the same interpreter.
        while (now := monotonic()) < self._pause_until or (now < self._rest_until and self._store.busy()):
            sleep(_STEP)
        with self._lock:
            if not self._waiting:
                return
            answer, question = self._waiting.popleft()
            answer.set_running_or_notify_cancel()
        begun = monotonic()
        try:
            answer.set_result(question())
        except BaseException as error:  # noqa: BLE001 - it belongs to the one who asked
            answer.set_exception(error)
        finally:
            ended = monotonic()
            self._pause_until = ended + min(1.0, ended - begun)
            self._rest_until = ended + min(LONGEST_REST, RESTS * (ended - begun))
