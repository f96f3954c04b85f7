"""Models that can be named without loading one: the embedded one, and shapes for models with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

EMBEDDED_MODEL = Path(__file__).resolve().parents[1] / "assets" / "model"
"""A folder in transformers' format; the default of every ``--model``."""


def _shape(
    family: str,
    width: int,
    inner: int,
    layers: int,
    heads: tuple[int, int],
    vocab: int,
    tied: bool,
    context: int,
    **more: Any,
) -> dict[str, Any]:
    return {
        "family": family,
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads[0],
        "num_key_value_heads": heads[1],
        "vocab_size": vocab,
        "tie_word_embeddings": tied,
        "max_position_embeddings": context,
        **more,
    }


SHAPES: dict[str, dict[str, Any]] = {
    "10m": _shape("llama", 320, 896, 6, (5, 5), 8192, True, 4096),
    "30m": _shape("llama", 512, 1408, 8, (8, 8), 8192, True, 4096),
    "smollm2-135m": _shape("llama", 576, 1536, 30, (9, 3), 49152, True, 8192),
    "qwen2.5-0.5b": _shape("qwen2", 896, 4864, 24, (14, 2), 151_936, True, 32_768),
    "qwen3-0.6b": _shape("qwen3", 1024, 3072, 28, (16, 8), 151_936, True, 40_960, head_dim=128),
    "tinyllama-1.1b": _shape("llama", 2048, 5632, 22, (32, 4), 32_000, False, 2048),
    "qwen2.5-1.5b": _shape("qwen2", 1536, 8960, 28, (12, 2), 151_936, True, 32_768),
    "llama-2-7b": _shape("llama", 4096, 11_008, 32, (32, 32), 32_000, False, 4096),
    "llama-3.1-8b": _shape("llama", 4096, 14_336, 32, (32, 8), 128_256, False, 131_072),
}
"""Name -> the settings of a transformers config, for ``--shape``."""
