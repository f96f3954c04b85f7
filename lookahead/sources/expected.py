"""A text that the caller expects as a source: the file before an edit, a template, the last answer to this question.

It is read along with the output, as a person compares two copies: a place in the text moves on with every token that
agrees. Where the output departs from it, the place is looked for again after every token, nearest first among those
after which the longest piece of the output occurs.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from lookahead.sources.source import Candidate, Level, Origin

Locus = tuple[int, int, int]
"""Index of the token that should come next; how many tokens before it agree with the end of the output (0 after one
that does not, -1 after several, where nothing is expected until a place is found); the index where a draft ends."""

TAKEN_FOR = 6
"""Agreeing tokens that the beginning counts for: the caller expects the text, so it is tried before any agrees."""
SETTLED = 16
"""Agreeing tokens from which on no better place is looked for."""
NEAREST = 32
"""Occurrences of the last token, on either side, that are compared with the output."""
NEAR = 64
"""Tokens from where the output left the text within which it is taken to return after ``RETURNS[0]`` agreeing tokens;
elsewhere, where most places are found by accident, after ``RETURNS[1]``."""
RETURNS = (2, 6)
REACH = 4
"""Tokens that are drafted per agreeing token (and one) while fewer than ``TAKEN_FOR`` agree; then the whole text is."""

Place = tuple[int, int]
"""An index, and the one before which the draft ends."""


class ExpectedText:
    """The text, and where the output is in it.

    The index in a place is that of a token: of a level its candidate's, of a candidate the one after it.
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
        self._locus: Locus = (0, TAKEN_FOR, len(self._ids))
        self._left = 0

    def follow(self, token_ids: Sequence[int]) -> None:
        """Go along with the output as it grows."""
        for token_id in token_ids:
            self._output.append(token_id)
            left, agreeing, _ = self._locus
            if agreeing >= TAKEN_FOR:
                self._left = left
            place, length, _ = self.advance(self._locus, token_id)
            if length < SETTLED:
                place, length = self._found_again(place, length)
            end = len(self._ids)
            self._locus = (place, length, end if length >= TAKEN_FOR else min(end, place + REACH * (length + 1)))

    def locus(self) -> Locus:
        """Where the output is in the text."""
        return self._locus

    def advance(self, locus: Locus, token_id: int) -> Locus:
        """Where an output one token longer is: as far on, whether the token agrees or another is in its place."""
        place, length, end = locus
        agrees = place < len(self._ids) and self._ids[place] == token_id
        return (place + 1, max(length, 0) + 1 if agrees else 0 if length > 0 else -1, end)

    def _found_again(self, place: int, length: int) -> tuple[int, int]:
        """The best place after the last token of the output; the one at hand where no other agrees for longer."""
        known = self._places.get(self._output[-1], ())
        middle = bisect_left(known, place - 1)
        nearest = sorted(known[max(0, middle - NEAREST) : middle + NEAREST], key=lambda at: abs(at + 1 - place))
        best = (place, length)
        for at in nearest:
            agreeing = self._agreeing(at)
            enough = len(known) == 1 or agreeing >= RETURNS[abs(at - self._left) > NEAR]
            if enough and agreeing > best[1]:
                best = (at + 1, agreeing)
        return best

    def _agreeing(self, at: int) -> int:
        """Tokens of the text up to this place that agree with the end of the output, ``SETTLED`` at most."""
        ids, output = self._ids, self._output
        most = min(at + 1, len(output), SETTLED)
        return next((back for back in range(most) if ids[at - back] != output[-1 - back]), most)

    def levels(self, locus: Locus) -> Iterator[Level]:
        """The one token that should come next, unless the text is at its end."""
        place, length, end = locus
        if length >= 0 and place < end:
            yield (length, 1.0, True, (place, end))

    def after(self, place: Place, length: int) -> Level | None:
        """The level of a candidate's place."""
        at, end = place
        return (length, 1.0, True, place) if at < end else None

    def candidates(self, level: Level) -> Sequence[Candidate]:
        """The token at a place."""
        at, end = level[3]
        return ((1.0, self._ids[at], (at + 1, end)),)

    def holds(self, level: Level, token_id: int) -> bool:
        """Whether a token is the one at a place."""
        at, _ = level[3]
        return self._ids[at] == token_id

    def origin(self, place: Place) -> Origin:
        """The text, which has the token once there."""
        return Origin(self.name, 1, 1.0)

    def match_length(self, locus: Locus) -> int:
        """Tokens of the text that agree with the end of the output."""
        place, length, end = locus
        return max(0, min(length, len(self._output))) if place < end else 0
