"""Loading a model and its tokenizer by id or folder, and a helpful line when that fails."""

from __future__ import annotations

import os
import socket
import urllib.request
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

import torch
from huggingface_hub import constants
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from lookahead.backend import BackendError

Parts = TypeVar("Parts")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16, "float64": torch.float64}


def resolve_device(name: str) -> torch.device:
    """The device of this name; ``auto`` takes CUDA, then MPS, then the CPU.

    Raises:
        BackendError: If this machine has no such device.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise BackendError(f"device {name!r} is not known; choose auto, cpu, cuda or mps") from error
    if device.type not in ("cpu", "cuda", "mps"):
        raise BackendError(f"device {name!r} is not supported; choose auto, cpu, cuda or mps")
    absent = (device.type == "cuda" and not cuda) or (device.type == "mps" and not mps)
    if absent or (device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()):
        raise BackendError(f"device {name!r} is not available here; choose cpu, or auto")
    return device


def resolve_dtype(name: str, device: torch.device) -> torch.dtype:
    """The dtype of this name; ``auto`` is float32; on CUDA bfloat16, or float16 without bfloat16 support.

    Raises:
        BackendError: If the name is not known, or the device does not support the dtype.
    """
    if name == "auto":
        if device.type == "cuda":
            return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
        return torch.float32
    if name not in DTYPES:
        raise BackendError(f"dtype {name!r} is not known; choose auto, {', '.join(DTYPES)}")
    if device.type == "mps" and name == "float64":
        raise BackendError("dtype 'float64' is not available on mps; choose float32")
    return DTYPES[name]


def load(model_id: str, device: torch.device, dtype: torch.dtype) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model on the device in the dtype, and its tokenizer.

    Raises:
        BackendError: If either cannot be loaded; one line says what to do.
    """

    def parts(local_only: bool) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        tokenizer = _tokenizer(model_id, local_only)
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            model_id, dtype=dtype, local_files_only=local_only, trust_remote_code=False
        )
        model.to(device)  # type: ignore[call-arg, arg-type]
        return model.eval(), tokenizer

    return _loaded(model_id, parts)


def load_tokenizer(model_id: str) -> PreTrainedTokenizerBase:
    """The model's tokenizer alone.

    Raises:
        BackendError: If it cannot be loaded; one line says what to do.
    """
    return _loaded(model_id, lambda local_only: _tokenizer(model_id, local_only))


def _tokenizer(model_id: str, local_only: bool) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(model_id, local_files_only=local_only, trust_remote_code=False)


def _loaded(model_id: str, parts: Callable[[bool], Parts]) -> Parts:
    """The result of ``parts``, called with whether to use local files only; its errors become one line."""
    _check_folder(model_id)
    local_only = not os.path.isdir(model_id) and not _hub_answers()
    try:
        return parts(local_only)
    except Exception as error:  # many libraries take part, each with its own errors
        raise BackendError(f"model {model_id!r}: {_reason(model_id, error)}") from error


def _hub_answers(timeout_seconds: float = 3.0) -> bool:
    """Whether Hugging Face can be reached; its own client would retry for a minute."""
    if constants.HF_HUB_OFFLINE:
        return False
    address = urlsplit(constants.ENDPOINT)
    if urllib.request.getproxies():
        return True  # only the client knows how to use a proxy
    try:
        port = address.port or (443 if address.scheme == "https" else 80)
        socket.create_connection((address.hostname or "", port), timeout_seconds).close()
    except OSError:
        return False
    return True


def _check_folder(model_id: str) -> None:
    if not model_id.strip():
        raise BackendError("model '': there is no such folder; name a model folder or a Hugging Face id")
    looks_local = model_id.startswith((".", "/", "~")) or model_id.count("/") > 1 or "\\" in model_id
    if os.path.isdir(model_id):
        if not os.path.isfile(os.path.join(model_id, "config.json")):
            raise BackendError(f"model {model_id!r}: the folder has no config.json; name a transformers model folder")
    elif os.path.exists(model_id):
        raise BackendError(f"model {model_id!r}: this is a file; name the folder that contains it")
    elif looks_local:
        raise BackendError(f"model {model_id!r}: there is no such folder; name a model folder or a Hugging Face id")


def _reason(model_id: str, error: Exception) -> str:
    """One line on why loading failed and what to do."""
    message = " ".join(str(error).split())
    short = message if len(message) <= 200 else f"{message[:200]}..."
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return "does not fit into memory; choose a smaller model, another --device or --dtype"
    if "trust_remote_code" in message:
        return "needs its own code, which this library does not run; choose a model that transformers supports"
    if os.path.isdir(model_id):
        return f"cannot be loaded from this folder ({short}); check its files or download it again"
    if "gated" in message.lower():
        return "is gated; ask for access on its page and log in with `hf auth login`"
    if isinstance(error, OSError) or "Repo id" in message:
        return "not found on Hugging Face, or no network; check the id, or name a folder that holds the model"
    return f"cannot be loaded ({short})"
