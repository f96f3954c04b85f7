"""The pages that read a run or a study as it comes, and for how long none has."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic


class Readers:
    """How many there are; any thread may ask.

    Attributes:
        count: Pages that read now.
        ever: Whether one has read.
        unread_since: When the last one left, on the clock of ``monotonic``; the beginning if there was none.
    """

    def __init__(self) -> None:
        self.count, self.ever, self.unread_since = 0, False, monotonic()
        self._lock = threading.Lock()

    @contextmanager
    def another(self) -> Iterator[None]:
        """Inside the ``with`` there is one more."""
        with self._lock:
            self.count += 1
            self.ever = True
        try:
            yield
        finally:
            with self._lock:
                self.count -= 1
                self.unread_since = monotonic()

    @property
    def unread_seconds(self) -> float:
        """How long there has been none; 0.0 while there is one."""
        return 0.0 if self.count else monotonic() - self.unread_since
