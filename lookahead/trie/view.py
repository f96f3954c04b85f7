"""Inspecting a trie: finding n-grams, and the neighbourhood of a match. For people, not for drafting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from lookahead.trie import ROOT, Trie


@dataclass(frozen=True, slots=True)
class TrieNodeView:
    """One n-gram of a trie, for display.

    Attributes:
        child: Node number (>= 0), or ``~position`` for an n-gram read once.
        parent: Index of its parent in the same list, -1 for the first.
        token_id: Its last token, -1 for the root.
        depth: Tokens in the n-gram.
        count: How often it was read.
        prompt_count: How many of these were in the prompt.
        last_position: Position of its last token in the token log, at the most recent occurrence.
    """

    child: int
    parent: int
    token_id: int
    depth: int
    count: int
    prompt_count: int
    last_position: int


def find(trie: Trie, token_ids: Sequence[int]) -> int | None:
    """The node of an n-gram, ``~position`` if it was read once, None if it was not read (or is too long)."""
    child = ROOT
    for token_id in token_ids[: trie.max_depth]:
        if child >= 0:
            child = trie.child(child, token_id)
            if child == ROOT:
                return None
        elif trie.following(~child) == token_id:
            child -= 1
        else:
            return None
    return child if len(token_ids) <= trie.max_depth else None


def neighbourhood(trie: Trie, node: int, most: int, deepest: int) -> list[TrieNodeView]:
    """The most frequent part of the subtree under a node: the node first, parents before children.

    Args:
        node: The start: a node, or ``~position`` of an n-gram read once (depths then count from there).
        most: Most n-grams in the list (>= 1).
        deepest: Levels below the node; an n-gram read once is followed that far in the token log.
    """
    start = trie.depths[node] if node >= 0 else 0
    views: list[TrieNodeView] = []
    first = _view(trie, node, -1, trie.tokens[node] if node >= 0 else trie.log[~node - trie.log_start], start)
    heap: list[tuple[int, int, int, TrieNodeView]] = [(-first.count, 0, 0, first)]
    pushed = 0
    while heap and len(views) < most:
        _, _, _, view = heappop(heap)
        index = len(views)
        views.append(view)
        if view.depth - start >= deepest:
            continue
        if view.child >= 0:
            below = [_view(trie, child, index, token, view.depth + 1) for token, child in trie.children(view.child)]
        else:
            token = trie.following(~view.child)
            below = [_view(trie, view.child - 1, index, token, view.depth + 1)] if token >= 0 else []
        for child in below:
            pushed += 1
            heappush(heap, (-child.count, child.depth, pushed, child))
    return views


def _view(trie: Trie, child: int, parent: int, token_id: int, depth: int) -> TrieNodeView:
    if child < 0:
        return TrieNodeView(child, parent, token_id, depth, 1, int(~child < trie.border), ~child)
    count = trie.counts[child]
    in_prompt = (
        min(trie.border, count) if child == ROOT else trie.prompt_counts[child]
    )  # the trie counts none at its root
    return TrieNodeView(child, parent, token_id, depth, count, in_prompt, trie.last[child])
