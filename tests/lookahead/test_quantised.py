"""Models with quantised weights: drafts that write what the same weights write alone, or one token per pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, TorchAoConfig

from lookahead.hf import HFBackend
from lookahead.hf.weights import check_finite
from tests.lookahead.tiny_models import drafted, hf_greedy


def saved(tiny_model: Path, folder: Path, quantised: Any) -> str:
    """A folder of the tiny model with such weights."""
    model = AutoModelForCausalLM.from_pretrained(
        tiny_model, quantization_config=quantised, device_map="cpu", dtype=torch.float32
    )
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(folder)
    return str(folder)


def test_torchao_weights_take_drafts(tiny_model: Path, tmp_path: Path) -> None:
    quantisation = pytest.importorskip("torchao.quantization")
    config = TorchAoConfig(quantisation.Int8WeightOnlyConfig())
    backend = HFBackend.from_pretrained(saved(tiny_model, tmp_path / "int8", config))
    assert backend.draft_shape == "tree", backend.notice
    prompt = backend.encode("abcabc", raw=True)
    assert len(drafted(backend, prompt, hf_greedy(backend.model, prompt, 30))) < 20
    torch.nn.init.constant_(backend.model.model.norm.weight, torch.nan)
    with pytest.raises(ValueError, match=r"norm\.weight holds NaN"):
        check_finite(backend.model)


def test_bitsandbytes_weights_take_drafts_where_rows_are_independent(tiny_model: Path, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_compute_dtype=torch.float32)
    backend = HFBackend.from_pretrained(saved(tiny_model, tmp_path / "nf4", config))
    assert backend.draft_shape == "tree", backend.notice
    prompt = backend.encode("abcabc", raw=True)
    assert len(drafted(backend, prompt, hf_greedy(backend.model, prompt, 30))) < 20
