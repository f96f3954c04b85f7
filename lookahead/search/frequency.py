"""The paper's ranking, kept for comparison: plain frequencies, the longest suffix first.

Multi-stage retrieval as in the paper (section 3, TR): the subtree under the longest known suffix gives its most
frequent nodes, prompt occurrences weighted, then the next shorter suffix fills what is left of the width, and
all are merged into one tree. The path probabilities are shares of the counts, as the counts have them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heappop, heappush

from lookahead.config import Strategy
from lookahead.draft import DraftTree
from lookahead.records import Candidate as LeftCandidate
from lookahead.records import LeftOut
from lookahead.search.growing import GrowingTree
from lookahead.search.width import StopRule
from lookahead.sources.source import Level, Place, Source, longest_first

_Entry = tuple[float, int, int, float, int, Place]
"""Minus the weight, a running number, the parent node, the path probability, the token, its place."""


class FrequencySearch:
    """One draft by frequency; has the methods of ``Search``."""

    def __init__(self, sources: Sequence[Source], root_id: int) -> None:
        self._sources = sources
        self._tree = GrowingTree(sources, root_id)
        self._parents: set[int] = set()
        self._strategy: Strategy = "hierarchical"
        self._missing: dict[int, int] = {}
        """Longest branch of a tree that is not full -> nodes that it may still have."""
        self._longest = 0
        self._heap: list[_Entry] = []
        self._number = 0
        self._kept = 1

    def run(self, width: int, longest_branch: int, strategy: Strategy, stop: StopRule | None) -> DraftTree:
        """The tree of at most ``width`` nodes (see ``Search.run``)."""
        loci = [source.locus() for source in self._sources]
        self.grow({longest_branch: width}, strategy)
        self._kept = len(self._tree) if stop is None else stop.width(self._tree.probabilities)
        return self._tree.tree(self._kept, self._tree.match_length(loci))

    def grow(self, widths: Mapping[int, int], strategy: Strategy) -> GrowingTree:
        """The nodes of several trees at once, whether they pay or not.

        Each tree has its nodes in the order in which they come here: of those within its longest branch the first ones.

        Args:
            widths: Most draft tokens in one branch -> most nodes of a tree with such branches.
        """
        self.begin(widths, strategy)
        for number, level in longest_first(self._sources, [source.locus() for source in self._sources]):
            if not self._missing:
                break
            self._fill(number, level)
        return self._tree

    def begin(self, widths: Mapping[int, int], strategy: Strategy) -> None:
        """Note what is to be grown (see ``grow``)."""
        self._strategy = strategy
        self._missing = {longest: width - 1 for longest, width in widths.items() if width > 1}
        self._longest = max(self._missing, default=0)

    def added(self, depth: int) -> None:
        """Count a node that was added at this depth: which trees are full now?"""
        for longest, more in tuple(self._missing.items()):
            if depth > longest:
                continue
            if more > 1:
                self._missing[longest] = more - 1
            else:
                del self._missing[longest]
                self._longest = max(self._missing, default=0)

    def learn(self, token_ids: Sequence[int]) -> None:
        """Nothing: frequencies are what they are."""

    def left_out(self) -> LeftOut:
        """What did not fit or did not pay; shorter suffixes than the last one asked are not counted."""
        cut = len(self._tree) - self._kept
        best: LeftCandidate | None = self._tree.candidate(self._kept, "pays") if cut else None
        if best is None and self._heap:
            _, _, parent, probability, token_id, place = self._heap[0]
            name = self._sources[self._number].origin(place).name
            best = LeftCandidate(token_id, parent, probability, name, "width")
        return LeftOut(pays=cut, width=len(self._heap), best=best)

    def _fill(self, number: int, level: Level) -> None:
        """Merge the most frequent nodes under one suffix into the tree."""
        tree, strategy, source = self._tree, self._strategy, self._sources[number]
        nodes, heap, base = tree.nodes, [], level[0]
        self._heap, self._number = heap, number
        pushed = self._push(heap, 0, 0, 1.0, number, level)
        while heap and self._missing:
            _, _, parent, probability, token_id, place = heappop(heap)
            depth = nodes[parent][2] + 1
            if depth > self._longest:
                continue  # only trees that are full have such branches
            node = tree.child(parent, token_id)
            if node is None:
                if strategy != "hierarchical" and parent in self._parents and (parent or strategy == "single"):
                    continue
                node = tree.add(parent, token_id, probability, base + depth, number, place)
                self._parents.add(parent)
                self.added(depth)
            else:
                tree.also(node, base + depth, number, place)
            if depth < self._longest:
                # A node that a longer suffix proposed keeps the probability it has there.
                below = source.after(place, base + depth)
                pushed = self._push(heap, pushed, node, tree.probabilities[node], number, below)

    def _push(
        self, heap: list[_Entry], pushed: int, parent: int, probability: float, number: int, level: Level | None
    ) -> int:
        """Put the tokens of a level on the heap; returns the running number."""
        if level is None:
            return pushed
        for weight, token_id, place in self._sources[number].candidates(level):
            pushed += 1
            # Counts that were halved by a prune may be more than their parent's.
            share = weight / max(level[1], weight)
            heappush(heap, (-weight, pushed, parent, probability * share, token_id, place))
        return pushed
