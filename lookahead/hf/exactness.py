"""Are a draft's logits bit for bit those of decoding the same tokens one at a time? Made so where possible; measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
_CONTEXTS = (BLOCK - 3, 2 * BLOCK - 4)
"""Committed tokens before the trial's branch, which crosses the border of a block of keys."""
_BRANCH = 8
_WIDTHS = ((2, 5, 16, 33, 64), (8, 16))
"""Tokens in the passes after each context; a draft of another width is taken to behave alike."""
_ONE_WIDTH = (16, 64)
_LIKELY = 16
"""Tokens whose scores' changes count: the likeliest ones, between which a choice is made."""
_EXACT_DTYPES = (torch.float32, torch.bfloat16, torch.float16)


@dataclass(frozen=True, slots=True)
class ExactVerdict:
    """What the trial found.

    Attributes:
        kind: ``bitwise`` at every width; ``bitwise at one width`` if all passes have that many tokens; or else
            ``within rounding``.
        width: The one width; None for the other kinds.
        noise: How much the gap between two likely tokens' scores changes with the width of the pass: the median, the
            90 % quantile and the maximum over the rows that were tried. All 0 where ``bitwise``.
    """

    kind: Literal["bitwise", "bitwise at one width", "within rounding"]
    width: int | None
    noise: tuple[float, float, float]

    @property
    def largest_noise(self) -> float:
        """The largest gap at which rounding explains another choice."""
        return MARGIN * self.noise[-1]


def make_exact(
    model: PreTrainedModel, plan: ForwardPlan, rules: GenerationRules, limit: int | None
) -> tuple[ForwardPlan, ExactVerdict]:
    """The plan for exact passes through this model, and what a trial finds of them.

    Linear layers are packed where that helps, and the model takes the registered attention if its passes are then
    exact; otherwise it keeps its own.

    Args:
        limit: Positions that the model has; None if there is no limit.
    """
    rules = rules.without_processors()
    if model.dtype in _EXACT_DTYPES:
        choose_linears(model)
        own = model.config._attn_implementation
        if _takes_attention(model):
            exact = replace(plan, places=True)
            verdict = _Trial(model, exact, rules, limit).verdict()
            if verdict.kind != "within rounding":
                return exact, verdict
            model.set_attn_implementation(own)  # type: ignore[arg-type]
    return plan, _Trial(model, plan, rules, limit).verdict()


def _takes_attention(model: PreTrainedModel) -> bool:
    """Whether the model now computes its attention by the registered function."""
    register()
    try:
        model.set_attn_implementation(NAME)
    except (ValueError, KeyError, NotImplementedError):
        return False
    return model.config._attn_implementation == NAME


class _Trial:
    """The same tokens one at a time and in wider passes."""

    def __init__(self, model: PreTrainedModel, plan: ForwardPlan, rules: GenerationRules, limit: int | None) -> None:
        self._model, self._plan, self._rules = model, plan, rules
        self._size = int(model.get_input_embeddings().weight.shape[0])  # type: ignore[union-attr]
        self._limit = limit

    def verdict(self) -> ExactVerdict:
        """How the passes' logits differ."""
        with torch.inference_mode():
            noise = [change for index in range(len(_CONTEXTS)) for change in self._changes(index, None)]
            if not any(noise):
                return ExactVerdict("bitwise", None, (0.0, 0.0, 0.0))
            for width in _ONE_WIDTH:
                if not any(change for index in range(len(_CONTEXTS)) for change in self._changes(index, width)):
                    return ExactVerdict("bitwise at one width", width, _quantiles(noise))
        return ExactVerdict("within rounding", None, _quantiles(noise))

    def _changes(self, index: int, only: int | None) -> Iterator[float]:
        """How much each row's likely gaps change, at most, between its passes; 0 means that no bit differs."""
        longest = max(_WIDTHS[index])
        context = _CONTEXTS[index] if self._limit is None else min(_CONTEXTS[index], self._limit - longest)
        if context < 1:
            return
        session = TreeSession(self._model, self._plan, self._rules, context + longest + _BRANCH)
        session.prefill([(7 + 3 * row + 5 * index) % self._size for row in range(context)])
        branch = [(11 + 13 * depth) % self._size for depth in range(_BRANCH)]
        rows = []
        for token_id in branch:
            alone = _chain((token_id,)) if only is None else _bushy((token_id,), only, self._size, 1)
            rows.append(session.logits(alone)[0].clone())
            session.keep(())
        session.rewind(context)
        narrow = torch.stack(rows)
        for turn, width in enumerate(_WIDTHS[index] if only is None else (only, only)):
            for tree, nodes in _trees(branch, width, self._size, turn):
                yield from _gap_changes(narrow[: len(nodes)], session.logits(tree)[nodes])
        session.close()


def _trees(branch: Sequence[int], width: int, size: int, turn: int) -> Iterator[tuple[DraftTree, list[int]]]:
    """Passes of this width that hold the branch (or its start), and the branch's nodes in each.

    A chain every third time; else a tree, the branch's nodes before those of its siblings or behind them.
    """
    part = tuple(branch[:width])
    if turn % 3 == 0:
        longer = tuple((29 + 17 * index) % size for index in range(width - len(part)))
        yield _chain((*part, *longer)), list(range(len(part)))
        return
    part = part[: max(2, min(len(part), width // 2))]
    if turn % 3 == 1:
        yield _bushy(part, width, size, turn), list(range(len(part)))
        return
    siblings = width - len(part)
    parents = (-1, *([0] * siblings), 0, *range(siblings + 1, width - 1))
    others = tuple((31 + 19 * index) % size for index in range(siblings))
    yield _tree(parents, (part[0], *others, *part[1:])), [0, *range(siblings + 1, width)]


def _bushy(part: tuple[int, ...], width: int, size: int, turn: int) -> DraftTree:
    """The branch, then other children of its nodes up to the width."""
    extra = width - len(part)
    parents = (*range(-1, len(part) - 1), *(index % len(part) for index in range(extra)))
    return _tree(parents, (*part, *((37 + 23 * index + turn) % size for index in range(extra))))


def _chain(token_ids: tuple[int, ...]) -> DraftTree:
    return _tree(tuple(range(-1, len(token_ids) - 1)), token_ids)


def _tree(parents: tuple[int, ...], token_ids: tuple[int, ...]) -> DraftTree:
    count = len(token_ids)
    return DraftTree(token_ids, parents, (1.0,) * count, ("prompt",) * count, (0,) * count)


def _gap_changes(narrow: Tensor, wide: Tensor) -> list[float]:
    """For every row, by how much the gap between two of its likeliest tokens differs, at most; tiny if other bits do."""
    exact = (narrow == wide).all(dim=-1).tolist()
    narrow, wide = (part.to(torch.promote_types(part.dtype, torch.float32)) for part in (narrow, wide))
    likely = narrow.topk(min(_LIKELY, narrow.shape[-1])).indices
    change = (wide - narrow).gather(-1, likely)
    spread = (change.amax(-1) - change.amin(-1)).clamp_min(torch.finfo(torch.float32).tiny).tolist()
    return [0.0 if same else size for same, size in zip(exact, spread, strict=True)]


def _quantiles(noise: Sequence[float]) -> tuple[float, float, float]:
    ordered = sorted(noise)
    return ordered[len(ordered) // 2], ordered[len(ordered) * 9 // 10], ordered[-1]
