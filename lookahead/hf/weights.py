"""What a loader only warns of: weights that are missing, of another shape, left over, or not finite."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import chain
from typing import Any

import torch
from transformers import PretrainedConfig, PreTrainedModel

from lookahead.backend import BackendError
from lookahead.hf.model_config import known

_SHOWN = 3
"""Most names in one line."""


def check_size(config: PretrainedConfig, folder: str) -> None:
    """Raise BackendError if the files in a folder cannot be the weights of this config, before memory is taken for it.

    The bound is far below what any real model has: a row of the hidden size for each layer and each token, and weights
    of at least an eighth of a bit.
    """
    inner = config.get_text_config(decoder=True)
    layers, hidden, tokens = (known(inner, name) for name in ("num_hidden_layers", "hidden_size", "vocab_size"))
    if not all(type(size) is int for size in (layers, hidden, tokens)):
        return
    size = sum(entry.stat().st_size for entry in os.scandir(folder) if entry.is_file())
    if (layers + tokens) * hidden > 64 * size:
        raise BackendError(
            f"config.json says {layers} layers of {hidden} values and {tokens} tokens, for which its files "
            f"({size:,} bytes) are too small: do they belong to one model? download the folder again"
        )


def check_weights(model: PreTrainedModel, info: dict[str, Any]) -> tuple[str, ...]:
    """Notices about the model just loaded: tensors of the files that it does not use.

    Args:
        info: What ``from_pretrained(..., output_loading_info=True)`` returned beside it. Tied weights, buffers and
            whatever else the model class declares optional are not in it.

    Raises:
        BackendError: If the model has tensors that the files do not hold or hold in another shape, or if a weight is
            not finite; transformers would have given them random values.
    """
    # Tied weights are one tensor under several names.
    tensors = len({id(tensor) for tensor in model.state_dict(keep_vars=True).values()})
    missing, unexpected = sorted(info["missing_keys"]), sorted(info["unexpected_keys"])
    mismatched = sorted(info["mismatched_keys"])
    if missing:
        raise BackendError(
            f"{len(missing)} of {tensors} tensors are not in the files: {_some(missing)}; {_why(unexpected)}"
        )
    if mismatched:
        names = [f"{name} is {_shape(found)}, the config says {_shape(wanted)}" for name, found, wanted in mismatched]
        advice = "the config.json of another model? download the folder again"
        raise BackendError(f"{len(mismatched)} of {tensors} tensors have another shape: {_some(names)}; {advice}")
    if info.get("error_msgs"):
        raise BackendError(
            f"tensors could not be read: {_some([' '.join(str(m).split()) for m in info['error_msgs']])}"
        )
    check_finite(model)
    return unused(model, unexpected, "files")


def unused(model: PreTrainedModel, names: list[str], where: str) -> tuple[str, ...]:
    """The notice that the model lacks these tensors of the files, or of its adapter; none without names."""
    if not names:
        return ()
    return (f"{len(names)} tensors of the {where} are not used by {type(model).__name__}: {_some(names)}",)


def check_finite(model: PreTrainedModel) -> None:
    """Raise BackendError if a weight, or a buffer kept with the weights, is NaN or infinite; reads each once."""
    kept = model.state_dict(keep_vars=True).keys()  # other buffers are computed, and may mask with minus infinity
    buffers = ((name, buffer) for name, buffer in model.named_buffers() if name in kept)
    for name, weight in chain(model.named_parameters(), buffers):
        # 8-bit floats have no minimum in torch; they are checked by what they are unpacked to.
        if weight.is_floating_point() and weight.element_size() > 1 and weight.numel() and not weight.is_meta:
            try:
                lowest, highest = torch.aminmax(weight.detach())
            except NotImplementedError:  # quantised: a tensor of another library
                lowest, highest = torch.aminmax(weight.detach().dequantize())
            if not bool(torch.isfinite(lowest) & torch.isfinite(highest)):
                half = weight.dtype == torch.float16
                advice = "try --dtype float32 or bfloat16, or download it again" if half else "download it again"
                raise BackendError(f"{name} holds NaN or infinite values in {str(weight.dtype)[6:]}; {advice}")


def _why(unexpected: list[str]) -> str:
    """What to do about missing tensors, judged by what the files hold instead."""
    if any("base_model.model." in name or ".lora_" in name for name in unexpected):
        return (
            f"they hold a PEFT-wrapped model ({unexpected[0]}): merge the adapter (merge_and_unload), save the result"
        )
    if unexpected:
        return f"they hold {_some(unexpected)} instead: do config.json and the weights belong to one model?"
    return "download the model again, or name the complete one"


def _some(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _shape(size: Iterable[int]) -> str:
    return " x ".join(map(str, size))


def check_unpacked(model: PreTrainedModel, dtype: torch.dtype) -> None:
    """Raise BackendError if quantised weights were unpacked to another half precision than the rest is kept in."""
    for weight in model.parameters():
        if weight.dtype in (torch.bfloat16, torch.float16) and weight.dtype != dtype:
            name = str(weight.dtype)[6:]
            raise BackendError(f"its quantised weights are unpacked as {name}; use --dtype {name} or auto")
