"""HFBackend: one transformers model and its tokenizer, shared by all runs."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lookahead.backend import BackendError, DecodeSession, PassError, UnsupportedCacheError, brief
from lookahead.config import GREEDY, Sampling
from lookahead.costs import SHORTEST_MEASURED, CostCurve, KnownCosts, Pass, PassCosts
from lookahead.draft import DraftShape
from lookahead.hf.bigrams import computed_bigrams, key_of, load_bigrams, store_bigrams, stored_path
from lookahead.hf.chain_session import ChainSession, PlainSession
from lookahead.hf.exactness import ExactPasses, ExactVerdict
from lookahead.hf.generation import GenerationRules
from lookahead.hf.linears import choose_linears
from lookahead.hf.loading import load, resolve_device
from lookahead.hf.measure import SessionTimer, measured_setting
from lookahead.hf.model_config import context_limit, rope_switch, text_config
from lookahead.hf.passes import dtype_advice
from lookahead.hf.plan import find_chain_plan, find_plan
from lookahead.hf.refusals import check_decoder
from lookahead.hf.session import ForwardPlan, TreeSession
from lookahead.hf.text import OutputText, Vocabulary
from lookahead.hf.threads import ThreadChoice
from lookahead.sources.recycled import Bigrams


class HFBackend:
    """A causal language model of transformers; its code is not modified.

    Args:
        model: The model, on its device and in its dtype; put into eval mode.
        tokenizer: Its tokenizer; None leaves token ids only, no text.
        exact: Whether the model is changed, before its first run, so that drafts are verified bit for bit: packed
            linear layers on a CPU, and another attention where a trial shows that it makes the difference. None does
            so in bfloat16 and float16. In float32 a draft hardly ever changes a token, so None packs layers only where
            that makes passes faster. False leaves the model as it is.
        exact_width: With ``exact``, the tokens to fill up every pass to, plain decoding's too, where only passes of one
            width are exact; wider drafts are verified within rounding then. 0 fills up none.

    Attributes:
        rules: The model's generation_config as runs apply it.
        notices: What the user should know about the model's files, one line each; empty as a rule.

    Raises:
        BackendError: If the model is not a decoder, or its generation_config has a setting that cannot be honoured.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase | None = None,
        *,
        exact: bool | None = None,
        exact_width: int = 0,
    ) -> None:
        check_decoder(model)
        self.model = model.eval()
        self.tokenizer = tokenizer
        self._exact = model.dtype in (torch.bfloat16, torch.float16) if exact is None else exact
        self._packs = exact is None and model.dtype == torch.float32
        self.parameters = model.num_parameters()  # packed layers have none
        self.rules = GenerationRules(model)
        self._vocabulary = None if tokenizer is None else Vocabulary(tokenizer)
        self.eos_ids = self.rules.eos_ids
        self.stop_strings = self.rules.stop_strings
        config = text_config(model)
        self.context_limit = context_limit(config)
        self.vocab_size = int(model.get_input_embeddings().weight.shape[0])  # type: ignore[union-attr]
        self.notices: tuple[str, ...] = self._text_notices()
        self._rope_switch = rope_switch(config)
        self._curve = CostCurve()
        self._threads = ThreadChoice(1)
        self._exact_passes = ExactPasses(model, self.rules, self.context_limit, exact_width)
        self._lock = threading.Lock()
        self._plan: ForwardPlan | None = None
        self._exactness: ExactVerdict | None = None
        self._notice: str | None = None
        self._fingerprint: str | None = None
        self._bigrams: Bigrams | None = None
        self._bigrams_lock = threading.Lock()

    @classmethod
    def from_pretrained(
        cls,
        model_id: str,
        *,
        device: str = "auto",
        dtype: str = "auto",
        exact: bool | None = None,
        exact_width: int = 0,
    ) -> HFBackend:
        """The model of this folder, GGUF file or Hugging Face id, with its tokenizer.

        Args:
            model_id: A folder, ``FILE.gguf``, ``ORG/REPO``, or ``ORG/REPO:FILE.gguf`` for a GGUF file on Hugging Face.
            device: ``auto``, ``cpu``, ``cuda`` (``cuda:1``) or ``mps``.
            dtype: ``auto`` (float32; bfloat16 on CUDA; that of quantised weights), ``float32``, ``bfloat16``,
                ``float16`` or ``float64``.
            exact, exact_width: As for the class.

        Raises:
            BackendError: If it cannot be loaded; one line says what to do.
        """
        loaded = load(str(model_id), resolve_device(device), dtype)
        backend = cls(loaded.model, loaded.tokenizer, exact=exact, exact_width=exact_width)
        backend.notices = (*loaded.notices, *backend.notices)
        return backend

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        """The dtype it computes in."""
        return self.model.dtype

    @property
    def draft_shape(self) -> DraftShape:
        """Whether a forward pass can verify a draft tree, one chain or no draft; the first call tries it out.

        Raises:
            BackendError: If no forward pass succeeds at all.
        """
        plan = self._find_plan()
        return "none" if plan is None else "tree" if plan.chain is None else "chain"

    @property
    def notice(self) -> str | None:
        """Why the model takes chains only, or decodes one token at a time; None if it takes draft trees."""
        self._find_plan()
        return self._notice

    @property
    def exactness(self) -> ExactVerdict | None:
        """Whether a draft's logits are bit for bit those of plain decoding; None if the model takes no drafts."""
        plan = self._find_plan()
        with self._lock:
            if self._exactness is None and plan is not None:
                self._exactness = self._exact_passes.verdict(plan)
            return self._exactness

    @property
    def fingerprint(self) -> str:
        """A stable hash of the tokenizer: equal fingerprints mean that token ids are the same."""
        if self._fingerprint is None:
            vocabulary = self._vocabulary
            self._fingerprint = f"ids-{self.vocab_size}" if vocabulary is None else vocabulary.fingerprint()
        return self._fingerprint

    @property
    def vocabulary(self) -> Vocabulary:
        """Converts text to tokens and back.

        Raises:
            BackendError: If the model has no tokenizer.
        """
        if self._vocabulary is None:
            raise BackendError("this model has no tokenizer; pass one to HFBackend, or work with token ids")
        return self._vocabulary

    def encode(self, text: str, raw: bool = False) -> list[int]:
        """The prompt's token ids: with a chat template the text is the user's message, unless ``raw``.

        Raises:
            BackendError: If the tokenizer or its chat template refuses the text, or the model does not know a token.
        """
        ids = self.vocabulary.encode(text, raw)
        unknown = next((token_id for token_id in ids if not 0 <= token_id < self.vocab_size), None)
        if unknown is not None:
            raise BackendError(f"token id {unknown} in the prompt: {self._size_line()}")
        return ids

    def encode_expected(self, text: str, prompt_ids: Sequence[int]) -> list[int]:
        """The token ids of a text that is expected after this prompt, for ``LookaheadEngine.generate(expected=...)``.

        Raises:
            BackendError: If the tokenizer refuses the text.
        """
        ids = self.vocabulary.encode_after(prompt_ids, text)
        return [token_id for token_id in ids if 0 <= token_id < self.vocab_size]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of these tokens without special ones."""
        return self.vocabulary.decode(ids)

    def output_text(self, stop: Sequence[str] = (), prompt_ids: Sequence[int] = ()) -> OutputText:
        """An empty text stream for the output after this prompt; these strings end it.

        Without stop strings the pieces add up to ``decode`` of all tokens.
        """
        return OutputText(self.vocabulary, stop, prompt_ids)

    def spare_threads(self) -> None:
        """From now on, let runs use half of the CPU threads while other programs hold up their passes.

        For a program that shows what it generates on the same machine. Runs share what was found, one at a time.
        """
        if self.device.type == "cpu":
            self._threads = ThreadChoice(torch.get_num_threads())

    def new_session(self, capacity: int, prompt_length: int = 0, sampling: Sampling = GREEDY) -> DecodeSession:
        """An empty session for a run of at most ``capacity`` tokens of prompt and output together."""
        plan = self._find_plan()
        if plan is None or self.run_notice(capacity, prompt_length) is not None:
            rows = min(capacity, self.context_limit or capacity)
            session: TreeSession = PlainSession(self.model, self.rules, capacity, rows, sampling)
        else:
            session = self._session(plan, self.rules, capacity, sampling)
        session.threads = self._threads
        return session

    def run_notice(self, capacity: int, prompt_length: int) -> str | None:
        """Why the length of a run makes it decode one token at a time; None if it does not.

        Some models change the positions of all tokens at a certain length, and a run that may cross it drafts
        nothing. This needs no forward pass.
        """
        if self._rope_switch is None:
            return None
        switch, again = self._rope_switch
        longest = min(capacity, self.context_limit or capacity)
        if longest <= switch or (prompt_length > switch and not again):
            return None
        return f"the run may cross {switch} tokens, where the model changes all positions; decoding one token at a time"

    def pass_costs(self, longest: int = SHORTEST_MEASURED) -> PassCosts:
        """The time of a forward pass of 1 to ``longest`` tokens here: measured, and corrected by what runs showed.

        Raises:
            UnsupportedCacheError: If the model does not take drafts.
        """
        return self.known_costs(longest).costs

    def known_costs(self, longest: int = SHORTEST_MEASURED, again: bool = False) -> KnownCosts:
        """What is known of T(n) for n = 1 to ``longest``, remembered or measured now.

        Now and then a few passes check a remembered measurement; it is measured again if it is far off.

        Args:
            again: Measure it now, whatever is remembered.

        Raises:
            UnsupportedCacheError: If the model does not take drafts.
        """
        plan = self._find_plan()
        if plan is None:
            raise UnsupportedCacheError(self._notice)
        rules = self.rules.without_processors()
        chains = plan.chain is not None
        timer = SessionTimer(
            lambda rows: self._session(plan, rules, rows, rewinds=True),
            self.vocab_size,
            self.context_limit,
            self.device,
            chains,
        )
        return self._curve.known(longest, self._setting(), timer, again)

    @property
    def takes_bigrams(self) -> bool:
        """Whether it can say what it finds likely after a token by itself: it takes draft trees and has a tokenizer."""
        return self.draft_shape == "tree" and self._vocabulary is not None

    @property
    def bigrams_path(self) -> Path:
        """The file that its bigrams are kept in."""
        return stored_path(self._bigrams_key())

    def bigrams(self) -> Bigrams:
        """What the model finds likely after a token by itself, as ``find_bigrams`` has kept it; empty if it has not."""
        with self._bigrams_lock:
            if self._bigrams is None:
                self._bigrams = load_bigrams(self._bigrams_key(), self.vocab_size) if self.takes_bigrams else Bigrams()
            return self._bigrams

    def find_bigrams(self, seconds: float | None = None, tell: Callable[[int], None] = lambda _: None) -> Bigrams:
        """Compute what the model finds likely after each token by itself, and keep it for all runs from now on.

        Args:
            seconds: End after so long, with the tokens of small ids done; None does all.
            tell: Is told how many tokens are done.

        Raises:
            UnsupportedCacheError: If the model takes no draft trees.
            BackendError: If it has no tokenizer.
            PassError: If a pass fails.
            OSError: If they cannot be kept.
        """
        plan = self._find_plan()
        if plan is None or plan.chain is not None:
            raise UnsupportedCacheError(self._notice)
        key, rules = self._bigrams_key(), self.rules.without_processors()
        stored_path(key).parent.mkdir(parents=True, exist_ok=True)  # it fails now or not at all
        before = self.vocabulary.encode("\n", raw=True) or [0]
        rows = computed_bigrams(
            lambda rows: self._session(plan, rules, rows), before, self.vocab_size, seconds or math.inf, tell
        )
        with self._bigrams_lock:
            self._bigrams = Bigrams(rows)
        store_bigrams(key, rows)
        return Bigrams(rows)

    def _bigrams_key(self) -> dict[str, Any]:
        return key_of({**measured_setting(self.model), "parameters": self.parameters}, self.fingerprint)

    def learn_costs(self, passes: Sequence[Pass]) -> None:
        """Take the decode passes that a run made, in order, into the T(n) of later runs."""
        if passes:
            self._curve.learn(passes, self._setting())

    def _setting(self) -> dict[str, Any]:
        """What T(n) depends on."""
        setting = measured_setting(self.model)
        if (plan := self._find_plan()) is not None and plan.width:
            return {**setting, "width": plan.width}
        return setting if self.draft_shape == "tree" else {**setting, "draft_shape": self.draft_shape}

    def _session(
        self,
        plan: ForwardPlan,
        rules: GenerationRules,
        capacity: int,
        sampling: Sampling = GREEDY,
        rewinds: bool = False,
    ) -> TreeSession:
        if plan.chain is None:
            return TreeSession(self.model, plan, rules, capacity, sampling)
        return ChainSession(self.model, plan, rules, capacity, sampling, rewinds)

    def _text_notices(self) -> tuple[str, ...]:
        """What is wrong with the tokenizer, found by trying it once."""
        vocabulary = self._vocabulary
        if vocabulary is None:
            return ()
        # A special token more is common and rarely used; encode refuses it where it is.
        too_large = self._size_line() if vocabulary.from_id(self.vocab_size) else None
        return tuple(line for line in (too_large, vocabulary.template_fault()) if line is not None)

    def _size_line(self) -> str:
        known = self.vocabulary.highest_id + 1
        return f"the tokenizer has {known} tokens, the model {self.vocab_size}; use the tokenizer of this model"

    def _find_plan(self) -> ForwardPlan | None:
        with self._lock:
            if self._plan is None and self._notice is None:
                try:
                    if self._packs:
                        choose_linears(self.model, exact=False)
                    plan = find_plan(self.model, self.rules)
                    if self._exact:
                        plan, self._exactness = self._exact_passes.made(plan)
                    self._plan = plan
                except UnsupportedCacheError as error:
                    self._try_plainly()
                    self._notice = f"{type(self.model).__name__}: {error}; {self._try_chains()}"
            return self._plan

    def _try_chains(self) -> str:
        """What this model does instead of trees; makes the plan for chains if it takes those."""
        try:
            self._plan, self._exactness = find_chain_plan(self.model, self.rules, self.context_limit)
        except UnsupportedCacheError as error:
            return f"decoding one token at a time, without chains as well: {error}"
        return "a draft is one chain of tokens here, not a tree (strategy single)"

    def _try_plainly(self) -> None:
        """Raise BackendError if the model cannot decode one token at a time, either."""
        session = PlainSession(self.model, self.rules, 4, 4)
        try:
            session.prefill([token_id % self.vocab_size for token_id in (7, 10, 13)])
        except PassError as error:
            if (cause := error.__cause__) is None:
                return  # it runs, but has no choice after these tokens: a run fails if that is so for its own
            reason = f"its forward pass fails ({brief(cause)}){dtype_advice(self.model, cause)}"
            raise BackendError(f"{type(self.model).__name__}: {reason}") from error
