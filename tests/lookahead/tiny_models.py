"""Tiny randomly initialised models of the families that the engine supports."""

from __future__ import annotations

from typing import Any, cast

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    DeepseekV3Config,
    DeepseekV3ForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoConfig,
    GPTNeoForCausalLM,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    GptOssConfig,
    GptOssForCausalLM,
    Llama4ForCausalLM,
    Llama4TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    MptConfig,
    MptForCausalLM,
    Olmo2Config,
    Olmo2ForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3MoeConfig,
    Qwen3MoeForCausalLM,
)

from lookahead.config import LookaheadConfig
from lookahead.engine import LookaheadEngine
from lookahead.hf.backend import HFBackend
from lookahead.records import StepRecord
from tests.lookahead.drafters import NoisyOracle

VOCAB_SIZE = 61
WINDOW = 12
MOST_POSITIONS = 160

SHAPE = {
    "vocab_size": VOCAB_SIZE,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": MOST_POSITIONS,
    "initializer_range": 0.4,  # large enough that attention decides what comes next
    "bos_token_id": 1,
    "eos_token_id": None,
    "pad_token_id": None,
}
SMALL = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": MOST_POSITIONS, "vocab_size": VOCAB_SIZE}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
MIXED = ["sliding_attention", "full_attention", "sliding_attention"]

CHUNKED = {
    **SHAPE,
    "head_dim": 8,
    "num_local_experts": 4,
    "intermediate_size_mlp": 64,
    "attention_chunk_size": WINDOW,
    "layer_types": ["chunked_attention", "full_attention"],
    "attn_temperature_tuning": False,
}

FAMILIES = {
    "llama": (LlamaForCausalLM, LlamaConfig, SHAPE),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config, SHAPE),
    "qwen2-window": (
        Qwen2ForCausalLM,
        Qwen2Config,
        {**SHAPE, "use_sliding_window": True, "sliding_window": WINDOW, "max_window_layers": 1},
    ),
    "qwen3": (Qwen3ForCausalLM, Qwen3Config, {**SHAPE, "head_dim": 8}),
    "mistral": (MistralForCausalLM, MistralConfig, {**SHAPE, "sliding_window": None}),
    "mistral-window": (MistralForCausalLM, MistralConfig, {**SHAPE, "sliding_window": WINDOW}),
    "gpt2": (GPT2LMHeadModel, GPT2Config, {**SMALL, "initializer_range": 0.4, "eos_token_id": None}),
    "gpt-neox": (GPTNeoXForCausalLM, GPTNeoXConfig, SHAPE),
    "phi3": (Phi3ForCausalLM, Phi3Config, SHAPE),
    "phi3-window": (Phi3ForCausalLM, Phi3Config, {**SHAPE, "sliding_window": WINDOW}),
    "gemma3": (
        Gemma3ForCausalLM,
        Gemma3TextConfig,
        # Gemma's own scale and tied embeddings would drown the attention of a model this small.
        {
            **SHAPE,
            "head_dim": 8,
            "num_hidden_layers": 3,
            "sliding_window": WINDOW,
            "layer_types": MIXED,
            "query_pre_attn_scalar": 1,
            "tie_word_embeddings": False,
        },
    ),
    "llama4": (Llama4ForCausalLM, Llama4TextConfig, CHUNKED),
    "llama4-chunks": (Llama4ForCausalLM, Llama4TextConfig, {**CHUNKED, "layer_types": ["chunked_attention"] * 2}),
    "olmo2": (Olmo2ForCausalLM, Olmo2Config, SHAPE),
    "mixtral": (MixtralForCausalLM, MixtralConfig, {**SHAPE, "num_local_experts": 4, "sliding_window": None}),
    "qwen3-moe": (Qwen3MoeForCausalLM, Qwen3MoeConfig, {**SHAPE, **EXPERTS, "head_dim": 8}),
}

EAGER_FAMILIES = {
    "gemma2": (  # soft caps
        Gemma2ForCausalLM,
        Gemma2Config,
        {
            **SHAPE,
            "head_dim": 8,
            "sliding_window": WINDOW,
            "attn_logit_softcapping": 5.0,
            "final_logit_softcapping": 3.0,
            "query_pre_attn_scalar": 1,
            "tie_word_embeddings": False,
        },
    ),
    "gpt-oss": (  # attention sinks
        GptOssForCausalLM,
        GptOssConfig,
        {
            **SHAPE,
            "head_dim": 8,
            "sliding_window": WINDOW,
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
        },
    ),
    "deepseek-v3": (  # keys of another size than values
        DeepseekV3ForCausalLM,
        DeepseekV3Config,
        {
            **SHAPE,
            "num_key_value_heads": 4,
            "kv_lora_rank": 8,
            "q_lora_rank": 16,
            "qk_nope_head_dim": 8,
            "qk_rope_head_dim": 8,
            "v_head_dim": 8,
            "first_k_dense_replace": 2,
        },
    ),
}
"""More families, with the attention that transformers gives them."""


