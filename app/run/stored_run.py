"""A run that the server keeps: its records as they are made, and the texts of its tokens."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import accumulate
from sys import getsizeof
from typing import Any, Protocol

from app.model.runs import RunRequest
from app.run.readers import Readers
from lookahead import metrics
from lookahead.records import ModelInfo, RunRecord, StepRecord, TokenGap
from lookahead.trie import Trie

TokenText = Callable[[int], str]
"""The text of one token by itself."""


class Texts(Protocol):
    """The texts of one run's tokens."""

    @property
    def prompt_pieces(self) -> Sequence[str]:
        """The text that each prompt token completes."""
        ...

    def push(self, token_ids: Sequence[int]) -> list[str]:
        """The text that each of the next output tokens completes."""
        ...

    def finish(self) -> str:
        """The text still held back after the last token."""
        ...

    def token_text(self, token_id: int) -> str:
        """The text of any token by itself."""
        ...


@dataclass(eq=False)
class StoredRun:
    """One run, in progress or finished. The engine's thread writes it; any thread may read it.

    Attributes:
        run_id: An id that nobody can guess.
        request: The request; ``method``, ``config``, ``prompt_ids`` and ``earlier`` are its own.
        note: A remark for the page ("a recorded run"), or nothing.
        corpus: Tries that the run could also draft from, shared and never written to; empty for an opened run.
        steps: The records so far.
        ends: When each step ended, in seconds from the start of the run.
        run: The finished run, with its texts; None while it is in progress.
        parted: How close the decision was where the run before it in its scene took another token.
        beside_seconds: Wall clock of further tries of the run before it in its scene.
        problem: Why it broke off, in one line; empty if it did not.
        opened: Whether it was made before, and read from a file.
        readers: The pages that read the steps as they come.
        cache: Results that readers keep (under ``lock``).
        shown: The steps as the page draws them, made on the first request (under ``spelling``).
    """

    request: RunRequest
    model: ModelInfo
    texts: Texts
    note: str = ""
    corpus: tuple[Trie, ...] = ()
    cancelled: threading.Event = field(default_factory=threading.Event)
    opened: bool = False
    run_id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    steps: list[StepRecord] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    run: RunRecord | None = None
    parted: TokenGap | None = None
    beside_seconds: tuple[float, ...] | None = None
    problem: str = ""
    readers: Readers = field(default_factory=Readers)
    lock: threading.Lock = field(default_factory=threading.Lock)
    cache: dict[str, Any] = field(default_factory=dict)
    spelling: threading.Lock = field(default_factory=threading.Lock)
    shown: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.method, self.config = self.request.method, self.request.config
        self.prompt_ids, self.earlier = self.request.prompt_ids, self.request.earlier
        self._bytes = 200 * len(self.prompt_ids) + text_bytes(self.texts.prompt_pieces)
        self._over, self._news = threading.Event(), threading.Lock()
        self._waiting: list[Future[None]] = []

    # ------------------------------------------------------------------ written by one thread

    def add(self, step: StepRecord, end: float) -> None:
        """Take the next step, and when it ended, in seconds from the start of the run."""
        self._bytes += 1500 + 500 * len(step.draft or ())
        with self._news:
            self.ends.append(end)
            self.steps.append(step)
        self._tell()

    def finish(self, run: RunRecord, parted: TokenGap | None = None, problem: str = "") -> None:
        """Take the finished run, after its last step."""
        self.parted, self.problem = parted, problem.encode("utf-8", "replace").decode()
        if run.texts is not None:
            known = run.texts
            self._bytes += text_bytes((known.prompt, known.output, *known.output_pieces, *known.tokens.values()))
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
    def bytes(self) -> int:
        """Its size in memory, roughly: 1.5 kB per step, 0.5 kB per draft node, 0.2 kB per prompt token; the texts, and
        the tries that were looked at, as they are."""
        looked_at = self.cache.get("trie")
        return self._bytes + (0 if looked_at is None else looked_at.trie.stats().bytes)

    @property
    def going(self) -> bool:
        """Whether more steps may come."""
        return not self._over.is_set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end, at most that long; returns whether the run is over."""
        return self._over.wait(seconds)

    def news(self, seen: int) -> Future[None]:
        """A future that is done once the run has more than ``seen`` steps, or is over."""
        future: Future[None] = Future()
        with self._news:
            if len(self.steps) <= seen and self.going:
                self._waiting.append(future)
                return future
        future.set_result(None)
        return future


def text_bytes(texts: Iterable[str]) -> int:
    """The memory of these texts in bytes."""
    return sum(map(getsizeof, texts))


class _RecordedTexts:
    """The texts of a finished run's tokens, as far as the run has them; ids in place of all others."""

    def __init__(self, run: RunRecord) -> None:
        texts, self._table = run.texts, dict[int, str]()
        if texts is not None:
            self._table.update(zip(run.prompt_ids, texts.prompt_pieces, strict=False))
            self._table.update(zip(run.token_ids, texts.output_pieces, strict=False))
            self._table.update(texts.tokens)
            self.prompt_pieces = texts.prompt_pieces or (texts.prompt,)
        else:
            self.prompt_pieces = tuple(map(self.token_text, run.prompt_ids))
        self._pieces = iter((texts and texts.output_pieces) or map(self.token_text, run.token_ids))

    def push(self, token_ids: Sequence[int]) -> list[str]:
        return [next(self._pieces) for _ in token_ids]

    def finish(self) -> str:
        return ""

    def token_text(self, token_id: int) -> str:
        return self._table.get(token_id, f"#{token_id}")


def from_record(run: RunRecord, note: str = "", parted: TokenGap | None = None, more_bytes: int = 0) -> StoredRun:
    """A finished run (from a file, say) as a stored one.

    Args:
        more_bytes: What its size counts besides what the run itself shows: the size of its file.
    """
    settings = (run.config, run.max_new_tokens, run.method)
    request = RunRequest(run.prompt_ids, *settings, sampling=run.sampling, expected_ids=run.expected_ids)
    stored = StoredRun(request, run.model, _RecordedTexts(run), note, opened=True)
    stored._bytes += more_bytes
    for step, end in zip(run.steps, step_ends(run), strict=True):
        stored.add(step, end)
    stored.finish(run, parted)
    return stored


def step_ends(run: RunRecord) -> list[float]:
    """When each step of a finished run ended, in seconds from its start, shape ``(steps,)``.

    A run file has the phases of every step but not the gaps between them. The gaps are spread in proportion, so that
    the first step ends at ``first_token_seconds`` and the last one at ``seconds``.
    """
    if not run.steps or run.first_token_seconds is None:
        return []
    spent = [step.timings.total_seconds for step in run.steps[1:]]
    scale = metrics.decode_seconds(run) / sum(spent) if sum(spent) > 0 else 0.0
    return list(accumulate((scale * seconds for seconds in spent), initial=run.first_token_seconds))
