"""What a verified draft teaches: which levels held the model's own tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lookahead.search.confidence import Confidence
from lookahead.search.levels import Candidate, Levels, Node

AskedLevel = tuple[int, Sequence[Candidate], int, int]
"""Class, candidates, trie and the trie's node (any number where there is one candidate)."""
Asked = Mapping[int, Sequence[AskedLevel]]
"""Draft node -> every level that was asked there, in order."""


def learn(confidence: Confidence, known: Levels, nodes: Sequence[Node], asked: Asked, token_ids: Sequence[int]) -> None:
    """Follow the model's tokens through a draft and tell the confidence which levels held them.

    Args:
        confidence: Learns.
        known: What the tries saw after every suffix.
        nodes: The draft, the root first.
        asked: The levels asked at its nodes.
        token_ids: What the model emitted from the root on.
    """
    node = 0
    for token_id in token_ids:
        if not _learn_at(confidence, known, asked.get(node, ()), token_id):
            return
        node = _child(nodes, node, token_id)
        if node < 0:
            return


def _learn_at(confidence: Confidence, known: Levels, levels: Sequence[AskedLevel], token_id: int) -> bool:
    """Settle the levels of one node in the order they were asked; whether one held the token."""
    for level, candidates, number, trie_node in levels:
        hit = known.held(number, trie_node, candidates, token_id)
        confidence.learn(level, hit)
        if hit:
            return True
    return False


def _child(nodes: Sequence[Node], node: int, token_id: int) -> int:
    for child in range(node + 1, len(nodes)):
        if nodes[child][1] == node and nodes[child][0] == token_id:
            return child
    return -1
