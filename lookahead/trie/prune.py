"""Pruning: bring a trie back within its bounds, the least used n-grams first.

Counts are halved, so that old n-grams give way to those that are frequent now. Nodes are ranked by the halved count,
then by how recently they were read. In that order no node comes before its parent or its suffix, so any top part of it
is a trie again, suffix links included. Leaves, each read once, are dropped by age with the oldest part of the log.
The n-grams of a running request's prompt stay, with their counts and their part of the log.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

import numpy as np

from lookahead.trie.nodes import NO_TOKEN, SEVERAL

if TYPE_CHECKING:
    from lookahead.trie import Trie

KEEP = 0.7
"""Share of the bound that a prune leaves filled, so that the next prune is far away."""


def prune(trie: Trie, spare_nodes: int = 0, spare_bytes: int = 0) -> int:
    """Shrink a trie to well below its bounds; returns how many nodes and leaves were removed.

    Node numbers change: older cursors become invalid (``trie.version`` increases), and the trie finds its own again.

    Args:
        spare_nodes: Nodes that must fit under the capacity afterwards.
        spare_bytes: Bytes that must fit under ``max_bytes`` afterwards.
    """
    before = len(trie) + trie.leaves
    recent = _recent_tokens(trie)
    share = 1.0
    if trie.capacity is not None and before:
        share = min(share, KEEP * max(0, trie.capacity - spare_nodes) / before)
    if trie.max_bytes is not None:
        share = min(share, KEEP * max(0, trie.max_bytes - spare_bytes) / trie.bytes())
    size, first = 0, True
    while (len(trie) + trie.leaves, len(trie.log)) != size:
        size = len(trie) + trie.leaves, len(trie.log)
        _shrink(trie, share, decay=first)
        first = False
        fits = trie.capacity is None or len(trie) + trie.leaves + spare_nodes <= trie.capacity
        light = trie.max_bytes is None or trie.bytes() + spare_bytes <= trie.max_bytes
        if fits and light:
            break
        share = 0.7
    gone = before - len(trie) - trie.leaves
    trie.pruned += gone
    trie.version += 1
    trie.find_cursors(recent)
    return gone


def _recent_tokens(trie: Trie) -> list[int]:
    """The last tokens of the current sequence, at most one window."""
    recent = trie.log[-(trie.max_depth - 1) :].tolist()
    for index in range(len(recent) - 1, -1, -1):
        if recent[index] < 0:
            return recent[index + 1 :]
    return recent


def _shrink(trie: Trie, share: float, decay: bool) -> None:
    """Keep this share of the nodes and of the leaves."""
    keep, counts = most_used(trie, share, decay)
    cut = _cut(trie, keep, share)
    number = np.cumsum(keep, dtype=np.int64) - 1
    take(trie, keep, number, counts)
    _take_children(trie, keep, number, cut)
    if cut > trie.log_start and not trie.border:
        trie.log = trie.log[cut - trie.log_start :]
        trie.log_start = cut


def most_used(trie: Trie, share: float, decay: bool) -> tuple[np.ndarray, np.ndarray]:
    """Which nodes are kept, parents and suffixes of kept ones among them, and their counts; shape ``(nodes,)`` each.

    Args:
        share: How many of those outside the prompt are kept.
        decay: Halve the counts.
    """
    in_prompt = np.array(trie.prompt_counts, dtype=np.int32)
    in_prompt[0] = trie.border
    counts = np.array(trie.counts, dtype=np.int32)
    if decay:
        counts = in_prompt + ((counts - in_prompt) >> 1)
        counts[1:] = np.maximum(counts[1:], 1)
    starts = np.array(trie.last, dtype=np.int64) - np.array(trie.depths, dtype=np.int64)
    _level(trie, counts, starts)
    nodes = len(counts)
    order = np.lexsort((np.arange(1, nodes), -starts[1:], -counts[1:])) + 1
    order = order[in_prompt[order] == 0]
    keep = in_prompt > 0
    keep[0] = True
    keep[order[: int(share * len(order))]] = True
    return keep, counts


def _level(trie: Trie, counts: np.ndarray, starts: np.ndarray) -> None:
    """Limit every n-gram's use to that of its parts.

    Halving between a context and its successor can leave the successor one ahead, and a file may contain anything.
    """
    depths, parents, links = np.array(trie.depths), np.array(trie.parents), np.array(trie.links)
    for depth in range(2, int(depths.max()) + 1):
        nodes = np.flatnonzero(depths == depth)
        for values in (counts, starts):
            values[nodes] = np.minimum(values[nodes], np.minimum(values[parents[nodes]], values[links[nodes]]))


def _cut(trie: Trie, keep: np.ndarray, share: float) -> int:
    """The log position from which leaves are kept, besides those of the prompt."""
    positions = [~child for node in _with_fans(trie, keep) for child in trie.fan(node).values() if child < 0]
    only = np.array(trie.only_child, dtype=np.int64)
    only = ~only[(only < 0) & keep]
    everything = np.concatenate([only, np.array(positions, dtype=np.int64)])
    everything = everything[everything >= trie.border]
    kept = int(share * len(everything))
    if kept <= 0:
        return trie.end
    if kept >= len(everything):
        return trie.log_start
    # Leaves at the same position are kept or dropped together, so one position later never keeps too many.
    return int(np.partition(everything, len(everything) - kept)[len(everything) - kept]) + 1


def take(trie: Trie, keep: np.ndarray, number: np.ndarray, counts: np.ndarray) -> None:
    """Keep the rows of the remaining nodes, and renumber parents and links."""

    def taken(values: np.ndarray, code: str = "i") -> array:
        return array(code, values[keep].astype(np.int8 if code == "b" else np.int32).tobytes())

    parents, links = np.array(trie.parents), np.array(trie.links)
    trie.parents = taken(np.where(parents >= 0, number[parents], -1))
    trie.links = taken(np.where(links >= 0, number[links], -1))
    trie.counts = taken(counts)
    trie.tokens = taken(np.array(trie.tokens))
    trie.prompt_counts = taken(np.array(trie.prompt_counts))
    trie.last = taken(np.array(trie.last))
    trie.depths = taken(np.array(trie.depths), "b")


def _stays(position: Any, trie: Trie, cut: int) -> Any:
    """Whether the leaf at a log position stays; also for an array of positions."""
    return (position >= cut) | (position < trie.border)


def _take_children(trie: Trie, keep: np.ndarray, number: np.ndarray, cut: int) -> None:
    """Keep the remaining children: renumbered nodes, and leaves whose position is still in the log."""
    tokens = np.array(trie.only_token)
    children = np.where(tokens >= 0, np.array(trie.only_child, dtype=np.int64), 0)
    stays = np.where(children > 0, keep[np.maximum(children, 0)], _stays(~children, trie, cut)) & (children != 0)
    renumbered = np.where(children > 0, number[np.maximum(children, 0)], children)
    only_token = array("i", np.where(stays, tokens, NO_TOKEN)[keep].astype(np.int32).tobytes())
    only_child = array("i", np.where(stays, renumbered, 0)[keep].astype(np.int32).tobytes())
    fans: dict[int, dict[int, int]] = {}
    for node in _with_fans(trie, keep):
        kept = {
            token_id: int(number[child]) if child > 0 else child
            for token_id, child in trie.fan(node).items()
            if (keep[child] if child > 0 else _stays(~child, trie, cut))
        }
        if len(kept) > 1:
            fans[int(number[node])] = kept
        elif kept:
            (only_token[int(number[node])], only_child[int(number[node])]) = next(iter(kept.items()))
    trie.only_token, trie.only_child = only_token, only_child
    trie.set_fans(fans)


def _with_fans(trie: Trie, keep: np.ndarray) -> list[int]:
    """The remaining nodes that have several children."""
    return np.flatnonzero((np.array(trie.only_token) == SEVERAL) & keep).tolist()
