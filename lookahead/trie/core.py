"""The Trie: counts of all n-grams that it has read, and a token log where chains continue.

Node 0 is the root, the empty n-gram. A node represents one n-gram of at most ``max_depth`` tokens; its count is
how often that n-gram was read. An n-gram read once is not a node yet: it is a **leaf**, a position in the token log,
written as ``~position`` in the place of a child. It becomes a node when it is read a second time. The continuation
of a leaf comes straight from the log, however long the copy is.

All nodes are in flat arrays. A node with one child keeps it in two of them; only a node with several has a dict.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import index

from lookahead.trie.nodes import MAX_TOKEN_ID, NO_TOKEN, RANKED, ROOT, SEVERAL, NodeTable
from lookahead.trie.prune import prune

MIN_CAPACITY = 2_000
MIN_BYTES = 1_000_000

_NODE_BYTES = 8 * 4 + 2
_DICT_BYTES = 240
_ENTRY_BYTES = 100
_GROWTH_BYTES = 500
"""Most bytes that one more node can add, a dict for its parent included."""


@dataclass(frozen=True, slots=True)
class TrieStats:
    """The size of a trie: nodes (the root excluded), leaves, tokens in the log, bytes, nodes and leaves pruned."""

    nodes: int
    leaves: int
    tokens: int
    bytes: int
    pruned: int


class Trie(NodeTable):
    """Counts of all n-grams of the sequences it was extended with.

    Public: ``begin``, ``extend``, ``insert``, ``stats`` and its length. Everything else is internal to
    ``lookahead.trie`` and ``lookahead.search``, and may change.

    Args:
        max_depth: Longest n-gram that is counted (a context of ``max_depth - 1`` tokens and its successor).
        capacity: Most nodes and leaves together; None means no bound.
        max_bytes: Most bytes by ``stats().bytes``; None means no bound.

    Raises:
        ValueError: If a bound is too small to hold anything.
    """

    def __init__(self, max_depth: int = 16, capacity: int | None = None, max_bytes: int | None = None) -> None:
        if not 2 <= max_depth <= 100:
            raise ValueError(f"max_depth={max_depth}; need 2 (one token of context) to 100")
        if capacity is not None and capacity < MIN_CAPACITY:
            raise ValueError(f"capacity={capacity}; need at least {MIN_CAPACITY} nodes")
        if max_bytes is not None and max_bytes < MIN_BYTES:
            raise ValueError(f"max_bytes={max_bytes}; need at least {MIN_BYTES}")
        super().__init__()
        self.max_depth = max_depth
        self.capacity = capacity
        self.max_bytes = max_bytes
        self.version = 0
        """Increases when node numbers change (at a prune): older cursors become invalid."""
        self.pruned = 0
        self.log = array("i")
        self.log_start = 0
        """Position of ``log[0]``: older tokens were pruned."""
        self.border = 0
        """Positions before this belong to the prompt (in a request's trie); 0 if there is no prompt."""
        self._cursors: list[int] = [ROOT]

    # ------------------------------------------------------------------ reading

    @property
    def end(self) -> int:
        """Position after the last token read."""
        return self.log_start + len(self.log)

    def following(self, position: int) -> int:
        """The token after a log position; ``NO_TOKEN`` at the end of the sequence or the log."""
        index = position + 1 - self.log_start
        return self.log[index] if 0 < index < len(self.log) else NO_TOKEN

    def cursors(self) -> Sequence[int]:
        """The nodes of the current sequence's suffixes, as far as they are nodes, shortest (the root) first."""
        return self._cursors

    # ------------------------------------------------------------------ growing

    def begin(self) -> None:
        """Start a new sequence: no n-gram crosses the border."""
        if self.log and self.log[-1] != NO_TOKEN:
            self.log.append(NO_TOKEN)
        self._cursors = [ROOT]

    def extend(self, token_ids: Iterable[int]) -> None:
        """Read more tokens of the current sequence; O(max_depth) per token at most, usually far less.

        Raises:
            ValueError: If a token id is negative or not below ``MAX_TOKEN_ID``; that token is not read.
        """
        for token_id in map(index, token_ids):  # numbers of numpy and torch, too
            if not 0 <= token_id < MAX_TOKEN_ID:
                raise ValueError(f"token id {token_id}; need 0 to {MAX_TOKEN_ID - 1}")
            self._read(token_id)

    def insert(self, token_ids: Iterable[int]) -> None:
        """Read one whole sequence without ever exceeding the bounds: the least used n-grams are pruned first."""
        self.begin()
        pending = list(token_ids)
        room = min(self.capacity or MIN_CAPACITY, (self.max_bytes or MIN_BYTES) // _GROWTH_BYTES)
        chunk = max(1, min(512, room // (4 * (self.max_depth + 1))))
        for start in range(0, len(pending), chunk):
            part = pending[start : start + chunk]
            self.make_room(len(part))
            self.extend(part)
        self.begin()

    def make_room(self, tokens: int) -> None:
        """Prune unless this many more tokens fit, whatever they are; n-grams of a prompt are never pruned."""
        if not self.has_room(tokens):
            nodes = tokens * (self.max_depth + 1)
            prune(self, nodes, nodes * _GROWTH_BYTES)

    def has_room(self, tokens: int) -> bool:
        """Whether this many more tokens fit, whatever they are."""
        nodes = tokens * (self.max_depth + 1)
        full = self.capacity is not None and len(self) + self.leaves + nodes > self.capacity
        return not full and (self.max_bytes is None or self.bytes() + nodes * _GROWTH_BYTES <= self.max_bytes)

    def _read(self, token_id: int) -> None:
        position = self.log_start + len(self.log)
        self.log.append(token_id)
        counts, last, only_token, only_child, fans = self.counts, self.last, self.only_token, self.only_child, self.fans
        in_prompt = position < self.border
        self.counts[ROOT] += 1
        moved = [ROOT]
        for node in self._cursors:
            only = only_token[node]
            if only == token_id:
                child = only_child[node]
            else:
                child = fans[only_child[node]].get(token_id, 0) if only == SEVERAL else 0
            if child > 0:
                counts[child] += 1
                last[child] = position
                if in_prompt:
                    self.prompt_counts[child] += 1
            elif child < 0:
                if self.depths[moved[-1]] != self.depths[node]:
                    continue  # pruned: the n-gram without its first token, which must be a node first
                child = self._expand(node, token_id, ~child, position, moved[-1])
            else:
                self.add_leaf(node, token_id, position)
                continue
            moved.append(child)
            if node in self.rank_again and counts[node] >= self.rank_again[node]:
                self.rank(node)
        if len(moved) >= self.max_depth:
            # The deepest n-gram has no successors: the window moves on by its suffix.
            del moved[self.max_depth :]
        self._cursors = moved

    def _expand(self, parent: int, token_id: int, first: int, position: int, link: int) -> int:
        """Turn a leaf that is read for the second time into a node; returns the node."""
        node = len(self.tokens)
        depth = self.depths[parent] + 1
        self.append_node(token_id, parent, link, 2, position, depth)
        if self.border:
            self.prompt_counts[node] = (first < self.border) + (position < self.border)
        following = self.following(first) if depth < self.max_depth else NO_TOKEN
        if following == NO_TOKEN:
            self.leaves -= 1
        else:
            self.only_token[node] = following
            self.only_child[node] = ~(first + 1)
        if self.only_token[parent] == token_id:
            self.only_child[parent] = node
        else:
            self.fan(parent)[token_id] = node
        return node

    def find_cursors(self, recent_ids: Sequence[int]) -> None:
        """Find the cursors of a sequence that ends in these tokens (after node numbers changed)."""
        self._cursors = [ROOT]
        for length in range(1, min(len(recent_ids), self.max_depth - 1) + 1):
            node = ROOT
            for token_id in recent_ids[len(recent_ids) - length :]:
                node = self.child(node, token_id)
                if node <= 0:
                    return
            self._cursors.append(node)

    # ------------------------------------------------------------------ bounds

    def bytes(self) -> int:
        """Bytes held, estimated from above by the number of nodes, dict entries and tokens."""
        return (
            len(self.tokens) * _NODE_BYTES
            + len(self.fans) * _DICT_BYTES
            + self.entries * _ENTRY_BYTES
            + len(self.log) * self.log.itemsize
            + len(self.ranked) * (RANKED * 8 + 200)
        )

    def stats(self) -> TrieStats:
        """The size of the trie, and what was pruned."""
        return TrieStats(len(self), self.leaves, len(self.log), self.bytes(), self.pruned)
