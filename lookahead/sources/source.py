"""What a source of draft tokens can do: the interface between the searches and everything that proposes tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

Locus = Any
"""Where a context is in one source; only the source knows what it means. Loci are values: nothing changes one."""
Place = Any
"""A suffix that one source knows, or one of its successors; only the source knows what it means. Places compare by
``==``."""
Candidate = tuple[float, int, Place]
"""Weight, token, and the place of the suffix with that token added."""


Level = tuple[int, float, bool, Place]
"""What one source has seen after one suffix of a context: tokens in the suffix, the weight of everything that followed
it (> 0), whether just one token ever did, and the place of the suffix. A plain tuple: the search makes many."""


class Origin(NamedTuple):
    """Where a candidate comes from: name in the registry, how often it was seen there, and what that weighs."""

    name: str
    times: int
    weight: float


class Source(Protocol):
    """Something that follows a context and knows what may come next.

    Attributes:
        kind: Sources of one kind share what is learned about how sure they are.
        trust: How sure its levels are at first, relative to those of a request's own trie: above 0, at most 1.
    """

    kind: str
    trust: float

    @property
    def version(self) -> int:
        """Grows whenever earlier places lose their meaning."""
        ...

    def follow(self, token_ids: Sequence[int]) -> None:
        """Go along with the context as it grows."""

    def locus(self) -> Locus:
        """Where the context is now."""

    def advance(self, locus: Locus, token_id: int) -> Locus:
        """Where a context one token longer is."""

    def levels(self, locus: Locus) -> Iterator[Level]:
        """What was seen after the suffixes of a context, the longest suffix first."""
        ...

    def after(self, place: Place, length: int) -> Level | None:
        """The level of a candidate's place itself, a suffix of ``length`` tokens; None where nothing followed it."""

    def candidates(self, level: Level) -> Sequence[Candidate]:
        """The tokens of a level with their weights, heaviest first: one where the level says so, else several."""
        ...

    def holds(self, level: Level, token_id: int) -> bool:
        """Whether a token was seen at a level, listed among its candidates or not."""
        ...

    def origin(self, place: Place) -> Origin:
        """Where a candidate comes from."""
        ...

    def match_length(self, locus: Locus) -> int:
        """Tokens in the longest suffix that something was seen after."""
        ...


def longest_first(sources: Sequence[Source], loci: Sequence[Locus]) -> Iterator[tuple[int, Level]]:
    """The levels at these loci, each with the number of its source; the earlier source first among equals."""
    heads = []
    for number, (source, locus) in enumerate(zip(sources, loci, strict=True)):
        levels = source.levels(locus)
        level = next(levels, None)
        if level is not None:
            heads.append((level[0], -number, level, levels))
    while heads:
        head = heads[0] if len(heads) == 1 else max(heads)
        _, negative, level, levels = head
        yield -negative, level
        following = next(levels, None)
        heads.remove(head)
        if following is not None:
            heads.append((following[0], negative, following, levels))
