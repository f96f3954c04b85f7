"""The nodes of a trie in flat arrays: one row per node, without Python objects."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from heapq import nlargest

ROOT = 0
TOKEN_BITS = 24
MAX_TOKEN_ID = 1 << TOKEN_BITS
"""Token ids are below this."""
NO_TOKEN = -1
"""Separates two sequences in the token log: no n-gram crosses it."""

SEVERAL = -2
"""Value of ``only_token`` that says: this node has several children, see ``fans``."""

WIDE = 8
"""A node with more children than this keeps a short list of its most frequent ones."""
RANKED = 24
"""Length of that list: the most branches of a draft at one node."""


class NodeTable:
    """Nodes, their counts and their children.

    A child is a node (> 0), a leaf (``~position`` of its token in the log, < 0) or 0 for none. A node with one child
    keeps it in ``only_token`` and ``only_child``; a node with several has ``SEVERAL`` and the index of their dict in
    ``fans`` there.
    """

    def __init__(self) -> None:
        self.tokens = array("i", [NO_TOKEN])
        self.parents = array("i", [-1])
        self.links = array("i", [-1])
        self.counts = array("i", [0])
        self.prompt_counts = array("i", [0])
        self.last = array("i", [-1])
        self.depths = array("b", [0])
        self.only_token = array("i", [NO_TOKEN])
        self.only_child = array("i", [0])
        self.fans: list[dict[int, int]] = []
        self.ranked: dict[int, list[int]] = {}
        """Wide node -> tokens of its most frequent children."""
        self.rank_again: dict[int, int] = {}
        """Wide node -> count at which to rank them again."""
        self.leaves = 0
        self.entries = 0
        """Children in all dicts together."""

    def __len__(self) -> int:
        """Number of nodes without the root."""
        return len(self.tokens) - 1

    def child(self, node: int, token_id: int) -> int:
        """The child of ``node`` by ``token_id``: a node (> 0), a leaf (``~position``, < 0) or 0 for none."""
        only = self.only_token[node]
        if only == token_id:
            return self.only_child[node]
        return self.fans[self.only_child[node]].get(token_id, 0) if only == SEVERAL else 0

    def children(self, node: int) -> Iterator[tuple[int, int]]:
        """All ``(token, child)`` pairs of a node, in no particular order."""
        only = self.only_token[node]
        if only == SEVERAL:
            yield from self.fan(node).items()
        elif only != NO_TOKEN:
            yield only, self.only_child[node]

    def fan(self, node: int) -> dict[int, int]:
        """The children of a node with several, by token."""
        return self.fans[self.only_child[node]]

    def append_node(self, token_id: int, parent: int, link: int, count: int, last: int, depth: int) -> None:
        """Add a node without children; the caller links it to its parent."""
        self.tokens.append(token_id)
        self.parents.append(parent)
        self.links.append(link)
        self.counts.append(count)
        self.prompt_counts.append(0)
        self.last.append(last)
        self.depths.append(depth)
        self.only_token.append(NO_TOKEN)
        self.only_child.append(0)

    def set_fans(self, fans: Mapping[int, dict[int, int]]) -> None:
        """Set the children of all nodes with several; counts and rankings are derived from them."""
        self.leaves = sum(child < 0 for child in self.only_child)
        self.leaves += sum(child < 0 for children in fans.values() for child in children.values())
        self.entries = sum(map(len, fans.values()))
        self.fans = list(fans.values())
        self.ranked, self.rank_again = {}, {}
        for place, (node, children) in enumerate(fans.items()):
            self.only_token[node], self.only_child[node] = SEVERAL, place
            if len(children) > WIDE:
                self.rank(node)

    def add_leaf(self, node: int, token_id: int, position: int) -> None:
        """Add an n-gram that is read for the first time under a node."""
        self.leaves += 1
        only = self.only_token[node]
        if only == NO_TOKEN:
            self.only_token[node] = token_id
            self.only_child[node] = ~position
            return
        if only == SEVERAL:
            children = self.fan(node)
        else:
            children = {only: self.only_child[node]}
            self.only_token[node], self.only_child[node] = SEVERAL, len(self.fans)
            self.fans.append(children)
            self.entries += 1
        children[token_id] = ~position
        self.entries += 1
        if len(children) > WIDE and node not in self.ranked:
            self.rank(node)

    def rank(self, node: int) -> None:
        """Store the most frequent children of a wide node, and when to rank them again."""
        children, counts = self.fan(node), self.counts
        best = nlargest(RANKED, children.items(), key=lambda item: counts[item[1]] if item[1] > 0 else 1)
        self.ranked[node] = [token_id for token_id, _ in best]
        self.rank_again[node] = counts[node] + (counts[node] >> 3) + 2
