"""A text that the caller expects as a source: the file before an edit, a template, the last answer to this question.

It is read along with the output, as a person compares two copies: a place in the text moves on with every token that
agrees. Where the output departs from it, the place is looked for again after every token, nearest first among those
after which the longest piece of the output occurs.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from lookahead.sources.source import Candidate, Level, Origin

Locus = tuple[int, int]
"""Index of the token that should come next, and how many tokens before it agree with the end of the output."""

TAKEN_FOR = 6
"""Agreeing tokens that the beginning counts for: the caller expects the text, so it is tried before any agrees."""
SETTLED = 16
"""Agreeing tokens from which on no better place is looked for."""
NEAREST = 32
"""Occurrences of the last token, on either side, that are compared with the output."""


class ExpectedText:
    """The text, and where the output is in it.

    A place is the index of a token of the text: of a level its candidate's, of a candidate the one after it.

    Args:
        token_ids: The text, as the model would write it.
    """

    kind = name = "expected"
    trust = 1.0
    version = 0

    def __init__(self, token_ids: Sequence[int]) -> None:
        self._ids = tuple(token_ids)
        self._places: dict[int, list[int]] = {}
        for place, token_id in enumerate(self._ids):
            self._places.setdefault(token_id, []).append(place)
        self._output: list[int] = []
        self._locus: Locus = (0, TAKEN_FOR)

    def follow(self, token_ids: Sequence[int]) -> None:
        """Go along with the output as it grows."""
        for token_id in token_ids:
            self._output.append(token_id)
            place, length = self.advance(self._locus, token_id)
            self._locus = (place, length) if length >= SETTLED else self._found_again(place, length)

    def locus(self) -> Locus:
        """Where the output is in the text."""
        return self._locus

    def advance(self, locus: Locus, token_id: int) -> Locus:
        """Where an output one token longer is: as far on, whether the token agrees or another stands in its place."""
        place, length = locus
        agrees = place < len(self._ids) and self._ids[place] == token_id
        return (place + 1, length + 1) if agrees else (place + 1, 0)

    def _found_again(self, place: int, length: int) -> Locus:
        """The best place after the last token of the output; the one at hand where no other agrees for longer."""
        known = self._places.get(self._output[-1], ())
        middle = bisect_left(known, place - 1)
        near = sorted(known[max(0, middle - NEAREST) : middle + NEAREST], key=lambda at: abs(at + 1 - place))
        best = (place, length)
        for at in near:
            agreeing = self._agreeing(at)
            if agreeing > best[1]:
                best = (at + 1, agreeing)
        return best

    def _agreeing(self, at: int) -> int:
        """Tokens of the text up to this place that agree with the end of the output, ``SETTLED`` at most."""
        ids, output = self._ids, self._output
        most = min(at + 1, len(output), SETTLED)
        return next((back for back in range(most) if ids[at - back] != output[-1 - back]), most)

    def levels(self, locus: Locus) -> Iterator[Level]:
        """The one token that should come next, unless the text has ended."""
        if locus[0] < len(self._ids):
            yield (locus[1], 1.0, True, locus[0])

    def after(self, place: int, length: int) -> Level | None:
        """The level of a candidate's place."""
        return (length, 1.0, True, place) if place < len(self._ids) else None

    def candidates(self, level: Level) -> Sequence[Candidate]:
        """The token at a place."""
        return ((1.0, self._ids[level[3]], level[3] + 1),)

    def holds(self, level: Level, token_id: int) -> bool:
        """Whether a token is the one at a place."""
        return self._ids[level[3]] == token_id

    def origin(self, place: int) -> Origin:
        """The text, which has the token once there."""
        return Origin(self.name, 1, 1.0)

    def match_length(self, locus: Locus) -> int:
        """Tokens of the text that agree with the end of the output."""
        return min(locus[1], len(self._output)) if locus[0] < len(self._ids) else 0
