"""Attention supervision: in training, chosen heads are shown where to look.

Choosing and quoting a sentence takes hops, and each has a head here: a passage token finds the start of its sentence,
a question token finds the sentence it is about, the answer's first tokens listen to the question tokens that found one
and look there themselves, and an answer token finds the passage token it copies. Nothing of this is left in the model
that is saved: the heads are ordinary ones.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .alphabet import JOIN, byte_id
from .packing import Batch

START_HEADS = ((1, 0, 0), (2, 0, 1), (2, 2, 2))
"""(layer, head, offset): a passage token looks at the token ``offset`` after the start of its sentence."""
GOLD_HEADS = ((2, 1), (3, 0), (4, 0))
"""(layer, head): a question token looks anywhere into the sentence that is asked for."""
CHOICE_HEADS = ((4, 0), (5, 1))
"""(layer, head): the first answer tokens look anywhere into that sentence."""
VOTE_HEADS = ((3, 1), (3, 2))
"""(layer, head): the first answer tokens look at the question tokens that occur in that sentence alone."""
COPY_HEADS = ((5, 0), (6, 0))
"""(layer, head): an answer token looks at the passage token that comes next in the quotation."""

WATCHED = tuple(sorted({layer for layer, *_ in (*START_HEADS, *GOLD_HEADS, *CHOICE_HEADS, *VOTE_HEADS, *COPY_HEADS)}))

Seen = dict[int, tuple[Tensor, Tensor]]


def log_attention(seen: Seen, layer: int, head: int, mask: Tensor) -> Tensor:
    """Log of one head's attention, ``(rows, length, length)``, fp32."""
    q, k = seen[layer]
    scores = torch.matmul(q[:, head], k[:, head].transpose(-1, -2)) * q.shape[-1] ** -0.5 + mask[:, 0]
    return scores.float().log_softmax(-1)


def weighted(losses: Tensor, weights: Tensor) -> Tensor:
    """The weighted mean; 0 where nothing has a weight."""
    return (losses * weights).sum() / weights.sum().clamp(min=1e-6)


def attention_on(log_p: Tensor, target: Tensor) -> Tensor:
    """Log of the attention on ``target`` (on position 0 where there is none), ``(rows, length)``."""
    return log_p.gather(-1, target.clamp(min=0)[..., None])[..., 0]


def jumps(sources: Tensor) -> Tensor:
    """True where a quotation begins: the token before was not copied from the place before, ``(rows, length)``."""
    return (sources >= 0) & (sources != sources.roll(1, dims=1) + 1)


def supervision_losses(seen: Seen, batch: Batch) -> dict[str, Tensor]:
    """Losses of the five kinds of heads, each averaged over its heads.

    Question tokens that tell nothing count little; so does a quotation after its first tokens, where its place is
    chosen, since the rest follows from them.
    """
    mask = batch.mask
    start, gold, choice, vote, copy = [], [], [], [], []
    position = torch.arange(batch.ids.shape[1], device=batch.ids.device)
    for layer, head, offset in START_HEADS:
        target = batch.starts + offset
        wanted = (batch.starts >= 0) & (target < position)
        log_p = log_attention(seen, layer, head, mask)
        start.append(-weighted(attention_on(log_p, target.minimum(position)), wanted.float()))
    asked = ((batch.gold >= 0) & (batch.weights == 0)) * torch.where(batch.telling == 1, 1.0, 0.1)
    in_gold = batch.gold[:, :, None] == batch.sentence[:, None, :]
    for layer, head in GOLD_HEADS:
        log_p = log_attention(seen, layer, head, mask).masked_fill(~in_gold, -30.0)
        gold.append(-weighted(log_p.logsumexp(-1), asked))
    opening = ((batch.gold >= 0) & (batch.weights > 1)) * torch.where(batch.telling == 2, 1.0, 0.3)
    for layer, head in CHOICE_HEADS:
        log_p = log_attention(seen, layer, head, mask).masked_fill(~in_gold, -30.0)
        choice.append(-weighted(log_p.logsumexp(-1), opening))
    told = (batch.telling == 1)[:, None, :]
    for layer, head in VOTE_HEADS:
        log_p = log_attention(seen, layer, head, mask).masked_fill(~told, -30.0)
        vote.append(-weighted(log_p.logsumexp(-1).clamp(min=-30.0), (batch.telling == 2).float()))
    chosen = (batch.sources >= 0) & (batch.ids != byte_id(JOIN))  # what follows that mark is a mark: nothing to choose
    copied = chosen * torch.where((batch.weights > 1) | jumps(batch.sources), 3.0, 0.2)
    for layer, head in COPY_HEADS:
        copy.append(-weighted(attention_on(log_attention(seen, layer, head, mask), batch.sources), copied))
    return {"start": mean(start), "gold": mean(gold), "choice": mean(choice), "vote": mean(vote), "copy": mean(copy)}


def mean(losses: list[Tensor]) -> Tensor:
    """The mean of several scalars."""
    return torch.stack(losses).mean()
