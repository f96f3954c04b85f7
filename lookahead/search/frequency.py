"""The paper's ranking, kept for comparison: plain frequencies, the longest suffix first.

Multi-stage retrieval as in the paper (section 3, TR): the subtree under the longest known suffix gives its most
frequent nodes, prompt occurrences weighted, then the next shorter suffix fills what is left of the width, and
all are merged into one tree. The path probabilities are shares of the counts, as the counts have them.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush

from lookahead.draft import DraftTree
from lookahead.search.levels import Levels, Node, Rival
from lookahead.search.width import StopRule
from lookahead.search.work import HIERARCHICAL, SINGLE
from lookahead.trie import NO_TOKEN, ROOT
from lookahead.trie.locus import Locus


class FrequencySearch:
    """One draft by frequency. Has the two methods of ``Search``.

    Args:
        levels: The tries to ask.
        loci: Where the context stands in each of them.
        root_id: The last committed token.
    """

    def __init__(self, levels: Levels, loci: Sequence[Locus], root_id: int) -> None:
        self.floor = 0.0
        self._levels = levels
        self._loci = loci
        self._nodes: list[Node] = [(root_id, -1, 1.0, 0, 0, -1, ROOT)]
        self._children: dict[tuple[int, int], int] = {}
        self._parents: set[int] = set()
        self._rivals: list[Rival] = []

    def run(self, width: int, longest_branch: int, branching: int, stop: StopRule | None) -> DraftTree:
        """The tree of at most ``width`` nodes (see ``Search.run``)."""
        for length, number, position, trie_node in self._stages():
            if len(self._nodes) >= width:
                break
            self._fill(width, longest_branch, branching, (length, -number, position, trie_node))
        nodes = self._nodes if stop is None else self._nodes[: stop.width(self._nodes)]
        return self._levels.tree(nodes, self._loci, self._rivals)

    def learn(self, token_ids: Sequence[int]) -> None:
        """Nothing: frequencies are what they are."""

    def _stages(self) -> list[tuple[int, int, int, int]]:
        """Every suffix the tries know, the longest first, the request's own trie first among equals."""
        stages = []
        for number, (node, position, length) in enumerate(self._loci):
            if position >= 0:
                stages.append((length, -number, position, ROOT))
            trie = self._levels.tries[number]
            while True:
                stages.append((trie.depths[node], -number, -1, node))
                if node == ROOT:
                    break
                node = trie.links[node]
        return sorted(stages, reverse=True)

    def _fill(self, width: int, longest_branch: int, branching: int, stage: tuple[int, int, int, int]) -> None:
        """Merge the most frequent nodes under one suffix into the tree."""
        length, number, position, trie_node = stage
        heap: list[tuple[float, int, int, float, int, int]] = []
        pushed = self._push(heap, 0, 0, 1.0, number, ~position if position >= 0 else trie_node)
        while heap and len(self._nodes) < width:
            _, _, parent, probability, token_id, found = heappop(heap)
            node = self._children.get((parent, token_id))
            depth = self._nodes[parent][3] + 1
            if node is None:
                if branching != HIERARCHICAL and parent in self._parents and (parent or branching == SINGLE):
                    continue
                node = len(self._nodes)
                self._nodes.append((token_id, parent, probability, depth, length + depth, number, found))
                self._children[parent, token_id] = node
                self._parents.add(parent)
            elif self._nodes[node][5] != number and self._nodes[node][4] == length + depth:
                self._rivals.append((node, number, found))
            if depth < longest_branch:
                # A node that a longer suffix proposed keeps the probability it has there.
                pushed = self._push(heap, pushed, node, self._nodes[node][2], number, found)

    def _push(self, heap: list, pushed: int, parent: int, probability: float, number: int, found: int) -> int:
        """Put the successors of a trie node or of a log position on the heap; returns the running number."""
        trie = self._levels.tries[number]
        if found < 0:
            token_id = trie.following(~found)
            candidates, total = ([(1.0, token_id, found - 1)], 1.0) if token_id != NO_TOKEN else ([], 1.0)
        else:
            if trie.depths[found] >= trie.max_depth:
                found = trie.links[found]
            candidates, total, _ = self._levels.successors(number, found)
            while candidates and candidates[-1][1] == NO_TOKEN:
                self._levels.more(number, candidates)  # type: ignore[arg-type]
        for weight, token_id, child in candidates:
            pushed += 1
            heappush(heap, (-weight, pushed, parent, probability * (weight / total), token_id, child))
        return pushed
