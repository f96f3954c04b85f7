"""How a run chooses its tokens from the model's logits: processors, warpers, then the largest score or a draw."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessorList

from lookahead.hf.passes import choices
from lookahead.hf.sampling import Dice, likeliest

WARPERS = frozenset(
    f"{name}LogitsWarper" for name in ("Temperature", "TopH", "TopK", "TopP", "MinP", "Typical", "Epsilon", "Eta")
)
"""transformers' processors that only sampling uses; none of them looks at the context."""
_ROW_WISE = WARPERS | {"SuppressTokensLogitsProcessor", "InfNanRemoveLogitsProcessor", "LogitNormalization"}
"""Processors whose result depends on the row of scores alone."""


class Chooser:
    """Chooses the tokens of one run.

    Args:
        processors: The run's processors and warpers, in the order of ``generate``.
        prompt_length: Tokens of the prompt; the draw for the token after it has position 0.
        dice: Draws tokens; None takes those with the largest scores.

    Attributes:
        along_path: Whether a choice depends on the tokens before it, so that rows cannot be processed together.
    """

    def __init__(self, processors: LogitsProcessorList, prompt_length: int = 0, dice: Dice | None = None) -> None:
        names = [type(one).__name__ for one in processors]
        self._hides_nan = "InfNanRemoveLogitsProcessor" in names  # the model's own settings ask for it
        self.along_path = len(names) > 0 if dice is None else not _ROW_WISE.issuperset(names)
        self._processors, self._dice, self._prompt_length = processors, dice, prompt_length
        # From the first of these on, a few tokens of each row are all that matters.
        narrowing = (place for place, one in enumerate(names) if dice is not None and one in _NARROWING)
        first = next(narrowing, len(names))
        self._whole_rows: list[Any] = list(processors[:first])
        self._rest: list[Any] = list(processors[first:])

    def scores(self, logits: Tensor, context_ids: Tensor) -> Tensor:
        """The scores to ``pick`` from, shape ``(n, vocab)``: the logits, processed by what needs whole rows.

        A row of logits with NaN or plus infinity stays without a choice, whatever a processor makes of it.

        Args:
            logits: Shape ``(n, vocab)``; one row if ``along_path``.
            context_ids: The tokens before the choice, shape ``(1, m)``; needed only if ``along_path``.
        """
        if not self._processors and self._dice is None:
            return logits
        scores = logits.to(copy=self.along_path, dtype=torch.float32)
        spoilt = ~(scores.amax(-1, keepdim=True) < torch.inf)  # NaN is not smaller than anything
        for processor in self._whole_rows:
            scores = processor(context_ids, scores)
        return scores if self._hides_nan or not bool(spoilt.any()) else scores.masked_fill(spoilt, torch.nan)

    def pick(self, scores: Tensor, lengths: Sequence[int]) -> list[int]:
        """The choice for each row, shape ``(n,)``; ``NO_CHOICE`` where there is none.

        Args:
            lengths: How many tokens stand before each choice.
        """
        if self._dice is None:
            return choices(scores)
        return self._drawn(self._dice, scores, [length - self._prompt_length for length in lengths])

    def _drawn(self, dice: Dice, scores: Tensor, positions: list[int], level: int = 0) -> list[int]:
        """A drawn token for each row. What is done for a row never depends on the rows beside it."""
        narrowed = _narrowed(self._rest[0], scores, level) if self._rest else None
        if narrowed is None:
            for warper in self._rest:
                scores = warper(None, scores)
            return dice.draw(scores, positions)
        values, tokens, first, fits = narrowed
        for warper in (first, *self._rest[1:]):
            values = warper(None, values)
        drawn = dice.draw_among(values, tokens, positions)
        if again := [row for row, fit in enumerate(fits) if not fit]:
            found = self._drawn(dice, scores[again], [positions[row] for row in again], level + 1)
            for row, token_id in zip(again, found, strict=True):
                drawn[row] = token_id
        return drawn


def _narrowed(warper: Any, scores: Tensor, level: int) -> tuple[Tensor, Tensor, Any, list[bool]] | None:
    """The likeliest tokens of each row, so many that the warper drops all others; None if that is most of them.

    A warper of the whole vocabulary sorts it, which may take longer than the model's pass. Which of several equal
    scores top-p drops is up to the order in which the sort leaves them, there as here.

    Args:
        level: How often fewer tokens were not enough.

    Returns:
        Their scores and ids, both ``(n, k)``, on the CPU, where a row's result is the same in every batch; the warper
        for them; and for which rows they are enough.
    """
    size, (base, check) = scores.shape[-1], _NARROWING[type(warper).__name__]
    count = base(warper) << (3 * level)
    if 4 * count >= size:
        return None
    values, tokens = likeliest(scores, count)
    warper, values, fits = check(warper, values, scores, tokens)
    return values.cpu(), tokens.cpu(), warper, fits.flatten().tolist()


def _lowest(values: Tensor) -> Tensor:
    return values.amin(-1, keepdim=True)


def _fits_top_k(warper: Any, values: Tensor, *_: Tensor) -> tuple[Any, Tensor, Tensor]:
    """Enough if something is smaller than the k-th largest: no token outside equals that."""
    return warper, values, _lowest(values) < values.topk(warper.top_k).values[:, -1:]


def _fits_min_p(warper: Any, values: Tensor, *_: Tensor) -> tuple[Any, Tensor, Tensor]:
    """Enough if something is clearly below the least probability that stays."""
    least = values.amax(-1, keepdim=True) + math.log(warper.min_p) - 1e-3
    return warper, values, _lowest(values) < least


def _fits_top_p(warper: Any, values: Tensor, scores: Tensor, tokens: Tensor) -> tuple[Any, Tensor, Tensor]:
    """Enough if the tokens outside are within the probability that is dropped; the warper drops the rest of that.

    Of equal scores all are inside or all outside.
    """
    inside = values > _lowest(values)
    probabilities = scores.softmax(-1).gather(-1, tokens).where(inside, 0.0).cpu().double()
    outside = 1 - probabilities.cumsum(-1)[:, -1:]
    dropped = (1 - warper.top_p - outside) / (1 - outside).clamp_min(1e-9)
    warper = copy.copy(warper)
    warper.top_p = 1 - dropped.clamp_min(0)
    return warper, values.masked_fill(~inside, -torch.inf), dropped > 0


_NARROWING: dict[str, tuple[Any, Any]] = {
    "TopKLogitsWarper": (lambda warper: 2 * warper.top_k, _fits_top_k),
    "TopPLogitsWarper": (lambda _: 256, _fits_top_p),
    "MinPLogitsWarper": (lambda warper: 8 + int(1 / max(warper.min_p, 1e-6)), _fits_min_p),
}
"""How many tokens a warper is given at first, and whether they are enough."""
