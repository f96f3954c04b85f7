"""The likeliest next tokens of every row of logits, packed as ``sources/recycled.py`` keeps them."""

from __future__ import annotations

import torch
from torch import Tensor

from lookahead.hf.sampling import largest
from lookahead.sources.recycled import SHARES, TOP


def successors(logits: Tensor) -> Tensor:
    """The packed rows of logits ``(n, vocab)``, shape ``(n, TOP)``, on their device; the host is not waited for.

    A share that rounds to nothing is zero, token and all, and so is a whole row without a largest logit (NaN).
    """
    values, ids = largest(logits, min(TOP, logits.shape[1]))
    shares = values.float().softmax(dim=-1).mul(SHARES).round().nan_to_num(0).long()
    packed = (ids << 8 | shares) * (shares > 0)
    return torch.nn.functional.pad(packed, (0, TOP - packed.shape[1]))


def to_host(packed: Tensor) -> Tensor:
    """A copy on the host, which is whole once the host has waited for anything computed later on the device."""
    return packed.to("cpu", torch.int64, non_blocking=packed.is_cuda)


def to_bytes(packed: Tensor) -> bytes:
    """Packed rows on the host as bytes."""
    return packed.numpy().astype("<u4").tobytes()
