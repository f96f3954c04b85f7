"""Prints how every causal model type of the installed transformers drafts, as a Markdown table.

Each type is made as a tiny random model and tried out as at load: ``python -m tests.lookahead.families_table``.
"""

from __future__ import annotations

import dataclasses
import sys
import warnings
from collections import Counter
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from lookahead.backend import BackendError, brief
from lookahead.hf import HFBackend
from tests.lookahead.tiny_models import MIXTURES, MOST_POSITIONS, RECURRENT, SHAPE, VOCAB_SIZE

MOST_PARAMETERS = 8_000_000
_SMALL: dict[str, Any] = {
    **SHAPE,
    **dict.fromkeys(("n_layer", "n_layers", "num_layers", "decoder_layers", "num_decoder_layers"), 2),
    **dict.fromkeys(("encoder_layers", "num_encoder_layers"), 2),
    **dict.fromkeys(
        ("n_embd", "d_model", "hidden_dim", "emb_dim", "lru_width", "attention_hidden_size", "dim_model"), 32
    ),
    **dict.fromkeys(("n_head", "n_heads", "num_heads", "decoder_attention_heads", "encoder_attention_heads"), 4),
    **dict.fromkeys(
        ("d_ff", "d_inner", "ffn_dim", "dim_ff", "decoder_ffn_dim", "encoder_ffn_dim", "ffn_hidden_size"), 48
    ),
    **dict.fromkeys(("n_positions", "n_ctx", "max_seq_len", "max_sequence_length", "context_length"), MOST_POSITIONS),
    **dict.fromkeys(("num_experts", "n_routed_experts", "num_local_experts", "moe_num_experts"), 4),
    **dict.fromkeys(("num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_k"), 2),
    **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size", "expert_ffn_hidden_size"), 24),
    **dict.fromkeys(("n_group", "num_expert_group", "topk_group", "n_shared_experts", "moe_num_shared_experts"), 1),
    **dict.fromkeys(
        ("head_dim", "qk_nope_head_dim", "v_head_dim", "qk_rope_head_dim", "kv_lora_rank", "kv_channels"), 8
    ),
    **dict.fromkeys(("q_lora_rank", "state_size", "mamba_d_state", "swa_head_dim", "index_head_dim", "dim_head"), 8),
    **dict.fromkeys(("sliding_window", "local_attn_window_size", "attention_window_size", "attention_chunk_size"), 12),
    "default_language": "en_XX",
    "rotary_dim": 8,
    "index_n_heads": 2,
    "index_topk": 64,
    "num_nextn_predict_layers": 0,
    "first_k_dense_replace": 1,
    "is_decoder": True,
    "pad_token_id": 0,
    "vocab_size_per_layer_input": VOCAB_SIZE,
    "hidden_size_per_layer_input": 8,
    "num_kv_shared_layers": 0,
}
"""What makes a configuration small, by the names that configurations use."""
_OTHERS: dict[str, dict[str, Any]] = {
    "cohere_compass_text": {"layer_types": ["sliding_attention", "full_attention"]},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "window_size": 12},
    "qwen4_exp_text": {"layer_types": ["linear_attention", "full_attention"], "ple_layer_ids": []},
    "recurrent_gemma": {"num_hidden_layers": 3},
}
"""What some types need besides."""


class PartOfLargerModel(Exception):
    """The type's decoder is another type in this table, with an image encoder or the like beside it."""


def tiny(kind: str) -> Any:
    """A small random model of this type.

    Raises:
        Exception: Of any type, if these sizes do not fit this type.
    """
    names = {field.name for field in dataclasses.fields(type(AutoConfig.for_model(kind)))}
    own = {**RECURRENT, **MIXTURES}.get(kind)
    sizes = {name: value for name, value in _SMALL.items() if name in names} | _OTHERS.get(kind, {})
    if "kv_lora_rank" in names:
        sizes["num_key_value_heads"] = sizes["num_attention_heads"]
    config = AutoConfig.for_model(kind, **({**SHAPE, "pad_token_id": 0, **own} if own else sizes))
    text = config.get_text_config(decoder=True)
    if text.model_type != config.model_type:
        raise PartOfLargerModel(f"as {text.model_type}")
    with torch.device("meta"):
        count = AutoModelForCausalLM.from_config(config).num_parameters()
    if count > MOST_PARAMETERS:
        raise ValueError(f"{count:,} parameters")
    torch.manual_seed(7)
    text._experts_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    model.generation_config.eos_token_id, model.generation_config.pad_token_id = None, 0
    return model


def row(kind: str) -> tuple[str, str, str]:
    """Type, what it drafts, and why not trees."""
    try:
        model = tiny(kind)
    except PartOfLargerModel as error:
        return kind, str(error), "the same decoder, with another model beside it"
    except Exception as error:  # noqa: BLE001 - whatever a configuration raises
        return kind, "not made", brief(error)
    try:
        backend = HFBackend(model)
        shape, notice = backend.draft_shape, backend.notice or ""
    except BackendError as error:
        return kind, "refused", str(error)
    return (
        kind,
        {"none": "plain"}.get(shape, shape),
        notice.partition(": ")[2].partition("; ")[0 if shape == "chain" else 2],
    )


def main() -> None:
    """Print the table, or the rows of the types that are named."""
    transformers.logging.set_verbosity_error()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    kinds = sys.argv[1:] or sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
    print("| model type | drafts | why no trees |\n|---|---|---|")
    found = Counter[str]()
    for kind in kinds:
        name, drafts, why = row(kind)
        found["part of a larger model" if drafts.startswith("as ") else drafts] += 1
        print(f"| {name} | {drafts} | {why} |", flush=True)
    print(f"\n{len(kinds)} types with transformers {transformers.__version__}: ", end="")
    print(", ".join(f"{count} {drafts}" for drafts, count in found.most_common()))


if __name__ == "__main__":
    main()
