"""Runs that a page may ask about again, by an id that only its own tab knows."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .stored_run import Outputs, StoredRun

MOST_RUNS = 200
"""Runs kept at one time; the one that was used longest ago goes first."""
MOST_BYTES = 400_000_000
"""Memory that these runs may take together, as ``StoredRun.bytes`` estimates it."""
MOST_MEMORIES = 100
"""Sessions whose outputs are remembered; at most 1.2 MB each (see ``most_recent``)."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What a run of a tab leaves: a line on how it ended, and the lookahead run's id."""

    line: str
    run_id: str


class RunStore:
    """Runs by id, bounded; and the events that stop the runs that are going."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, StoredRun] = OrderedDict()
        self._pinned: dict[str, StoredRun] = {}
        self._going: dict[str, threading.Event] = {}
        self._left: set[str] = set()
        self._endings: OrderedDict[str, Ending] = OrderedDict()
        self._memories: OrderedDict[str, Outputs] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, run: StoredRun) -> None:
        """Keep a run; the oldest ones may go, but none that is still going."""
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

    def arrive(self, session: str) -> None:
        """This session asks for a run: what it left before does not matter any more."""
        with self._lock:
            self._left.discard(session)
            self._endings.pop(session, None)

    def leave_ending(self, session: str, ending: Ending) -> None:
        """Keep how this session's run ended until it is asked for; of sessions that never ask, only the last ones."""
        with self._lock:
            self._endings[session] = ending
            while len(self._endings) > MOST_RUNS:
                self._endings.popitem(last=False)

    def take_ending(self, session: str) -> Ending | None:
        """How this session's last run ended, once; None where none was left."""
        with self._lock:
            return self._endings.pop(session, None)

    def memory(self, session: str) -> Outputs:
        """Outputs of this session's earlier runs."""
        with self._lock:
            return self._memories.get(session, ())

    def remember(self, session: str, outputs: Outputs) -> None:
        """Keep them; of more sessions than the bound the one that ran longest ago is forgotten.

        Not in Gradio's ``State``: for it every open page holds a connection of its own, and a browser has six.
        """
        with self._lock:
            self._memories[session] = outputs
            self._memories.move_to_end(session)
            while len(self._memories) > MOST_MEMORIES:
                self._memories.popitem(last=False)

    @contextmanager
    def going(self, session: str) -> Iterator[threading.Event]:
        """The event that stops this session's run while it goes; set already where the run was left while it waited."""
        event = threading.Event()
        with self._lock:
            self._going[session] = event
            if session in self._left:
                self._left.discard(session)
                event.set()
        try:
            yield event
        finally:
            with self._lock:
                if self._going.get(session) is event:
                    del self._going[session]

    def stop(self, session: str) -> bool:
        """Stop this session's run; whether there was one. One that is about to begin will end before its first pass."""
        with self._lock:
            event = self._going.get(session)
            if event is None:
                while len(self._left) >= MOST_RUNS:
                    self._left.pop()
                self._left.add(session)
        if event is not None:
            event.set()
        return event is not None
