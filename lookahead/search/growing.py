"""A draft tree while it grows: its nodes, and which source each of them came from."""

from __future__ import annotations

from collections.abc import Sequence

from lookahead.draft import ROOT_SOURCE, DraftTree
from lookahead.records import Candidate, Reason
from lookahead.sources.source import Locus, Place, Source
from lookahead.trie import TOKEN_BITS

Node = tuple[int, int, int, int, int, Place]
"""Token, parent, distance from the root, tokens in the suffix that it was found after (itself included), which source
found it, the source's place of it."""


class GrowingTree:
    """The nodes of one draft, the root first.

    Attributes:
        probabilities: Path probability of every node.
        children: Parent and token of every node, in one number -> the node.
    """

    def __init__(self, sources: Sequence[Source], root_id: int) -> None:
        self._sources = sources
        self.nodes: list[Node] = [(root_id, -1, 0, 0, -1, 0)]
        self.probabilities = [1.0]
        self.children: dict[int, int] = {}
        self._rivals: list[tuple[int, int, Place]] = []

    def __len__(self) -> int:
        return len(self.nodes)

    def child(self, parent: int, token_id: int) -> int | None:
        """The node of this token under a parent; None where it is not drafted."""
        return self.children.get((parent << TOKEN_BITS) + token_id)

    def add(self, parent: int, token_id: int, probability: float, length: int, number: int, place: Place) -> int:
        """Add a node under a parent that has no child of this token (see ``Node``); returns it."""
        node = self.children[(parent << TOKEN_BITS) + token_id] = len(self.nodes)
        self.nodes.append((token_id, parent, self.nodes[parent][2] + 1, length, number, place))
        self.probabilities.append(probability)
        return node

    def also(self, node: int, length: int, number: int, place: Place) -> None:
        """Note that another source proposes a node, too; after as long a suffix it may be the one to name."""
        *_, found_after, found_by, _ = self.nodes[node]
        if found_after == length and found_by != number:
            self._rivals.append((node, number, place))

    def candidate(self, node: int, reason: Reason) -> Candidate:
        """A node as one that was left out."""
        token_id, parent, _, _, number, place = self.nodes[node]
        return Candidate(token_id, parent, self.probabilities[node], self._sources[number].origin(place).name, reason)

    def match_length(self, loci: Sequence[Locus]) -> int:
        """Tokens in the longest suffix of the root's context that something was seen after."""
        return max([source.match_length(locus) for source, locus in zip(self._sources, loci, strict=True)], default=0)

    def tree(self, width: int, match_length: int, scale: float = 1.0) -> DraftTree:
        """The first ``width`` nodes as a draft tree; each carries the source with the largest share of it.

        Args:
            scale: What the path probabilities are still to be multiplied by.
        """
        token_ids, parents, _, _, numbers, places = zip(*self.nodes[:width], strict=True)
        origins = [self._sources[number].origin(place) for number, place in zip(numbers[1:], places[1:], strict=True)]
        for node, number, place in self._rivals:
            if node < width:
                rival = self._sources[number].origin(place)
                if rival.weight > origins[node - 1].weight:
                    origins[node - 1] = rival
        return DraftTree(
            token_ids=token_ids,
            parents=parents,
            probabilities=(1.0, *[probability * scale for probability in self.probabilities[1:width]]),
            sources=(ROOT_SOURCE, *[origin.name for origin in origins]),
            counts=(0, *[origin.times for origin in origins]),
            match_length=match_length,
        )
