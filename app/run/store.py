"""Runs that a page may ask about again, by an id that only its own tab knows."""

from __future__ import annotations

import threading
from collections import OrderedDict

from app.run.stored_run import StoredRun

MOST_RUNS = 200
"""Runs kept at one time; the one that was used longest ago is dropped first."""
MOST_BYTES = 400_000_000
"""Memory that these runs may take together, as ``StoredRun.bytes`` estimates it."""


class RunStore:
    """Runs by id, bounded."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, StoredRun] = OrderedDict()
        self._pinned: dict[str, StoredRun] = {}
        self._lock = threading.Lock()

    def add(self, run: StoredRun) -> None:
        """Keep a run; the oldest ones may be dropped, but none in progress."""
        with self._lock:
            self._runs[run.run_id] = run
            total = sum(kept.bytes for kept in self._runs.values())
            for old in list(self._runs.values()):
                if len(self._runs) <= MOST_RUNS and total <= MOST_BYTES:
                    break
                if not old.going and old is not run:
                    del self._runs[old.run_id]
                    total -= old.bytes

    def pin(self, run: StoredRun) -> None:
        """Keep a run for good, outside the bounds of the others."""
        with self._lock:
            self._pinned[run.run_id] = run

    def get(self, run_id: object) -> StoredRun | None:
        """The run of this id; None where it is not known (any more)."""
        with self._lock:
            if not isinstance(run_id, str):
                return None
            if run_id in self._runs:
                self._runs.move_to_end(run_id)
            return self._pinned.get(run_id) or self._runs.get(run_id)
