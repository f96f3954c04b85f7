"""Shared by all tests: where test data lies, one deterministic hypothesis profile for CI, small models."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from lookahead.process import wait_briefly

wait_briefly()  # before any test imports torch

SHARED = Path(__file__).resolve().parents[2] / "shared"
"""Test data beside the checkout; tests that need it skip where it is absent."""

_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("ci", derandomize=True, deadline=None, max_examples=50, suppress_health_check=_QUIET)
settings.register_profile("dev", deadline=None, max_examples=50, suppress_health_check=_QUIET)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(scope="session", autouse=True)
def _own_cache_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Measured pass costs go to a folder of this test run, never to the user's; and nothing is fetched."""
    os.environ["LOOKAHEAD_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture(scope="session")
def traces() -> Path:
    """The folder of recorded traces."""
    return _present(SHARED / "traces")


@pytest.fixture(scope="session")
def stories260k() -> Path:
    """The folder of a small trained Llama."""
    return _present(SHARED / "models" / "stories260k")


@pytest.fixture(scope="session")
def real_models() -> Callable[[str], Path]:
    """The GGUF file of a real model by its name in ``PACKAGES``; the test is skipped where it cannot be had."""
    from tests.real_models import real_model

    known: dict[str, Path | None] = {}

    def find(name: str) -> Path:
        if name not in known:
            known[name] = real_model(name)
        file = known[name]
        if file is None:
            pytest.skip(f"left out: the real model {name} is not here and could not be downloaded as a package")
        return file

    return find


def _present(folder: Path) -> Path:
    if not folder.is_dir():
        pytest.skip(f"test data {folder.name} is not there")
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random Llama of 30k parameters, 128 tokens of context, and a byte-level tokenizer."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny_model")
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<s>": 0, "</s>": 1} | {letter: place + 2 for place, letter in enumerate(letters)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.decoder = decoders.ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>").save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        bos_token_id=0,
        eos_token_id=1,
        tie_word_embeddings=False,
        initializer_range=0.3,  # wide enough for outputs of many different tokens
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def switching_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random Phi-3 that changes the positions of all tokens at 32, and the same tokenizer."""
    import shutil

    import torch
    from transformers import Phi3Config, Phi3ForCausalLM

    folder = tmp_path_factory.mktemp("switching_model") / "model"
    shutil.copytree(tiny_model, folder)
    torch.manual_seed(0)
    config = Phi3Config(
        vocab_size=258,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        original_max_position_embeddings=32,
        rope_parameters={
            "rope_type": "longrope",
            "rope_theta": 1e4,
            "short_factor": [1.0] * 4,
            "long_factor": [4.0] * 4,
        },
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    Phi3ForCausalLM(config).save_pretrained(folder)
    return folder
