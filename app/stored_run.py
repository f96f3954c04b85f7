"""A run that the server keeps, growing or finished, and the messages that the page gets of it."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from lookahead.records import Method, RunRecord, RunTexts, StepRecord, TokenGap
from lookahead.trie import Trie

from . import stage
from .runner import RunRequest

Outputs = tuple[tuple[int, ...], ...]
"""Outputs of a visitor's earlier runs, oldest first: the memory of their trie."""


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
        self.cancelled = threading.Event()
        """Set to end the run."""
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

    def beat(self, start: int) -> dict[str, Any]:
        """How far it is, and how it ended once it has; with the steps from ``start`` on where nobody watches it."""
        return self.since(len(self.data) if self._watchers else start)

    @property
    def texts(self) -> RunTexts | None:
        """What the ids say, once the run has ended."""
        return self.run.texts if self.run else None


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
