"""The trained network in the layout of transformers: a folder that AutoModelForCausalLM and AutoTokenizer load."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import LlamaConfig, PreTrainedTokenizerFast

from .alphabet import END, PAD
from .network import Shape


def llama_config(shape: Shape) -> LlamaConfig:
    """The shape in the words of transformers."""
    return LlamaConfig(
        vocab_size=shape.vocab_size,
        hidden_size=shape.width,
        intermediate_size=shape.feed_forward,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=shape.context,
        rms_norm_eps=1e-6,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope_theta},
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=END,
        pad_token_id=PAD,
        architectures=["LlamaForCausalLM"],
        dtype=torch.bfloat16,
    )


def llama_weights(masters: dict[str, Tensor], shape: Shape) -> dict[str, Tensor]:
    """The parameters under the names of transformers, in bf16."""
    weights = {"model.embed_tokens.weight": masters["embedding.weight"], "model.norm.weight": masters["norm"]}
    for layer in range(shape.layers):
        old, new = f"blocks.{layer}.", f"model.layers.{layer}."
        weights[new + "input_layernorm.weight"] = masters[old + "attention_norm"]
        weights[new + "post_attention_layernorm.weight"] = masters[old + "mlp_norm"]
        for name, part in zip(("q", "k", "v"), masters[old + "qkv.weight"].chunk(3), strict=True):
            weights[f"{new}self_attn.{name}_proj.weight"] = part
        for name, part in zip(("gate", "up"), masters[old + "gate_up.weight"].chunk(2), strict=True):
            weights[f"{new}mlp.{name}_proj.weight"] = part
        weights[new + "self_attn.o_proj.weight"] = masters[old + "out.weight"]
        weights[new + "mlp.down_proj.weight"] = masters[old + "down.weight"]
    return {name: value.to(torch.bfloat16).contiguous().clone() for name, value in weights.items()}


def export(masters: dict[str, Tensor], shape: Shape, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Writes weights, configuration, generation settings and tokenizer to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(llama_weights(masters, shape), folder / "model.safetensors", metadata={"format": "pt"})
    llama_config(shape).save_pretrained(folder)
    for name in ("is_local", "local_files_only"):  # how it was loaded here is nothing about the model
        tokenizer.init_kwargs.pop(name, None)
    tokenizer.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    settings = {"do_sample": False, "eos_token_id": END, "pad_token_id": PAD, "max_new_tokens": 256}
    (folder / "generation_config.json").write_text(json.dumps(settings, indent=2) + "\n")
