"""A source that many searches ask at the same place: it looks everything up once."""

from __future__ import annotations

from collections.abc import Sequence

from lookahead.sources.source import Candidate, Level, Place, Source


class Remembered:
    """The same answers as a source of tries, remembered until the context grows.

    Args:
        source: What is asked; a candidate's token does not depend on the length of the suffix that it follows.
    """

    def __init__(self, source: Source) -> None:
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
