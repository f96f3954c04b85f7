"""The gap between two tokens' scores."""

from __future__ import annotations

import pytest
import torch

from lookahead.hf import HFBackend
from lookahead.hf.ties import near_ties, token_gap
from tests.lookahead.tiny_models import VOCAB_SIZE, tiny_model


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_gap_is_that_of_the_models_logits(dtype: torch.dtype) -> None:
    model = tiny_model("llama", dtype)
    logits = model(torch.tensor([[5, 6, 7, 8]])).logits[0, -1].detach().float()
    best, second = logits.topk(2).indices.tolist()
    found = token_gap(HFBackend(model), (5, 6), (7, 8), second, best)
    assert 0 < found.spacing < 0.1
    assert found.gap == pytest.approx(float(logits[best] - logits[second]), abs=4 * found.spacing)
    assert token_gap(HFBackend(model), (5, 6), (7, 8), best, best).gap == 0


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma3"])
def test_the_logits_of_the_last_token_are_enough(family: str) -> None:
    """A long context times a large vocabulary is gigabytes of unused logits."""
    model = tiny_model(family)
    backend, shapes = HFBackend(model), []
    assert backend.exactness is not None  # tried before, once
    model.register_forward_hook(lambda module, inputs, output: shapes.append(tuple(output.logits.shape)))
    token_gap(backend, (5, 6), (7, 8), 1, 2)
    assert shapes == [(1, 1, VOCAB_SIZE)]


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_near_ties_are_the_places_whose_gap_is_one(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted by one pass as ``token_gap`` says of each place by itself; with a noise that makes some of them near."""
    model = tiny_model(family)
    backend = HFBackend(model)
    prompt, output = (5, 6), (7, 8, 9, 7, 8, 9, 1)
    logits = model(torch.tensor([[*prompt, *output]])).logits[0].detach().float()
    pairs = [logits[len(prompt) - 1 + place].topk(2).indices.tolist() for place in range(len(output))]
    gaps = [token_gap(backend, prompt, output[:place], *pair) for place, pair in enumerate(pairs)]
    noise = sorted(gap.gap for gap in gaps)[2] * 1.01
    monkeypatch.setattr(type(backend.exactness), "largest_noise", noise)
    assert near_ties(backend, prompt, output) == 3
    monkeypatch.setattr(type(backend.exactness), "largest_noise", 0.0)
    assert near_ties(backend, prompt, output) == 0
    monkeypatch.setattr("lookahead.hf.ties.MOST_LOGITS", 5)
    assert near_ties(backend, prompt, output) is None
