"""A source that many searches ask at the same place: it looks everything up once."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from lookahead.sources.source import Candidate, Level, Place
from lookahead.sources.tries import OwnTrie, ReadTrie
from lookahead.trie import NO_TOKEN, SEVERAL, WIDE

AHEAD = 3
"""Tokens that are looked ahead below a place."""


class Remembered:
    """The same answers as a source of tries, remembered until the context grows.

    Args:
        source: What is asked; a candidate's token does not depend on the length of the suffix that it follows.
    """

    def __init__(self, source: ReadTrie) -> None:
        self._source = source
        self._candidates: dict[Place, Sequence[Candidate]] = {}
        self._after: dict[Place, Level | None] = {}
        self._ends: Collection[int] | None = None
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

    def least(self, place: int, most: int) -> int:
        """How many nodes are listed below a place, at least: up to so many of a copy, else its children."""
        trie = self._source.trie
        if place < 0:
            begin = ~place + 1 - trie.log_start
            copied = trie.log[begin : begin + most]
            return copied.index(NO_TOKEN) if NO_TOKEN in copied else len(copied)
        only = trie.only_token[place]
        if only != SEVERAL:
            return int(only != NO_TOKEN)
        children = len(trie.fan(place))
        return children if children <= WIDE else len(trie.ranked[place])

    def ends(self) -> Collection[int] | None:
        """The last ``AHEAD`` tokens of all that was read; None where something was pruned, or may have been."""
        trie, own = self._source.trie, isinstance(self._source, OwnTrie)
        if trie.pruned or not (own or self.kind == "session"):
            return None
        if own or self._ends is None:
            log = trie.log[-AHEAD - 1 :] if own else trie.log
            ends = [place for place, token_id in enumerate(log) if token_id == NO_TOKEN]
            self._ends = {token_id for end in (*ends, len(log)) for token_id in log[max(0, end - AHEAD) : end]}
        return self._ends
