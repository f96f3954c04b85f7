"""Randomly initialised models of well-known shapes: the cost of a method without any weights to download."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config, Qwen3Config

from lookahead.backend import BackendError
from lookahead.hf.backend import HFBackend
from lookahead.hf.loading import resolve_device, resolve_dtype
from lookahead.models import SHAPES


def random_backend(name: str, device: str = "auto", dtype: str = "auto", seed: int = 0, **exact: Any) -> HFBackend:
    """A model of this shape with random weights, no tokenizer and no EOS.

    Args:
        exact: ``exact`` and ``exact_width`` of ``HFBackend``.

    Raises:
        BackendError: If the shape is not known or does not fit into memory.
    """
    if name not in SHAPES:
        raise BackendError(f"shape {name!r} is not known; choose one of {', '.join(SHAPES)}")
    settings = {key: value for key, value in SHAPES[name].items() if key != "family"}
    family = {"llama": LlamaConfig, "qwen2": Qwen2Config, "qwen3": Qwen3Config}[SHAPES[name]["family"]]
    config = family(**settings, bos_token_id=None, eos_token_id=None, pad_token_id=None, initializer_range=0.02)
    place = resolve_device(device)
    torch.manual_seed(seed)
    try:
        with torch.device(place):
            model = AutoModelForCausalLM.from_config(config, dtype=resolve_dtype(dtype, place))
        return HFBackend(model, **exact)
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if "memory" not in str(error):
            raise
        raise BackendError(
            f"shape {name!r} does not fit into memory; choose a smaller one or --dtype bfloat16"
        ) from None
