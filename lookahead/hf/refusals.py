"""Why a model cannot be loaded: one line that says what is wrong and what to do."""

from __future__ import annotations

import os
import re

import torch
from huggingface_hub import try_to_load_from_cache
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, PretrainedConfig, PreTrainedModel
from transformers.quantizers.auto import AUTO_QUANTIZATION_CONFIG_MAPPING

from lookahead.backend import BackendError
from lookahead.hf.model_config import known

_INSTALL = re.compile(r"pip install (?:(?:-U|--upgrade|--no-build-isolation) )*[\"']?([\w-]+(?:\[[\w,-]+\])?)")


def check_config(config: PretrainedConfig) -> None:
    """Raise BackendError if the model of this config does not continue texts, or its weights cannot be unpacked."""
    kind = config.model_type
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING and not hasattr(config, "auto_map"):
        raise BackendError(f"{kind} is not a text-only causal language model; choose a decoder-only one")
    quantisation = getattr(config, "quantization_config", None)
    if isinstance(quantisation, dict) and not (quantisation.get("load_in_8bit") or quantisation.get("load_in_4bit")):
        method = quantisation.get("quant_method")
        if method not in AUTO_QUANTIZATION_CONFIG_MAPPING:
            raise BackendError(
                f"its weights are quantised with quant_method {method!r}, which transformers does not know; "
                "update transformers, or choose the model without quantisation"
            )


def check_decoder(model: PreTrainedModel) -> None:
    """Raise BackendError if a token of this model sees those after it, or the model has an encoder."""
    name = type(model).__name__
    if known(model.config, "is_encoder_decoder") or not model.can_generate():
        raise BackendError(f"{name} is not a causal language model; choose a decoder-only one")
    # BERT and its kin are decoders only if their config says so; otherwise transformers just warns.
    told = getattr(model.config, "is_decoder", None) is False
    if told and not any(getattr(module, "is_causal", False) for module in model.modules()):
        raise BackendError(
            f"{name} is an encoder here (is_decoder is false in config.json); choose a decoder-only model"
        )


def load_failure(model_id: str, error: Exception, local_only: bool) -> str:
    """Why loading failed and what to do, one line; ``local_only`` if Hugging Face was not asked."""
    message = " ".join(str(error).split()) or type(error).__name__
    short = message if len(message) <= 200 else f"{message[:200]}..."
    install = _INSTALL.search(message)
    if isinstance(error, BackendError):
        return message
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return "does not fit into memory; choose a smaller model, another --device or --dtype"
    if "trust_remote_code" in message:
        return "needs its own code, which this library does not run; choose a model that transformers supports"
    if install is not None:
        return f"needs a package that is not installed here: pip install {install[1]}"
    if isinstance(error, ImportError):
        return f"needs something that is not installed here ({short})"
    if os.path.exists(model_id):
        where = "file" if os.path.isfile(model_id) else "folder"
        return f"cannot be loaded from this {where} ({short}); check its files or download it again"
    if "gated" in message.lower():
        return "is gated; ask for access on its page and log in with `hf auth login`"
    if isinstance(error, OSError) or "Repo id" in message:
        return _absent(model_id, message, local_only)
    return f"cannot be loaded ({short})"


def _absent(model_id: str, message: str, local_only: bool) -> str:
    """What a repository, or this machine's copy of it, lacks."""
    try:
        known = isinstance(try_to_load_from_cache(model_id.partition(":")[0], "config.json"), str)
    except ValueError:  # not an id
        known = False
    if known and local_only:
        return (
            f"the cache has only a part of it, and Hugging Face cannot be reached; run `hf download {model_id}` online"
        )
    if known or "file named" in message:
        return "the repository has no weights that transformers can read; for a GGUF file name it: ORG/REPO:FILE.gguf"
    return "not found on Hugging Face, or no network; check the id, or name a folder that holds the model"