def tiny_model(
    family: str, dtype: torch.dtype = torch.float64, attention: str = "sdpa", **settings: Any
) -> PreTrainedModel:
    """A model of the family with the same random weights every time; ``settings`` change its configuration."""
    if family in EAGER_FAMILIES:
        attention = "eager"
    model_class, config_class, defaults = {**FAMILIES, **EAGER_FAMILIES}[family]
    return _made(model_class, config_class(**{**defaults, **settings}), dtype, attention)


_LINEAR = {"layer_types": ["linear_attention", "full_attention"]}
_DELTA = {
    "head_dim": 8,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    **_LINEAR,
}
_LATENT = {
    **EXPERTS,
    **_LINEAR,
    "num_experts_per_token": 2,
    "num_key_value_heads": 4,
    "linear_head_dim": 8,
    "kv_lora_rank": 8,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 8,
    "v_head_dim": 8,
}
_SHARED = {**EXPERTS, "shared_expert_intermediate_size": 32}
_MAMBA2 = {"mamba_n_heads": 4, "mamba_d_head": 16, "mamba_n_groups": 1, "mamba_d_state": 8, "mamba_chunk_size": 8}
_ZAMBA = {"num_hidden_layers": 4, "layers_block_type": ["mamba", "hybrid", "mamba", "hybrid"], "mamba_d_state": 8}

RECURRENT: dict[str, dict[str, Any]] = {
    "bailing_hybrid": {**_LATENT, "q_lora_rank": None, "num_expert_group": 1, "topk_group": 1},
    "bamba": {**_MAMBA2, "attn_layer_indices": [1]},
    "falcon_h1": {**_MAMBA2, "mamba_d_ssm": 64, "head_dim": 8},
    "falcon_mamba": {"state_size": 4},
    "granitemoehybrid": {**_MAMBA2, "layer_types": ["mamba", "attention"], "num_local_experts": 4},
    "inkling_text": {
        "head_dim": 8,
        "swa_num_attention_heads": 4,
        "swa_num_key_value_heads": 2,
        "swa_head_dim": 8,
        "sliding_window_size": WINDOW,
        "d_rel": 4,
        "rel_extent": 64,
        "moe_intermediate_size": 32,
        "n_routed_experts": 4,
        "num_experts_per_tok": 2,
    },
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "num_experts": 4, "mamba_d_state": 4},
    "kimi_linear": {**_LATENT, "linear_num_heads": 4},
    "lara_mini": {
        **_DELTA,
        **_SHARED,
        "layer_types": ["linear_attention", "sliding_attention"],
        "sliding_window": WINDOW,
    },
    "lfm2": {"layer_types": ["conv", "full_attention"], "block_multiple_of": 8},
    "lfm2_moe": {**EXPERTS, "layer_types": ["conv", "full_attention"], "num_dense_layers": 1},
    "lfm3": {"layer_types": ["conv", "full_attention"], "head_dim": 8, "sliding_window": WINDOW},
    "mamba": {"state_size": 4},
    "mamba2": {"num_heads": 8, "head_dim": 8, "state_size": 8, "n_groups": 1, "chunk_size": 8},
    "nemotron_h": {
        "num_hidden_layers": 4,
        "layers_block_type": ["linear_attention", "moe", "full_attention", "mlp"],
        "head_dim": 8,
        "ssm_state_size": 8,
        "mamba_num_heads": 8,
        "mamba_head_dim": 8,
        "n_groups": 2,
        "chunk_size": 8,
        "moe_intermediate_size": 32,
        "moe_shared_expert_intermediate_size": 32,
    },
    "olmo_hybrid": _LINEAR,
    "qwen3_5_moe_text": {**_DELTA, **_SHARED},
    "qwen3_5_text": _DELTA,
    "qwen3_next": {**_DELTA, **_SHARED},
    "rwkv": {"attention_hidden_size": 32, "context_length": MOST_POSITIONS},
    "zamba": {**_ZAMBA, "n_mamba_heads": 2, "mamba_dt_rank": 4},
    "zamba2": {
        **_ZAMBA,
        "n_mamba_heads": 8,
        "mamba_headdim": 8,
        "mamba_ngroups": 1,
        "chunk_size": 8,
        "adapter_rank": 4,
    },
    "zaya": {**EXPERTS, "num_experts_per_tok": 1, "head_dim": 8, "router_hidden_size": 8},
}
"""Families with a recurrent state or a short convolution, by model type, and what makes them small."""


