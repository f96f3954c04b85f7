"""Attention whose bits for a token do not depend on what else is in the pass: registered with transformers.

The keys of a query form a path: committed rows, then the ancestors of its node and the node itself. They are cut into
blocks of ``BLOCK`` at fixed positions. The maximum over all keys is exact in any order. A block adds one matrix product
to the result, block after block; keys that the query does not see have weight 0 there and add nothing, so a block may
hold other nodes' rows in between. Values get columns of ones, so that the same products add up the weights. How many
rows of a path are committed already then changes no bit, as long as a matrix product adds up one row's terms in order,
whatever the number of rows: ``hf/exactness.py`` measures whether.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "lookahead"
"""The attention's name in a model's configuration."""
BLOCK = 64
_ROWS, _COLUMNS = 4, 16
"""Matrix products get a multiple of so many rows, and at least so many columns and terms: others take other kernels."""
_PLACES, _WITH_ONES = "lookahead_places", "lookahead_with_ones"
ONES = _COLUMNS
"""Columns of ones that values get."""


@dataclass(frozen=True, slots=True)
class TreePlaces:
    """Where the rows of a draft tree belong, relative to the block that holds the root.

    Attributes:
        blocks: Number of blocks, up to that of the deepest node.
        inside: 1 where a row is in a block, shape ``(blocks, rows)``; the rows are those from the block's start on.
    """

    blocks: int
    inside: Tensor

    @classmethod
    def of(cls, depths: Sequence[int], length: int, dtype: torch.dtype, device: torch.device) -> TreePlaces:
        """The places of a tree after ``length`` committed rows, in a model of this dtype."""
        before = length % BLOCK
        blocks = (before + max(depths)) // BLOCK + 1
        own = np.concatenate((np.zeros(before, np.int64), (before + np.asarray(depths)) // BLOCK))
        inside = (own == np.arange(blocks)[:, None]).astype(np.float32)
        return cls(blocks, torch.from_numpy(inside).to(device, compute_dtype(dtype)))


def placed(mask: Tensor, places: TreePlaces | int) -> Tensor:
    """The mask, which from now on carries the places of its pass: a tree's, or the first key's position.

    A mask without places is that of a chain whose first key has position 0. Places change the order of additions
    only; what a query sees is the mask's.
    """
    setattr(mask, _PLACES, places)
    return mask


def carrying(values: Tensor, with_ones: Tensor) -> Tensor:
    """The values, which from now on carry themselves with their columns of ones, in the dtype that is computed in."""
    setattr(values, _WITH_ONES, with_ones)
    return values


def register() -> None:
    """Make the attention known to transformers by its name; a model takes it with ``set_attn_implementation``."""
    AttentionInterface.register(NAME, block_attention)
    AttentionMaskInterface.register(NAME, _mask)


def compute_dtype(dtype: torch.dtype) -> torch.dtype:
    """The dtype that a model of this dtype computes its attention in."""
    return torch.promote_types(dtype, torch.float32)


def _mask(*args: Any, **kwargs: Any) -> Tensor | None:
    """The boolean mask of a pass without a draft tree, with the first key's position where that is not 0."""
    first = int(kwargs.get("kv_offset", 0))
    if not first:
        return sdpa_mask(*args, **kwargs)
    mask = sdpa_mask(*args, **{**kwargs, "allow_is_causal_skip": False})
    assert mask is not None
    return placed(mask, first)


