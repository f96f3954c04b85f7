"""The likeliest next tokens of every row of logits, packed as ``sources/model.py`` keeps them."""

from __future__ import annotations

import torch
from torch import Tensor

from lookahead.sources.model import SHARES, TOP

_CHUNK = 64
"""Logits whose largest one stands for all at first: the ``TOP`` largest lie in the ``TOP`` chunks of largest maxima."""


def successors(logits: Tensor) -> Tensor:
    """The packed rows of logits ``(n, vocab)``, shape ``(n, TOP)``, on their device; the host is not waited for.

    A share that rounds to nothing is zero, token and all, and so is a whole row without a largest logit (NaN).
    """
    values, ids = _largest(logits, min(TOP, logits.shape[1]))
    shares = values.float().softmax(dim=-1).mul(SHARES).round().nan_to_num(0).long()
    packed = (ids << 8 | shares) * (shares > 0)
    return torch.nn.functional.pad(packed, (0, TOP - packed.shape[1]))


def _largest(logits: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Values and indices of the largest logits of every row, shape ``(n, count)``, as ``topk`` has them.

    On a CPU ``topk`` over a whole vocabulary takes several times as long as finding the largest one.
    """
    vocab_size = logits.shape[1]
    chunks = vocab_size // _CHUNK
    if chunks < 2 * TOP:
        return logits.topk(count, dim=-1)
    best = logits[:, : chunks * _CHUNK].unflatten(1, (chunks, _CHUNK)).amax(dim=-1)
    chosen = best.topk(TOP, dim=-1, sorted=False).indices
    places = (chosen[..., None] * _CHUNK + torch.arange(_CHUNK, device=logits.device)).flatten(1)
    rest = torch.arange(chunks * _CHUNK, vocab_size, device=logits.device).expand(len(logits), -1)
    places = torch.cat((places, rest), dim=1)
    values, inner = logits.gather(1, places).topk(count, dim=-1)
    return values, places.gather(1, inner)


def to_host(packed: Tensor) -> Tensor:
    """A copy on the host, which is whole once the host has waited for anything computed later on the device."""
    return packed.to("cpu", torch.int64, non_blocking=packed.is_cuda)


def to_bytes(packed: Tensor) -> bytes:
    """Packed rows on the host as bytes."""
    return packed.numpy().astype("<u4").tobytes()
