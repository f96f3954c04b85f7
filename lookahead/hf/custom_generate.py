"""``model.generate(..., custom_generate=lookahead.generate)``: transformers' own call, decoded with drafts."""

from __future__ import annotations

import copy
import sys
from contextlib import closing
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from transformers import (
    GenerationConfig,
    LogitsProcessorList,
    PreTrainedModel,
    StoppingCriteriaList,
    StopStringCriteria,
)
from transformers.generation.configuration_utils import GenerationMode
from transformers.generation.streamers import BaseStreamer
from transformers.generation.utils import GenerateDecoderOnlyOutput

from lookahead.config import MAX_SEED, LookaheadConfig, Sampling
from lookahead.engine import DraftMaker, LookaheadEngine
from lookahead.hf.backend import HFBackend
from lookahead.hf.generation import REFUSED
from lookahead.hf.sampling import Dice

_HONOURED = ("max_time", "token_healing")
"""Of the refused settings, those that ``generate`` carries out around the decoding loop."""
_PER_PASS = ("output_scores", "output_logits", "output_attentions", "output_hidden_states")
"""Outputs of every forward pass; a pass here covers several tokens."""
_CACHES = ("cache", "past_key_values", "cache_params")
"""The cache by its names, new and old."""
_PREPARED = (*_CACHES, "use_cache", "logits_to_keep", "cache_position")
"""Arguments of the forward pass that ``generate`` prepares and that say nothing about the tokens."""
_KEPT_AS = "_lookahead_backend"


def generate(
    model: PreTrainedModel,
    input_ids: Tensor,
    logits_processor: LogitsProcessorList,
    stopping_criteria: StoppingCriteriaList,
    generation_config: GenerationConfig,
    streamer: BaseStreamer | None = None,
    drafter: DraftMaker | None = None,
    lookahead_config: LookaheadConfig | None = None,
    seed: int | None = None,
    **model_kwargs: Any,
) -> GenerateDecoderOnlyOutput | Tensor:
    """The tokens that ``model.generate`` gives, in fewer forward passes: pass this function as ``custom_generate``.

    The call's settings, logits processors, stopping criteria and streamer apply. For ``stop_strings`` pass
    ``StopStringCriteria``: transformers gives the tokenizer to its own loops only.

    Args:
        model: The model whose ``generate`` is called. On a CPU its linear layers may be packed, and in bfloat16 and
            float16 its attention replaced by an exact one, as ``HFBackend`` does; it writes the same text as before.
        input_ids: Shape ``(1, prompt)``.
        drafter: Makes the drafts; one that is passed again knows the earlier outputs. None starts an empty one.
        lookahead_config: Settings of the drafts.
        seed: Decides the draws with ``do_sample=True``; None takes a number of torch's generator, so that
            ``torch.manual_seed`` decides. The draws are others than those of transformers, with the same distribution.

    Returns:
        Prompt and output, shape ``(1, prompt + new)``; the ``sequences`` of an output object with
        ``return_dict_in_generate``. It has no cache to continue from.

    Raises:
        ValueError: If an argument or a setting cannot be honoured; the message names it.
        BackendError: If the model cannot be used.
    """
    caller = _caller()
    _check(input_ids, generation_config, model_kwargs, caller)
    _check_drafts(drafter, lookahead_config)
    streamer = streamer or caller.get("streamer")
    dice = Dice(_seed(seed)) if generation_config.do_sample else None
    engine = LookaheadEngine(_backend(model, logits_processor, dice), lookahead_config, drafter)
    sequence, room = input_ids, int(generation_config.max_length or 0) - input_ids.shape[1]
    with closing(engine.generate(input_ids[0].tolist(), max_new_tokens=room)) as steps:
        for token_id in chain.from_iterable(step.emitted_ids for step in steps):
            sequence = torch.cat((sequence, input_ids.new_tensor([[token_id]])), dim=1)
            if streamer is not None:
                streamer.put(sequence[0, -1:].cpu())
            if bool(stopping_criteria(sequence, None).all()):  # type: ignore[arg-type]
                break
    if streamer is not None:
        streamer.end()
    return GenerateDecoderOnlyOutput(sequences=sequence) if generation_config.return_dict_in_generate else sequence  # type: ignore[arg-type]


