"""The committed model: what its card promises of the folder, and that drafts change none of its tokens."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lookahead.config import LookaheadConfig
from lookahead.engine import LookaheadEngine
from lookahead.hf import HFBackend
from lookahead.inputs import prompt_lines
from lookahead.models import EMBEDDED_MODEL
from lookahead.records import StepRecord
from tests.lookahead.tiny_models import hf_greedy

FOLDER = EMBEDDED_MODEL
PROMPTS = FOLDER.parent / "prompts"
TASKS = ("grounded", "extraction", "rewriting", "steps", "story")
NEW_TOKENS = 256


@pytest.fixture(scope="module")
def backend() -> HFBackend:
    """The model as the app loads it."""
    return HFBackend.from_pretrained(str(FOLDER))


def test_the_folder_is_small_and_in_the_standard_layout() -> None:
    names = {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"}
    files = list(FOLDER.iterdir())
    assert {file.name for file in files} >= {*names, "README.md"}
    assert sum(file.stat().st_size for file in files) < 40e6
    config = json.loads((FOLDER / "config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config["max_position_embeddings"] >= 1024
    assert config["dtype"] == "bfloat16"
    assert 4096 <= config["vocab_size"] <= 8192


@given(text=st.text(st.characters(codec="utf-8"), max_size=60))
def test_every_text_comes_back(backend: HFBackend, text: str) -> None:
    ids = backend.encode(text, raw=True)
    assert backend.decode(ids) == text
    stream = backend.output_text()
    assert "".join(stream.push((token_id,)) for token_id in ids) + stream.finish() == text


def _output(steps: Iterable[StepRecord]) -> list[int]:
    return [token_id for step in steps for token_id in step.emitted_ids]


@pytest.mark.parametrize("task", TASKS)
def test_drafts_change_no_token_and_an_answer_ends_by_itself(backend: HFBackend, task: str) -> None:
    for _, prompt in prompt_lines(str(PROMPTS / f"{task}.jsonl"))[:1]:
        prompt_ids = backend.encode(prompt)
        engine = LookaheadEngine(backend, LookaheadConfig(decoding_length=32, budget="fixed"))
        steps = list(engine.generate(prompt_ids, max_new_tokens=NEW_TOKENS))
        assert _output(steps) == hf_greedy(backend.model, prompt_ids, NEW_TOKENS)
        assert steps[-1].finish_reason == "eos"


def test_an_answer_quotes_the_passage(backend: HFBackend) -> None:
    for _, prompt in prompt_lines(str(PROMPTS / "grounded.jsonl"))[:2]:
        steps = LookaheadEngine(backend).generate(backend.encode(prompt), max_new_tokens=NEW_TOKENS)
        answer = backend.decode(_output(steps))
        assert answer
        assert answer in prompt


def test_weights_are_finite(backend: HFBackend) -> None:
    assert backend.dtype == torch.float32
    assert all(torch.isfinite(weights).all() for weights in backend.model.parameters())
