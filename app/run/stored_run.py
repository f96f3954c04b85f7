"""A run that the server keeps: its records as they are made, and what its tokens say."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from time import monotonic
from typing import Any, Protocol

from app.model.runs import Outputs, RunRequest
from lookahead import metrics
from lookahead.config import LookaheadConfig
from lookahead.records import Method, ModelInfo, RunRecord, StepRecord, TokenGap
from lookahead.trie import Trie

TokenText = Callable[[int], str]
"""The text of one token by itself."""


class Texts(Protocol):
    """What the tokens of one run say."""

    @property
    def prompt_pieces(self) -> Sequence[str]:
        """The text that became complete with each prompt token."""
        ...

    def push(self, token_ids: Sequence[int]) -> list[str]:
        """The text that became complete with each of the next tokens of the output."""
        ...

    def finish(self) -> str:
        """What is still held back after the last token."""
        ...

    def token_text(self, token_id: int) -> str:
        """The text of any token by itself."""
        ...


class StoredRun:
    """One run, in progress or finished. The engine's thread stores it; any thread may read it.

    Attributes:
        run_id: An id that nobody can guess.
        request: What was asked for.
        model: The model.
        texts: What its tokens say.
        note: Something to say about it ("a recorded run"), or nothing.
        corpus: Tries that the run could draft from besides, shared with other runs and never written to; empty where
            it was not made here.
        steps: The records so far.
        ends: When each step ended, seconds from the start of the run.
        run: The finished run, with its texts; None while it is in progress.
        parted: How close the decision was where the run before it in its scene took another token.
        problem: What broke it off, in one line; nothing where it came to its end.
        mistake: The error of this program that broke it off, to be raised again; None otherwise.
        bytes: About what it takes in memory: a step 1.5 kB, a draft node 0.5 kB, a token of the prompt 0.2 kB.
        cancelled: Set it to end the run.
        cache: What readers have worked out (under ``lock``).
        shown: The steps as the page draws them, made when somebody first asks for them (under ``spelling``).
    """

    def __init__(
        self,
        request: RunRequest,
        model: ModelInfo,
        texts: Texts,
        *,
        note: str = "",
        corpus: Sequence[Trie] = (),
        cancelled: threading.Event | None = None,
    ) -> None:
        self.run_id = secrets.token_urlsafe(12)
        self.request = request
        self.model = model
        self.texts = texts
        self.note = note
        self.corpus = tuple(corpus)
        self.steps: list[StepRecord] = []
        self.ends: list[float] = []
        self.run: RunRecord | None = None
        self.parted: TokenGap | None = None
        self.problem = ""
        self.mistake: Exception | None = None
        self.bytes = 200 * len(request.prompt_ids)
        self.cancelled = cancelled or threading.Event()
        self.lock = threading.Lock()
        self.cache: dict[str, Any] = {}
        self.spelling = threading.Lock()
        self.shown: list[dict[str, Any]] = []
        self._over = threading.Event()
        self._waiting: list[Future[None]] = []
        self._readers = 0
        self._unread_since = monotonic()
        self._news = threading.Lock()

    @property
    def method(self) -> Method:
        """How it decodes."""
        return self.request.method

    @property
    def config(self) -> LookaheadConfig:
        """The settings of its drafts."""
        return self.request.config

    @property
    def prompt_ids(self) -> tuple[int, ...]:
        """The prompt."""
        return self.request.prompt_ids

    @property
    def earlier(self) -> Outputs:
        """Outputs of earlier runs that its trie knew."""
        return self.request.earlier

    # ------------------------------------------------------------------ written by one thread

    def add(self, step: StepRecord, end: float) -> None:
        """Take the next step.

        Args:
            end: When it ended, seconds from the start of the run.
        """
        self.bytes += 1500 + 500 * len(step.draft or ())
        with self._news:
            self.ends.append(end)
            self.steps.append(step)
        self._tell()

    def finish(self, run: RunRecord, parted: TokenGap | None = None, problem: str = "") -> None:
        """Take the finished run, after its last step."""
        self.parted, self.problem = parted, problem
        self.run = run
        self.close()

    def close(self) -> None:
        """No more steps will come."""
        with self._news:
            self._over.set()
        self._tell()

    def _tell(self) -> None:
        if self._waiting:
            with self._news:
                waiting, self._waiting = self._waiting, []
            for future in waiting:
                if future.set_running_or_notify_cancel():
                    future.set_result(None)

    # ------------------------------------------------------------------ read by others

    @property
    def going(self) -> bool:
        """Whether more steps may come."""
        return not self._over.is_set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end, so long at most; whether it has come."""
        return self._over.wait(seconds)

    def news(self, seen: int) -> Future[None]:
        """A future that is done once the run has more than ``seen`` steps, or has ended."""
        future: Future[None] = Future()
        with self._news:
            if len(self.steps) <= seen and self.going:
                self._waiting.append(future)
                return future
        future.set_result(None)
        return future

    @contextmanager
    def read(self) -> Iterator[None]:
        """While the ``with`` lasts, a page reads the steps as they come."""
        with self._news:
            self._readers += 1
        try:
            yield
        finally:
            with self._news:
                self._readers -= 1
                self._unread_since = monotonic()

    @property
    def unread_seconds(self) -> float:
        """For how long no page has read the steps."""
        return 0.0 if self._readers else monotonic() - self._unread_since


