"""Finding out, once per model, whether its unmodified forward pass can verify a draft tree."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from transformers import PreTrainedModel

from lookahead.backend import UnsupportedCacheError, brief
from lookahead.draft import DraftTree
from lookahead.hf.cache import cache_argument, learn_layer_shapes
from lookahead.hf.generation import GenerationRules
from lookahead.hf.masks import LONGEST_TRIED, MaskPlan, window_refused
from lookahead.hf.model_config import context_limit, text_config
from lookahead.hf.session import ForwardPlan, TreeSession

_SIBLINGS = 12
TRIAL_PARENTS = (-1, *([0] * _SIBLINGS), _SIBLINGS)
"""The trial tree: the root, many children, and a child of the last, whose row is far from its depth. It is
compared with one branch of as many rows, which needs no tree mask: a pass of that size differs by rounding anyway."""
_CONTEXT = 3
"""Tokens before the trial tree."""
_ROUNDING = {torch.float32: 8.0, torch.float64: 8.0}
_ROUNDING_16_BITS = 4.0
"""Allowed error of a tree's logits, in multiples of the chain's error and of the dtype's precision. Experts multiply
matrices of other sizes when other tokens are routed to them, so the rows of a mixture of experts vary more."""


def find_plan(model: PreTrainedModel, rules: GenerationRules) -> ForwardPlan:
    """How to run draft trees through this model, tried out on a small one.

    Raises:
        UnsupportedCacheError: If the model cannot do it; the message says why.
    """
    config = text_config(model)
    if rules.cache_implementation == "quantized":
        raise UnsupportedCacheError("its quantised cache cannot drop rejected tokens")
    masks = MaskPlan.of(config)
    argument = cache_argument(rules.forward_arguments)
    plan = ForwardPlan(tuple(learn_layer_shapes(model, argument)), argument, masks)
    trial = _Trial(model, plan, rules.without_processors(), context_limit(config))
    try:
        with torch.inference_mode():
            trial.run()
    except UnsupportedCacheError:
        raise
    except Exception as error:
        reason = f"its forward pass takes no tree mask ({brief(error.__cause__ or error)})"
        raise UnsupportedCacheError(reason) from error
    return plan


class _Trial:
    """A small draft tree through a model, compared with plain passes."""

    def __init__(self, model: PreTrainedModel, plan: ForwardPlan, rules: GenerationRules, limit: int | None) -> None:
        self._model, self._plan = model, plan
        self._size = int(model.get_input_embeddings().weight.shape[0])  # type: ignore[union-attr]
        # Past twice an unknown window, so that it must show if it is one.
        context = 2 * LONGEST_TRIED + _CONTEXT if plan.masks.unknown else _CONTEXT
        self._prompt = tuple((7 + 3 * index) % self._size for index in range(context))
        self._room = None if limit is None else limit - context
        self._session = TreeSession(model, plan, rules, capacity=context + len(TRIAL_PARENTS))

    def run(self) -> None:
        """Return if a tree pass agrees with plain passes.

        Raises:
            UnsupportedCacheError: If it does not; the message says in what.
        """
        for name, value in self._plan.masks.unknown.items():
            if self._room is not None and self._room < len(TRIAL_PARENTS):
                raise window_refused(name, value)
        left, other_left = ([(start + 2 * index) % self._size for index in range(1, _SIBLINGS)] for start in (16, 47))
        branch = tuple(index % self._size for index in (11, 13, 14))
        self._session.prefill(self._prompt)
        logits, again = (self._tree_logits(branch, siblings) for siblings in (left, other_left))
        chain = self._chain_logits((*branch, *left), len(branch))
        path = torch.tensor([[*self._prompt, *branch]], device=self._model.device)
        plain = self._model(input_ids=path, use_cache=False).logits[0, -len(branch) :]
        if bool(plain.isnan().any()):
            raise UnsupportedCacheError("its logits are NaN")
        epsilon = torch.finfo(plain.dtype).eps
        # A chain needs no tree mask: how far it is from a plain pass is the rounding of a pass of as many rows.
        rounding = max(distance(chain, plain), epsilon)
        allowed = _ROUNDING.get(plain.dtype, _ROUNDING_16_BITS) * rounding
        agrees = distance(logits, plain) <= allowed
        # Half of the digits are more than rounding can take, even where it lets a token choose another expert.
        half = math.sqrt(epsilon)
        for name, value in self._plan.masks.unknown.items():
            if not agrees or rounding > half:
                raise window_refused(name, value)
        if not agrees:
            raise UnsupportedCacheError("its forward pass does not honour a tree mask and positions by depth")
        if distance(logits, again) > min(allowed, half):
            raise UnsupportedCacheError("its forward pass lets a branch see its neighbour")

    def _tree_logits(self, branch: tuple[int, ...], siblings: list[int]) -> Tensor:
        """Logits of the branch's tokens in a tree with these siblings, shape ``(branch, vocab)``."""
        root, *rest = branch
        tree = DraftTree.on_trial((root, *siblings, *rest), TRIAL_PARENTS)
        return self._session.logits(tree)[[0, *range(_SIBLINGS, len(TRIAL_PARENTS))]]

    def _chain_logits(self, token_ids: tuple[int, ...], count: int) -> Tensor:
        """Logits of the first ``count`` tokens of one branch, as long as the model's positions allow."""
        return self._session.logits(DraftTree.on_trial(token_ids[: self._room]))[:count]


def allowed_error(rounding: float, dtype: torch.dtype) -> float:
    """The largest distance that rounding explains on a model where it makes this one: never half of the digits.

    Recurrent states are in float32 at best, whatever the dtype of the model.
    """
    epsilon = torch.finfo(dtype).eps
    half = math.sqrt(max(epsilon, torch.finfo(torch.float32).eps))
    return min(_ROUNDING.get(dtype, _ROUNDING_16_BITS) * max(rounding, epsilon), half)


def distance(left: Tensor, right: Tensor) -> float:
    """Largest difference, relative to the largest value; infinite where only the left one is not finite."""
    if left.dtype != torch.float64:
        left, right = left.float(), right.float()
    finite = right.isfinite()  # the logits of padding may be minus infinity
    left, right = left[finite], right[finite]
    difference = (left - right).abs().nan_to_num(nan=torch.inf)
    return float(difference.max() / right.abs().max().clamp_min(1e-12))
