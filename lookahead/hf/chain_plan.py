"""Finding out, once per model, whether its forward pass reads several tokens at once as it reads them one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from transformers import PreTrainedModel

from lookahead.backend import UnsupportedCacheError, brief
from lookahead.draft import Chain, DraftTree
from lookahead.hf.chain_session import ChainSession
from lookahead.hf.exactness import ExactVerdict, gap_changes
from lookahead.hf.generation import GenerationRules
from lookahead.hf.model_config import setting, text_config
from lookahead.hf.plan import allowed_error, distance
from lookahead.hf.recurrence import made_stepwise
from lookahead.hf.session import ForwardPlan

_PROMPT = 5
_PASSES = ((3, 3), (3, 0), (3, 2), (0, 0), (3, 1), (2, 2), (1, 0), (1, 1), (0, 0), (15, 5))
"""Draft tokens of each pass, and how many of them are accepted: every place to go back to, twice in a row as well,
chains accepted whole with tokens read again before them, and passes without a draft."""
_TOKENS = sum(1 + accepted for _, accepted in _PASSES)


def find_chain_plan(
    model: PreTrainedModel, rules: GenerationRules, limit: int | None
) -> tuple[ForwardPlan, ExactVerdict]:
    """How to run chains through this model, and how much their logits vary, tried out on a few.

    Args:
        limit: Positions that the model has; None if there is no limit.

    Raises:
        UnsupportedCacheError: If the model cannot do it; the message says why.
    """
    if limit is not None and limit < _PROMPT + _TOKENS + max(drafted for drafted, _ in _PASSES):
        raise UnsupportedCacheError(f"{limit} positions are too few to try chains on")
    picked = setting(text_config(model), "index_topk")
    if picked is not None and picked > _PROMPT:
        # DeepSeek-V3.2 and GLM pick otherwise in a pass of several tokens, once there are more than these.
        raise UnsupportedCacheError(f"a token sees the {picked} tokens it picks (index_topk), which no trial goes past")
    plan = ForwardPlan(chain=Chain(), steps=made_stepwise(model))
    try:
        return _tried(model, plan, rules)
    except UnsupportedCacheError:
        return _tried(model, replace(plan, copies=True), rules)


def _tried(model: PreTrainedModel, plan: ForwardPlan, rules: GenerationRules) -> tuple[ForwardPlan, ExactVerdict]:
    try:
        with torch.inference_mode():
            return _try_chains(model, plan, rules.without_processors())
    except UnsupportedCacheError:
        raise
    except Exception as error:
        reason = f"its forward pass takes no chain of tokens ({brief(error.__cause__ or error)})"
        raise UnsupportedCacheError(reason) from error


def _try_chains(model: PreTrainedModel, plan: ForwardPlan, rules: GenerationRules) -> tuple[ForwardPlan, ExactVerdict]:
    size = int(model.get_input_embeddings().weight.shape[0])  # type: ignore[union-attr]
    prompt = [(7 + 3 * index) % size for index in range(_PROMPT)]
    path = [(11 + 13 * index) % size for index in range(_TOKENS)]
    session = _opened(model, plan, rules, prompt)
    plan = replace(plan, chain=session.chain)
    one_by_one = _logits(session, path, [(0, 0)] * _TOKENS, size)
    if bool(one_by_one.isnan().any()):
        raise UnsupportedCacheError("its logits are NaN")
    in_chains = _logits(_opened(model, plan, rules, prompt), path, _PASSES, size)
    whole = model(input_ids=torch.tensor([prompt + path], device=model.device), use_cache=False).logits[0, -_TOKENS:]
    # How far one pass over all tokens is from one pass per token is this model's rounding.
    allowed = allowed_error(distance(whole, one_by_one), one_by_one.dtype)
    if (found := distance(in_chains, one_by_one)) > allowed:
        raise UnsupportedCacheError(f"several tokens in one pass come out otherwise than one by one (by {found:.0e})")
    return plan, ExactVerdict.within_rounding(gap_changes(one_by_one, in_chains))


def _opened(
    model: PreTrainedModel, plan: ForwardPlan, rules: GenerationRules, prompt_ids: Sequence[int]
) -> ChainSession:
    session = ChainSession(model, plan, rules, len(prompt_ids) + 2 * _TOKENS)
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
