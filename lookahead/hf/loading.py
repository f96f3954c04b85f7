"""Loading a model and its tokenizer by id, folder or GGUF file; devices and dtypes by name."""

from __future__ import annotations

import gc
import os
import socket
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar
from unittest.mock import patch
from urllib.parse import urlsplit

import numpy as np
import torch
from huggingface_hub import constants
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from lookahead.backend import BackendError, brief
from lookahead.hf.checkpoint import Checkpoint, find_checkpoint, has_adapter, looks_local, stray_adapter
from lookahead.hf.refusals import check_config, load_failure
from lookahead.hf.weights import check_finite, check_size, check_unpacked, check_weights, unused

Parts = TypeVar("Parts")
_MERGEABLE = "choose a LoRA or another adapter that can be merged (merge_and_unload of PEFT)"
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


class Loaded(NamedTuple):
    """A model, its tokenizer, and what the user should know about how they were loaded."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    notices: tuple[str, ...]


def load(model_id: str, device: torch.device, dtype: str) -> Loaded:
    """The model on the device in the dtype of this name (see ``resolve_dtype``), and its tokenizer.

    Quantised weights keep the dtype they are stored for on ``auto``: their layers may not run in another.

    Raises:
        BackendError: If either cannot be loaded, or only in part; one line says what to do.
    """
    wanted = resolve_dtype(dtype, device)

    def parts(found: Checkpoint, local_only: bool) -> Loaded:
        options = _options(found, local_only)
        with _quick_gguf() if found.gguf else nullcontext():
            config = AutoConfig.from_pretrained(found.source, **options)
            check_config(config)
            if found.gguf is None and os.path.isdir(found.source):
                check_size(config, found.source)
            quantised = getattr(config, "quantization_config", None) is not None
            kind = (getattr(config, "dtype", None) or torch.bfloat16) if quantised and dtype == "auto" else wanted
            tokenizer = _tokenizer(found, options)
            # Mismatched tensors are let pass here, because transformers' own error names none of them.
            options |= {"ignore_mismatched_sizes": True, "output_loading_info": True}
            result: Any = AutoModelForCausalLM.from_pretrained(found.source, config=config, dtype=kind, **options)
        model, info = result
        notices = (*check_weights(model, info), *stray_adapter(found))
        if quantised:
            check_unpacked(model, kind)
        if found.gguf is not None:
            model.config.name_or_path = found.gguf
        if found.adapter is not None:
            model, left_out = _merged(model, found.adapter, local_only)
            notices = (*notices, *left_out)
        model.to(device)
        return Loaded(model.eval(), tokenizer, notices)

    return _loaded(model_id, parts)


def free_memory() -> None:
    """Collect what nothing refers to any more, and give a GPU's unused memory back."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def load_tokenizer(model_id: str) -> PreTrainedTokenizerBase:
    """The model's tokenizer alone.

    Raises:
        BackendError: If it cannot be loaded; one line says what to do.
    """

    def tokenizer(found: Checkpoint, local_only: bool) -> PreTrainedTokenizerBase:
        with _quick_gguf() if found.gguf else nullcontext():
            return _tokenizer(found, _options(found, local_only))

    return _loaded(model_id, tokenizer)


def vocabulary_size(model_id: str) -> int | None:
    """The number of token ids that the model of this id or folder takes; None if its configuration does not tell."""
    size = None
    for local_only in (True, False):
        with suppress(Exception):  # not here, not known, or without this field: a tokenizer works without it
            config = AutoConfig.from_pretrained(model_id, local_files_only=local_only, trust_remote_code=False)
            size = config.get_text_config(decoder=True).vocab_size
            break
    return size if isinstance(size, int) and size > 0 else None


def _tokenizer(found: Checkpoint, options: dict[str, Any]) -> PreTrainedTokenizerBase:
    """The adapter's tokenizer where it has one of its own, else the model's."""
    if found.adapter is not None and os.path.isfile(os.path.join(found.adapter, "tokenizer_config.json")):
        return AutoTokenizer.from_pretrained(found.adapter, local_files_only=True, trust_remote_code=False)
    return AutoTokenizer.from_pretrained(found.source, **options)


def _merged(model: PreTrainedModel, adapter: str, local_only: bool) -> tuple[Any, tuple[str, ...]]:
    """The model with the adapter's weights added to its own, so that a pass costs no more; a notice of unused ones.

    Raises:
        BackendError: If the adapter is of a kind that cannot be added.
    """
    from peft import PeftModel  # pyright: ignore[reportMissingImports]

    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Found missing adapter keys")  # it would continue with random ones
        wrapped: Any = PeftModel.from_pretrained(model, adapter, local_files_only=local_only)
    # Only this call tells which tensors found no place.
    left_out = wrapped.load_adapter(adapter, "default", torch_device="cpu", local_files_only=local_only).unexpected_keys
    kind = wrapped.active_peft_config.peft_type.value
    if not hasattr(wrapped.base_model, "merge_and_unload"):
        raise BackendError(f"{kind} adapters add no weights to the model; {_MERGEABLE}")
    try:
        merged = wrapped.merge_and_unload(safe_merge=True)
    except (NotImplementedError, ValueError) as error:
        raise BackendError(f"its {kind} adapter cannot be added to the model ({brief(error)}); {_MERGEABLE}") from error
    check_finite(merged)
    merged.config.name_or_path = adapter
    return merged, unused(model, left_out, "adapter")


@contextmanager
def _quick_gguf() -> Iterator[None]:
    """While open, a GGUF file is read once and not three times (config, weights, tokenizer), and 2.4 times as fast.

    A vocabulary of 262,000 tokens otherwise takes minutes. The names of tensors, 10,000 and more, are made once and not
    for each module of the model, which took more than half of the time that remained.
    """
    import gguf

    class Reader(gguf.GGUFReader):
        """Slices a plain array where the original slices a memmap, whose slices are slow to create."""

        @property
        def data(self) -> np.ndarray:
            return self._data

        @data.setter
        def data(self, mapped: np.ndarray) -> None:
            self._data = np.asarray(mapped)

    names = lru_cache(maxsize=1)(gguf.get_tensor_name_map)
    with (
        patch.object(gguf, "GGUFReader", lru_cache(maxsize=1)(Reader)),
        patch.object(gguf, "get_tensor_name_map", names),
    ):
        yield


def _options(found: Checkpoint, local_only: bool) -> dict[str, Any]:
    where = {} if found.gguf is None else {"gguf_file": found.gguf}
    return {**where, "local_files_only": local_only, "trust_remote_code": False}


def _loaded(model_id: str, parts: Callable[[Checkpoint, bool], Parts]) -> Parts:
    """The result of ``parts``, called with where the model is and whether to use local files only.

    Its errors become one line.
    """
    here = os.path.exists(model_id) or looks_local(model_id)
    local_only = (here and not has_adapter(model_id)) or not _hub_answers()
    try:
        return parts(find_checkpoint(model_id, local_only), local_only)
    except Exception as error:  # many libraries take part, each with its own errors
        raise BackendError(f"model {model_id!r}: {load_failure(model_id, error, local_only)}") from error


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
