"""The one model of a page: its facts, what a prompt may be, and runs on it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any

from app.model import zero_gpu
from app.model.engine_thread import EngineThread, Result
from app.model.runs import Generate, Outputs, RunRequest, generate, recorded_run
from app.options import AppOptions
from lookahead.config import LookaheadConfig
from lookahead.engine import LookaheadEngine
from lookahead.models import EMBEDDED_MODEL
from lookahead.records import ModelInfo, RunRecord, TokenGap
from lookahead.sources.registry import OFFERED
from lookahead.trie import Trie

if TYPE_CHECKING:
    from lookahead.hf.backend import HFBackend
    from lookahead.hf.describe import RunTextStream

WIDEST = 128
"""Largest ``decoding_length`` of the page and its endpoints: T(n) is measured up to it when the model is loaded."""


class HostError(ValueError):
    """Something that the visitor or the operator can put right; one line says how."""


class ModelHost:
    """The model of this process, its facts, and what a prompt may be.

    Args:
        backend: The model.
        info: What runs say about it.
        options: The limits.
        thread: Where it was loaded, and where it runs.
        corpus: Tries that every run may draft from.

    Attributes:
        sources: Where the drafts of a run may come from here.
        notice: Why the model decodes one token per pass; empty where it drafts, or nothing is known yet.
        generate: Makes a run; to be called in the engine's thread (see ``start``).
    """

    def __init__(
        self,
        backend: HFBackend,
        info: ModelInfo,
        options: AppOptions,
        thread: EngineThread,
        corpus: Sequence[Trie] = (),
    ) -> None:
        self.backend = backend
        self.info = info
        self.options = options
        self.notice = ""
        self.corpus = tuple(corpus)
        self.sources = tuple(name for name in OFFERED if name != "corpus" or self.corpus)
        self.generate: Generate = partial(generate, backend, info, self.corpus)
        self._thread = thread
        self._gap: Callable[..., TokenGap] = partial(_token_gap, backend)

    @classmethod
    def load(cls, options: AppOptions, decorate: Callable[[Any], Any] | None = None) -> ModelHost:
        """The model that the options name, ready to run: its masks tried, its T(n) measured.

        Args:
            decorate: What lends a GPU (see ``zero_gpu.decorator``); None where the model keeps its device.

        Raises:
            HostError, BackendError: If it cannot be loaded.
        """
        if options.model is None and not (EMBEDDED_MODEL / "config.json").is_file():
            raise HostError("there is no embedded model in assets/model; name one with --model ID_OR_DIR")
        if options.trie is not None and not os.path.isfile(options.trie):
            raise HostError(f"{options.trie}: there is no such file; python -m lookahead make-trie makes one")
        thread = EngineThread()
        if decorate is None:
            backend, info = thread.call(partial(_load, options))
            host = cls(backend, info, options, thread, _corpus(options, backend))
            host.notice = thread.call(partial(_prepare, backend))
            return host
        backend, info = _load(options)
        host = cls(backend, info, options, thread, _corpus(options, backend))
        host._gap = decorate(lambda *ids: _token_gap(backend, *ids))
        host.generate = zero_gpu.lent(
            decorate,
            lambda request: recorded_run(backend, info, host.corpus, request, threading.Event()),
            info,
            lambda: backend.notice or "",
            host._note,
        )
        return host

    def start(self, task: Callable[[], Result], cancelled: threading.Event) -> Future[Result]:
        """Have the task, which makes a run, done in the engine's thread; ``cancelled`` ends the run."""
        return self._thread.start(task, cancelled)

    def close(self) -> None:
        """End the run in progress."""
        self._thread.close()

    def _note(self, notice: str) -> None:
        self.notice = notice or self.notice

    @property
    def most_prompt_tokens(self) -> int:
        """Most tokens of a prompt: the page's limit, or what the model's context holds besides one new token."""
        most, context = self.options.max_prompt_tokens, self.backend.context_limit
        return most if context is None else min(most, context - 1)

    def encode(self, prompt: str) -> tuple[int, ...]:
        """The prompt's token ids.

        Raises:
            HostError: If it is empty or too long.
        """
        most = self.options.max_prompt_tokens
        if not prompt.strip():
            raise HostError("The prompt is empty. Write something for the model to continue.")
        if len(prompt) > 20 * most:
            raise HostError(f"The prompt has {len(prompt)} characters; {20 * most} are the limit here. Shorten it.")
        try:
            prompt.encode("utf-8")
        except UnicodeEncodeError:
            raise HostError("The prompt holds an invalid character (a lone surrogate). Please retype it.") from None
        ids = tuple(self.backend.encode(prompt))
        room = self.most_prompt_tokens
        if len(ids) > room:
            why = "the model's context" if room < most else "this page's limit"
            raise HostError(f"The prompt has {len(ids)} tokens; {room} is the most ({why}). Shorten it.")
        if not ids:
            raise HostError("The prompt has no tokens for this model. Write something else.")
        return ids

    def notice_for(self, request: RunRequest) -> str:
        """Why this run decodes one token per pass although it could draft; empty where no reason is known."""
        prompt_length = len(request.prompt_ids)
        by_length = self.backend.run_notice(prompt_length + request.max_new_tokens, prompt_length)
        return self.notice or (by_length if by_length and request.method == "lookahead" else "")

    def token_gap(
        self, prompt_ids: Sequence[int], output_ids: Sequence[int], token_id: int, other_id: int
    ) -> TokenGap | None:
        """How close the model's decision between two tokens is; None where there is no room to ask it.

        To be called in the engine's thread.
        """
        try:
            return self._gap(prompt_ids, output_ids, token_id, other_id)
        except RuntimeError:  # a pass over the whole context does not fit into the device's memory
            return None

    def texts(self, prompt_ids: Sequence[int]) -> RunTextStream:
        """What the tokens of a run say, as it is made."""
        from lookahead.hf.describe import RunTextStream

        return RunTextStream(self.backend, prompt_ids)

    def with_texts(self, run: RunRecord, prompt: str) -> RunRecord:
        """The run together with what its token ids say.

        Args:
            prompt: The prompt as it was given.
        """
        from lookahead.hf.describe import with_texts

        return with_texts(self.backend, run, prompt)


