"""A source that many searches ask at the same place: it looks everything up once."""

from __future__ import annotations

from collections.abc import Sequence

from lookahead.sources.source import Candidate, Level, Place
from lookahead.sources.tries import ReadTrie
from lookahead.trie import NO_TOKEN, SEVERAL, WIDE


class Remembered:
    """The same answers as a source of tries, remembered until the context grows.

    Args:
        source: What is asked; a candidate's token does not depend on the length of the suffix that it follows.
    """

    def __init__(self, source: ReadTrie) -> None:
        self._source = source
        self._candidates: dict[Place, Sequence[Candidate]] = {}
        self._after: dict[Place, Level | None] = {}
        self.kind, self.trust = source.kind, source.trust
        # Looking these up again costs no more than remembering them.
        self.locus, self.advance, self.levels = source.locus, source.advance, source.levels
        self.holds, self.origin, self.match_length = source.holds, source.origin, source.match_length

    @property
    def version(self) -> int:
        """That of the source."""
        return self._source.version

    def follow(self, token_ids: Sequence[int]) -> None:
        """Go along with the context, and forget what was said before."""
        self._source.follow(token_ids)
        self._candidates.clear()
        self._after.clear()

    def candidates(self, level: Level) -> Sequence[Candidate]:
        """The tokens of a level (see ``Source.candidates``)."""
        place = level[3]
        found = self._candidates.get(place)
        if found is None:
            found = self._candidates[place] = self._source.candidates(level)
        return found

    def after(self, place: Place, length: int) -> Level | None:
        """The level of a candidate's place (see ``Source.after``)."""
        if place not in self._after:
            self._after[place] = self._source.after(place, length)
        if (level := self._after[place]) is None:
            return None
        known, total, single, below = level
        return level if known == length else (length, total, single, below)

    def least(self, place: int, most: int, copy: bool = False) -> int:
        """How many nodes are listed below a place, at least: up to so many of a copy, else its children.

        Args:
            copy: Whether only those of a copy count.
        """
        trie = self._source.trie
        if place < 0:
            begin = ~place + 1 - trie.log_start
            copied = trie.log[begin : begin + most]
            return copied.index(NO_TOKEN) if NO_TOKEN in copied else len(copied)
        only = trie.only_token[place]
        if copy or only == NO_TOKEN:
            return 0
        if only != SEVERAL:
            return 1
        children = len(trie.fan(place))
        return children if children <= WIDE else len(trie.ranked[place])
