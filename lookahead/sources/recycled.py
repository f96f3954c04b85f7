"""Recycled logits as a source: what the model found likely after a token when it last saw that token.

Every pass computes, for each of its tokens, the model's own distribution of the next one, and decoding uses one token
of it. Here the likeliest successors are kept and drafted from later (Token Recycling, arXiv:2408.08696), under the last
two tokens and, where those were not seen together, under the last one.

A **row** holds the ``TOP`` likeliest successors of one token as ``TOP`` whole numbers of 32 bits (little-endian in
bytes): token id * 256 + share, the shares being the tokens' probabilities relative to each other, in 255ths, the
largest first; 0 means no token. A run file keeps the same numbers, so a replay drafts what the run drafted.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Sequence

from lookahead.sources.source import Candidate, Level, Origin
from lookahead.trie import TOKEN_BITS

TOP = 8
"""Successors in a row."""
ROW_BYTES = 4 * TOP
SHARES = 255
"""What the shares of a row add up to, but for rounding."""
MOST_ROWS = 1 << 16
"""Rows that one run keeps: two for a token, 2**16 take about 10 MB."""

RANKS = (4, 3)
"""Suffix lengths that a row ranks with, after two tokens and after one: the model's own distribution is as good a guess
as what was read after so many (measured: tokens per pass at 8 nodes 7 % to 13 % above those of lengths 2 and 1)."""

_ONE = (1 << TOKEN_BITS) - 1
_TWO = (1 << 2 * TOKEN_BITS) - 1
_PAIR = 1 << 2 * TOKEN_BITS
"""Marks the key of two tokens, so that it is never that of one."""
_SURE = ((64, 1), (110, 2), (170, 4), (225, 8), (SHARES + 1, 16))
"""Weight of a row by the share of its first token, up to which it holds. The confidence of a level is learned by class
of its weight, so how sure the model was makes the class."""

Row = Sequence[int]


def rows_of(packed: bytes) -> array[int]:
    """The numbers of packed rows, ``TOP`` per row."""
    numbers = array("I")
    numbers.frombytes(packed)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


class RecycledLogits:
    """The likeliest successors of the tokens that the model has seen in one run.

    A place is the key of a row for a level, and a number of the row for a candidate.

    Args:
        most_rows: Rows that are kept; those written longest ago go first.

    Attributes:
        rows: The rows by the last two tokens and by the last one, the one written last at the end.
        version: Grows with every pass that is read.
    """

    kind = name = "model"
    trust = 1.0

    def __init__(self, most_rows: int = MOST_ROWS) -> None:
        self._most = most_rows
        self.rows: dict[int, Row] = {}
        self.version = 0
        self._locus = _TWO  # no token has so large an id

    def read(self, token_ids: Sequence[int], parents: Sequence[int], packed: bytes) -> None:
        """Keep the rows of one pass.

        Args:
            token_ids: The tokens of the pass; the first is the last one of the context.
            parents: Index of the token before each of them, -1 for the first.
            packed: A row for each; one of zeros says nothing.
        """
        loci = [self._locus]
        for token_id, parent in zip(token_ids[1:], parents[1:], strict=True):
            loci.append(self.advance(loci[parent], token_id))
        self.version += 1
        numbers, rows = rows_of(packed), self.rows
        for node, locus in enumerate(loci):
            row = numbers[TOP * node : TOP * node + TOP]
            if row[0]:
                for key in (locus | _PAIR, locus & _ONE):
                    rows.pop(key, None)
                    rows[key] = row
        while len(rows) > self._most:
            del rows[next(iter(rows))]

    def read_prompt(self, prompt_ids: Sequence[int], packed: bytes) -> None:
        """Keep the rows of the last tokens of a prompt, and go along to its end."""
        count = len(packed) // ROW_BYTES
        self.follow(prompt_ids[: len(prompt_ids) - count + 1])
        self.read(prompt_ids[len(prompt_ids) - count :], range(-1, count - 1), packed)
        self.follow(prompt_ids)

    def follow(self, token_ids: Sequence[int]) -> None:
        """Go along with the context as it grows."""
        for token_id in token_ids[-2:]:
            self._locus = self.advance(self._locus, token_id)

    def locus(self) -> int:
        """The last two tokens of the context, in one number."""
        return self._locus

    def advance(self, locus: int, token_id: int) -> int:
        """Where a context one token longer is."""
        return (locus << TOKEN_BITS | token_id) & _TWO

    def levels(self, locus: int) -> Iterator[Level]:
        """The row of the last two tokens, then that of the last one unless it is the same."""
        after_two, after_one = self.rows.get(locus | _PAIR), self.rows.get(locus & _ONE)
        if after_two is not None:
            yield self._level(RANKS[0], locus | _PAIR, after_two)
        if after_one is not None and after_one is not after_two:
            yield self._level(RANKS[1], locus & _ONE, after_one)

    def _level(self, length: int, key: int, row: Row) -> Level:
        first = row[0] & SHARES
        return (length, next(float(weight) for below, weight in _SURE if first < below), not row[1], key)

    def after(self, place: int, length: int) -> None:
        """Nothing: the search looks for a candidate's levels in all sources, as others may know a longer suffix."""

    def candidates(self, level: Level) -> Sequence[Candidate]:
        """The tokens of a row, the likeliest first; their weights add up to the level's."""
        row = self.rows[level[3]]
        if level[2]:
            return ((level[1], row[0] >> 8, row[0]),)
        unit = level[1] / sum([number & 255 for number in row])
        return [((number & 255) * unit, number >> 8, number) for number in row if number]

    def holds(self, level: Level, token_id: int) -> bool:
        """Whether a token is in a row."""
        return any(number and number >> 8 == token_id for number in self.rows[level[3]])

    def origin(self, place: int) -> Origin:
        """The model, which saw it once, and with the weight of its share."""
        return Origin(self.name, 1, (place & 255) / SHARES)

    def match_length(self, locus: int) -> int:
        """0: no text was read."""
        return 0