def tiny_recurrent(family: str, dtype: torch.dtype = torch.float64, **settings: Any) -> PreTrainedModel:
    """A model of this family with the same random weights every time; ``settings`` change its configuration."""
    config = AutoConfig.for_model(family, **{**SHAPE, "pad_token_id": 0, **RECURRENT[family], **settings})
    attention = "eager" if family in ("mamba", "mamba2", "falcon_mamba", "rwkv") else "sdpa"
    return _made(AutoModelForCausalLM.from_config, config, dtype, attention)


def tiny_mamba(dtype: torch.dtype = torch.float64) -> PreTrainedModel:
    """A model whose cache cannot drop tokens: it takes chains."""
    config = MambaConfig(
        vocab_size=VOCAB_SIZE,
        hidden_size=32,
        num_hidden_layers=2,
        state_size=4,
        eos_token_id=None,
        initializer_range=0.4,
    )
    return _made(MambaForCausalLM, config, dtype, "eager")


def tiny_minimax(dtype: torch.dtype = torch.float64) -> PreTrainedModel:
    """A model that cannot read several tokens at once: its mask takes the rows of a layer that has none for all."""
    config = AutoConfig.for_model(
        "minimax",
        **{**SHAPE, "num_local_experts": 4, "layer_types": ["linear_attention", "full_attention"], "block_size": 8},
    )
    return _made(AutoModelForCausalLM.from_config, config, dtype, "sdpa")


def tiny_mpt(dtype: torch.dtype = torch.float64, **settings: Any) -> PreTrainedModel:
    """A model that weighs its context by row (ALiBi), whatever the position ids."""
    sizes = {"d_model": 32, "n_heads": 4, "n_layers": 2, "vocab_size": VOCAB_SIZE, "max_seq_len": MOST_POSITIONS}
    return _made(MptForCausalLM, MptConfig(**sizes, **settings), dtype, "eager")


def tiny_gpt_neo(dtype: torch.dtype = torch.float64) -> PreTrainedModel:
    """A model with a built-in window, which a mask from outside cannot move."""
    config = GPTNeoConfig(
        hidden_size=32,
        num_heads=4,
        num_layers=2,
        attention_types=[[["global", "local"], 1]],
        window_size=WINDOW,
        vocab_size=VOCAB_SIZE,
        max_position_embeddings=MOST_POSITIONS,
        initializer_range=0.4,
        bos_token_id=1,
        eos_token_id=None,
    )
    return _made(GPTNeoForCausalLM, config, dtype, "eager")


MIXTURES: dict[str, dict[str, Any]] = {
    "aria_text": {"moe_num_experts": 4},
    "cohere2_moe": {**EXPERTS, "head_dim": 8, "pad_token_id": 0},
    "granitemoe": {"num_local_experts": 4},
    "jetmoe": {"kv_channels": 16, "num_local_experts": 4},
    "laguna": {**EXPERTS, "head_dim": 8, "shared_expert_intermediate_size": 32},
    "mixtral": {"num_local_experts": 8, "sliding_window": None},
    "olmoe": EXPERTS,
    "phimoe": {"num_local_experts": 4, "sliding_window": None},
}


def tiny_moe(family: str, seed: int, **settings: Any) -> PreTrainedModel:
    """A mixture of experts in float32, whose rows round by which experts the other rows go to."""
    config = AutoConfig.for_model(family, **{**SHAPE, **MIXTURES[family], **settings})
    return _made(AutoModelForCausalLM.from_config, config, torch.float32, "sdpa", seed)


def tiny_mixtral(seed: int) -> PreTrainedModel:
    """A Mixtral large enough that the rounding shows."""
    sizes = {"hidden_size": 64, "intermediate_size": 128, "vocab_size": 128, "initializer_range": 0.5}
    return tiny_moe("mixtral", seed, **sizes)


def _made(model_class, config, dtype: torch.dtype, attention: str, seed: int = 7) -> PreTrainedModel:
    torch.manual_seed(seed)
    config._attn_implementation = attention
    config._experts_implementation = "eager"  # the grouped kernels take no float64
    model = model_class(config).to(dtype).eval()
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    return model


def hf_greedy(model: PreTrainedModel, prompt_ids: list[int], max_new_tokens: int) -> list[int]:
    """What ``generate(do_sample=False)`` emits after the prompt."""
    ids = torch.tensor([prompt_ids])
    output = cast(Any, model).generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=max_new_tokens
    )
    return output[0, len(prompt_ids) :].tolist()


def drafted(
    backend: HFBackend, prompt: list[int], expected: list[int], accuracy: float = 0.8, seed: int = 0, width: int = 64
) -> list[StepRecord]:
    """The records of a run with right and wrong drafts, which must emit the expected tokens."""
    config = LookaheadConfig(decoding_length=width, budget="fixed")
    engine = LookaheadEngine(backend, config, NoisyOracle(expected, backend.vocab_size, accuracy, seed))
    records = list(engine.generate(prompt, max_new_tokens=len(expected)))
    assert [token_id for record in records for token_id in record.emitted_ids] == expected
    return records
