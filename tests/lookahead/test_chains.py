"""Models with a recurrent state draft chains: the tokens of ``generate``, whatever is drafted, and whoever errs."""

from __future__ import annotations

import pytest

from lookahead.config import LookaheadConfig
from lookahead.engine import LookaheadEngine
from lookahead.hf import HFBackend
from tests.lookahead.drafters import NoisyOracle
from tests.lookahead.tiny_models import RECURRENT, VOCAB_SIZE, hf_greedy, tiny_recurrent

PROMPTS = ([5], [(11 * place) % VOCAB_SIZE for place in range(13)])
NEW_TOKENS = 14


def run(backend: HFBackend, prompt: list[int], drafter: NoisyOracle, width: int) -> tuple[list[int], int]:
    """The emitted tokens and the number of forward passes."""
    engine = LookaheadEngine(backend, LookaheadConfig(decoding_length=width, budget="fixed"), drafter)
    records = list(engine.generate(prompt, max_new_tokens=NEW_TOKENS))
    return [token_id for record in records for token_id in record.emitted_ids], len(records)


@pytest.mark.parametrize("family", RECURRENT)
def test_same_tokens_as_generate(family):
    model = tiny_recurrent(family)
    backend = HFBackend(model)
    assert backend.draft_shape == "chain", backend.notice
    assert not backend.supports_trees
    assert "one chain of tokens" in (backend.notice or "")
    for seed, prompt in enumerate(PROMPTS):
        expected = hf_greedy(model, prompt, NEW_TOKENS)
        emitted, passes = run(backend, prompt, NoisyOracle(expected, VOCAB_SIZE, 0.8, seed), width=(9, 5)[seed])
        assert emitted == expected
        assert passes < NEW_TOKENS
