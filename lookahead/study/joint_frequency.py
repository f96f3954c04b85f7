"""One tree by frequency for several widths and branch lengths, which ends where the outcome of each is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lookahead.config import Strategy
from lookahead.search.frequency import FrequencySearch
from lookahead.search.growing import GrowingTree
from lookahead.sources.source import Level, Source, longest_first
from lookahead.study.remembered import Remembered

COPIED = 3
"""Tokens of a copy that are counted ahead."""


class Prospect:
    """What the sources list after the output so far, for trees of all shapes.

    Args:
        sources: The sources.
        following: The tokens that may be accepted.

    Attributes:
        levels: All levels, the longest suffix first, each with the number of its source.
        reach: How many of those tokens are listed one after the other, at this level or a later one.
    """

    def __init__(self, sources: Sequence[Source], following: Sequence[int]) -> None:
        self.sources, self.following = sources, following
        self.levels = list(longest_first(sources, [source.locus() for source in sources]))
        self.reach: list[int] = []
        for number, level in reversed(self.levels):
            self.reach.append(max(self.reach[-1] if self.reach else 0, _listed(sources[number], level, following)))
        self.reach.reverse()
        self._below: dict[int, int] = {}
        """Token that is listed after the empty suffix -> nodes below it of a tree that holds all that is listed."""

    def below(self) -> dict[int, int]:
        """Token that is listed after the empty suffix -> nodes that it has in a tree of all that is listed, at least.

        Not the token's own; no deeper than ``COPIED`` more.
        """
        if not self._below:
            for number, level in self.levels:
                source = self.sources[number]
                if level[0] == 0 and isinstance(source, Remembered):
                    for _, token_id, place in source.candidates(level):
                        self._below[token_id] = max(source.least(place, COPIED), self._below.get(token_id, 0))
        return self._below


def _listed(source: Source, level: Level | None, following: Sequence[int]) -> int:
    """How many of these tokens are listed one after the other, the first one at this level."""
    for depth, token_id in enumerate(following):
        if level is None or not source.holds(level, token_id):
            return depth
        place = next((place for _, one, place in source.candidates(level) if one == token_id), None)
        if place is None:
            return depth
        level = source.after(place, level[0] + 1)
    return len(following)


class JointFrequency(FrequencySearch):
    """A tree that ends early where what is missing would change nothing.

    Args:
        prospect: What the sources list.
        root_id: The last committed token.
        whole: Whether all nodes must be found: some of the widths are chosen by them, or their rows are recycled.

    Attributes:
        path: The nodes that hold the tokens that follow, as far as they are drafted.
        full: Whether it ended early: all trees have as many nodes as they are wide.
    """

    def __init__(self, prospect: Prospect, root_id: int, whole: bool) -> None:
        super().__init__(prospect.sources, root_id)
        self.path: list[int] = []
        self.full = False
        self._prospect, self._whole = prospect, whole
        self._reach = self._next_look = 0
        self._dead = False

    def grow(self, widths: Mapping[int, int], strategy: Strategy) -> GrowingTree:
        """The nodes of all trees (see ``FrequencySearch.grow``), as far as they matter."""
        self.begin(widths, strategy)
        for (number, level), self._reach in zip(self._prospect.levels, self._prospect.reach, strict=True):
            self._look()
            if not self._missing:
                break
            self._fill(number, level)
        return self._tree

    def added(self, depth: int) -> None:
        """Count, go along the path, and end early where it is over."""
        super().added(depth)
        node = len(self._tree) - 1
        token_id, parent, *_ = self._tree.nodes[node]
        path, following = self.path, self._prospect.following
        if parent == (path[-1] if path else 0):
            if len(path) < len(following) and token_id == following[len(path)]:
                path.append(node)
                self._next_look = 0
            elif self._strategy == "single" or (parent and self._strategy == "parallel"):
                self._dead = True
                self._next_look = 0
        if node >= self._next_look:
            self._look()

    def _look(self) -> None:
        """End where no more tokens can be accepted, and what is missing is sure to be found."""
        if self._whole or not (self._dead or len(self.path) >= self._reach):
            return
        nodes = self._tree.nodes
        self._next_look = len(nodes) if self._strategy == "single" else len(nodes) * 3 // 2
        if all(self._sure(longest) >= more for longest, more in self._missing.items()):
            self.full = True
            self._missing.clear()

    def _sure(self, longest: int) -> int:
        """Nodes that are sure to be added to a tree with branches of this length: below new children of the root."""
        if self._strategy == "single":
            _, _, depth, _, number, place = self._tree.nodes[-1]
            source = self._sources[number]
            return source.least(place, longest - depth, True) if depth and isinstance(source, Remembered) else 0
        children, more = self._tree.children, 0
        parts = self._strategy == "hierarchical" and longest > COPIED
        for token_id, below in self._prospect.below().items():
            if token_id not in children:  # the key of a child of the root is its token
                more += 1 + (below if parts else min(below, longest - 1, 1))
        return more
