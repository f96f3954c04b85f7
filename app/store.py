"""Runs that a page may ask about again, by an id that only its own tab knows."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lookahead.records import Method, RunRecord, RunTexts, StepRecord, TokenGap
from lookahead.trie import Trie

from . import stage
from .runner import RunRequest

MOST_RUNS = 200
"""Runs kept at one time; the one that was used longest ago goes first."""
MOST_BYTES = 400_000_000
"""Memory that these runs may take together, as ``StoredRun.bytes`` estimates it."""


Outputs = tuple[tuple[int, ...], ...]
"""Outputs of a visitor's earlier runs, oldest first: the memory of their trie."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What a run of a tab leaves: a line on how it ended, the tab's memory with its output, the lookahead run's id."""

    line: str
    memory: Outputs
    run_id: str


class StoredRun:
    """One run, growing or finished: its records, and the same steps as the page draws them.

    Attributes:
        prompt_ids: The prompt.
        earlier: Outputs of earlier runs that the trie knew.
        corpus: Tries that the run could draft from besides, shared with other runs and never written to; empty where
            it was not made here.
        steps: The records so far.
        run: The finished run, with its texts; None while it goes.
        going: Whether more steps may come.
        bytes: About what it takes in memory: a step 1.5 kB, a draft node 0.5 kB, a token of the prompt 0.2 kB.
        parted: Of a greedy run: how close the decision was where the run beside it took another token.
    """

    def __init__(
        self,
        run_id: str,
        lane: Method,
        request: RunRequest,
        prompt_pieces: Sequence[str],
        head: dict[str, Any],
        corpus: Sequence[Trie] = (),
    ) -> None:
        self.run_id = run_id
        self.lane: Method = lane
        self.config = request.config
        self.prompt_ids = request.prompt_ids
        self.prompt_pieces = tuple(prompt_pieces)
        self.earlier = request.earlier
        self.corpus = tuple(corpus)
        self.head = head
        self.steps: list[StepRecord] = []
        self.data: list[dict[str, Any]] = []
        self.run: RunRecord | None = None
        self.going = True
        self.bytes = 200 * len(request.prompt_ids)
        self.parted: TokenGap | None = None
        self.end: dict[str, Any] | None = None
        self.token_text: stage.TokenText = lambda token_id: f"#{token_id}"
        """The text of a token by itself."""
        self.lock = threading.Lock()
        self.cache: dict[str, Any] = {}
        """What readers of this run have worked out (under ``lock``)."""
        self._watchers: list[Callable[[], None]] = []

    def add(self, steps: Sequence[StepRecord], data: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Take more steps; returns the message that carries them."""
        start = len(self.data)
        self.steps.extend(steps)
        self.data.extend(data)
        self.bytes += sum(1500 + 500 * len(step.draft or ()) for step in steps)
        self._tell()
        return stage.message(self.run_id, self.lane, start, data, self.head if start == 0 else None)

    def finish(self, run: RunRecord, parted: TokenGap | None = None, problem: str = "") -> dict[str, Any]:
        """Take the finished run; returns what the page learns from it.

        Args:
            problem: What broke it off, in one line; nothing where it came to its end.
        """
        self.run, self.parted = run, parted
        self.end = stage.end_data(run, parted, problem)
        self.close()
        return self.end

    def close(self) -> None:
        """No more steps will come."""
        self.going = False
        self._tell()

    @contextmanager
    def watched(self, tell: Callable[[], None]) -> Iterator[None]:
        """Have ``tell`` called, in whatever thread, whenever there is something new."""
        self._watchers.append(tell)
        try:
            yield
        finally:
            self._watchers.remove(tell)

    def _tell(self) -> None:
        for tell in tuple(self._watchers):
            tell()

    def since(self, start: int) -> dict[str, Any]:
        """Everything from that step on, in one message."""
        end = self.end  # before the steps: with it, they are all there
        steps = self.data[start:]
        return stage.message(self.run_id, self.lane, start, steps, self.head if start == 0 else None, end)

    def beat(self) -> dict[str, Any]:
        """How far it is, and how it ended once it has, in a message without steps."""
        end = self.end
        return stage.message(self.run_id, self.lane, len(self.data), (), None, end)

    @property
    def texts(self) -> RunTexts | None:
        """What the ids say, once the run has ended."""
        return self.run.texts if self.run else None


class RunStore:
    """Runs by id, bounded; and the events that stop the runs that are going."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, StoredRun] = OrderedDict()
        self._pinned: dict[str, StoredRun] = {}
        self._going: dict[str, threading.Event] = {}
        self._left: set[str] = set()
        self._endings: OrderedDict[str, Ending] = OrderedDict()
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
    stored.token_text = _token_text(run)
    stored.add(run.steps, stage.run_steps(run))
    stored.finish(run, parted)
    return stored


def _token_text(run: RunRecord) -> stage.TokenText:
    """The text of a token of a finished run, as far as the run kept it."""
    table: dict[int, str] = {}
    if run.texts is not None:
        table.update(zip(run.prompt_ids, run.texts.prompt_pieces, strict=False))
        table.update(zip(run.token_ids, run.texts.output_pieces, strict=False))
        table.update(run.texts.tokens)
    return lambda token_id: table.get(token_id, f"#{token_id}")
