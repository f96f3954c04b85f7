"""What the name of a model refers to: a folder, a GGUF file, or a repository on Hugging Face."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec

from huggingface_hub import hf_hub_download
from transformers.utils.peft_utils import find_adapter_config_file

from lookahead.backend import BackendError

_ON_THE_HUB = re.compile(r"([\w.-]+/[\w.-]+):(.+\.gguf)", re.IGNORECASE)
_PART = re.compile(r"-\d{5}-of-\d{5}\.gguf$", re.IGNORECASE)
_NO_FOLDER = "there is no such folder; name a model folder, a GGUF file or a Hugging Face id"
_ADAPTER_WEIGHTS = re.compile(r"(adapter|lora).*\.(safetensors|bin|pt)$", re.IGNORECASE)
_WEIGHTS = (".safetensors", ".bin", ".index.json")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where transformers finds the files of a model.

    Attributes:
        source: A folder, or the id of a repository.
        gguf: The full path of the GGUF file in that folder that holds the model; None for transformers' own format. (A
            bare name transformers takes from the working directory, if there is such a file.)
        adapter: A folder or the id of a repository with a PEFT adapter, which changes the model; None if there is none.
    """

    source: str
    gguf: str | None = None
    adapter: str | None = None


def find_checkpoint(model_id: str, local_only: bool) -> Checkpoint:
    """Where the model of this name is; a GGUF file on Hugging Face is downloaded.

    Args:
        model_id: A folder, ``FILE.gguf``, the id ``ORG/REPO`` or ``ORG/REPO:FILE.gguf``; folder or repository may hold
            a PEFT adapter, whose file names the model.
        local_only: Do not ask Hugging Face, only look into its cache.

    Raises:
        BackendError: If there is no such file or folder, or it is not a model.
        OSError, ValueError: If Hugging Face does not give the file.
    """
    on_the_hub = _ON_THE_HUB.fullmatch(model_id)
    if os.path.isfile(model_id):
        return _gguf(model_id)
    if os.path.isdir(model_id):
        return _folder(model_id, local_only)
    if on_the_hub is not None:
        _check_packages()
        repository, file = on_the_hub.groups()
        _check_whole(file)
        return _gguf(hf_hub_download(repository, file, local_files_only=local_only))
    if model_id.lower().endswith(".gguf"):
        raise BackendError("there is no such file; a file on Hugging Face is written ORG/REPO:FILE.gguf")
    if not model_id.strip() or looks_local(model_id):
        raise BackendError(_NO_FOLDER)
    return _adapted(model_id, local_only) or Checkpoint(model_id)


def looks_local(model_id: str) -> bool:
    """Whether this can only be the path of a file or folder."""
    return model_id.startswith((".", "/", "~")) or model_id.count("/") > 1 or "\\" in model_id


def _folder(path: str, local_only: bool) -> Checkpoint:
    files = sorted(os.listdir(path))
    ggufs = [name for name in files if name.lower().endswith(".gguf")]
    if ggufs and not any(name.endswith(_WEIGHTS) for name in files):
        if len(ggufs) == 1:
            return _gguf(os.path.join(path, ggufs[0]))
        raise BackendError(f"the folder has {len(ggufs)} GGUF files; name one of them: {', '.join(ggufs[:5])}")
    if (adapted := _adapted(path, local_only)) is not None:
        return adapted
    if "config.json" not in files:
        raise BackendError("the folder has no config.json; name a transformers model folder or a GGUF file")
    return Checkpoint(path)


def _gguf(path: str) -> Checkpoint:
    path = os.path.abspath(path)
    if not path.lower().endswith(".gguf"):
        raise BackendError("this is a file; name the folder that contains it, or a GGUF file")
    _check_packages()
    _check_whole(path)
    with open(path, "rb") as file:
        if file.read(4) != b"GGUF":
            raise BackendError("the content of this file is not GGUF; download it again")
    return Checkpoint(os.path.dirname(path), path)


def _check_packages() -> None:
    missing = [name for name in ("gguf", "accelerate") if find_spec(name) is None]
    if missing:
        raise BackendError(f"a GGUF file needs the package {' and '.join(missing)}: pip install {' '.join(missing)}")


def _check_whole(file: str) -> None:
    if _PART.search(file):
        raise BackendError("a part of a split GGUF file; join the parts (llama-gguf-split --merge) and name the result")


def has_adapter(folder: str) -> bool:
    """Whether this is a folder with a PEFT adapter, whose model may be elsewhere."""
    return os.path.isfile(os.path.join(folder, "adapter_config.json"))


def stray_adapter(found: Checkpoint) -> tuple[str, ...]:
    """The notice that a folder has an adapter's weights that are left out, as no adapter_config.json describes them."""
    if found.gguf is not None or found.adapter is not None or not os.path.isdir(found.source):
        return ()
    files = [name for name in sorted(os.listdir(found.source)) if _ADAPTER_WEIGHTS.search(name)]
    return tuple(f"{name} is not used: the folder has no adapter_config.json that describes it" for name in files[:1])


def _adapted(source: str, local_only: bool) -> Checkpoint | None:
    """The model that an adapter here belongs to, and the adapter; None if there is none.

    Raises:
        BackendError: If it needs the package peft, or does not name its model.
    """
    found = find_adapter_config_file(source, local_files_only=local_only)
    if found is None:
        return None
    base = ""
    with suppress(OSError, ValueError, AttributeError), open(found, encoding="utf-8") as file:
        base = str(json.load(file).get("base_model_name_or_path") or "")
    if find_spec("peft") is None:
        known = base or "its base model"
        advice = f"pip install peft, or merge it into {known} (merge_and_unload) and name the merged folder"
        what = f"a LoRA or other adapter of {known}, which would be left out"
        raise BackendError(f"adapter_config.json: {what}; {advice}")
    if not base or os.path.realpath(base) == os.path.realpath(source):
        raise BackendError("adapter_config.json does not say which model the adapter is for (base_model_name_or_path)")
    try:
        return replace(find_checkpoint(base, local_only), adapter=source)
    except BackendError as error:
        raise BackendError(f"the model of this adapter, {base}: {error}") from error