class _RecordedTexts:
    """What the tokens of a finished run say, as far as the run kept it; ids in place of all others."""

    def __init__(self, run: RunRecord) -> None:
        texts, self._table = run.texts, dict[int, str]()
        if texts is not None:
            self._table.update(zip(run.prompt_ids, texts.prompt_pieces, strict=False))
            self._table.update(zip(run.token_ids, texts.output_pieces, strict=False))
            self._table.update(texts.tokens)
        self.prompt_pieces = _prompt_pieces(run)
        pieces = texts.output_pieces if texts else ()
        self._pieces = iter(pieces or map(self.token_text, run.token_ids))

    def push(self, token_ids: Sequence[int]) -> list[str]:
        return [next(self._pieces) for _ in token_ids]

    def finish(self) -> str:
        return ""

    def token_text(self, token_id: int) -> str:
        return self._table.get(token_id, f"#{token_id}")


def _prompt_pieces(run: RunRecord) -> tuple[str, ...]:
    """The prompt of a finished run, one piece per token (all in one where the run kept no pieces)."""
    if run.texts is None:
        return tuple(f"#{token_id}" for token_id in run.prompt_ids)
    return run.texts.prompt_pieces or (run.texts.prompt,)


def from_record(run: RunRecord, note: str = "", parted: TokenGap | None = None) -> StoredRun:
    """A finished run (from a file, say) as a stored one."""
    request = RunRequest(run.prompt_ids, run.config, run.max_new_tokens, run.method)
    stored = StoredRun(request, run.model, _RecordedTexts(run), note=note)
    for step, end in zip(run.steps, step_ends(run), strict=True):
        stored.add(step, end)
    stored.finish(run, parted)
    return stored


def step_ends(run: RunRecord) -> list[float]:
    """When each step of a finished run ended, seconds from its start, shape ``(steps,)``.

    A run file keeps the phases of every step but not the moments between them; these are spread evenly, so that the
    first step ends at ``first_token_seconds`` and the last one at ``seconds``.
    """
    if not run.steps or run.first_token_seconds is None:
        return []
    spent = [step.timings.total_seconds for step in run.steps[1:]]
    scale = metrics.decode_seconds(run) / sum(spent) if sum(spent) > 0 else 0.0
    ends = [run.first_token_seconds]
    for seconds in spent:
        ends.append(ends[-1] + scale * seconds)
    return ends
