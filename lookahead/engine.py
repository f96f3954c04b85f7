"""The one loop: prefill, then draft, forward, verify, commit, until the output ends.

The engine knows token ids only. Plain decoding is the same loop without drafts.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from time import perf_counter
from typing import Protocol

from lookahead.backend import Backend, DecodeSession, KnowsBigrams, OutputText, Recycling
from lookahead.config import GREEDY, LookaheadConfig, RunSettings, Sampling, stop_strings
from lookahead.costs import Pass, PassCosts
from lookahead.draft import Chain, DraftTree, plain_ids
from lookahead.drafter import Drafter, DraftRequest, Request
from lookahead.records import METHOD_WORDS, FinishReason, StepRecord, StepTimings
from lookahead.verify import verify


class DraftMaker(Protocol):
    """Makes drafts: ``Drafter``, or any other object that starts requests."""

    def start(self, prompt_ids: Sequence[int]) -> DraftRequest:
        """The drafting side of a new run."""
        ...


class LookaheadEngine:
    """Decodes with drafts from tries, verified by the model: the tokens of plain decoding, in fewer passes.

    Args:
        drafter: Makes the drafts; None creates a ``Drafter`` for this engine. A drafter that is passed keeps its own
            settings; the smaller width of the two applies.
        pass_costs: T(n) for the adaptive budget; None asks the backend at the start of every run.
    """

    def __init__(
        self,
        backend: Backend,
        config: LookaheadConfig | None = None,
        drafter: DraftMaker | None = None,
        pass_costs: PassCosts | None = None,
    ) -> None:
        self.backend = backend
        self.config = config or LookaheadConfig()
        self.drafter: DraftMaker = Drafter(self.config) if drafter is None else drafter
        self._pass_costs = pass_costs

    @property
    def pass_costs(self) -> PassCosts | None:
        """T(n) for a run that starts now, measured on first use; None if the width does not depend on cost."""
        if self.config.budget != "adaptive" or self.config.decoding_length == 1 or self.backend.draft_shape == "none":
            return None
        return self._pass_costs or self.backend.pass_costs(self.config.decoding_length)

    def generate(
        self,
        prompt_ids: Sequence[int],
        *,
        max_new_tokens: int,
        stop: str | Sequence[str] = (),
        method: str = "lookahead",
        sampling: Sampling = GREEDY,
        cancelled: threading.Event | None = None,
        pass_costs: PassCosts | None = None,
        expected: Sequence[int] = (),
    ) -> Generator[StepRecord, None, None]:
        """One record per forward pass, as it happens; the last one has the finish reason.

        Args:
            prompt_ids: The prompt, at least one token.
            max_new_tokens: Most tokens to emit (>= 1).
            stop: Strings that end the output; the token that completes one is its last.
            method: ``lookahead``, or ``plain`` (also called ``greedy``), which drafts nothing.
            sampling: How tokens are chosen; by default the likeliest ones. A drawn text depends on the prompt, these
                settings and their seed alone, not on the drafts.
            cancelled: Set it to end the run after the current pass.
            pass_costs: T(n) for this run; None takes the engine's at its start. It stays the same until the run ends.
            expected: Tokens that the output is expected to be like, to draft from (``backend.encode_expected``).

        Raises:
            ValueError: If an argument cannot be used; raised before anything runs.
            BackendError: If there are stop strings and the model has no tokenizer.
            RuntimeError, MemoryError: From a forward pass that fails; the steps before it have been yielded.
        """
        prompt = plain_ids(prompt_ids)
        self._check(prompt, method)
        expected = plain_ids(expected)
        self._check_ids(expected, "the expected text")
        limit = RunSettings(max_new_tokens).max_new_tokens
        drafts = METHOD_WORDS[method] == "lookahead"
        return self._steps(prompt, limit, stop_strings(stop), drafts, sampling, cancelled, pass_costs, expected)

    def _check(self, prompt: tuple[int, ...], method: str) -> None:
        if method not in METHOD_WORDS:
            raise ValueError(f"method={method!r}; choose lookahead or plain")
        if not prompt:
            raise ValueError("the prompt is empty; need at least one token")
        limit = self.backend.context_limit
        if limit is not None and len(prompt) >= limit:
            raise ValueError(f"a prompt of {len(prompt)} tokens; the model's context holds {limit}, output included")
        self._check_ids(prompt, "the prompt")

    def _check_ids(self, ids: tuple[int, ...], where: str) -> None:
        size = self.backend.vocab_size
        if ids and (min(ids) < 0 or max(ids) >= size):
            outside = next(token_id for token_id in ids if not 0 <= token_id < size)
            raise ValueError(f"token id {outside} in {where}; the model's vocabulary is 0 to {size - 1}")

    def _steps(
        self,
        prompt: tuple[int, ...],
        max_new_tokens: int,
        stop: tuple[str, ...],
        drafts: bool,
        sampling: Sampling,
        cancelled: threading.Event | None,
        pass_costs: PassCosts | None,
        expected: tuple[int, ...],
    ) -> Generator[StepRecord, None, None]:
        stop = (*stop, *self.backend.stop_strings)
        text = self.backend.output_text(stop, prompt) if stop else None
        costs = (pass_costs or self.pass_costs) if drafts else None
        seconds = None if costs is None else costs.table(self.config.decoding_length)
        with closing(self.backend.new_session(len(prompt) + max_new_tokens, len(prompt), sampling)) as session:
            started = perf_counter()
            drafting = drafts and session.draft_shape != "none"
            request = self._request(prompt, expected) if drafting else DraftRequest(prompt)
            run = _Run(self, session, request, text, cancelled, prompt, max_new_tokens, seconds)
            try:
                record = run.step(started)
                while record.finish_reason is None:
                    yield record
                    record = run.step(perf_counter())
            finally:
                request.finish()
                if session.draft_shape != "none":
                    self.backend.learn_costs(run.timed_passes)
        yield record

    def _request(self, prompt: tuple[int, ...], expected: tuple[int, ...]) -> DraftRequest:
        drafter = self.drafter
        return drafter.start(prompt, expected) if isinstance(drafter, Drafter) else drafter.start(prompt)


@dataclass
class _Run:
    """One run in the loop: both its sides, its progress, and where its output ends."""

    engine: LookaheadEngine
    session: DecodeSession
    request: DraftRequest
    text: OutputText | None
    cancelled: threading.Event | None
    prompt: tuple[int, ...]
    max_new_tokens: int
    pass_seconds: Sequence[float] | None

    def __post_init__(self) -> None:
        self.timed_passes: list[Pass] = []
        """The decode passes so far, tokens and seconds, as T(n) counts them."""
        self._recycling: tuple[Recycling, Request] | None = None
        request, session = self.request, self.session
        if isinstance(request, Request) and isinstance(session, Recycling) and request.recycles and self._may_pay():
            self._recycling = session, request
            session.recycle()
            if isinstance(backend := self.engine.backend, KnowsBigrams):
                request.know(backend.bigrams())
        self._passes, self._context_length, self._last_id = 0, len(self.prompt), self.prompt[-1]
        limit = self.engine.backend.context_limit
        in_context = self.max_new_tokens if limit is None else limit - len(self.prompt)
        self._room = min(self.max_new_tokens, in_context)
        self._finish_at_room: FinishReason = "length" if self.max_new_tokens <= in_context else "context"

    def step(self, started: float) -> StepRecord:
        """The record of the next forward pass: of the prefill first, then of one draft after the other.

        Args:
            started: When the work for it began, in the seconds of ``perf_counter``.
        """
        prefill, request, marks = self._passes == 0, self.request, [started]
        chain = None if prefill else self.session.chain
        tree = DraftTree.root_only(self._last_id) if prefill else self._draft(chain)
        marks.append(perf_counter())
        target_ids = plain_ids([self.session.prefill(self.prompt)] if prefill else self.session.choose(tree))
        marks.append(perf_counter())
        verification = verify(tree, target_ids)
        emitted = plain_ids(verification.emitted_ids(tree))
        count, finish_reason = self._cut(emitted)
        emitted, accepted = emitted[:count], verification.accepted_nodes[:count]
        marks.append(perf_counter())
        left_out = None if prefill else request.left_out()
        if finish_reason is None and not prefill:
            keep_started = perf_counter()
            self.session.keep(accepted)
            read = len(tree) + (0 if chain is None else chain.reread)
            self.timed_passes.append((read, marks[2] - marks[1] + perf_counter() - keep_started))
        successors = self._recycle()
        request.commit(emitted)
        marks.append(perf_counter())
        record = StepRecord(
            index=self._passes,
            context_length=self._context_length,
            match_length=tree.match_length,
            draft=None if prefill else tree,
            target_ids=target_ids,
            accepted_nodes=accepted,
            emitted_ids=emitted,
            timings=StepTimings(*(end - start for start, end in pairwise(marks))),
            trie=request.change(),
            finish_reason=finish_reason,
            left_out=left_out,
            successors=successors,
            chain=chain,
            bigrams=self._recycling and (self._recycling[1].asked_bigrams() or None),
        )
        self._passes += 1
        self._context_length += count
        self._room -= count
        self._last_id = emitted[-1]
        return record

    def _may_pay(self) -> bool:
        """Whether at any width a draft of which all is accepted would be faster than plain decoding."""
        seconds = self.pass_seconds
        return seconds is None or any(width * seconds[0] > wide for width, wide in enumerate(seconds, start=1))

    def _recycle(self) -> bytes | None:
        """Pass what the model found likely from its side to the drafts'; returns it, None if it is not wanted."""
        if self._recycling is None:
            return None
        session, request = self._recycling
        request.recycle(successors := session.successors)
        return successors

    def _cut(self, token_ids: Sequence[int]) -> tuple[int, FinishReason | None]:
        """How many of the emitted tokens count, and why the output ends there (None if it continues)."""
        for count, token_id in enumerate(token_ids, start=1):
            if token_id in self.engine.backend.eos_ids:
                return count, "eos"
            if self.text is not None:
                self.text.push((token_id,))
                if self.text.stopped:
                    return count, "stop"
            if count == self._room:
                return count, self._finish_at_room
        if self.cancelled is not None and self.cancelled.is_set():
            return len(token_ids), "cancelled"
        return len(token_ids), None

    def _draft(self, chain: Chain | None) -> DraftTree:
        """The step's draft, checked: never deeper than the tokens that may still be emitted, minus the bonus token."""
        config, vocab_size = self.engine.config, self.engine.backend.vocab_size
        longest_branch = min(config.longest_branch, self._room - 1)
        width = config.decoding_length if longest_branch and self.session.draft_shape != "none" else 1
        width = max(1, width - (chain.reread if chain else 0))
        tree = self.request.draft(width, longest_branch if width > 1 else 0, self.pass_seconds, chain)
        if tree.token_ids[:1] != (self._last_id,):
            raise ValueError(f"a draft tree with the root {tree.token_ids[:1]}; the last token is {self._last_id}")
        if len(tree) > 1:
            tree.check(width, longest_branch)
            if chain is not None and not tree.is_chain:
                raise ValueError("a draft tree with branches; this model takes one chain per pass")
            if (highest := max(tree.token_ids)) >= vocab_size:
                raise ValueError(f"draft token {highest}; the model's vocabulary is 0 to {vocab_size - 1}")
        return tree
