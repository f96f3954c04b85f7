"""Every supported model family emits the tokens of ``generate``, whatever is drafted."""

from __future__ import annotations

import random

import pytest
import torch

from lookahead.config import LookaheadConfig
from lookahead.engine import LookaheadEngine
from lookahead.hf import HFBackend
from tests.lookahead.drafters import NoisyOracle
from tests.lookahead.tiny_models import FAMILIES, VOCAB_SIZE, hf_greedy, tiny_gpt_neo, tiny_mamba, tiny_model, tiny_mpt

PROMPTS = 20
NEW_TOKENS = 30


def prompts(seed: int = 3) -> list[list[int]]:
    """Prompts of one token and more, some longer than the models' windows, token 0 among them."""
    rng = random.Random(seed)
    lengths = [1, 2, *(rng.randrange(3, 40) for _ in range(PROMPTS - 2))]
    return [[rng.randrange(VOCAB_SIZE) for _ in range(length)] for length in lengths]


def run(backend: HFBackend, prompt: list[int], drafter: NoisyOracle, width: int) -> tuple[list[int], int]:
    """The emitted tokens and the number of forward passes."""
    engine = LookaheadEngine(backend, LookaheadConfig(decoding_length=width, budget="fixed"), drafter)
    records = list(engine.generate(prompt, max_new_tokens=NEW_TOKENS))
    return [token_id for record in records for token_id in record.emitted_ids], len(records)


@pytest.mark.parametrize("family", FAMILIES)
def test_same_tokens_as_generate(family):
    model = tiny_model(family)
    backend = HFBackend(model)
    assert backend.supports_trees, backend.notice
    passes = 0
    for seed, prompt in enumerate(prompts()):
        expected = hf_greedy(model, prompt, NEW_TOKENS)
        oracle = NoisyOracle(expected, VOCAB_SIZE, accuracy=0.7, seed=seed)
        emitted, count = run(backend, prompt, oracle, width=(16, 5, 33)[seed % 3])
        assert emitted == expected
        passes += count
        if seed < 5:
            greedy = LookaheadEngine(backend, LookaheadConfig()).generate(
                prompt, max_new_tokens=NEW_TOKENS, method="plain"
            )
            assert [token_id for record in greedy for token_id in record.emitted_ids] == expected
    assert passes < PROMPTS * NEW_TOKENS / 2, "the trees were hardly ever accepted; the test proves little"


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma3", "mistral-window"])
def test_same_tokens_with_eager_attention(family):
    model = tiny_model(family, attention="eager")
    backend = HFBackend(model)
    assert backend.supports_trees, backend.notice
    for seed, prompt in enumerate(prompts()[:6]):
        expected = hf_greedy(model, prompt, NEW_TOKENS)
        emitted, _ = run(backend, prompt, NoisyOracle(expected, VOCAB_SIZE, 0.7, seed), width=16)
        assert emitted == expected


def test_a_cache_that_cannot_drop_tokens_decodes_plainly_and_says_so():
    model = tiny_mamba()
    backend = HFBackend(model)
    assert not backend.supports_trees
    assert backend.notice is not None
    assert "one token at a time" in backend.notice
    for seed, prompt in enumerate(prompts()[:6]):
        expected = hf_greedy(model, prompt, NEW_TOKENS)
        emitted, passes = run(backend, prompt, NoisyOracle(expected, VOCAB_SIZE, 1.0, seed), width=16)
        assert emitted == expected
        assert passes == NEW_TOKENS


PRECISIONS = [torch.float64, torch.float32, torch.bfloat16, torch.float16]


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_a_model_that_goes_by_rows_is_found_out_in_every_precision(dtype):
    for scale in (0.02, 0.4):
        backend = HFBackend(tiny_mpt(dtype, initializer_range=scale))
        assert not backend.supports_trees
        assert "positions by depth" in (backend.notice or "")
    emitted, passes = run(backend, [5, 6, 7], NoisyOracle([], VOCAB_SIZE), width=16)
    assert emitted == hf_greedy(backend.model, [5, 6, 7], NEW_TOKENS)
    assert passes == NEW_TOKENS


def test_a_window_that_is_not_known_decodes_plainly_and_says_so():
    model = tiny_gpt_neo()
    backend = HFBackend(model)
    assert "window_size=12" in (backend.notice or "")
    prompt = prompts()[-1] * 3
    expected = hf_greedy(model, prompt, NEW_TOKENS)
    assert run(backend, prompt, NoisyOracle(expected, VOCAB_SIZE), width=16) == (expected, NEW_TOKENS)


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("family", FAMILIES)
def test_rounding_is_not_taken_for_a_wrong_pass(family, dtype):
    backend = HFBackend(tiny_model(family, dtype))
    assert backend.supports_trees, backend.notice


def test_low_precision_runs():
    model = tiny_model("llama", dtype=torch.bfloat16)
    backend = HFBackend(model)
    assert backend.supports_trees, backend.notice
    emitted, _ = run(backend, [5, 6, 7], NoisyOracle([], VOCAB_SIZE), width=16)
    assert len(emitted) == NEW_TOKENS
