"""Finding out, once per model, whether its unmodified forward pass can verify a draft tree, or else a chain."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor
from transformers import PreTrainedModel

from lookahead.backend import UnsupportedCacheError, brief
from lookahead.draft import Chain, DraftTree
from lookahead.hf.cache import cache_argument, learn_layer_shapes
from lookahead.hf.chain_session import ChainSession
from lookahead.hf.exactness import ExactVerdict, gap_changes
from lookahead.hf.generation import GenerationRules
from lookahead.hf.masks import LONGEST_TRIED, MaskPlan, window_refused
from lookahead.hf.model_config import context_limit, setting, text_config
from lookahead.hf.recurrence import exchanges
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
_CHAIN_PROMPT = 5
_CHAIN_PASSES = ((3, 3), (3, 0), (3, 2), (0, 0), (3, 1), (2, 2), (1, 0), (1, 1), (0, 0), (15, 5))
"""Of the trial of chains: draft tokens of each pass, and how many of them are accepted: every place to go back to,
twice in a row as well, chains accepted whole with tokens read again before them, and passes without a draft."""
_CHAIN_TOKENS = sum(1 + accepted for _, accepted in _CHAIN_PASSES)


@contextmanager
def _tried(what: str) -> Iterator[None]:
    """Around a trial: whatever it raises says that the model's forward pass takes no such thing."""
    try:
        with torch.inference_mode():
            yield
    except UnsupportedCacheError:
        raise
    except Exception as error:
        raise UnsupportedCacheError(f"its forward pass takes no {what} ({brief(error.__cause__ or error)})") from error


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
    _try_tree(model, plan, rules.without_processors(), context_limit(config))
    return plan


@_tried("tree mask")
def _try_tree(model: PreTrainedModel, plan: ForwardPlan, rules: GenerationRules, limit: int | None) -> None:
    """Return if a small draft tree agrees with plain passes.

    Raises:
        UnsupportedCacheError: If it does not; the message says in what.
    """
    size = int(model.get_input_embeddings().weight.shape[0])  # type: ignore[union-attr]
    # Past twice an unknown window, so that it must show if it is one.
    context = 2 * LONGEST_TRIED + _CONTEXT if plan.masks.unknown else _CONTEXT
    prompt = tuple((7 + 3 * index) % size for index in range(context))
    room = None if limit is None else limit - context
    for name, value in plan.masks.unknown.items():
        if room is not None and room < len(TRIAL_PARENTS):
            raise window_refused(name, value)
    left, other_left = ([(start + 2 * index) % size for index in range(1, _SIBLINGS)] for start in (16, 47))
    branch = tuple(index % size for index in (11, 13, 14))
    session = TreeSession(model, plan, rules, capacity=context + len(TRIAL_PARENTS))
    session.prefill(prompt)
    trees = [DraftTree.on_trial((branch[0], *siblings, *branch[1:]), TRIAL_PARENTS) for siblings in (left, other_left)]
    logits, again = (session.logits(tree)[[0, *range(_SIBLINGS, len(TRIAL_PARENTS))]] for tree in trees)
    chain = session.logits(DraftTree.on_trial((*branch, *left)[:room]))[: len(branch)]
    path = torch.tensor([[*prompt, *branch]], device=model.device)
    plain = model(input_ids=path, use_cache=False).logits[0, -len(branch) :]
    if bool(plain.isnan().any()):
        raise UnsupportedCacheError("its logits are NaN")
    epsilon = torch.finfo(plain.dtype).eps
    # A chain needs no tree mask: how far it is from a plain pass is the rounding of a pass of as many rows.
    rounding = max(distance(chain, plain), epsilon)
    allowed = _ROUNDING.get(plain.dtype, _ROUNDING_16_BITS) * rounding
    agrees = distance(logits, plain) <= allowed
    # Half of the digits are more than rounding can take, even where it lets a token choose another expert.
    half = math.sqrt(epsilon)
    for name, value in plan.masks.unknown.items():
        if not agrees or rounding > half:
            raise window_refused(name, value)
    if not agrees:
        raise UnsupportedCacheError("its forward pass does not honour a tree mask and positions by depth")
    if distance(logits, again) > min(allowed, half):
        raise UnsupportedCacheError("its forward pass lets a branch see its neighbour")


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


