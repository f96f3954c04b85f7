"""The one model of a page: its facts, what a prompt may be, and runs on it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from app.model import zero_gpu
from app.model.engine_thread import EngineThread
from app.model.runs import Generate, RunRequest, generate
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
    """A mistake that the visitor or the operator can correct; one line says how."""


class ModelHost:
    """The model of this process, its facts, and what a prompt may be.

    Args:
        backend: The model.
        info: What runs record about it.
        options: The limits.
        thread: The thread that loaded it and runs it.
        corpus: Tries that every run may draft from.

    Attributes:
        sources: The sources that runs can draft from here.
        notice: Why the model decodes one token per pass; empty if it drafts, or before that is known.
        measured: Whether its T(n) was measured when it was loaded.
        generate: Makes a run; call it in the engine's thread.
    """

    def __init__(
        self, backend: HFBackend, info: ModelInfo, options: AppOptions, thread: EngineThread, corpus: tuple[Trie, ...]
    ) -> None:
        self.backend = backend
        self.info = info
        self.options = options
        self.thread = thread
        self.corpus = corpus
        self.notice = ""
        self.measured = False
        self.sources = tuple(name for name in OFFERED if name != "corpus" or corpus)
        self.generate: Generate = partial(generate, backend, info, corpus)

    @classmethod
    def load(cls, options: AppOptions, decorate: Callable[[Any], Any] | None = None) -> ModelHost:
        """The model that the options name, ready to run: its masks tried, its T(n) measured.

        Args:
            decorate: What lends a GPU (see ``zero_gpu.decorator``); None if the model keeps its device.

        Raises:
            HostError, BackendError: If it cannot be loaded.
        """
        if options.model is None and not (EMBEDDED_MODEL / "config.json").is_file():
            raise HostError("assets/model holds no embedded model; name a model with --model ID_OR_DIR")
        if options.trie is not None and not os.path.isfile(options.trie):
            raise HostError(f"{options.trie}: no such file; python -m lookahead make-trie makes one")
        thread = EngineThread()
        backend, info = thread.call(partial(_load, options)) if decorate is None else _load(options)
        host = cls(backend, info, options, thread, _corpus(options, backend))
        if decorate is None:
            host.notice = thread.call(partial(_prepare, backend))
            host.measured = True
        else:
            host._token_gap = decorate(host._token_gap)
            host.generate = zero_gpu.lent(decorate, host)
        return host

    def close(self) -> None:
        """End the run in progress."""
        self.thread.close()

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
            raise HostError(f"The prompt has {len(prompt)} characters; the limit is {20 * most}. Shorten it.")
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
        """Why this run decodes one token per pass although it could draft; empty if no reason is known."""
        prompt_length = len(request.prompt_ids)
        by_length = self.backend.run_notice(prompt_length + request.max_new_tokens, prompt_length)
        return self.notice or (by_length if by_length and request.method == "lookahead" else "")

    def token_gap(
        self, prompt_ids: Sequence[int], output_ids: Sequence[int], token_id: int, other_id: int
    ) -> TokenGap | None:
        """How close the model's decision between two tokens is; None if the memory does not suffice to ask.

        Call it in the engine's thread.
        """
        try:
            return self._token_gap(prompt_ids, output_ids, token_id, other_id)
        except RuntimeError:  # a pass over the whole context does not fit into the device's memory
            return None

    def _token_gap(self, *ids: Any) -> TokenGap:
        from lookahead.hf.ties import token_gap

        return token_gap(self.backend, *ids)

    def texts(self, prompt_ids: Sequence[int]) -> RunTextStream:
        """The texts of a run's tokens, as it is made."""
        from lookahead.hf.describe import RunTextStream

        return RunTextStream(self.backend, prompt_ids)

    def with_texts(self, run: RunRecord, prompt: str) -> RunRecord:
        """The run with the texts of its tokens, and the prompt as it was given."""
        from lookahead.hf.describe import with_texts

        return with_texts(self.backend, run, prompt)


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
    return "; ".join((*backend.notices, *filter(None, (backend.notice,))))
