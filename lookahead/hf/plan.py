"""Finding out, once per model, whether its unmodified forward pass can verify a draft tree."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel

from lookahead.backend import UnsupportedCacheError
from lookahead.draft import DraftTree
from lookahead.hf.cache import brief, cache_argument, learn_layer_shapes
from lookahead.hf.generation import GenerationRules
from lookahead.hf.masks import MaskPlan
from lookahead.hf.session import ForwardPlan, TreeSession

_SIBLINGS = 12
TRIAL_PARENTS = (-1, *([0] * _SIBLINGS), _SIBLINGS)
"""The trial tree: the root, many children, and a child of the last, whose row is far from its depth. It is
compared with one branch of as many rows, which needs no tree mask: a pass of that size differs by rounding anyway."""
_ROUNDING = 4.0
"""Allowed error of a tree's logits, in multiples of the chain's error and of the dtype's precision."""


def find_plan(model: PreTrainedModel, rules: GenerationRules) -> ForwardPlan:
    """How to run draft trees through this model, tried out on a small one.

    Raises:
        UnsupportedCacheError: If the model cannot do it; the message says why.
    """
    config = model.config.get_text_config(decoder=True)
    if rules.cache_implementation == "quantized":
        raise UnsupportedCacheError("its quantised cache cannot drop rejected tokens")
    masks = MaskPlan.of(config)
    argument = cache_argument(rules.forward_arguments)
    plan = ForwardPlan(tuple(learn_layer_shapes(model, argument)), argument, masks, rules.keeps_logits)
    try:
        with torch.inference_mode():
            reason = _trial(model, plan, rules.without_processors(), getattr(config, "max_position_embeddings", None))
    except UnsupportedCacheError:
        raise
    except Exception as error:
        raise UnsupportedCacheError(f"its forward pass takes no tree mask ({brief(error)})") from error
    if reason is not None:
        raise UnsupportedCacheError(reason)
    return plan


def rope_switch(config: PreTrainedConfig) -> int | None:
    """The length at which the model changes the positions of all tokens at once (longrope); None if it never does."""
    parameters = getattr(config, "rope_parameters", None) or {}
    kinds = [parameters, *(value for value in parameters.values() if isinstance(value, Mapping))]
    if not any(kind.get("rope_type") == "longrope" for kind in kinds):
        return None
    switch = getattr(config, "original_max_position_embeddings", None)
    lengths = [kind.get("original_max_position_embeddings") or switch for kind in kinds]
    return min((int(length) for length in lengths if length), default=None)


def _trial(model: PreTrainedModel, plan: ForwardPlan, rules: GenerationRules, limit: int | None) -> str | None:
    """Why a tree pass is wrong on this model; None if it agrees with plain passes.

    Args:
        limit: Positions that the model has; None if there is no limit.
    """
    size = int(model.get_input_embeddings().weight.shape[0])  # type: ignore[union-attr]
    prompt = tuple((7 + 3 * index) % size for index in range(3))
    root, *chain = (index % size for index in (11, 13, 14))
    left, other_left = ([(start + 2 * index) % size for index in range(1, _SIBLINGS)] for start in (16, 47))
    session = TreeSession(model, plan, rules, capacity=len(prompt) + len(TRIAL_PARENTS))
    session.prefill(prompt)
    branch = (root, *chain)
    rows = [0, *range(_SIBLINGS, len(TRIAL_PARENTS))]
    logits, again = (
        session.logits(_tree(TRIAL_PARENTS, (root, *siblings, *chain)))[rows] for siblings in (left, other_left)
    )
    longest = (*branch, *left)[: None if limit is None else limit - len(prompt)]
    alone = session.logits(_tree(tuple(range(-1, len(longest) - 1)), longest))[: len(branch)]
    path = torch.tensor([[*prompt, *branch]], device=model.device)
    plain = model(input_ids=path, use_cache=False).logits[0, -len(branch) :]
    epsilon = torch.finfo(logits.dtype).eps
    if _distance(logits, plain) > _ROUNDING * max(_distance(alone, plain), epsilon):
        return "its forward pass does not honour a tree mask and positions by depth"
    if _distance(logits, again) > _ROUNDING * epsilon:
        return "its forward pass lets a branch see its neighbour"
    return None


def _tree(parents: tuple[int, ...], token_ids: tuple[int, ...]) -> DraftTree:
    count = len(token_ids)
    return DraftTree(token_ids, parents, (1.0,) * count, ("prompt",) * count, (0,) * count)


def _distance(left: Tensor, right: Tensor) -> float:
    """Largest difference, relative to the largest value."""
    if left.dtype != torch.float64:
        left, right = left.float(), right.float()
    return float((left - right).abs().max() / right.abs().max().clamp_min(1e-12))
