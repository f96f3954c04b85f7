"""The one model of a page: its facts, what a prompt may be, and runs on it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from lookahead.config import LookaheadConfig
from lookahead.engine import LookaheadEngine
from lookahead.models import EMBEDDED_MODEL
from lookahead.records import ModelInfo, TokenGap
from lookahead.trie import Trie

from . import zero_gpu
from .options import AppOptions
from .runner import Batches, EngineThread, RunRequest, Stream
from .settings import SOURCES, WIDEST

if TYPE_CHECKING:
    from lookahead.hf.backend import HFBackend


class HostError(ValueError):
    """Something that the visitor or the operator can put right; one line says how."""


class ModelHost:
    """The model of this process, its facts, and what a prompt may be.

    Args:
        backend: The model.
        info: What runs say about it.
        options: The limits.
        thread: Where it was loaded, and where it runs.

    Attributes:
        sources: Where the drafts of a run may come from here.
        corpus: Tries that every run may draft from.
    """

    def __init__(self, backend: HFBackend, info: ModelInfo, options: AppOptions, thread: EngineThread) -> None:
        self.backend = backend
        self.info = info
        self.options = options
        self.notice = ""
        self.corpus = tuple(thread.corpus)
        self.sources = (*SOURCES, "corpus") if self.corpus else SOURCES
        self._thread = thread
        self._generate: Stream = partial(thread.stream, backend, info)
        self._gap: Callable[..., TokenGap] = lambda *ids: thread.call(partial(_token_gap, backend, *ids))

    @classmethod
    def load(cls, options: AppOptions) -> ModelHost:
        """The model that the options name, ready to run: its masks tried, its T(n) measured.

        Raises:
            HostError, BackendError: If it cannot be loaded.
        """
        if options.model is None and not (EMBEDDED_MODEL / "config.json").is_file():
            raise HostError("there is no embedded model in assets/model; name one with --model ID_OR_DIR")
        if options.trie is not None and not os.path.isfile(options.trie):
            raise HostError(f"{options.trie}: there is no such file; python -m lookahead make-trie makes one")
        decorate = zero_gpu.decorator()
        thread = EngineThread()
        if decorate is None:
            backend, info = thread.call(partial(_load, options))
            thread.corpus = _corpus(options, backend)
            host = cls(backend, info, options, thread)
            host.notice = thread.call(partial(_prepare, backend))
            return host
        backend, info = _load(options)
        thread.corpus = _corpus(options, backend)
        host = cls(backend, info, options, thread)
        host._gap = decorate(lambda *ids: _token_gap(backend, *ids))
        host._generate = zero_gpu.lent(
            decorate, _in_a_fresh_thread(backend, info, thread.corpus), lambda: backend.notice or "", info
        )
        return host

    def close(self) -> None:
        """End a run that is still going."""
        self._thread.close()

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
            raise HostError("The prompt holds half a character (a lone surrogate); write it anew.") from None
        ids = tuple(self.backend.encode(prompt))
        room = self.most_prompt_tokens
        if len(ids) > room:
            why = "the model's context" if room < most else "this page's limit"
            raise HostError(f"The prompt has {len(ids)} tokens; {room} is the most ({why}). Shorten it.")
        if not ids:
            raise HostError("The prompt has no tokens for this model. Write something else.")
        return ids

    def new_tokens(self, wanted: int) -> int:
        """That many new tokens, if a run may have them.

        Raises:
            HostError: If not.
        """
        if not 1 <= wanted <= self.options.max_new_tokens:
            raise HostError(
                f"{wanted} new tokens were asked for; 1 to {self.options.max_new_tokens} are possible here."
            )
        return wanted

    def notice_for(self, request: RunRequest) -> str:
        """Why this run decodes one token at a time although it could draft; empty where nothing is known of it."""
        prompt_length = len(request.prompt_ids)
        by_length = self.backend.run_notice(prompt_length + request.max_new_tokens, prompt_length)
        return self.notice or (by_length if by_length and request.method == "lookahead" else "")

    def token_gap(
        self, prompt_ids: Sequence[int], output_ids: Sequence[int], token_id: int, other_id: int
    ) -> TokenGap | None:
        """How close the model's decision between two tokens is; None where there is no room to ask it."""
        try:
            return self._gap(prompt_ids, output_ids, token_id, other_id)
        except RuntimeError:  # a pass over the whole context does not fit into the device's memory
            return None

    def stream(self, request: RunRequest, cancelled: threading.Event) -> Batches:
        """The run as it goes, a batch every ``UPDATE_SECONDS``; closing the iterator ends it within one step."""
        batches = self._generate(request, cancelled)
        try:
            for batch in batches:
                self.notice = batch.notice or self.notice
                yield batch
        finally:
            batches.close()


def _token_gap(backend: HFBackend, *ids: Any) -> TokenGap:
    from lookahead.hf.ties import token_gap

    return token_gap(backend, *ids)


def _load(options: AppOptions) -> tuple[HFBackend, ModelInfo]:
    from lookahead.hf.quiet import quiet

    quiet()
    from lookahead.hf.backend import HFBackend
    from lookahead.hf.describe import model_info

    name = options.model or str(EMBEDDED_MODEL)
    backend = HFBackend.from_pretrained(name, device=options.device, dtype=options.dtype)
    backend.spare_threads()  # the browser often draws on the same cores
    return backend, model_info(backend, "embedded" if options.model is None else name)


def _corpus(options: AppOptions, backend: HFBackend) -> tuple[Trie, ...]:
    """The trie that the options name; nothing where they name none.

    Raises:
        HostError: If it is no trie file, cut short, or of another tokenizer.
    """
    if options.trie is None:
        return ()
    from lookahead.trie.file import TrieFileError, load_trie

    config = LookaheadConfig()
    bounds = (config.trie_capacity, config.trie_bytes)
    try:
        return (load_trie(options.trie, backend.fingerprint, *bounds, vocab_size=backend.vocab_size),)
    except TrieFileError as error:
        raise HostError(str(error)) from None


def _prepare(backend: HFBackend) -> str:
    """What the first run would do otherwise; returns why the model decodes one token at a time, if it does."""
    LookaheadEngine(backend, LookaheadConfig(decoding_length=WIDEST)).prepare()
    return backend.notice or ""


def _in_a_fresh_thread(backend: HFBackend, info: ModelInfo, corpus: Sequence[Trie]) -> Stream:
    """Runs in a process that is made for them: threads do not come along into it."""

    def stream(request: RunRequest, cancelled: threading.Event) -> Batches:
        thread = EngineThread(corpus)
        try:
            yield from thread.stream(backend, info, request, cancelled)
        finally:
            thread.close()

    return stream


def most_recent(outputs: Sequence[tuple[int, ...]], most_tokens: int = 32_000) -> tuple[tuple[int, ...], ...]:
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
