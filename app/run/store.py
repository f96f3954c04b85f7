"""The runs that pages may still ask about, by ids that only their own tabs know."""

from __future__ import annotations

import threading
from collections import OrderedDict
from time import monotonic

from app.run.stored_run import StoredRun

MOST_RUNS = 200
"""Most runs kept at one time; the least recently used one is dropped first."""
MOST_BYTES = 400_000_000
"""Most memory that these runs take together, as ``StoredRun.bytes`` counts it."""
BETWEEN_RUNS = 0.3
"""Seconds between two runs that still count as busy."""


class RunStore:
    """Runs by id, bounded."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, StoredRun] = OrderedDict()
        self._pinned: dict[str, StoredRun] = {}
        self._lock = threading.Lock()
        self._last_going = 0.0

    def add(self, run: StoredRun) -> None:
        """Keep a run. The oldest ones may be dropped, but never one in progress."""
        with self._lock:
            self._runs[run.run_id] = run
        self.trim(run)

    def trim(self, keep: StoredRun) -> None:
        """Drop the least recently used runs until the others are within the bounds, but never this one."""
        with self._lock:
            total = sum(kept.bytes for kept in self._runs.values())
            for old in list(self._runs.values()):
                if len(self._runs) <= MOST_RUNS and total <= MOST_BYTES:
                    break
                if not old.going and old is not keep:
                    del self._runs[old.run_id]
                    total -= old.bytes

    def pin(self, run: StoredRun) -> None:
        """Keep a run for good; the bounds do not count it."""
        with self._lock:
            self._pinned[run.run_id] = run

    def get(self, run_id: object) -> StoredRun | None:
        """The run with this id; None if it is unknown or was dropped."""
        if not isinstance(run_id, str):
            return None
        with self._lock:
            if run_id in self._runs:
                self._runs.move_to_end(run_id)
            return self._pinned.get(run_id) or self._runs.get(run_id)

    def busy(self) -> bool:
        """Whether a run is in progress, or one has just been."""
        with self._lock:
            now = monotonic()
            if any(run.going for run in self._runs.values()):
                self._last_going = now
            return now - self._last_going < BETWEEN_RUNS
