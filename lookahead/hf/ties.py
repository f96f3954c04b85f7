"""How close a decision was, for two runs that should be equal and differ."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from lookahead.config import GREEDY, Sampling
from lookahead.hf.backend import HFBackend
from lookahead.hf.sampling import Dice
from lookahead.records import TokenGap


def token_gap(
    backend: HFBackend,
    prompt_ids: Sequence[int],
    output_ids: Sequence[int],
    token_id: int,
    other_id: int,
    sampling: Sampling = GREEDY,
) -> TokenGap:
    """How far apart the model's scores of two tokens are after a prompt and an output, from a separate pass.

    The scores are the logits after the model's own processors; the choice is made on them. Where tokens are drawn they
    are divided by the temperature, and the noise of the draw is added; what top-k and the like drop is not looked at.
    The noise beside the gap is
    what the trial measured of this model (``ExactVerdict``): a difference outside it is a mistake of the program.
    """
    model = backend.model
    prompt = torch.tensor([list(prompt_ids)], dtype=torch.long, device=model.device)
    context = torch.tensor([[*prompt_ids, *output_ids]], dtype=torch.long, device=model.device)
    last_only = {"logits_to_keep": 1} if backend.rules.keeps_logits else {}
    with torch.inference_mode():
        logits = model(input_ids=context, use_cache=False, **last_only).logits[:, -1]  # type: ignore[operator]
        scores = logits.to(copy=True, dtype=torch.float32)
        processors = backend.rules.processors(prompt, context.shape[1] + 1, GREEDY)
        scores = processors(context, scores)[0]  # type: ignore[arg-type]
        heat = 1.0 if sampling.greedy else sampling.temperature
        first, second = float(scores[token_id]), float(scores[other_id])
        if not sampling.greedy:
            first, second = Dice(sampling.seed).noisy(scores / heat, (token_id, other_id), len(output_ids))
        largest = float(logits[0, [token_id, other_id]].abs().max())
    verdict = backend.exactness
    noise = None if verdict is None else verdict.largest_noise
    spacing = torch.finfo(logits.dtype).eps * largest / heat
    return TokenGap(abs(first - second), spacing, None if noise is None else noise / heat)
