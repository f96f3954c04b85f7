"""Attention supervision: in training, chosen heads are shown where to look.

Choosing and quoting a sentence takes hops, and each has a head here: a passage token finds the start of its sentence,
a question token finds the sentence it is about, the answer's first tokens listen to the question tokens that found one
and look there themselves, and an answer token finds the passage token it copies. In an edit the new name is paired with
the old one, and where it is due the answer looks at it. Some see the tokens before, one to eight away, so that a
place is known by more than the last word. Nothing of this is left in the model that is saved: the heads are ordinary
ones.
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
"""(layer, head): an answer token looks at the token that comes next in the quotation; the first of these heads
looks into the passage even where something from the question takes the place of what is there.
"""
BEFORE_HEADS = ((1, 3, 1), (1, 2, 2), (1, 1, 3), (4, 3, 4), (4, 1, 8))
"""(layer, head, distance): every token looks at the one at that distance before it.

What the later ones look at knows the three tokens before it already, so that a place is known by the last eleven.
"""
PAIR_HEADS = ((3, 3),)
"""(layer, head): of an old and a new name in a question the later one looks at the earlier."""

SUPERVISED = (*START_HEADS, *GOLD_HEADS, *CHOICE_HEADS, *VOTE_HEADS, *COPY_HEADS, *BEFORE_HEADS, *PAIR_HEADS)
WATCHED = tuple(sorted({layer for layer, *_ in SUPERVISED}))

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


def supervision_losses(seen: Seen, batch: Batch, places: bool = True) -> dict[str, Tensor]:
    """Losses of the kinds of heads, each averaged over its heads.

    Question tokens that tell nothing count little; so does a quotation after its first tokens, where its place is
    chosen, since the rest follows from them. Without ``places`` the heads that find the start of a sentence, the tokens
    just before and the pairs of an edit are left to themselves: they learn first, and each costs time.
    """
    mask = batch.mask
    start, gold, choice, vote, copy = [], [], [], [], []
    position = torch.arange(batch.ids.shape[1], device=batch.ids.device)
    for layer, head, offset in START_HEADS if places else ():
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
    copied = chosen * batch.copying
    for number, (layer, head) in enumerate(COPY_HEADS):
        target = batch.sources if number else batch.followed
        copy.append(-weighted(attention_on(log_attention(seen, layer, head, mask), target), copied))
    named = {"gold": gold, "choice": choice, "vote": vote, "copy": copy}
    if places:
        paired = (batch.pairs >= 0).float()
        pair = [attention_on(log_attention(seen, layer, head, mask), batch.pairs) for layer, head in PAIR_HEADS]
        named |= {"start": start, "before": before_losses(seen, batch), "pair": [-weighted(p, paired) for p in pair]}
    return {name: mean(losses) for name, losses in named.items()}


def before_losses(seen: Seen, batch: Batch) -> list[Tensor]:
    """Losses of the heads that look at tokens before; only where these are in the same passage or answer."""
    index = torch.arange(batch.ids.shape[1], device=batch.ids.device)
    losses = []
    for layer, head, distance in BEFORE_HEADS:
        target = (index - distance).expand_as(batch.ids)
        reached = batch.positions == batch.positions.gather(1, target.clamp(min=0)) + distance
        log_p = log_attention(seen, layer, head, batch.mask)
        reached &= (target >= 0) & (batch.positions > 0)
        losses.append(-weighted(attention_on(log_p, target).masked_fill(~reached, 0.0), reached.float()))
    return losses


def mean(losses: list[Tensor]) -> Tensor:
    """The mean of several scalars."""
    return torch.stack(losses).mean()
