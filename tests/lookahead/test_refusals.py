"""What a loader only warns of, files that it leaves out, and models of another kind: an error or a notice by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertLMHeadModel,
    CLIPConfig,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    RobertaConfig,
    RobertaForCausalLM,
    T5Config,
    ViTConfig,
)

from lookahead.backend import BackendError
from lookahead.hf import HFBackend, checkpoint, refusals
from lookahead.hf.quiet import quiet
from lookahead.hf.weights import check_finite, check_unpacked
from tests.lookahead.tiny_models import tiny_model as tiny

NORM = "model.layers.1.input_layernorm.weight"


@pytest.fixture
def folder(tiny_model, tmp_path) -> Path:
    """A copy of a model of 21 tensors that a test may break."""
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def change_weights(folder: Path, change) -> None:
    save_file(change(load_file(folder / "model.safetensors")), folder / "model.safetensors", {"format": "pt"})


def change_config(folder: Path, **changes) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


def refusal(folder: Path | str, **options) -> str:
    quiet()  # as in the command line and the app: what libraries print is not seen
    with pytest.raises(BackendError) as error:
        HFBackend.from_pretrained(str(folder), device="cpu", **options)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (
            lambda found: {k: v for k, v in found.items() if k != NORM},
            [f"1 of 21 tensors are not in the files: {NORM};"],
        ),
        (lambda found: {k: v for k, v in found.items() if "layers.1" not in k}, ["9 of 21 tensors", " and 6 more"]),
        (
            lambda found: {f"base_model.model.{k}": v for k, v in found.items()},
            ["21 of 21 tensors are not in the files", "PEFT-wrapped model (base_model.model.", "merge_and_unload"],
        ),
        (
            lambda found: {k.replace("self_attn", "attention"): v for k, v in found.items()},
            ["8 of 21 tensors", "they hold model.layers.0.attention.", "belong to one model?"],
        ),
        (
            lambda found: {**found, NORM: torch.ones(16)},
            [f"1 of 21 tensors have another shape: {NORM} is 16, the config says 32"],
        ),
        (lambda found: {**found, NORM: torch.full((32,), torch.nan)}, [f"{NORM} holds NaN", "download it again"]),
        (
            lambda found: {**found, NORM: found[NORM].index_fill(0, torch.tensor([3]), -torch.inf)},
            [f"{NORM} holds NaN"],
        ),
    ],
)
def test_weights_that_are_not_those_of_the_model(folder, change, parts):
    change_weights(folder, change)
    line = refusal(folder)
    assert all(part in line for part in parts), line


def test_a_layer_more_in_the_config(folder):
    change_config(folder, num_hidden_layers=3)
    assert "9 of 30 tensors are not in the files: model.layers.2.input_layernorm.weight" in refusal(folder)


@pytest.mark.parametrize(
    "change", [{"num_hidden_layers": 10**9}, {"hidden_size": 2**40}, {"vocab_size": 10**9}, {"hidden_size": 10**400}]
)
def test_a_config_far_larger_than_the_files_takes_no_memory(folder, change):
    change_config(folder, **change)
    line = refusal(folder)
    assert "config.json says" in line
    assert "bytes) are too small: do they belong to one model?" in line


def test_an_id_far_beyond_the_model_is_a_notice_at_once(folder):
    file = folder / "tokenizer.json"
    found = json.loads(file.read_text())
    found["model"]["vocab"]["\u0100\u0100"] = 2**32 - 1
    file.write_text(json.dumps(found))
    (notice,) = HFBackend.from_pretrained(str(folder)).notices
    assert "the tokenizer has 4294967296 tokens, the model 258" in notice


def test_an_overflow_in_float16_names_other_dtypes(folder):
    change_weights(folder, lambda found: {**found, NORM: torch.full((32,), 1e6)})
    assert "--dtype float32 or bfloat16" in refusal(folder, dtype="float16")
    assert HFBackend.from_pretrained(str(folder), device="cpu").notices == ()


def test_tensors_left_over_are_a_notice(folder):
    change_weights(
        folder, lambda found: {**found, "model.layers.9.other.weight": torch.ones(2), "extra": torch.ones(2)}
    )
    (notice,) = HFBackend.from_pretrained(str(folder)).notices
    assert notice == "2 tensors of the files are not used by LlamaForCausalLM: extra, model.layers.9.other.weight"


def test_tied_weights_and_old_buffers_are_no_alarm(folder):
    change_config(folder, tie_word_embeddings=True)
    inverse = "model.layers.0.self_attn.rotary_emb.inv_freq"
    change_weights(
        folder, lambda found: {**{k: v for k, v in found.items() if k != "lm_head.weight"}, inverse: torch.ones(4)}
    )
    assert HFBackend.from_pretrained(str(folder)).notices == ()


def test_a_saved_model_with_masks_in_buffers_is_no_alarm(folder, tmp_path):
    model = tiny("gpt2")
    assert isinstance(model, GPT2LMHeadModel)
    model.save_pretrained(tmp_path / "gpt2")
    AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path / "gpt2")
    (notice,) = HFBackend.from_pretrained(str(tmp_path / "gpt2")).notices
    assert notice.startswith("the tokenizer has 258 tokens, the model 61")


def test_weights_are_checked_in_every_dtype():
    for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.float64):
        model = tiny("llama").to(dtype)  # type: ignore[arg-type]
        check_finite(model)
        model.lm_head.weight.data[1, 1] = torch.inf  # type: ignore[union-attr, operator]
        with pytest.raises(BackendError, match="holds NaN or infinite values"):
            check_finite(model)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_buffers_that_are_kept_with_the_weights_are_checked_too(value):
    """The bias of a router, say (``e_score_correction_bias``): NaN there picks experts at random."""
    model = tiny("llama")
    layer = model.model.layers[1].mlp  # type: ignore[union-attr]
    layer.register_buffer("mask", torch.tensor([0.0, -torch.inf]), persistent=False)
    layer.register_buffer("seen", torch.tensor([3]))
    layer.bias = torch.nn.Buffer(torch.zeros(3))
    check_finite(model)
    layer.bias[1] = value
    with pytest.raises(BackendError, match=r"model\.layers\.1\.mlp\.bias holds NaN or infinite values in float32"):
        check_finite(model)


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "adapter_model.bin", "pytorch_lora_weights.safetensors"])
def test_weights_of_an_adapter_without_its_description_are_a_notice(folder, name):
    (folder / name).write_bytes(b"")
    (notice,) = HFBackend.from_pretrained(str(folder)).notices
    assert notice == f"{name} is not used: the folder has no adapter_config.json that describes it"


@pytest.mark.parametrize("method", ["foo", None, ""])
def test_an_unknown_quantisation_method(folder, method):
    change_config(folder, quantization_config={"quant_method": method})
    assert f"quant_method {method!r}, which transformers does not know" in refusal(folder)


@pytest.mark.parametrize(("method", "package"), [("gptq", "gptqmodel"), ("quanto", "optimum-quanto"), ("aqlm", "aqlm")])
def test_a_missing_quantisation_library_is_named(folder, method, package):
    settings = {"quant_method": method, "bits": 4, "group_size": 128, "weights": "int8"}
    change_config(folder, quantization_config=settings)
    line = refusal(folder)
    assert "pip install" in line, line
    assert package in line or "optimum" in line, line


@pytest.mark.parametrize("with_config", [True, False])
def test_an_adapter_is_not_left_out_in_silence(folder, monkeypatch, with_config):
    monkeypatch.setattr(checkpoint, "find_spec", lambda name: None)
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "org/base"}')
    if not with_config:
        (folder / "config.json").unlink()
    line = refusal(folder)
    assert "adapter of org/base, which would be left out; pip install peft, or merge it into org/base" in line


@pytest.mark.parametrize("text", ["[]", "{", "{}"])
def test_an_adapter_whose_file_is_broken(folder, monkeypatch, text):
    monkeypatch.setattr(checkpoint, "find_spec", lambda name: None)
    (folder / "adapter_config.json").write_text(text)
    assert "adapter of its base model" in refusal(folder)


@pytest.mark.parametrize(("config", "name"), [(T5Config(), "t5"), (CLIPConfig(), "clip"), (ViTConfig(), "vit")])
def test_models_of_another_kind(folder, config, name):
    config.save_pretrained(folder)
    line = refusal(folder)
    assert f"{name} is not a text-only causal language model; choose a decoder-only one" in line


ENCODER = {
    "vocab_size": 20,
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "max_position_embeddings": 16,
}


@pytest.mark.parametrize(
    ("kind", "config"), [(BertLMHeadModel, BertConfig), (RobertaForCausalLM, RobertaConfig)], ids=["bert", "roberta"]
)
def test_an_encoder_loaded_as_a_decoder(kind, config):
    with pytest.raises(BackendError, match="an encoder here"):
        HFBackend(kind(config(**ENCODER)))
    assert HFBackend(kind(config(**ENCODER, is_decoder=True))).vocab_size == 20


def test_a_cached_repository_without_weights(monkeypatch):
    monkeypatch.setattr(refusals, "try_to_load_from_cache", lambda *_: "/cache/config.json")
    line = refusal("org/partly-cached")
    assert "the cache has only a part of it" in line
    assert "hf download org/partly-cached" in line


def eight_bits(folder: Path) -> None:
    """Write a tiny Llama whose linears are stored as Qwen3-FP8 stores them: e4m3 in blocks of 128 with a scale."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=258,
        hidden_size=128,
        intermediate_size=128,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=64,
        bos_token_id=0,
        eos_token_id=1,
    )
    model = LlamaForCausalLM(config).to(torch.bfloat16)  # type: ignore[arg-type]
    model.save_pretrained(folder)
    found = load_file(folder / "model.safetensors")
    for name, weight in list(found.items()):
        if "_proj" in name:
            scale = weight.abs().max().float() / 448
            found[name] = (weight.float() / scale).to(torch.float8_e4m3fn)
            found[f"{name}_scale_inv"] = scale.reshape(1, 1).to(torch.bfloat16)
    save_file(found, folder / "model.safetensors", {"format": "pt"})
    fp8 = {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [128, 128]}
    change_config(folder, quantization_config=fp8)


def test_an_fp8_checkpoint_runs_in_the_dtype_it_needs(folder):
    eight_bits(folder)
    backend = HFBackend.from_pretrained(str(folder), device="cpu")
    assert (backend.dtype, backend.notices) == (torch.bfloat16, ())
    session = backend.new_session(8)
    assert 0 <= session.prefill([5, 6, 7]) < 258
    with pytest.raises(BackendError, match="unpacked as bfloat16; use --dtype bfloat16 or auto"):
        check_unpacked(backend.model, torch.float32)  # what releases do that unpack to the scales' dtype
    other = HFBackend.from_pretrained(str(folder), device="cpu", dtype="float32")
    assert 0 <= other.new_session(8).prefill([5, 6, 7]) < 258
