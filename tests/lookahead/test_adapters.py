"""A PEFT adapter as a model: its weights are added to those of the model that it names, or one line says why not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from lookahead.backend import BackendError
from lookahead.hf import HFBackend
from lookahead.hf.describe import model_info
from tests.lookahead.tiny_models import drafted, hf_greedy

peft = pytest.importorskip("peft")


@pytest.fixture
def adapter(tiny_model: Path, tmp_path: Path) -> Path:
    """A LoRA adapter of the tiny model, with weights that change its output."""
    torch.manual_seed(0)
    config = peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    peft.get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_model), config).save_pretrained(tmp_path / "lora")
    return tmp_path / "lora"


def test_drafts_on_an_adapter_write_what_its_model_writes(adapter: Path, tiny_model: Path) -> None:
    backend = HFBackend.from_pretrained(str(adapter))
    base: Any = AutoModelForCausalLM.from_pretrained(tiny_model)
    prompt = backend.encode("abcabc", raw=True)
    expected = hf_greedy(peft.PeftModel.from_pretrained(base, adapter), prompt, 30)
    assert expected != hf_greedy(AutoModelForCausalLM.from_pretrained(tiny_model), prompt, 30)
    assert len(drafted(backend, prompt, expected)) < 20
    assert model_info(backend).name == "lora"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"base_model_name_or_path": None}, "does not say which model the adapter is for"),
        ({"base_model_name_or_path": "."}, "is for|no config.json"),
        ({"base_model_name_or_path": "./gone"}, r"the model of this adapter, \./gone: there is no such folder"),
        ({"r": 3}, "size|shape"),
        ({"peft_type": "MAGIC"}, "MAGIC"),
    ],
)
def test_an_adapter_that_cannot_be_used_is_one_line(adapter: Path, change: dict[str, Any], message: str) -> None:
    file = adapter / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(BackendError, match=message) as error:
        HFBackend.from_pretrained(str(adapter))
    assert "\n" not in str(error.value)


def test_missing_weights_of_an_adapter_are_not_made_up(adapter: Path) -> None:
    file = adapter / "adapter_model.safetensors"
    save_file(dict(list(load_file(file).items())[1:]), file)
    with pytest.raises(BackendError, match="missing adapter keys"):
        HFBackend.from_pretrained(str(adapter))


@pytest.mark.parametrize(
    ("name", "like"), [("layers.9.self_attn.q_proj.lora_A", "lora_A"), ("layers.0.mlp.gate_proj.lora_B", "lora_B")]
)
def test_weights_of_an_adapter_that_the_model_lacks_are_a_notice(adapter: Path, name: str, like: str) -> None:
    file = adapter / "adapter_model.safetensors"
    found = load_file(file)
    more = f"base_model.model.model.{name}.weight"
    save_file({**found, more: next(value.clone() for key, value in found.items() if like in key)}, file)
    (notice,) = HFBackend.from_pretrained(str(adapter)).notices
    assert notice.startswith("1 tensors of the adapter are not used by LlamaForCausalLM: ")
    assert name in notice


@pytest.mark.parametrize("make", [peft.PromptTuningConfig, peft.PrefixTuningConfig])
def test_an_adapter_that_adds_no_weights_is_named(make: Any, tiny_model: Path, tmp_path: Path) -> None:
    config = make("CAUSAL_LM", num_virtual_tokens=2)
    peft.get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_model), config).save_pretrained(tmp_path)
    with pytest.raises(BackendError, match=r"P\w+_TUNING adapters add no weights to the model; choose a LoRA"):
        HFBackend.from_pretrained(str(tmp_path))


def test_an_adapter_that_cannot_be_merged_is_named(adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ValueError("layers are replicated")

    monkeypatch.setattr(peft.tuners.lora.LoraModel, "merge_and_unload", refuse)
    with pytest.raises(
        BackendError, match=r"its LORA adapter cannot be added .*replicated.*; choose a LoRA or another"
    ):
        HFBackend.from_pretrained(str(adapter))


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_of_an_adapter_that_are_not_finite_are_refused(adapter: Path, value: float) -> None:
    file = adapter / "adapter_model.safetensors"
    save_file({key: torch.full_like(tensor, value) for key, tensor in load_file(file).items()}, file)
    with pytest.raises(BackendError, match="NaN"):
        HFBackend.from_pretrained(str(adapter))
