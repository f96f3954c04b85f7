"""Plain decoding for models whose cache cannot drop tokens: transformers' own steps, one token a pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.generation.configuration_utils import GenerationMode

from lookahead.draft import DraftTree
from lookahead.hf.generation import GenerationRules


class PlainSession:
    """State of one run on a model that takes no draft trees; see ``DecodeSession`` for the order of calls."""

    supports_trees = False

    def __init__(self, model: PreTrainedModel, rules: GenerationRules, capacity: int, rows: int) -> None:
        self._model: Any = model  # the generation methods used here are no part of PreTrainedModel's type
        self._rules = rules
        self._capacity = capacity
        self._rows = rows  # a static cache is made that large at once
        self._arguments: dict[str, Any] = {}
        self._context_ids = torch.zeros((1, 0), dtype=torch.long, device=model.device)
        self._processors = rules.no_processors()

    def prefill(self, prompt_ids: Sequence[int]) -> int:
        """The model's choice after the prompt."""
        config = self._rules.prepared()
        arguments: dict[str, Any] = {"use_cache": config.use_cache}
        with torch.inference_mode():
            self._context_ids = torch.tensor([prompt_ids], dtype=torch.long, device=self._model.device)
            self._processors = self._rules.processors(self._context_ids, self._capacity)
            if "position_ids" in self._rules.forward_arguments:
                arguments["position_ids"] = torch.arange(len(prompt_ids), device=self._model.device)[None]
            if self._rules.keeps_logits:
                arguments["logits_to_keep"] = 1
            self._model._prepare_cache_for_generation(
                config, arguments, GenerationMode.GREEDY_SEARCH, 1, self._rows - 1
            )
            self._arguments = arguments
            return self._pass({"is_first_iteration": True})

    def choose(self, tree: DraftTree) -> tuple[int, ...]:
        """The model's choice after the root, shape ``(1,)``."""
        if len(tree) != 1:
            raise ValueError(f"a draft tree of {len(tree)} nodes; this model decodes one token at a time")
        with torch.inference_mode():
            root = self._context_ids.new_tensor([[tree.token_ids[0]]])
            self._context_ids = torch.cat((self._context_ids, root), dim=1)
            return (self._pass({"next_sequence_length": 1 if self._arguments["use_cache"] else None}),)

    def keep(self, accepted_nodes: Sequence[int]) -> None:
        """Nothing to drop: the root's state is all there is."""
        assert not accepted_nodes

    def close(self) -> None:
        """Free the cache."""
        self._arguments = {}

    def _pass(self, iteration: dict[str, Any]) -> int:
        inputs = self._model.prepare_inputs_for_generation(self._context_ids, **iteration, **self._arguments)
        outputs = self._model(**inputs, return_dict=True)
        self._arguments = self._model._update_model_kwargs_for_generation(outputs, self._arguments)
        scores = outputs.logits[:, -1].to(copy=True, dtype=torch.float32)
        return int(self._processors(self._context_ids, scores).argmax(dim=-1).item())  # type: ignore[arg-type]
