"""Runs that a page may ask about again, by an id that only its own tab knows."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from lookahead.records import Method, RunRecord, RunTexts, StepRecord, TokenGap

from . import stage
from .runner import RunRequest

MOST_RUNS = 200
"""Runs kept at one time; the one that was used longest ago goes first."""


class StoredRun:
    """One run, growing or finished: its records, and the same steps as the page draws them.

    Attributes:
        prompt_ids: The prompt.
        earlier: Outputs of earlier runs that the trie knew.
        steps: The records so far.
        run: The finished run, with its texts; None while it goes.
        parted: Of a greedy run: how close the decision was where the run beside it took another token.
    """

    def __init__(
        self, run_id: str, lane: Method, request: RunRequest, prompt_pieces: Sequence[str], head: dict[str, Any]
    ) -> None:
        self.run_id = run_id
        self.lane: Method = lane
        self.config = request.config
        self.prompt_ids = request.prompt_ids
        self.prompt_pieces = tuple(prompt_pieces)
        self.earlier = request.earlier
        self.head = head
        self.steps: list[StepRecord] = []
        self.data: list[dict[str, Any]] = []
        self.run: RunRecord | None = None
        self.parted: TokenGap | None = None
        self.end: dict[str, Any] | None = None
        self.lock = threading.Lock()
        self.cache: dict[str, Any] = {}
        """What readers of this run have worked out (under ``lock``)."""

    def add(self, steps: Sequence[StepRecord], data: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Take more steps; returns the message that carries them."""
        start = len(self.data)
        self.steps.extend(steps)
        self.data.extend(data)
        return stage.message(self.run_id, self.lane, start, data, self.head if start == 0 else None)

    def finish(self, run: RunRecord, parted: TokenGap | None = None) -> dict[str, Any]:
        """Take the finished run; returns what the page learns from it."""
        self.run, self.parted = run, parted
        self.end = stage.end_data(run, parted)
        return self.end

    def since(self, start: int) -> dict[str, Any]:
        """Everything from that step on, in one message."""
        steps = self.data[start:]
        return stage.message(self.run_id, self.lane, start, steps, self.head if start == 0 else None, self.end)

    @property
    def texts(self) -> RunTexts | None:
        """What the ids say, once the run has ended."""
        return self.run.texts if self.run else None


class RunStore:
    """Runs by id, bounded; and the events that stop the runs that are going."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, StoredRun] = OrderedDict()
        self._going: dict[str, threading.Event] = {}
        self._left: set[str] = set()
        self._lock = threading.Lock()

    def add(self, run: StoredRun) -> None:
        """Keep a run; the oldest one may go."""
        with self._lock:
            self._runs[run.run_id] = run
            while len(self._runs) > MOST_RUNS:
                self._runs.popitem(last=False)

    def get(self, run_id: object) -> StoredRun | None:
        """The run of this id; None where it is not known (any more)."""
        with self._lock:
            run = self._runs.get(run_id) if isinstance(run_id, str) else None
            if run is not None:
                self._runs.move_to_end(run.run_id)
            return run

    def arrive(self, session: str) -> None:
        """This session asks for a run: what it left before does not matter any more."""
        with self._lock:
            self._left.discard(session)

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


def new_id() -> str:
    """An id that nobody can guess."""
    return secrets.token_urlsafe(12)


def from_record(run: RunRecord, note: str = "", parted: TokenGap | None = None) -> StoredRun:
    """A finished run (from a file, say) as a stored one."""
    pieces = stage.prompt_pieces(run)
    head = stage.head_data(
        prompt_pieces=pieces,
        method=run.method,
        model=run.model,
        config=run.config,
        limit=run.max_new_tokens,
        note=note,
    )
    request = RunRequest(run.prompt_ids, run.config, run.max_new_tokens, run.method)
    stored = StoredRun(new_id(), run.method, request, pieces, head)
    stored.add(run.steps, stage.run_steps(run))
    stored.finish(run, parted)
    return stored