def block_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """The attention's output, shape ``(1, n, heads, size)``; what transformers asks of an ``AttentionInterface``.

    A prompt takes transformers' own: every way of decoding shares that pass. So does a batch.
    """
    (batch, heads, count, _), (_, kv_heads, rows, _) = query.shape, key.shape
    places = getattr(attention_mask, _PLACES, 0)
    biased = kwargs.get("position_bias") is not None
    if batch > 1 or biased or (1 < count == rows and places == 0 and softcap is None and s_aux is None):
        key, value = key.to(query.dtype), value.to(query.dtype)  # a cache may keep them in the dtype computed in
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **kwargs)
    dtype = compute_dtype(query.dtype)
    lines, size = heads // kv_heads * count, value.shape[-1]
    tree = places if isinstance(places, TreePlaces) else None
    lead = 0 if isinstance(places, TreePlaces) else places % BLOCK
    queries = _filled(query[0].to(dtype).reshape(kv_heads, lines, -1), behind=-lines % _ROWS)
    short = max(0, _COLUMNS - lead - rows)
    keys, values = _filled(key[0].to(dtype), lead, short), _with_ones(value, dtype, lead, short)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    scores = torch.baddbmm(keys.new_zeros(()), queries, keys.transpose(1, 2), beta=0, alpha=scale)
    if softcap is not None:
        scores.div_(softcap).tanh_().mul_(softcap)
    _close(scores, attention_mask, lead, rows, count, lines)
    highest = scores.amax(-1, keepdim=True)
    sinks = None if s_aux is None else s_aux.to(dtype).view(kv_heads, -1, 1, 1).expand(-1, -1, count, 1)
    if sinks is not None:
        sinks = _filled(sinks.reshape(kv_heads, lines, 1), behind=-lines % _ROWS)
        highest = torch.maximum(highest, sinks)
    weights = scores.sub_(highest).exp_()
    end = lead + rows
    result = _weighted(weights, values, end - count, end, tree)
    total = result[..., size : size + 1]
    if sinks is not None:
        total = total + (sinks - highest).exp_()
    output = (result[..., :size] / total)[:, :lines]
    output = output.reshape(1, heads, count, -1).transpose(1, 2)
    return output.to(query.dtype).contiguous(), None


def _filled(part: Tensor, before: int = 0, behind: int = 0) -> Tensor:
    """The rows with rows of zeros before and behind."""
    return functional.pad(part, (0, 0, before, behind)) if before or behind else part


def _close(scores: Tensor, mask: Tensor | None, lead: int, rows: int, count: int, lines: int) -> None:
    """Apply the mask to the scores, and close the columns that are not keys."""
    if lead:
        scores[..., :lead] = float("-inf")
    if lead + rows < scores.shape[-1]:
        scores[..., lead + rows :] = float("-inf")
    if mask is None:
        if count == 1:
            return
        mask = torch.ones((1, 1, count, rows), dtype=torch.bool, device=scores.device).tril_(rows - count)
    seen = scores[:, :lines, lead : lead + rows].unflatten(1, (-1, count))
    if mask.dtype == torch.bool:
        seen.masked_fill_(~mask[0, :, :, :rows], float("-inf"))
    else:
        seen.add_(mask[0, :, :, :rows])


def _with_ones(value: Tensor, dtype: torch.dtype, before: int, behind: int) -> Tensor:
    """The values with columns of ones, and with rows before and behind, shape ``(kv_heads, rows, size + ONES)``."""
    if (known := getattr(value, _WITH_ONES, None)) is not None:
        return _filled(known[0], before, behind)
    kv_heads, rows, size = value.shape[1:]
    values = torch.empty((kv_heads, before + rows + behind, size + ONES), dtype=dtype, device=value.device)
    values[:, before : before + rows, :size] = value[0]
    values[..., size:] = 1
    if before or behind:
        values[:, :before, :size] = 0
        values[:, before + rows :, :size] = 0
    return values


def _weighted(weights: Tensor, values: Tensor, committed: int, end: int, tree: TreePlaces | None) -> Tensor:
    """The weighted sum of the values, block after block."""
    border = committed // BLOCK * BLOCK
    parts: list[tuple[Tensor, Tensor]] = []
    for start in range(0, end if tree is None else border, BLOCK):
        stop = min(start + BLOCK, end)
        parts.append((weights[..., start:stop], values[:, start:stop]))
    if tree is not None:
        last = weights[..., border:end]
        own = [last] if tree.blocks == 1 else [last * inside for inside in tree.inside]
        parts += [(one, values[:, border:end]) for one in own]
    result = torch.bmm(*_wide(*parts[0]))
    for part in parts[1:]:
        result.baddbmm_(*_wide(*part))
    return result


def _wide(weights: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Both with as many terms as a matrix product needs."""
    if short := max(0, _COLUMNS - values.shape[1]):
        return functional.pad(weights, (0, short)), _filled(values, behind=short)
    return weights, values