def find_chain_plan(
    model: PreTrainedModel, rules: GenerationRules, limit: int | None
) -> tuple[ForwardPlan, ExactVerdict]:
    """How to run chains through this model, and how much their logits vary, tried out on a few.

    Args:
        limit: Positions that the model has; None if there is no limit.

    Raises:
        UnsupportedCacheError: If the model cannot do it; the message says why.
    """
    if limit is not None and limit < _CHAIN_PROMPT + _CHAIN_TOKENS + max(drafted for drafted, _ in _CHAIN_PASSES):
        raise UnsupportedCacheError(f"{limit} positions are too few to try chains on")
    picked = setting(text_config(model), "index_topk")
    if picked is not None and picked > _CHAIN_PROMPT:
        # DeepSeek-V3.2 and GLM pick otherwise in a pass of several tokens, once there are more than these.
        raise UnsupportedCacheError(f"a token sees the {picked} tokens it picks (index_topk), more than a trial reads")
    plan = ForwardPlan(chain=Chain(), steps=exchanges(model))
    try:
        return _try_chains(model, plan, rules.without_processors())
    except UnsupportedCacheError:
        return _try_chains(model, replace(plan, copies=True), rules.without_processors())


@_tried("chain of tokens")
def _try_chains(model: PreTrainedModel, plan: ForwardPlan, rules: GenerationRules) -> tuple[ForwardPlan, ExactVerdict]:
    size = int(model.get_input_embeddings().weight.shape[0])  # type: ignore[union-attr]
    prompt = [(7 + 3 * index) % size for index in range(_CHAIN_PROMPT)]
    path = [(11 + 13 * index) % size for index in range(_CHAIN_TOKENS)]
    session = _opened(model, plan, rules, prompt)
    plan = replace(plan, chain=session.chain)
    one_by_one = _logits(session, path, [(0, 0)] * _CHAIN_TOKENS, size)
    if bool(one_by_one.isnan().any()):
        raise UnsupportedCacheError("its logits are NaN")
    in_chains = _logits(_opened(model, plan, rules, prompt), path, _CHAIN_PASSES, size)
    ids = torch.tensor([prompt + path], device=model.device)
    whole = model(input_ids=ids, use_cache=False).logits[0, -_CHAIN_TOKENS:]
    # How far one pass over all tokens is from one pass per token is this model's rounding.
    allowed = allowed_error(distance(whole, one_by_one), one_by_one.dtype)
    if (found := distance(in_chains, one_by_one)) > allowed:
        raise UnsupportedCacheError(f"several tokens in one pass come out otherwise than one by one (by {found:.0e})")
    return plan, ExactVerdict.within_rounding(gap_changes(one_by_one, in_chains))


def _opened(
    model: PreTrainedModel, plan: ForwardPlan, rules: GenerationRules, prompt_ids: Sequence[int]
) -> ChainSession:
    session = ChainSession(model, plan, rules, len(prompt_ids) + 2 * _CHAIN_TOKENS)
    session.prefill(prompt_ids)
    return session


def _logits(session: ChainSession, path: Sequence[int], passes: Sequence[tuple[int, int]], size: int) -> Tensor:
    """The logits after every token of the path, shape ``(path, vocab)``; drafts go wrong behind the accepted tokens."""
    rows, start = [], 0
    for drafted, accepted in passes:
        end = start + 1 + accepted
        wrong = ((token_id + 1) % size for token_id in (29 * place for place in range(drafted - accepted)))
        rows.append(session.logits(DraftTree.on_trial((*path[start:end], *wrong)))[: 1 + accepted].clone())
        session.keep(range(1, 1 + accepted))
        start = end
    session.close()
    return torch.cat(rows)
