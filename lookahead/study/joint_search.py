"""One best-first search for several settings that have learned the same, and where each one's own would have ended."""

from __future__ import annotations

from collections.abc import Sequence

from lookahead.config import Strategy
from lookahead.search.best_first import Offer, Search
from lookahead.search.growing import GrowingTree
from lookahead.search.width import StopRule
from lookahead.sources.source import Source
from lookahead.trie import TOKEN_BITS

SURE_DEPTH = 32
"""Depth to which a branch is sure to go on where it may: path probabilities are far above the smallest number there."""
FIRST_LOOK = 3
"""Nodes from which on it is looked whether a full draft can end early."""
NEVER = 1 << 30
"""More nodes than any draft has."""


class Cut:
    """Where one setting's own search ends in a search that serves several.

    Attributes:
        width: Most nodes, the root included.
        longest: Most draft tokens in one branch.
        rule: Ends the search where more nodes do not pay; None fills the width.
        nodes: Nodes that its own search would have found.
        pushed: Number of the last offer that its own search would have made (they count down).
    """

    __slots__ = ("longest", "nodes", "pushed", "rule", "width")

    def __init__(self, width: int, longest: int, rule: StopRule | None) -> None:
        self.width, self.longest, self.rule = width, longest, rule
        self.nodes = self.pushed = 0

    @property
    def next_check(self) -> int:
        """Nodes from which on it may end."""
        return self.width if self.rule is None else min(self.width, self.rule.next_check)

    def kept(self, probabilities: Sequence[float]) -> int:
        """Nodes of its draft."""
        return self.nodes if self.rule is None else self.rule.width(probabilities[: self.nodes])


class JointSearch(Search):
    """A search for several settings at once, which is also the stop rule of its own loop."""

    def serve(
        self,
        cuts: Sequence[Cut],
        strategy: Strategy,
        root: float,
        following: Sequence[int] = (),
        sure_roots: int = 0,
    ) -> None:
        """Search until the last of them has ended, and note where each does.

        The search of a full width ends early where it is known what it would accept and teach: the rest of its nodes
        only fill it up. It then has as many nodes as it is wide, though not all of them were looked for.

        Args:
            root: What all path probabilities are multiplied by.
            following: The tokens that may be accepted.
            sure_roots: Children that the root is sure to get, each with a branch as long as may be.
        """
        self._born: dict[Offer, int] = {}
        self._open_cuts = list(cuts)
        self._following, self._strategy = following, strategy
        self._longest = max(cut.longest for cut in cuts)
        self._path_end = self._path_length = 0
        # One branch is soon searched, and where it ends is not sure.
        roots = 0 if strategy == "single" else sure_roots
        self._sure = {cut for cut in cuts if cut.rule is None and roots * min(cut.longest, SURE_DEPTH) >= cut.width - 1}
        if first := self._open(0, root):
            self._first[0] = first
        self.next_check = min(cut.next_check for cut in cuts)
        if self._sure:
            self.next_check = min(self.next_check, FIRST_LOOK)
        self._grow(max(cut.width for cut in cuts), self._longest, strategy, self)  # pyright: ignore[reportArgumentType]
        for cut in self._open_cuts:
            cut.nodes, cut.pushed = len(self._tree), self._pushed

    def reached(self, probabilities: Sequence[float], bound: float) -> bool:
        """Whether all have ended (see ``StopRule.reached``)."""
        count = len(probabilities)
        ahead = self._ahead() if self._sure else 0
        going = []
        for cut in self._open_cuts:
            if cut in self._sure and count + ahead >= cut.width:
                cut.nodes, cut.pushed = cut.width, self._pushed
                self._sure.discard(cut)
            elif count >= cut.width or (cut.rule is not None and cut.rule.reached(probabilities, bound)):
                cut.nodes, cut.pushed = count, self._pushed
                self._sure.discard(cut)
            else:
                going.append(cut)
        self._open_cuts = going
        self.next_check = min([cut.next_check for cut in going], default=0)
        if self._sure:
            self.next_check = min(self.next_check, count + 1 + (count >> 2))
        return not going

    def _ahead(self) -> int:
        """Nodes that are sure to be found before the next token that could be accepted; ``NEVER`` if there is none.

        Only said once it is also known what the last accepted node teaches.
        """
        tree = self._tree
        while self._path_length < len(self._following):
            child = tree.child(self._path_end, self._following[self._path_length])
            if child is None:
                break
            self._path_end, self._path_length = child, self._path_length + 1
        node = self._path_end
        if self._path_length == len(self._following) or node in self._closed or self._path_length >= self._longest:
            return NEVER
        token_id, offer = self._following[self._path_length], self._first.get(node)
        last = offer
        while offer is not None:
            if self._sources[offer.number].holds(offer.level, token_id):
                ranks = [place for place, one in enumerate(offer.candidates) if one[1] == token_id]
                if ranks and ranks[0] >= offer.index:
                    return self._before(offer, ranks[0])
                if not offer.candidates:
                    return 0
            last, offer = offer, offer.following
        return NEVER if last is None or not last.leaves else 0

    def _before(self, wanted: Offer, rank: int) -> int:
        """Nodes that are sure to be found before this candidate of an offer."""
        if self._strategy == "parallel" and wanted.node and rank > wanted.index:
            return NEVER
        least = wanted.scale * wanted.candidates[rank][0]
        children = self._tree.children
        found: set[int] = set()
        for negative, _, offer in self._heap:
            node = offer.node
            if -negative <= least or node in self._closed:
                continue
            if offer is wanted:
                likelier = offer.candidates[offer.index : rank]
            else:
                likelier = [one for one in offer.candidates[offer.index :] if offer.scale * one[0] > least]
            if self._strategy == "parallel" and node:
                if likelier:
                    found.add(node << TOKEN_BITS)
                continue
            for one in likelier:
                key = (node << TOKEN_BITS) + one[1]
                if key not in children:
                    found.add(key)
        return len(found)

    def _look_further(self, offer: Offer) -> Offer | None:
        following = super()._look_further(offer)
        if following is not None:
            self._born[following] = self._pushed
        return following

    @property
    def grown(self) -> GrowingTree:
        """All nodes that were found."""
        return self._tree

    def lessons(self, token_ids: Sequence[int], cut: Cut) -> tuple[tuple[Source, int, bool], ...]:
        """What ``Search.learn`` of one setting's own search would tell: source, class of level, held or not."""
        found: list[tuple[Source, int, bool]] = []
        node: int | None = 0
        for depth, token_id in enumerate(token_ids):
            offer = self._first.get(node) if depth < cut.longest else None
            while offer is not None:
                source = self._sources[offer.number]
                held = source.holds(offer.level, token_id)
                found.append((source, offer.kind, held))
                if held:
                    break
                offer = offer.following
                if offer is not None and self._born[offer] < cut.pushed:
                    offer = None
            node = self._tree.child(node, token_id)
            if offer is None or node is None or node >= cut.nodes:
                break
        return tuple(found)
