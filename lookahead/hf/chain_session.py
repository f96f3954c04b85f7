"""The model's side of a run on a model whose state cannot drop branches: one chain per pass, or no draft at all."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from lookahead.config import GREEDY, Sampling
from lookahead.draft import Chain, DraftShape, DraftTree
from lookahead.hf.chain_state import ChainState
from lookahead.hf.generation import GenerationRules
from lookahead.hf.masks import Mask
from lookahead.hf.recurrence import stepwise
from lookahead.hf.session import ForwardPlan, TreeSession


class ChainSession(TreeSession):
    """State of one run whose passes read chains, each prepared as ``generate`` prepares its passes.

    Args:
        rewinds: Whether ``rewind`` will be asked for, to the end of the prompt; it costs a copy of the state.
    """

    draft_shape: DraftShape = "chain"

    def __init__(
        self,
        model: PreTrainedModel,
        plan: ForwardPlan,
        rules: GenerationRules,
        capacity: int,
        sampling: Sampling = GREEDY,
        rewinds: bool = False,
    ) -> None:
        super().__init__(model, plan, rules, capacity, sampling)
        self._model: Any = model  # PreTrainedModel's type lacks the generation methods used here
        self._rewinds = rewinds
        self._ids = torch.zeros((1, 0), dtype=torch.long, device=model.device)

    @property
    def chain(self) -> Chain | None:
        """What the next pass reads again."""
        return self._state().chain

    def logits(self, tree: DraftTree) -> Tensor:
        """The model's logits after every token of the chain, shape ``(n, vocab)``, from one forward pass."""
        if not tree.is_chain:
            raise ValueError("a draft tree with branches; this model verifies one chain per pass")
        state = self._state()
        known, reading = len(state.read_ids), state.begin(tree.token_ids)
        return self._read(known, torch.tensor([reading], device=self._model.device), len(tree))

    def _new_cache(self, prompt_ids: Tensor) -> ChainState:
        arguments = self._rules.prepare(prompt_ids, self._capacity, cache_implementation=None).arguments
        return ChainState(arguments, prompt_ids[0].tolist(), self._rewinds, bool(self._plan.steps), self._plan.copies)

    def _forward(self, ids: Tensor, position_ids: Tensor, mask: Mask | None, **last_only: int) -> Tensor:
        """Logits of the prompt's last token, shape ``(1, vocab)``."""
        return self._read(0, ids, 1)

    def _read(self, known: int, ids: Tensor, wanted: int) -> Tensor:
        """The logits of the last ``wanted`` of these tokens, which come after the first ``known`` ones."""
        arguments, model, end = self._state().arguments, self._model, known + ids.shape[1]
        if end > self._ids.shape[1]:
            self._ids = torch.nn.functional.pad(self._ids, (0, max(self._capacity, end)))
        self._ids[:, known:end] = ids
        rows = {name: _lengthened(arguments[name], end, step) for name, step in _ROWS if name in arguments}
        iteration: dict[str, Any] = {"is_first_iteration": True}
        if known:
            iteration = {"next_sequence_length": ids.shape[1] if arguments["use_cache"] else None}
        inputs = model.prepare_inputs_for_generation(self._ids[:, :end], **iteration, **{**arguments, **rows})
        if "logits_to_keep" in inputs:
            inputs["logits_to_keep"] = wanted
        with stepwise(self._plan.steps, self._state().noted):
            outputs = model(**inputs, return_dict=True)
        arguments |= {name: value for name, value in outputs.items() if name in self._rules.forward_arguments}
        return outputs.logits[0, -wanted:]

    def _state(self) -> ChainState:
        state = self._open_cache()
        assert isinstance(state, ChainState)
        return state


class PlainSession(ChainSession):
    """State of one run on a model that takes no drafts: every pass reads the root alone.

    Args:
        rows: Most tokens of the run; a static cache gets this size at once.
    """

    draft_shape: DraftShape = "none"

    def __init__(
        self, model: PreTrainedModel, rules: GenerationRules, capacity: int, rows: int, sampling: Sampling = GREEDY
    ) -> None:
        super().__init__(model, ForwardPlan(chain=Chain(), copies=True), rules, capacity, sampling)
        self._rows = rows

    @property
    def chain(self) -> None:
        """Nothing: there is no draft."""

    def choose(self, tree: DraftTree) -> tuple[int, ...]:
        """The model's choice after the root, shape ``(1,)``."""
        if len(tree) != 1:
            raise ValueError(f"a draft tree of {len(tree)} nodes; this model decodes one token at a time")
        return super().choose(tree)

    def _new_cache(self, prompt_ids: Tensor) -> ChainState:
        arguments = self._rules.prepare(prompt_ids, self._rows).arguments
        return ChainState(arguments, prompt_ids[0].tolist(), rewinds=False, steps=False, copies=True)


_ROWS = (("position_ids", 1), ("attention_mask", 0))
"""The arguments with an entry for every token, and by how much the next entry differs."""


def _lengthened(rows: Tensor | None, length: int, step: int) -> Tensor | None:
    """These entries of the prompt, continued to this length."""
    if rows is None:
        return None
    more = torch.arange(1, length - rows.shape[-1] + 1, device=rows.device) * step
    return torch.cat((rows, rows[..., -1:] + more), dim=-1)
