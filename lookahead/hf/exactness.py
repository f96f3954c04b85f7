"""Whether a draft's logits are bit for bit those of decoding one token at a time: made so where it can be, measured."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor
from transformers import PreTrainedModel

from lookahead.draft import DraftTree
from lookahead.hf.attention import BLOCK, NAME, register
from lookahead.hf.generation import GenerationRules
from lookahead.hf.linears import choose_linears
from lookahead.hf.session import ForwardPlan, TreeSession

MARGIN = 2.0
"""A gap counts as rounding up to so many times the largest change that was measured: the trial sees few rows."""
_CONTEXT = BLOCK - 3
"""Committed tokens before the trial's branch, which crosses the border of a block of keys."""
_BRANCH = 5
_WIDTHS = (2, 7, 16, 64)
"""Tokens in the passes that are compared with passes of one; a draft of another width is taken to behave alike."""
_LIKELY = 16
"""Tokens whose scores' changes count: the likeliest ones, between which a choice is made."""
_EXACT_DTYPES = (torch.float32, torch.bfloat16, torch.float16)


@dataclass(frozen=True, slots=True)
class ExactVerdict:
    """What the trial found.

    Attributes:
        kind: ``bitwise`` at every width that was tried, ``bitwise at one width`` if all passes are filled up to one, or
            else ``within rounding``.
        noise: How much the gap between two likely tokens' scores changes with the width of the pass: the median, the
            90 % quantile and the maximum over the rows that were tried. All 0 where ``bitwise``; where all passes are
            filled up, it is that of passes of other widths, such as those of ``generate``.

    A model's own attention is never called exact: it may cut its keys into blocks larger than the trial's contexts.
    """

    kind: Literal["bitwise", "bitwise at one width", "within rounding"]
    noise: tuple[float, float, float]

    @classmethod
    def within_rounding(cls, noise: Sequence[float]) -> ExactVerdict:
        """What these changes of the gaps between likely tokens say of a model's own attention."""
        return cls("within rounding", _quantiles(noise))

    @property
    def largest_noise(self) -> float | None:
        """The largest gap at which rounding explains another choice; None if the trial saw no rounding, and may."""
        largest = MARGIN * self.noise[-1]
        return largest if largest or self.kind != "within rounding" else None


class ExactPasses:
    """Makes a model's passes exact where it can, and tries them out.

    Args:
        limit: Positions that the model has; None if there is no limit.
        width: Tokens to fill up every pass to, if that makes the passes exact and nothing else does; 0 fills up none.
    """

    def __init__(self, model: PreTrainedModel, rules: GenerationRules, limit: int | None, width: int = 0) -> None:
        self._model, self._rules, self._limit = model, rules.without_processors(), limit
        self._width = width
        self._size = int(model.get_input_embeddings().weight.shape[0])  # type: ignore[union-attr]

    def made(self, plan: ForwardPlan) -> tuple[ForwardPlan, ExactVerdict | None]:
        """The plan for exact passes, and how exact they are; None if the model keeps its own attention.

        Linear layers are packed where that helps. The model gets the registered attention if its passes are then
        exact.
        """
        model = self._model
        if model.dtype in _EXACT_DTYPES:
            choose_linears(model)
            own, expected = model.config._attn_implementation, self._sample(plan)
            if _takes_attention(model):
                exact = replace(plan, places=True)
                with suppress(Exception):  # a model's own code runs here: it keeps its attention if that breaks
                    found = self._sample(exact)
                    allowed = 4 * math.sqrt(torch.finfo(expected.dtype).eps)
                    exact, verdict = self._least_change(exact)
                    # One row is enough: a bit may send another row's token to other experts.
                    error = (found - expected).abs().amax(-1) / expected.abs().amax(-1)
                    same = (error <= allowed).any()
                    if bool(same) and verdict.kind != "within rounding":
                        return exact, verdict
                model.set_attn_implementation(own)  # type: ignore[arg-type]
        return plan, None

    def _least_change(self, plan: ForwardPlan) -> tuple[ForwardPlan, ExactVerdict]:
        """The plan, with its passes filled up where they are exact only then, and how exact they are."""
        verdict = self.verdict(plan)
        if verdict.kind != "within rounding" or not self._width:
            return plan, verdict
        filled = replace(plan, width=self._width)
        kind = self.verdict(filled).kind
        return (plan, verdict) if kind == "within rounding" else (filled, replace(verdict, kind=kind))

    def _sample(self, plan: ForwardPlan) -> Tensor:
        """The logits of a short chain, to see that an attention computes what the model's own does."""
        with torch.inference_mode():
            session = TreeSession(self._model, plan, self._rules, 8)
            session.prefill([3 % self._size, 5 % self._size, 7 % self._size])
            return session.logits(DraftTree.on_trial([token_id % self._size for token_id in (11, 13, 17)]))

    def verdict(self, plan: ForwardPlan) -> ExactVerdict:
        """How the logits differ: the same tokens one at a time and in wider passes."""
        with torch.inference_mode():
            noise = list(self._changes(plan))
        if not plan.places or any(noise):
            return ExactVerdict("within rounding", _quantiles(noise))
        return ExactVerdict("bitwise at one width" if plan.width else "bitwise", _quantiles(noise))

    def _changes(self, plan: ForwardPlan) -> Iterator[float]:
        """How much each row's likely gaps change, at most, between its passes; 0 means that no bit differs."""
        widest = max(_WIDTHS)
        context = _CONTEXT if self._limit is None else min(_CONTEXT, self._limit - 2 * widest)
        if context < 1:
            yield math.inf  # too few positions to try anything
            return
        session = TreeSession(self._model, plan, self._rules, context + 3 * widest)
        session.prefill([(7 + 3 * row) % self._size for row in range(context)])
        yield from self._compared(session, context, [n for n in _WIDTHS if n <= (plan.width or n)])
        # Past another border, in a cache whose rows come from wide passes.
        session.logits(DraftTree.on_trial([(41 + 3 * row) % self._size for row in range(widest)]))
        session.keep(range(1, widest))
        yield from self._compared(session, context + widest, (min(8, plan.width or 8),))
        session.close()

    def _compared(self, session: TreeSession, context: int, widths: Sequence[int]) -> Iterator[float]:
        branch = [(11 + 13 * depth + context) % self._size for depth in range(_BRANCH)]
        rows = []
        for token_id in branch:
            rows.append(session.logits(DraftTree.on_trial((token_id,)))[0].clone())
            session.keep(())
        session.rewind(context)
        narrow = torch.stack(rows)
        for turn, width in enumerate(widths):
            tree, nodes = _draft(branch, width, self._size, turn)
            yield from gap_changes(narrow[: len(nodes)], session.logits(tree)[nodes])


