"""A model's generation_config: what ends an output, what changes its logits, what is refused, how tokens are drawn."""

from __future__ import annotations

import copy
import inspect
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessorList, PreTrainedModel, StoppingCriteriaList
from transformers.generation.configuration_utils import GenerationMode

from lookahead.backend import BackendError, brief, shortened
from lookahead.config import LEAST_TEMPERATURE, Sampling
from lookahead.hf.choosing import WARPERS, Chooser
from lookahead.hf.sampling import Dice

_LONGEST_DRY_RUN = 1024
"""Most tokens of the run that tries out the settings; a minimum length may ask for more."""


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
"""Settings of generation_config that decoding with drafts cannot honour, and the values that are refused."""
_OFF = {"top_k": 0, "top_p": 1.0, "min_p": None}
"""What a draw uses where neither the caller nor generation_config says anything: all tokens."""


def _token_ids(value: Any) -> tuple[int, ...]:
    """The ids in one id, several (a list, a tuple, a tensor) or None.

    Raises:
        ValueError: If there is anything else.
    """
    values = value.tolist() if isinstance(value, Tensor | np.ndarray) else value
    several = list(values) if isinstance(values, list | tuple) else [] if values is None else [values]
    if any(isinstance(one, bool) or not isinstance(one, int) for one in several) or values in ([], ()):
        raise ValueError("a token id, a list of token ids or null is expected")
    return tuple(several)


def _strings(value: Any) -> tuple[str, ...]:
    """The strings in one, several or None.

    Raises:
        ValueError: If there is anything else, or an empty string, which would end every output.
    """
    several = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(several, list | tuple | set) or any(not isinstance(one, str) or not one for one in several):
        raise ValueError("a string, a list of strings (none of them empty) or null is expected")
    return tuple(several)


@dataclass(frozen=True, slots=True)
class PreparedRun:
    """What ``generate`` prepares for a decoding loop.

    Attributes:
        config: The model's settings with the library's defaults filled in.
        processors: The logits processors, in ``generate``'s order.
        arguments: Arguments of the model's ``prepare_inputs_for_generation`` besides the tokens, its cache included.
    """

    config: GenerationConfig
    processors: LogitsProcessorList
    arguments: dict[str, Any]


def _handed_over(
    model: PreTrainedModel,
    input_ids: Tensor,
    logits_processor: LogitsProcessorList,
    stopping_criteria: StoppingCriteriaList,
    generation_config: GenerationConfig,
    **arguments: Any,
) -> PreparedRun:
    """What ``generate`` passes to a custom loop (``custom_generate``); ``generate`` returns it unchanged."""
    return PreparedRun(generation_config, logits_processor, arguments)


def _temperature(value: Any) -> float:
    """The temperature in a generation_config, at least the least that runs take; 1 if it has none that can be used."""
    return max(float(value), LEAST_TEMPERATURE) if type(value) in (int, float) and 0 < value < 100 else 1.0


