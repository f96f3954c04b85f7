"""Models that can be named without loading them: the embedded model, and shapes for models with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

EMBEDDED_MODEL = Path(__file__).resolve().parents[1] / "assets" / "model"
"""A folder in transformers' format; the default of every ``--model``."""


_SETTINGS = (
    *("family", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads"),
    *("vocab_size", "tie_word_embeddings", "max_position_embeddings"),
)
_ROWS: dict[str, tuple[Any, ...]] = {
    "10m": ("llama", 320, 896, 6, 5, 5, 8192, True, 4096),
    "30m": ("llama", 512, 1408, 8, 8, 8, 8192, True, 4096),
    "smollm2-135m": ("llama", 576, 1536, 30, 9, 3, 49152, True, 8192),
    "qwen2.5-0.5b": ("qwen2", 896, 4864, 24, 14, 2, 151_936, True, 32_768),
    "qwen3-0.6b": ("qwen3", 1024, 3072, 28, 16, 8, 151_936, True, 40_960),
    "tinyllama-1.1b": ("llama", 2048, 5632, 22, 32, 4, 32_000, False, 2048),
    "qwen2.5-1.5b": ("qwen2", 1536, 8960, 28, 12, 2, 151_936, True, 32_768),
    "llama-2-7b": ("llama", 4096, 11_008, 32, 32, 32, 32_000, False, 4096),
    "llama-3.1-8b": ("llama", 4096, 14_336, 32, 32, 8, 128_256, False, 131_072),
}
SHAPES: dict[str, dict[str, Any]] = {name: dict(zip(_SETTINGS, row, strict=True)) for name, row in _ROWS.items()}
"""Name -> the settings of a transformers config, for ``--shape``; Qwen3's head size of 128 is its config's default."""
