"""One tree by frequency for several widths and branch lengths, which ends where the outcome of each is known."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property

from lookahead.config import Strategy
from lookahead.search.frequency import FrequencySearch
from lookahead.search.growing import GrowingTree
from lookahead.sources.source import Level, Source, longest_first
from lookahead.study.remembered import AHEAD, Remembered


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

    @cached_property
    def below(self) -> dict[int, int]:
        """Token that is listed after the empty suffix -> nodes that it has in a tree of all that is listed, at least.

        Not the token's own; no deeper than ``AHEAD`` more.
        """
        found: dict[int, int] = {}
        for number, level in self.levels:
            source = self.sources[number]
            if level[0] == 0 and isinstance(source, Remembered):
                for _, token_id, place in source.candidates(level):
                    found[token_id] = max(source.least(place, AHEAD), found.get(token_id, 0))
        return found

    @cached_property
    def ends(self) -> Collection[int] | None:
        """Tokens that a branch of a tree of all that is listed may end with, after less than ``AHEAD`` others.

        What a trie lists goes on until it comes to the end of what was read: so such a branch is such an end. None
        where a branch may end anywhere.
        """
        ends = [source.ends() if isinstance(source, Remembered) else None for source in self.sources]
        known = [one for one in ends if one is not None]
        return set().union(*known) if len(known) == len(ends) else None


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
        for (number, level), reach in zip(self._prospect.levels, self._prospect.reach, strict=True):
            self._reach = reach
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
        if self._whole or self._strategy == "single" or not (self._dead or len(self.path) >= self._reach):
            return
        self._next_look = len(self._tree) * 3 // 2
        if all(self._sure(longest) >= more for longest, more in self._missing.items()):
            self.full = True
            self._missing.clear()

    def _sure(self, longest: int) -> int:
        """Nodes that are sure to be added to a tree with branches of this length: below new children of the root."""
        children, prospect, more = self._tree.children, self._prospect, 0
        parts, ends = self._strategy == "hierarchical" and longest > AHEAD, prospect.ends
        for token_id, below in prospect.below.items():
            if token_id in children:  # the key of a child of the root is its token
                continue
            if not parts:
                below = min(longest - 1, min(below, 1) if ends is None or token_id in ends else AHEAD)
            more += 1 + below
        return more