class GenerationRules:
    """The model's own generation_config, as ``generate`` applies it: with ``do_sample=False`` unless tokens are drawn.

    Attributes:
        suggested_temperature: The temperature of a generation_config that asks for sampling; None if it does not.

    Raises:
        BackendError: If a setting cannot be honoured; the message names it.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self._model: Any = model  # PreTrainedModel's type lacks the generation methods used here
        self.forward_arguments = frozenset(inspect.signature(model.forward).parameters)
        self.keeps_logits = "logits_to_keep" in self.forward_arguments
        settings: Any = model.generation_config
        for name, counts in REFUSED.items():
            if counts(value := getattr(settings, name, None)):
                raise BackendError(f"generation_config.{name}={shortened(value)} cannot be honoured; set it to None")
        self.cache_implementation: str | None = settings.cache_implementation
        try:
            dry = self._try_out()
            mode = dry.config.get_generation_mode()
        except Exception as error:  # the library checks some values, and stumbles over others
            raise BackendError(self._refusal(settings, error)) from error
        if mode != GenerationMode.GREEDY_SEARCH:
            raise BackendError(f"generation_config asks for {mode.value}; only greedy decoding and sampling are known")
        self._any = len(dry.processors) > 0
        self._given: tuple[LogitsProcessorList, Dice | None] | None = None
        self.eos_ids = _token_ids(dry.config.eos_token_id)
        self.stop_strings = _strings(settings.stop_strings)
        self.suggested_temperature = _temperature(settings.temperature) if settings.do_sample else None

    def _try_out(self) -> PreparedRun:
        """What the model's settings prepare, tried on the first tokens and the last one of a short run.

        Of the caches only a quantised one is made: that one may lack its library, and some releases keep a static
        one on the model.

        Raises:
            Exception: Of any type, if a value cannot be used.
        """
        settings = self._model.generation_config
        _token_ids(settings.eos_token_id)
        _strings(settings.stop_strings)
        shortest = min((settings.min_length or 0) + (settings.min_new_tokens or 0), _LONGEST_DRY_RUN)
        other_cache = {} if settings.cache_implementation == "quantized" else {"cache_implementation": None}
        two = torch.zeros((1, 2), dtype=torch.long, device=self._model.device)
        length = 4 + shortest
        dry = self.prepare(two, length, **other_cache)
        size = int(self._model.get_input_embeddings().weight.shape[0])
        for count in dict.fromkeys((1, 2, length - 1)) if dry.processors else ():
            ids = two.new_zeros((1, count))
            scores = dry.processors(ids, torch.zeros((1, size), device=two.device))  # type: ignore[arg-type]
            if not bool((scores < torch.inf).all()):
                raise ValueError("it makes logits NaN or infinite")
        return dry

    def _refusal(self, settings: GenerationConfig, error: Exception) -> str:
        """One line that names the setting that cannot be used: all works without it, or it fails on its own."""
        given = {name: value for name, value in vars(settings).items() if value is not None and name[0] != "_"}
        for name in given:
            if self._failure({other: value for other, value in given.items() if other != name}) is None:
                return f"generation_config.{name}={shortened(given[name])} cannot be used ({brief(error)})"
        for name, value in given.items():
            if (reason := self._failure({name: value})) is not None:
                return f"generation_config.{name}={shortened(value)} cannot be used ({brief(reason)})"
        return f"generation_config cannot be used ({brief(error)})"

    def _failure(self, given: dict[str, Any]) -> Exception | None:
        """What the model raises with just these settings; None if they can be used."""
        settings = self._model.generation_config
        self._model.generation_config = GenerationConfig()
        vars(self._model.generation_config).update(given)
        try:
            self._try_out()
        except Exception as error:  # noqa: BLE001 - of any type, as the values are
            return error
        finally:
            self._model.generation_config = settings
        return None

    @property
    def notice(self) -> str | None:
        """What to know where generation_config asks for sampling, which is not done by itself."""
        if self.suggested_temperature is None:
            return None
        return (
            "generation_config asks for sampling; decoding is greedy unless a temperature is given "
            f"(--temperature {self.suggested_temperature:g}; --top-k, --top-p and --min-p replace the model's own)"
        )

    def chooser(self, prompt_ids: Tensor, capacity: int, sampling: Sampling) -> Chooser:
        """What chooses the tokens of a run.

        Args:
            prompt_ids: Shape ``(1, prompt)``.
            capacity: Prompt and most new tokens together (``max_length`` of ``generate``).

        Raises:
            BackendError: If tokens are to be drawn and a setting of generation_config for that cannot be used.
        """
        if self._given is not None:
            return Chooser(self._given[0], prompt_ids.shape[1], self._given[1])
        processors = self.processors(prompt_ids, capacity, sampling)
        dice = None if sampling.greedy else Dice(sampling.seed)
        return Chooser(processors, prompt_ids.shape[1], dice)

    def processors(self, prompt_ids: Tensor, capacity: int, sampling: Sampling) -> LogitsProcessorList:
        """The processors and warpers of a run, in ``generate``'s order; empty if the logits are not changed.

        Args and errors are those of ``chooser``.
        """
        if sampling.greedy and not self._any:
            return LogitsProcessorList()
        try:
            return self.prepare(
                prompt_ids, capacity, cache_implementation=None, **self._settings_of(sampling)
            ).processors
        except Exception as error:
            if sampling.greedy:
                raise
            raise BackendError(f"generation_config cannot be used to draw tokens ({brief(error)})") from error

    def warpers(self, prompt_ids: Tensor, capacity: int, sampling: Sampling) -> LogitsProcessorList:
        """The part of ``processors`` that only sampling has."""
        if sampling.greedy:
            return LogitsProcessorList()
        found = self.processors(prompt_ids, capacity, sampling)
        return LogitsProcessorList(one for one in found if type(one).__name__ in WARPERS)

    def _settings_of(self, sampling: Sampling) -> dict[str, Any]:
        """The settings of ``generate``: the caller's, else generation_config's own, but no defaults of transformers."""
        if sampling.greedy:
            return {}
        own = self._model.generation_config
        found: dict[str, Any] = {"do_sample": True, "temperature": sampling.temperature}
        for name, off in _OFF.items():
            asked, known = getattr(sampling, name), getattr(own, name, None)
            found[name] = asked if asked is not None else known if known is not None else off
        return found

    def given(self, processors: LogitsProcessorList, dice: Dice | None) -> GenerationRules:
        """These rules for one run whose logits processors and warpers are prepared; ``dice`` draws its tokens."""
        rules = copy.copy(self)
        rules._given = processors, dice
        return rules

    def without_processors(self) -> GenerationRules:
        """These rules without logits processors, to time a pass."""
        plain = copy.copy(self)
        plain._any, plain._given = False, None
        return plain

    def prepare(self, prompt_ids: Tensor, length: int, **settings: Any) -> PreparedRun:
        """What ``generate`` prepares for a run, by its own steps; without other settings that of ``do_sample=False``.

        Args:
            prompt_ids: Shape ``(1, prompt)``.
            length: Most tokens of prompt and output together; a static cache gets this size at once.
            settings: Settings that differ from the model's generation_config.
        """
        return self._model.generate(
            prompt_ids,
            attention_mask=torch.ones_like(prompt_ids),
            max_length=None,
            max_new_tokens=max(1, length - prompt_ids.shape[1]),
            stop_strings=None,  # the engine watches for them
            custom_generate=_handed_over,
            **{"do_sample": False, **settings},
        )
