"""How close a decision was, for two runs that should be equal and differ."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lookahead.config import GREEDY, Sampling
from lookahead.hf.backend import HFBackend
from lookahead.hf.sampling import Dice
from lookahead.records import TokenGap

MOST_LOGITS = 1 << 28
"""Numbers in the logits of a whole output, 1 GB; near ties of a longer one are not counted."""


def near_ties(backend: HFBackend, prompt_ids: Sequence[int], output_ids: Sequence[int]) -> int | None:
    """Tokens of a greedy output at which two passes of other widths may choose differently, from one separate pass.

    These are the places where the two best scores are no further apart than the noise of this model (as ``TokenGap``
    has it). 0 where passes are exact; None if the model takes no drafts, or the output is too long.
    """
    verdict, count = backend.exactness, len(output_ids)
    if verdict is None or count * backend.vocab_size > MOST_LOGITS:
        return None
    if verdict.largest_noise == 0 or not count:
        return 0
    logits, scores = _scored(backend, prompt_ids, output_ids[:-1], count)
    best, places = scores.topk(2, dim=-1)
    largest = logits.gather(-1, places).abs().amax(-1)
    gaps, sizes = (best[:, 0] - best[:, 1]).tolist(), largest.tolist()
    spacing = torch.finfo(logits.dtype).eps
    found = (TokenGap(gap, spacing * size, verdict.largest_noise) for gap, size in zip(gaps, sizes, strict=True))
    return sum(gap.near_tie for gap in found)


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
    The noise beside the gap is what the trial measured of this model (``ExactVerdict``): a difference outside it is a
    mistake of the program.
    """
    (logits,), (scores,) = _scored(backend, prompt_ids, output_ids, 1)
    heat = 1.0 if sampling.greedy else sampling.temperature
    first, second = float(scores[token_id]), float(scores[other_id])
    if not sampling.greedy:
        first, second = Dice(sampling.seed).noisy(scores / heat, (token_id, other_id), len(output_ids))
    largest = float(logits[[token_id, other_id]].abs().max())
    verdict = backend.exactness
    noise = None if verdict is None else verdict.largest_noise
    spacing = torch.finfo(logits.dtype).eps * largest / heat
    return TokenGap(abs(first - second), spacing, None if noise is None else noise / heat)


def _scored(
    backend: HFBackend, prompt_ids: Sequence[int], output_ids: Sequence[int], count: int
) -> tuple[Tensor, Tensor]:
    """Logits after the last ``count`` tokens, and the scores that greedy decoding makes of them, ``(count, vocab)``."""
    ids = torch.tensor([[*prompt_ids, *output_ids]], dtype=torch.long, device=backend.device)
    keep = {"logits_to_keep": count} if backend.rules.keeps_logits else {}
    with torch.inference_mode():
        logits = backend.model(input_ids=ids, use_cache=False, **keep).logits[0, -count:]  # type: ignore[operator]
        scores = logits.to(copy=True, dtype=torch.float32)
        processors = backend.rules.processors(ids[:, : len(prompt_ids)], ids.shape[1] + 2, GREEDY)
        for row in range(count if processors else 0):
            before = ids[:, : ids.shape[1] - count + 1 + row]
            scores[row] = processors(before, scores[row : row + 1])[0]  # type: ignore[arg-type]
    return logits, scores