def _token_gap(backend: HFBackend, *ids: Any) -> TokenGap:
    from lookahead.hf.ties import token_gap

    return token_gap(backend, *ids)


def _load(options: AppOptions) -> tuple[HFBackend, ModelInfo]:
    from lookahead.hf.backend import HFBackend
    from lookahead.hf.describe import model_info

    name = options.model or str(EMBEDDED_MODEL)
    backend = HFBackend.from_pretrained(name, device=options.device, dtype=options.dtype)
    return backend, model_info(backend, "embedded" if options.model is None else name)


def _corpus(options: AppOptions, backend: HFBackend) -> tuple[Trie, ...]:
    """The trie that the options name, if any.

    Raises:
        HostError: If the file is not a trie file, is cut short, or was made with another tokenizer.
    """
    from lookahead.trie.file import TrieFileError, load_corpus

    try:
        return load_corpus(options.trie, backend, LookaheadConfig())
    except TrieFileError as error:
        raise HostError(str(error)) from None


def _prepare(backend: HFBackend) -> str:
    """Do what the first run would do otherwise; returns why the model decodes one token per pass, if it does."""
    LookaheadEngine(backend, LookaheadConfig(decoding_length=WIDEST)).prepare()
    return backend.notice or ""


def most_recent(outputs: Outputs, most_tokens: int = 32_000) -> Outputs:
    """The last outputs that together have at most that many tokens.

    >>> most_recent([(1, 2), (3, 4), (5,)], 3)
    ((3, 4), (5,))
    """
    kept: list[tuple[int, ...]] = []
    left = most_tokens
    for output in reversed(outputs):
        left -= len(output)
        if left < 0:
            break
        kept.append(output)
    return tuple(reversed(kept))
