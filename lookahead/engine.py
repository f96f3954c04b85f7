"""The one loop: prefill, then draft, forward, verify, commit, until the output ends.

The engine knows token ids only. Greedy decoding is the same loop without drafts.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from time import perf_counter
from typing import Protocol

from lookahead.backend import Backend
from lookahead.config import LookaheadConfig
from lookahead.costs import Pass, PassCosts
from lookahead.draft import DraftTree
from lookahead.drafter import Drafter, DraftRequest, NoDrafts
from lookahead.records import METHOD_WORDS, StepRecord, StepTimings
from lookahead.run_state import RunState
from lookahead.verify import verify


class DraftMaker(Protocol):
    """Makes drafts: ``Drafter``, or any other object that starts requests."""

    def start(self, prompt_ids: Sequence[int]) -> DraftRequest:
        """The drafting side of a new run."""
        ...


class LookaheadEngine:
    """Decodes with drafts from tries, verified by the model: the tokens of greedy decoding, in fewer passes.

    Args:
        backend: The model.
        config: Settings of the drafts.
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
        self._eos_ids = frozenset(backend.eos_ids)

    @property
    def notice(self) -> str | None:
        """Why this model decodes one token at a time; None if it verifies drafts."""
        return self.backend.notice

    @property
    def pass_costs(self) -> PassCosts | None:
        """T(n) for a run that starts now, measured on first use; None if the width does not depend on cost."""
        if self.config.budget != "adaptive" or self.config.decoding_length == 1 or not self.backend.supports_trees:
            return None
        return self._pass_costs or self.backend.pass_costs(self.config.decoding_length)

    def prepare(self) -> None:
        """Do the first run's one-time work now: try the model's masks and measure T(n)."""
        _ = self.pass_costs

    def generate(
        self,
        prompt_ids: Sequence[int],
        *,
        max_new_tokens: int,
        stop: str | Sequence[str] = (),
        method: str = "lookahead",
        cancelled: threading.Event | None = None,
        pass_costs: PassCosts | None = None,
    ) -> Iterator[StepRecord]:
        """One record per forward pass, as it happens; the last one has the finish reason.

        Args:
            prompt_ids: The prompt, at least one token.
            max_new_tokens: Most tokens to emit (>= 1).
            stop: Strings that end the output; the token that completes one is its last.
            method: ``lookahead``, or ``plain`` (also called ``greedy``), which drafts nothing.
            cancelled: Set it to end the run after the current pass.
            pass_costs: T(n) for this run; None takes the engine's at its start. It stays the same until the run ends.

        Raises:
            ValueError: If an argument cannot be used; raised before anything runs.
            BackendError: If there are stop strings and the model has no tokenizer.
            RuntimeError, MemoryError: From a forward pass that fails; the steps before it have been yielded.
        """
        prompt = tuple(prompt_ids)
        strings = (stop,) if isinstance(stop, str) else tuple(stop)
        self._check(prompt, max_new_tokens, strings, method)
        return self._steps(prompt, max_new_tokens, strings, METHOD_WORDS[method] == "lookahead", cancelled, pass_costs)

    def _check(self, prompt: tuple[int, ...], max_new_tokens: int, stop: tuple[str, ...], method: str) -> None:
        if method not in METHOD_WORDS:
            raise ValueError(f"method={method!r}; choose lookahead or plain")
        if max_new_tokens < 1:
            raise ValueError(f"max_new_tokens={max_new_tokens}; need at least 1")
        if any(not isinstance(string, str) or not string for string in stop):
            raise ValueError("an empty stop string would end every output; leave it out")
        if not prompt:
            raise ValueError("the prompt is empty; need at least one token")
        limit, size = self.backend.context_limit, self.backend.vocab_size
        if limit is not None and len(prompt) >= limit:
            raise ValueError(f"a prompt of {len(prompt)} tokens; the model's context holds {limit}, output included")
        if min(prompt) < 0 or max(prompt) >= size:
            outside = next(token_id for token_id in prompt if not 0 <= token_id < size)
            raise ValueError(f"token id {outside} in the prompt; the model's vocabulary is 0 to {size - 1}")

    def _steps(
        self,
        prompt: tuple[int, ...],
        max_new_tokens: int,
        stop: tuple[str, ...],
        drafts: bool,
        cancelled: threading.Event | None,
        pass_costs: PassCosts | None,
    ) -> Iterator[StepRecord]:
        stop = (*stop, *self.backend.stop_strings)
        text = self.backend.output_text(stop, prompt) if stop else None
        costs = (pass_costs or self.pass_costs) if drafts else None
        session = self.backend.new_session(len(prompt) + max_new_tokens, len(prompt))
        request: DraftRequest | None = None
        passes: list[Pass] = []
        try:
            started = perf_counter()
            drafting = drafts and session.supports_trees
            request = self.drafter.start(prompt) if drafting else NoDrafts(prompt)
            retrieve_seconds = perf_counter() - started
            seconds = None if costs is None else costs.table(self.config.decoding_length)
            run = RunState(session, request, text, cancelled, self._eos_ids, seconds, passes)
            run.begin(prompt, max_new_tokens, self.backend.context_limit)
            record = self._prefill(run, prompt, retrieve_seconds)
            while record.finish_reason is None:
                yield record
                record = self._step(run, record.index + 1)
            request.finish()
            session.close()
            yield record
        finally:
            if request is not None:
                request.finish()
            session.close()
            if session.supports_trees:
                self.backend.learn_costs(passes)

    def _prefill(self, run: RunState, prompt: tuple[int, ...], retrieve_seconds: float) -> StepRecord:
        forward_started = perf_counter()
        first_id = run.session.prefill(prompt)
        verify_started = perf_counter()
        _, finish_reason = run.cut((first_id,))
        commit_started = perf_counter()
        run.request.commit((first_id,))
        ended = perf_counter()
        run.advance((first_id,))
        return StepRecord(
            index=0,
            context_length=len(prompt),
            match_length=0,
            draft=None,
            target_ids=(first_id,),
            accepted_nodes=(),
            emitted_ids=(first_id,),
            timings=StepTimings(
                retrieve_seconds,
                verify_started - forward_started,
                commit_started - verify_started,
                ended - commit_started,
            ),
            trie=run.request.change(),
            finish_reason=finish_reason,
        )

    def _step(self, run: RunState, index: int) -> StepRecord:
        started = perf_counter()
        tree = self._draft(run)
        forward_started = perf_counter()
        target_ids = run.session.choose(tree)
        verify_started = perf_counter()
        verification = verify(tree, target_ids)
        emitted = verification.emitted_ids(tree)
        count, finish_reason = run.cut(emitted)
        emitted, accepted = emitted[:count], verification.accepted_nodes[:count]
        commit_started = perf_counter()
        left_out = run.request.left_out()
        if finish_reason is None:
            keep_started = perf_counter()
            run.session.keep(accepted)
            run.passes.append((len(tree), verify_started - forward_started + perf_counter() - keep_started))
        run.request.commit(emitted)
        ended = perf_counter()
        record = StepRecord(
            index=index,
            context_length=run.context_length,
            match_length=tree.match_length,
            draft=tree,
            target_ids=target_ids,
            accepted_nodes=accepted,
            emitted_ids=emitted,
            timings=StepTimings(
                forward_started - started,
                verify_started - forward_started,
                commit_started - verify_started,
                ended - commit_started,
            ),
            trie=run.request.change(),
            finish_reason=finish_reason,
            left_out=left_out,
        )
        run.advance(emitted)
        return record

    def _draft(self, run: RunState) -> DraftTree:
        """The step's draft, checked: never deeper than the tokens that may still be emitted, minus the bonus token."""
        longest_branch = min(self.config.longest_branch, run.room - 1)
        width = self.config.decoding_length if longest_branch and run.session.supports_trees else 1
        tree = run.request.draft(width, longest_branch if width > 1 else 0, run.pass_seconds)
        if tree.token_ids[:1] != (run.last_id,):
            raise ValueError(f"a draft tree with the root {tree.token_ids[:1]}; the last token is {run.last_id}")
        if len(tree) > 1:
            self._check_draft(tree, width, longest_branch)
        return tree

    def _check_draft(self, tree: DraftTree, width: int, longest_branch: int) -> None:
        """Raise ValueError unless the tree is within the limits that were asked for."""
        tree.check()
        if len(tree) > width:
            raise ValueError(f"a draft tree of {len(tree)} nodes; asked for at most {width}")
        if (deepest := max(tree.depths())) > longest_branch:
            raise ValueError(f"a draft branch of {deepest} tokens; asked for at most {longest_branch}")
        if (highest := max(tree.token_ids)) >= self.backend.vocab_size:
            raise ValueError(f"draft token {highest}; the model's vocabulary is 0 to {self.backend.vocab_size - 1}")