def generate_from_hub(model: PreTrainedModel, **arguments: Any) -> GenerateDecoderOnlyOutput | Tensor:
    """``model.generate`` with drafts, for ``custom_generate/generate.py`` of a repository on Hugging Face.

    Args:
        arguments: Everything that ``generate`` was called with, as it hands it over.
    """
    settings = arguments.get("generation_config") or model.generation_config
    stop_strings, tokenizer = arguments.pop("stop_strings", settings.stop_strings), arguments.pop("tokenizer", None)
    if stop_strings is not None:
        if tokenizer is None:
            raise ValueError("stop_strings needs the tokenizer: pass it to generate as tokenizer=...")
        criteria = StoppingCriteriaList(arguments.pop("stopping_criteria", None) or ())
        criteria.append(StopStringCriteria(tokenizer, stop_strings))
        settings = copy.copy(settings)
        settings.stop_strings = None
        arguments |= {"stopping_criteria": criteria, "generation_config": settings}
    return model.generate(custom_generate=generate, **arguments)  # type: ignore[operator]


def _check(input_ids: Tensor, settings: GenerationConfig, model_kwargs: dict[str, Any], caller: dict[str, Any]) -> None:
    """Raise ValueError for what cannot be honoured."""
    count, length = input_ids.shape
    for name in _PER_PASS:
        if getattr(settings, name, None):
            raise ValueError(f"{name}=True cannot be honoured: a pass covers several tokens; leave it out")
    if caller.get("assistant_model") is not None:
        raise ValueError("assistant_model cannot be combined with lookahead.generate; leave it out")
    for name, counts in REFUSED.items():
        if name not in _HONOURED and counts(value := getattr(settings, name, None)):
            raise ValueError(f"{name}={value!r} cannot be honoured by lookahead.generate; leave it out")
    if (mode := settings.get_generation_mode()) not in (GenerationMode.GREEDY_SEARCH, GenerationMode.SAMPLE):
        raise ValueError(f"{mode.value} cannot be combined with lookahead.generate")
    if count != 1:
        raise ValueError(f"{count} sequences; lookahead.generate decodes one prompt, and one output for it")
    if any(caller.get("kwargs", {}).get(name) is not None for name in _CACHES):
        raise ValueError("a cache can be neither continued nor filled; pass the whole prompt and no cache")
    mask, positions = (model_kwargs.pop(name, None) for name in ("attention_mask", "position_ids"))
    if mask is not None and bool((mask != 1).any()):
        raise ValueError("the attention_mask leaves out tokens; pass the prompt without padding")
    for name, value in model_kwargs.items():
        says_nothing = value is None or (name == "token_type_ids" and not value.any())
        if name not in _PREPARED and not says_nothing:
            raise ValueError(f"{name} cannot be honoured by lookahead.generate; leave it out")
    if positions is not None and not torch.equal(positions[0].cpu(), torch.arange(length)):
        raise ValueError("position_ids cannot be honoured; leave them out")


def _check_drafts(drafter: Any, config: Any) -> None:
    """Raise ValueError for arguments of the wrong kind."""
    if not isinstance(config, LookaheadConfig | None):
        raise ValueError(f"lookahead_config={config!r}; need a LookaheadConfig, as LookaheadConfig(decoding_length=16)")
    if drafter is not None and not hasattr(drafter, "start"):
        raise ValueError(f"drafter={drafter!r}; need a Drafter, as Drafter(LookaheadConfig())")


def _seed(seed: int | None) -> int:
    """The seed of a run, checked."""
    return Sampling(seed=int(torch.randint(MAX_SEED + 1, ())) if seed is None else seed).seed


def _backend(model: PreTrainedModel, processors: LogitsProcessorList, dice: Dice | None) -> HFBackend:
    """The model's backend for one call: the call's processors and draws, and no end but the call's own criteria."""
    known: HFBackend | None = getattr(model, _KEPT_AS, None)
    if known is None:
        known = HFBackend(model)
        setattr(model, _KEPT_AS, known)  # it knows what its trial found, and T(n)
    _ = known.exactness  # tried out before the copy
    call = copy.copy(known)
    call.eos_ids, call.stop_strings, call.context_limit = (), (), None
    call.rules = known.rules.given(processors, dice)
    return call


def _caller() -> dict[str, Any]:
    """The arguments of the ``generate`` that called, some of which it hands to its own loops only; empty if none did.

    Its streamer, which has got the prompt already, its ``assistant_model``, and a cache of its caller's in ``kwargs``.
    """
    caller = sys._getframe(2)
    return caller.f_locals if caller.f_code.co_name == "generate" else {}