def _takes_attention(model: PreTrainedModel) -> bool:
    """Whether the model now computes its attention by the registered function."""
    register()
    try:
        model.set_attn_implementation(NAME)
    except (ValueError, KeyError, NotImplementedError):
        return False
    return model.config._attn_implementation == NAME


def _draft(branch: Sequence[int], width: int, size: int, turn: int) -> tuple[DraftTree, list[int]]:
    """A draft of this width that holds the branch (or its start), and the branch's nodes.

    A chain every third time; else a tree, the branch's nodes before those of its siblings or behind them.
    """
    part = tuple(branch[:width])
    if turn % 3 == 0:
        longer = tuple((29 + 17 * index) % size for index in range(width - len(part)))
        return DraftTree.on_trial((*part, *longer)), list(range(len(part)))
    part = part[: max(2, min(len(part), width // 2))]
    if turn % 3 == 1:
        return _bushy(part, width, size, turn), list(range(len(part)))
    siblings = width - len(part)
    parents = (-1, *([0] * siblings), 0, *range(siblings + 1, width - 1))
    others = tuple((31 + 19 * index) % size for index in range(siblings))
    return DraftTree.on_trial((part[0], *others, *part[1:]), parents), [0, *range(siblings + 1, width)]


def _bushy(part: tuple[int, ...], width: int, size: int, turn: int) -> DraftTree:
    """The branch, then other children of its nodes up to the width."""
    extra = width - len(part)
    parents = (*range(-1, len(part) - 1), *(index % len(part) for index in range(extra)))
    return DraftTree.on_trial((*part, *((37 + 23 * index + turn) % size for index in range(extra))), parents)


def gap_changes(narrow: Tensor, wide: Tensor) -> list[float]:
    """By how much the gap between two likely tokens differs in each row, at most; tiny if only other bits do."""
    exact = (narrow == wide).all(dim=-1).tolist()
    narrow, wide = (part.to(torch.promote_types(part.dtype, torch.float32)) for part in (narrow, wide))
    likely = narrow.topk(min(_LIKELY, narrow.shape[-1])).indices
    change = (wide - narrow).gather(-1, likely)
    spread = (change.amax(-1) - change.amin(-1)).clamp_min(torch.finfo(torch.float32).tiny).tolist()
    return [0.0 if same else size for same, size in zip(exact, spread, strict=True)]


def _quantiles(noise: Sequence[float]) -> tuple[float, float, float]:
    ordered = sorted(noise)
    return ordered[len(ordered) // 2], ordered[len(ordered) * 9 // 10], ordered[-1]
