"""Drawing tokens: for each row of scores the token with the largest sum of score and noise, most noise left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lookahead.hf.noise import BLOCK, bounds, noise
from lookahead.hf.passes import NO_CHOICE

_POSITIONS = 32
"""Positions whose bounds are computed together; most are used by several passes."""
_SLACK = 1e-3
"""More than float32 rounds off a sum of noise and a difference of scores; a larger one only looks at more tokens."""


class Dice:
    """Draws the tokens of one run; the seed decides all draws."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._first = 0
        self._bounds = torch.zeros((0, 0))

    def draw(self, scores: Tensor, positions: Sequence[int]) -> list[int]:
        """A token for each row, with the probability ``softmax`` gives it; -1 where the largest score is not finite.

        Args:
            scores: float32, shape ``(n, vocab)``.
            positions: The output position of each row's token; it decides the row's noise.
        """
        highest = block_maxima(scores, BLOCK)  # (n, blocks)
        best, home = highest.max(dim=-1)
        inside = scores.gather(-1, _tokens_of(home[:, None], BLOCK).flatten(1).clamp_max(scores.shape[-1] - 1))
        leaders = (home * BLOCK + inside.argmax(dim=-1)).tolist()
        where = np.asarray(positions, dtype=np.int64)
        least = noise(self._seed, where, np.array(leaders))
        bound = self._bound(where, highest.shape[1], scores.device)
        floor = torch.from_numpy((least - _SLACK).astype(np.float32)).to(scores.device)
        rows, blocks = ((highest - best[:, None] + bound) >= floor[:, None]).nonzero(as_tuple=True)
        tokens = _tokens_of(blocks, BLOCK)  # (found, BLOCK)
        values = scores[rows[:, None], tokens.clamp_max(scores.shape[-1] - 1)]
        may_win = (values - best[rows, None] + bound[rows, blocks, None]) >= floor[rows, None]
        may_win &= tokens < scores.shape[-1]
        of_row = rows[:, None].expand_as(tokens)[may_win]
        # A row with NaN or plus infinity has no candidate, nor one of minus infinity: inf - inf is NaN.
        return self._winners(of_row, tokens[may_win], values[may_win], where)

    def draw_among(self, scores: Tensor, token_ids: Tensor, positions: Sequence[int]) -> list[int]:
        """The same for rows that hold only these tokens' scores, both shape ``(n, k)``; all other tokens are out."""
        rows, columns = (scores > -torch.inf).nonzero(as_tuple=True)
        where = np.asarray(positions, dtype=np.int64)
        return self._winners(rows, token_ids[rows, columns], scores[rows, columns], where)

    def noisy(self, scores: Tensor, token_ids: Sequence[int], position: int) -> list[float]:
        """Score plus noise of single tokens at a position; ``scores`` has shape ``(vocab,)``."""
        added = noise(self._seed, np.full(len(token_ids), position), np.array(token_ids))
        return [float(scores[token_id]) + float(one) for token_id, one in zip(token_ids, added, strict=True)]

    def _bound(self, positions: np.ndarray, blocks: int, device: torch.device) -> Tensor:
        """The largest noise in each row's blocks, shape ``(n, blocks)``."""
        first, last = int(positions.min()), int(positions.max())
        known = self._bounds
        if known.shape[1] != blocks or first < self._first or last >= self._first + len(known):
            count = max(last + 1 - first, _POSITIONS)
            known = torch.from_numpy(bounds(self._seed, first, count, blocks)).to(device)
            self._first, self._bounds = first, known
        return known[torch.from_numpy(positions - self._first).to(device)]

    def _winners(self, rows: Tensor, tokens: Tensor, scores: Tensor, positions: np.ndarray) -> list[int]:
        """The winning token of each row among candidates that are sorted by row; -1 for rows without any."""
        winners = np.full(len(positions), NO_CHOICE)
        if len(rows):
            row, token = rows.cpu().numpy(), tokens.cpu().numpy()
            total = scores.cpu().double().numpy() + noise(self._seed, positions[row], token)
            present, starts = np.unique(row, return_index=True)
            best = np.zeros(len(positions))
            best[present] = np.maximum.reduceat(total, starts)
            hits = np.flatnonzero(total == best[row])[::-1]
            winners[row[hits]] = token[hits]  # of equal sums, which hardly exist, the first counts
        return winners.tolist()


def block_maxima(scores: Tensor, size: int) -> Tensor:
    """The largest score in each block of this many tokens, shape ``(n, blocks)``; the last block may be shorter."""
    whole = scores.shape[-1] // size * size
    parts = [scores[:, :whole].unflatten(-1, (-1, size)).amax(-1)] if whole else []
    if whole < scores.shape[-1]:
        parts.append(scores[:, whole:].amax(-1, keepdim=True))
    return torch.cat(parts, dim=-1) if len(parts) > 1 else parts[0]


_FINE = 64
"""Tokens in a block where the largest scores are looked for."""


def largest(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Values and tokens of the largest scores of each row, both shape ``(n, count)``, as ``topk`` has them.

    On a CPU ``topk`` over a whole vocabulary takes several times as long as finding the largest one: the best tokens
    are in the blocks with the best maxima.
    """
    highest = block_maxima(scores, _FINE)
    if 2 * count >= highest.shape[1]:
        return scores.topk(count)
    inside = _tokens_of(highest.topk(count, sorted=False).indices, _FINE).flatten(1)
    last = scores.shape[-1] - 1
    values = scores.gather(-1, inside.clamp_max(last)).masked_fill(inside > last, -torch.inf)
    values, places = values.topk(count)
    return values, inside.gather(-1, places)


def likeliest(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The largest scores of each row and their tokens by ascending id, both shape ``(n, count)``."""
    values, tokens = largest(scores, count)
    tokens, order = tokens.sort(dim=-1)
    return values.gather(-1, order), tokens


def _tokens_of(blocks: Tensor, size: int) -> Tensor:
    """The tokens in blocks, one more dimension; those of the last block may be outside the vocabulary."""
    return blocks[..., None] * size + torch.arange(size, device=blocks.device)
