"""Plain decoding for models whose cache cannot drop tokens: one per pass, with what ``generate`` prepares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.utils.generic import ModelOutput

from lookahead.config import GREEDY, Sampling
from lookahead.draft import DraftShape, DraftTree
from lookahead.hf.generation import GenerationRules
from lookahead.hf.passes import NO_CHOICE, forward_pass, no_choice


class PlainSession:
    """State of one run on a model that does not take draft trees; see ``DecodeSession`` for the order of calls."""

    draft_shape: DraftShape = "none"
    chain = None

    def __init__(
        self, model: PreTrainedModel, rules: GenerationRules, capacity: int, rows: int, sampling: Sampling = GREEDY
    ) -> None:
        self._model: Any = model  # PreTrainedModel's type lacks the generation methods used here
        self._rules = rules
        self._capacity = capacity
        self._sampling = sampling
        self._rows = rows  # a static cache gets this size at once
        self._arguments: dict[str, Any] = {}
        self._context_ids = torch.zeros((1, 0), dtype=torch.long, device=model.device)
        self._chooser = rules.no_choices()

    def prefill(self, prompt_ids: Sequence[int]) -> int:
        """The model's choice after the prompt."""
        with forward_pass(self._model), torch.inference_mode():
            self._context_ids = torch.tensor([prompt_ids], dtype=torch.long, device=self._model.device)
            self._chooser = self._rules.chooser(self._context_ids, self._capacity, self._sampling)
            self._arguments = self._rules.prepare(self._context_ids, self._rows).arguments
            return self._pass(is_first_iteration=True)

    def choose(self, tree: DraftTree) -> tuple[int, ...]:
        """The model's choice after the root, shape ``(1,)``."""
        if len(tree) != 1:
            raise ValueError(f"a draft tree of {len(tree)} nodes; this model decodes one token at a time")
        with forward_pass(self._model), torch.inference_mode():
            root = self._context_ids.new_tensor([[tree.token_ids[0]]])
            self._context_ids = torch.cat((self._context_ids, root), dim=1)
            return (self._pass(next_sequence_length=1 if self._arguments["use_cache"] else None),)

    def keep(self, accepted_nodes: Sequence[int]) -> None:
        """Nothing to drop: there is only the root."""
        assert not accepted_nodes

    def close(self) -> None:
        """Free the cache."""
        self._arguments = {}

    def _pass(self, **iteration: Any) -> int:
        inputs = self._model.prepare_inputs_for_generation(self._context_ids, **iteration, **self._arguments)
        outputs = self._model(**inputs, return_dict=True)
        self._carry_over(outputs)
        logits = outputs.logits[:, -1]
        scores = self._chooser.scores(logits, self._context_ids)
        (token_id,) = self._chooser.pick(scores, [self._context_ids.shape[1]])
        if token_id == NO_CHOICE:
            raise no_choice(logits[0], self._context_ids.shape[1])
        return token_id

    def _carry_over(self, outputs: ModelOutput) -> None:
        """Update the arguments for the next pass: outputs of the same name (the cache), and one more token."""
        arguments = self._arguments
        arguments |= {name: value for name, value in outputs.items() if name in self._rules.forward_arguments}
        for name, step in (("position_ids", 1), ("attention_mask", 0)):
            if (rows := arguments.get(name)) is not None:
                arguments[name] = torch.cat((rows, rows[..., -1:] + step), dim=-1)
