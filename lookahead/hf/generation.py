"""A model's generation_config under greedy decoding: what ends an output, what changes its logits, what is refused."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessorList, PreTrainedModel
from transformers.generation.configuration_utils import GenerationMode

from lookahead.backend import BackendError


def _more_than_one(value: object) -> bool:
    return isinstance(value, int) and value > 1


REFUSED = {
    "num_beams": _more_than_one,
    "num_beam_groups": _more_than_one,
    "num_return_sequences": _more_than_one,
    "constraints": lambda value: value is not None,
    "force_words_ids": lambda value: value is not None,
    "dola_layers": lambda value: value is not None,
    "guidance_scale": lambda value: value is not None and value != 1,
    "watermarking_config": lambda value: value is not None,
    "prompt_lookup_num_tokens": lambda value: value is not None,
    "assistant_early_exit": lambda value: value is not None,
    "use_mtp": bool,
    "token_healing": bool,
    "max_time": lambda value: value is not None,
}
"""Settings of generation_config that greedy decoding with drafts cannot honour, and the values at which they count."""


def _token_ids(value: Any) -> tuple[int, ...]:
    """One id, several (a list, a tuple, a tensor) or none."""
    if isinstance(value, Tensor):
        value = value.tolist()
    return () if value is None else tuple(map(int, value)) if isinstance(value, list | tuple) else (int(value),)


class GenerationRules:
    """The model's own generation_config, as ``generate(do_sample=False)`` applies it.

    Attributes:
        eos_ids: Token ids that end an output.
        stop_strings: Strings that end an output.

    Raises:
        BackendError: If a setting cannot be honoured; the message names it.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self._model: Any = model  # the generation methods used here are no part of PreTrainedModel's type
        self.forward_arguments = frozenset(inspect.signature(model.forward).parameters)
        self.keeps_logits = "logits_to_keep" in self.forward_arguments
        for name, counts in REFUSED.items():
            if counts(value := getattr(model.generation_config, name, None)):
                raise BackendError(f"generation_config.{name}={value!r} cannot be honoured; set it to None")
        # A dry run says whether there is anything to do at all, and fails now where a setting is broken.
        try:
            config = self.prepared()
            mode = config.get_generation_mode()
            self._any = len(self._build(torch.zeros((1, 2), dtype=torch.long, device=model.device), 4)) > 0
            if config.cache_implementation is not None:
                self._model._prepare_cache_for_generation(config, {}, GenerationMode.GREEDY_SEARCH, 1, 4)
        except (ValueError, TypeError, AttributeError, ImportError, RuntimeError, LookupError) as error:
            raise BackendError(f"generation_config cannot be used: {' '.join(str(error).split())}") from error
        if mode != GenerationMode.GREEDY_SEARCH:
            raise BackendError(f"generation_config asks for {mode.value}; only greedy decoding is done here")
        self.cache_implementation: str | None = config.cache_implementation
        self.eos_ids = _token_ids(config.eos_token_id)
        stop = config.stop_strings
        self.stop_strings: tuple[str, ...] = () if stop is None else (stop,) if isinstance(stop, str) else tuple(stop)

    def no_processors(self) -> LogitsProcessorList:
        """An empty list: the logits stay as they are."""
        return LogitsProcessorList()

    def processors(self, prompt_ids: Tensor, capacity: int) -> LogitsProcessorList:
        """The logits processors of a run, in ``generate``'s order; empty where the logits stay as they are.

        Args:
            prompt_ids: Shape ``(1, prompt)``.
            capacity: Prompt and most new tokens together (``max_length`` of ``generate``).
        """
        return self._build(prompt_ids, capacity) if self._any else LogitsProcessorList()

    def without_processors(self) -> GenerationRules:
        """These rules with the logits left as they are, to time a pass."""
        plain = copy.copy(self)
        plain._any = False
        return plain

    def prepared(self) -> GenerationConfig:
        """A copy of the model's settings with the library's defaults filled in, by transformers' own steps."""
        config, _ = self._model._prepare_generation_config(None, do_sample=False)
        return config

    def _build(self, prompt_ids: Tensor, capacity: int) -> LogitsProcessorList:
        config, count = self.prepared(), prompt_ids.shape[1]
        config.max_length = capacity
        if config.min_new_tokens is not None:
            config.min_length = config.min_new_tokens + count
        self._model._prepare_special_tokens(config, True, device=prompt_ids.device, batch_size=1)
        return self._model._get_logits_processor(
            generation_config=config,
            input_ids_seq_length=count,
            encoder_input_ids=prompt_ids,
            device=prompt_ids.device,
            model_kwargs={},
        )
