"""The machine: what a measured time depends on besides the work."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import PreTrainedModel


def describe(model: PreTrainedModel) -> dict[str, Any]:
    """What a measurement on this model depends on: its shape, dtype, device, threads and the library versions."""
    device = model.device
    if device.type == "cuda":
        hardware = torch.cuda.get_device_name(device)
    else:
        processor = _processor() or platform.processor() or platform.machine()
        hardware = f"{processor} {torch.backends.cpu.get_cpu_capability()}"
    config = model.config.get_text_config(decoder=True)
    names = ("model_type", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
    shape = {name: str(getattr(config, name, None)) for name in (*names, "num_key_value_heads", "sliding_window")}
    return {
        **shape,
        "parameters": model.num_parameters(),
        "model": str(getattr(model.config, "name_or_path", "")),
        "attention": str(getattr(model.config, "_attn_implementation", "")),
        "device": str(device),
        "hardware": hardware,
        "threads": torch.get_num_threads(),
        "dtype": str(model.dtype),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def environment(model: PreTrainedModel) -> dict[str, Any]:
    """Versions, processor and threads: what a measured time depends on besides the model."""
    found = describe(model)
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "platform": platform.platform(),
        "hardware": found["hardware"],
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "attention": found["attention"],
    }


@cache
def _processor() -> str:
    """The processor's name on Linux; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    fields = ("vendor_id", "model name", "cpu family", "model\t")
    named = [line.partition(":")[2].strip() for line in lines if line.startswith(fields)]
    return " ".join(dict.fromkeys(named))
