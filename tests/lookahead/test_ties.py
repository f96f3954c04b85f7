"""The gap between two tokens' scores."""

from __future__ import annotations

import pytest
import torch

from lookahead.hf import HFBackend
from lookahead.hf.ties import token_gap
from tests.lookahead.tiny_models import tiny_model


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_gap_is_that_of_the_models_logits(dtype: torch.dtype) -> None:
    model = tiny_model("llama", dtype)
    logits = model(torch.tensor([[5, 6, 7, 8]])).logits[0, -1].detach().float()
    best, second = logits.topk(2).indices.tolist()
    found = token_gap(HFBackend(model), (5, 6), (7, 8), second, best)
    assert found.gap == pytest.approx(float(logits[best] - logits[second]))
    assert 0 < found.spacing < 0.1
    assert token_gap(HFBackend(model), (5, 6), (7, 8), best, best).gap == 0
