"""The one model of a page: its facts, what a prompt may be, runs on it, and another in its place."""

from __future__ import annotations

import gc
import logging
import os
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from app.model import zero_gpu
from app.model.engine_thread import EngineThread
from app.model.error_line import error_line
from app.model.loading import EMBEDDED, HostError, LoadedModel, Tell, load, prepared
from app.model.runs import Generate, RunRequest, generate
from app.options import AppOptions
from lookahead.config import Sampling
from lookahead.costs import PassCosts
from lookahead.models import EMBEDDED_MODEL
from lookahead.records import RunRecord, TokenGap
from lookahead.sources.registry import OFFERED

if TYPE_CHECKING:
    from lookahead.hf.describe import RunTextStream

WIDEST = 128
"""Largest ``decoding_length`` of the page and its endpoints: T(n) is measured up to it when the model is loaded."""


class ModelHost:
    """The model of this process, its facts (those of ``LoadedModel``, too), and what a prompt may be.

    Attributes:
        options: The limits, and the models that are offered.
        thread: The thread that loaded the model and runs it.
        offered: Names of the models that can take its place, this one among them.
        sources: The sources that runs can draft from here.
        context_limit: Most tokens of prompt and output together; None if the model has no limit.
        suggested_temperature: What the model's own settings suggest; None if they say nothing.
        generate: Makes a run; call it in the engine's thread.
        lends: Whether each run borrows a GPU.
    """

    def __init__(self, loaded: LoadedModel, options: AppOptions, thread: EngineThread) -> None:
        self.options = options
        self.thread = thread
        self.lends = False
        self.offered = _offered(options)
        self._ready = threading.Event()
        self._take(loaded)

    @classmethod
    def load(cls, options: AppOptions, decorate: Callable[[Any], Any] | None = None) -> ModelHost:
        """The first model that the options name, ready to run: its masks tried, its T(n) measured.

        Args:
            decorate: What lends a GPU (see ``zero_gpu.decorator``); None if the model keeps its device.

        Raises:
            HostError, BackendError: If it cannot be loaded.
        """
        if not _offered(options):
            raise HostError("assets/model holds no embedded model; name a model with --model ID_OR_DIR")
        if options.trie is not None and not os.path.isfile(options.trie):
            raise HostError(f"{options.trie}: no such file; python -m lookahead make-trie makes one")
        thread, name = EngineThread(), _offered(options)[0]
        if decorate is None:
            return cls(thread.call(lambda: prepared(load(options, name), WIDEST)), options, thread)
        host = cls(load(options, name), options, thread)
        host.lends = True
        host.offered = (name,)  # a worker has what was loaded before it was forked
        host._token_gap = decorate(host._token_gap)
        host.generate = zero_gpu.lent(decorate, host)
        return host

    def prepare(self) -> None:
        """Try the model out and measure it in its thread, before the runs that are asked for from now on."""
        loaded = LoadedModel(self.name, self.backend, self.info, self.corpus, self.notice)
        self.thread.start(lambda: self._take(prepared(loaded, WIDEST)), threading.Event())

    def choose(self, name: str, tell: Tell) -> None:
        """Load another of the models that are offered; call it in the engine's thread while no run is in progress.

        One model is in memory at a time. The one before is loaded again if the other cannot be.

        Raises:
            HostError: If it cannot be loaded; the one before is there.
        """
        if name not in self.offered:
            raise HostError(f"this page has no such model; choose one of {', '.join(self.offered)}")
        if name == self.name:
            return
        before = self.name
        self._drop()
        found = self._loaded_or_problem(name, tell)
        self._take(self._loaded(before, tell) if isinstance(found, str) else found)
        gc.freeze()
        if isinstance(found, str):
            raise HostError(found)

    def _loaded_or_problem(self, name: str, tell: Tell) -> LoadedModel | str:
        """The model, or one line that says why there is none; an error would keep parts of it in memory."""
        try:
            return self._loaded(name, tell)
        except Exception as error:  # whatever a model's files hold
            if not isinstance(error, ValueError):
                logging.getLogger(__name__).warning("a model was not loaded", exc_info=error)
            return error_line(error)

    def _loaded(self, name: str, tell: Tell) -> LoadedModel:
        return prepared(load(self.options, name, tell, needs_trie=False), WIDEST, tell)

    def _take(self, loaded: LoadedModel) -> None:
        """Run this model from now on."""
        self.name, self.backend, self.info, self.corpus = loaded.name, loaded.backend, loaded.info, loaded.corpus
        self.notice, self.costs = loaded.notice, loaded.costs
        self.suggested_temperature = loaded.backend.rules.suggested_temperature
        self.context_limit = loaded.backend.context_limit
        self.sources = tuple(name for name in OFFERED if name != "corpus" or loaded.corpus)
        self.generate: Generate = partial(generate, loaded.backend, loaded.info, loaded.corpus)
        self._ready.set()

    def _drop(self) -> None:
        """Free the memory of the model; its facts stay until another is there."""
        from lookahead.hf.loading import free_memory

        self._ready.clear()
        del self.backend, self.generate
        gc.unfreeze()  # modules refer to each other, and what is frozen is not collected (see everything_stays)
        free_memory()

    def close(self) -> None:
        """End the run in progress."""
        self.thread.close()

    def pass_costs(self, again: bool = False) -> PassCosts | None:
        """T(n) as it is known now, or measured ``again``; None if it never was. Call it in the engine's thread."""
        if self.costs is None:
            return None
        known = self.backend.known_costs(WIDEST, again)
        if again:
            self.costs = known.measured
        return known.costs

    @property
    def source(self) -> str | None:
        """The folder or Hugging Face id that the model was loaded from; None if it was not loaded by its name."""
        if self.name == EMBEDDED:
            return str(EMBEDDED_MODEL)
        if os.path.exists(self.name):
            return os.path.abspath(self.name)
        return self.name if self.name in self.options.model else None

    @property
    def ready(self) -> bool:
        """Whether a model is there; its facts are those of the one before while another is being loaded."""
        return self._ready.is_set()

    @property
    def most_prompt_tokens(self) -> int:
        """Most tokens of a prompt: the page's limit, or what the model's context holds besides one new token."""
        most, context = self.options.max_prompt_tokens, self.context_limit
        return most if context is None else min(most, context - 1)

    def encode(self, prompt: str) -> tuple[int, ...]:
        """The prompt's token ids. While a model is being loaded, it waits.

        Raises:
            HostError: If it is empty or too long.
        """
        most = self.options.max_prompt_tokens
        self._ready.wait()
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

    def encode_expected(self, text: str, prompt_ids: Sequence[int]) -> tuple[int, ...]:
        """The token ids of a text that is expected after this prompt; none if it is empty.

        Raises:
            HostError: If it is too long.
        """
        most = self.options.max_prompt_tokens
        if len(text) > 20 * most:
            raise HostError(f"The expected text has {len(text)} characters; the limit is {20 * most}. Shorten it.")
        return tuple(self.backend.encode_expected(text, prompt_ids)) if text else ()

    def notice_for(self, request: RunRequest) -> str:
        """Why this run decodes one token per pass although it could draft; empty if no reason is known."""
        prompt_length = len(request.prompt_ids)
        by_length = self.backend.run_notice(prompt_length + request.max_new_tokens, prompt_length)
        return self.notice or (by_length if by_length and request.method == "lookahead" else "")

    def token_gap(
        self, prompt_ids: Sequence[int], output_ids: Sequence[int], token_id: int, other_id: int, sampling: Sampling
    ) -> TokenGap | None:
        """How close the model's decision between two tokens is; None if the memory does not suffice to ask.

        Call it in the engine's thread.
        """
        try:
            return self._token_gap(prompt_ids, output_ids, token_id, other_id, sampling)
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


def _offered(options: AppOptions) -> tuple[str, ...]:
    """The models that the options name, and the embedded one where it is."""
    embedded = (EMBEDDED,) if (EMBEDDED_MODEL / "config.json").is_file() else ()
    return tuple(dict.fromkeys((*options.model, *embedded)))
