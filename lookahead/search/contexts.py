"""Drafted contexts: where the context of a draft node stands in the tries, and the levels still to ask there."""

from __future__ import annotations

from collections.abc import Sequence

from lookahead.search.levels import Level, Levels, Node
from lookahead.trie import ROOT
from lookahead.trie.locus import Locus, advance


class Contexts:
    """The contexts of one draft's nodes, looked up only where a search asks for them.

    Args:
        known: What the tries saw after every suffix.
        nodes: The draft's nodes, growing.
        loci: Where the root's context stands in each trie.
    """

    def __init__(self, known: Levels, nodes: Sequence[Node], loci: Sequence[Locus]) -> None:
        self._known, self._nodes = known, nodes
        self._loci: dict[int, Sequence[Locus]] = {0: loci}
        self._levels: dict[int, list[Level]] = {}

    def levels(self, node: int, first_asked: bool) -> list[Level]:
        """The levels still to ask at a node, the longest last; the caller takes them from the end.

        Args:
            node: A draft node.
            first_asked: Whether the level it was found with was asked already.
        """
        levels = self._levels.get(node)
        if levels is None:
            levels = self._levels[node] = self._longest(node, first_asked)
        return levels

    def push_shorter(self, levels: list[Level], number: int, trie_node: int) -> None:
        """Put the next shorter suffix of a trie's node among the levels still to ask."""
        levels.append(self._known.shorter(number, trie_node))
        if len(levels) > 1:
            levels.sort()

    def loci(self, node: int) -> Sequence[Locus]:
        """Where the drafted context stands in every trie."""
        pending = []
        while node not in self._loci:
            pending.append(node)
            node = self._nodes[node][1]
        loci = self._loci[node]
        for below in reversed(pending):
            token_id = self._nodes[below][0]
            loci = [advance(trie, locus, token_id) for trie, locus in zip(self._known.tries, loci, strict=True)]
            self._loci[below] = loci
        return loci

    def _longest(self, node: int, first_asked: bool) -> list[Level]:
        """The longest levels of every trie at a node, the longest of all last; without the one asked first."""
        levels: list[Level] = []
        _, _, _, _, _, asked, found = self._nodes[node]
        for number, (trie_node, position, length) in enumerate(self.loci(node)):
            trie = self._known.tries[number]
            first = -1
            if first_asked and number == asked:
                first = found
                if found >= 0:
                    if trie.depths[found] >= trie.max_depth:
                        first = trie.links[found]
                    if first != ROOT:
                        levels.append(self._known.shorter(number, first))
                    if trie_node != first:
                        levels.append((trie.depths[trie_node], -number, -1, trie_node))
                else:
                    levels.append((trie.depths[trie_node], -number, -1, trie_node))
                    if position == ~found:
                        continue
            else:
                levels.append((trie.depths[trie_node], -number, -1, trie_node))
            if position >= 0:
                levels.append((length, -number, position, ROOT))
        levels.sort()
        return levels
