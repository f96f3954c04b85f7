"""Recycled logits as a source: what the model found likely after a token when it last saw that token.

Every pass computes, for each of its tokens, the model's own distribution of the next one, and decoding uses one token
of it. Here the likeliest successors are kept and drafted from later (Token Recycling, arXiv:2408.08696), under the last
two tokens and, where those were not seen together, under the last one. After both comes what was likely lately: the
tokens of the last passes' rows, wherever they stood, most of all those after tokens that were drafted at the place of
the last one. What follows a wrong guess often follows the right token as well, and what the model weighed and did not
write often comes soon.

A token that this run has not seen has no row yet. For it there are the model's own **bigrams**: what it finds likely
after that token by itself, computed once per model (``hf/bigrams.py``; Stewart et al. 2024, arXiv:2411.03786).

A **row** holds the ``TOP`` likeliest successors of one token as ``TOP`` whole numbers of 32 bits (little-endian in
bytes): token id * 256 + share, the shares being the tokens' probabilities relative to each other, in 255ths, the
largest first; 0 means no token. A run file keeps the same numbers, so a replay drafts what the run drafted.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Mapping, Sequence
from heapq import nlargest
from operator import itemgetter

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

BIGRAM_RANK = LATELY_RANK = 1
"""Suffix length that a bigram and what was likely lately rank with: before the tokens that are merely frequent."""
LATELY_LISTED, LATELY_KEPT = 24, 64
"""Tokens of it that are proposed, and that are remembered."""
_FADE = 0.6
"""What a token's weight is multiplied by with every pass."""
_SAME_PLACE = 4.0
"""What a row adds besides, of a token that was drafted at the place of the last one."""
_PULL = tuple((share / SHARES) ** 0.25 for share in range(SHARES + 1))
"""What a token's share of a row adds to its weight: small shares come true almost as often as large ones."""
ROW_VALUE = 0.015
"""Tokens that a draft node is worth besides being accepted: its row makes later drafts better (modelled at 0.01:
1 % fewer to 4 % more tokens per second, by kind of text)."""

_ONE = (1 << TOKEN_BITS) - 1
_TWO = (1 << 2 * TOKEN_BITS) - 1
_PAIR = 1 << 2 * TOKEN_BITS
"""Marks the key of two tokens, so that it is never that of one."""
_LATELY = -1
"""Place of the level of what was likely lately."""
_SURE = ((64, 1), (110, 2), (170, 4), (225, 8), (SHARES + 1, 16))
"""Weight of a row by the share of its first token, up to which it holds. The confidence of a level is learned by class
of its weight, so how sure the model was makes the class."""

Row = Sequence[int]
_NUMBER_BYTES = 4
BIGRAM_BYTES = _NUMBER_BYTES + ROW_BYTES
"""A bigram row as runs record it: the token in 32 bits, then the row."""


def rows_of(packed: bytes) -> array[int]:
    """The numbers of packed rows, ``TOP`` per row."""
    numbers = array("I")
    numbers.frombytes(packed)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


class Bigrams(Mapping[int, Row]):
    """The rows of the tokens 0, 1, ... by themselves, as far as they were computed.

    Args:
        packed: A row per token; one of zeros is none.
    """

    def __init__(self, packed: bytes = b"") -> None:
        self._numbers = rows_of(packed)

    def __getitem__(self, token_id: int) -> Row:
        row = self._numbers[TOP * token_id : TOP * token_id + TOP]
        if not row or not row[0]:
            raise KeyError(token_id)
        return row

    def __iter__(self) -> Iterator[int]:
        return iter([token_id for token_id, first in enumerate(self._numbers[::TOP]) if first])

    def __len__(self) -> int:
        return sum(1 for _ in self)


def bigrams_from(packed: bytes) -> dict[int, Row]:
    """The bigrams that a run recorded, by token (see ``RecycledLogits.asked``)."""
    numbers = rows_of(packed)
    return {numbers[start]: numbers[start + 1 : start + 1 + TOP] for start in range(0, len(numbers), TOP + 1)}


class RecycledLogits:
    """The likeliest successors of the tokens that the model has seen in one run.

    A place is the key of a row for a level (``_LATELY`` for what was likely lately), and a number as in a row for a
    candidate.

    Args:
        most_rows: Rows that are kept; those written longest ago go first.

    Attributes:
        bigrams: The rows of tokens by themselves, for those that the run has not seen.
        rows: The rows by the last two tokens and by the last one, the one written last at the end.
        version: Grows with every pass that is read.
    """

    kind = name = "model"
    trust = 1.0

    def __init__(self, most_rows: int = MOST_ROWS) -> None:
        self._most = most_rows
        self.bigrams: Mapping[int, Row] = {}
        self._asked: dict[int, Row | None] = {}
        self._unsaid: list[int] = []
        self.rows: dict[int, Row] = {}
        self.version = 0
        self._locus = _TWO  # no token has so large an id
        self._lately: dict[int, float] = {}
        self._by_depth: list[list[int]] = []
        self._level: Level | None = None
        self._listed: list[Candidate] = []

    @property
    def row_value(self) -> float:
        """Tokens that one more row is worth; none where no pass hands back rows."""
        return ROW_VALUE if self.version else 0.0

    def read(self, token_ids: Sequence[int], parents: Sequence[int], packed: bytes) -> None:
        """Keep the rows of one pass.

        Args:
            token_ids: The tokens of the pass; the first is the last one of the context.
            parents: Index of the token before each of them, -1 for the first.
            packed: A row for each; one of zeros says nothing.
        """
        loci, depths = [self._locus], [0]
        for token_id, parent in zip(token_ids[1:], parents[1:], strict=True):
            loci.append(self.advance(loci[parent], token_id))
            depths.append(depths[parent] + 1)
        self.version += 1
        numbers, rows = rows_of(packed), self.rows
        self._by_depth = [[] for _ in range(max(depths) + 1)]
        for node, locus in enumerate(loci):
            row = numbers[TOP * node : TOP * node + TOP]
            if row[0]:
                for key in (locus | _PAIR, locus & _ONE):
                    rows.pop(key, None)
                    rows[key] = row
                self._by_depth[depths[node]] += row
        while len(rows) > self._most:
            del rows[next(iter(rows))]
        faded = {token_id: weight * _FADE for token_id, weight in self._lately.items()}
        self._lately = dict(_heaviest(_pulled(faded, numbers), LATELY_KEPT))

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
        if not self._lately:
            return
        same_place = self._by_depth[len(token_ids)] if len(token_ids) < len(self._by_depth) else ()
        self._by_depth = []
        likely = _heaviest(_pulled(self._lately.copy(), same_place, _SAME_PLACE), LATELY_LISTED)
        self._listed = [(weight, token_id, token_id << 8) for token_id, weight in likely]
        self._level = LATELY_RANK, sum([weight for _, weight in likely]), len(likely) == 1, _LATELY

    def locus(self) -> int:
        """The last two tokens of the context, in one number."""
        return self._locus

    def advance(self, locus: int, token_id: int) -> int:
        """Where a context one token longer is."""
        return (locus << TOKEN_BITS | token_id) & _TWO

    def levels(self, locus: int) -> Iterator[Level]:
        """The row of the last two tokens, that of the last one unless it is the same, and what was likely lately.

        For a token without a row its bigram comes before the last.
        """
        after_two, after_one = self.rows.get(locus | _PAIR), self.rows.get(locus & _ONE)
        if after_two is not None:
            yield self._row_level(RANKS[0], locus | _PAIR, after_two)
        if after_one is not None and after_one is not after_two:
            yield self._row_level(RANKS[1], locus & _ONE, after_one)
        elif after_one is None and self.version and (bigram := self._bigram(locus & _ONE)) is not None:
            yield self._row_level(BIGRAM_RANK, locus & _ONE, bigram)
        if self._level is not None:
            yield self._level

    def _bigram(self, token_id: int) -> Row | None:
        """The row of a token by itself, noted for the record of the run."""
        if token_id not in self._asked:
            row = self._asked[token_id] = self.bigrams.get(token_id)
            if row is not None:
                self._unsaid.append(token_id)
        return self._asked[token_id]

    def asked(self) -> bytes:
        """The bigrams that were looked up since the last call, each the first time: ``BIGRAM_BYTES`` each."""
        if not self._unsaid:
            return b""
        numbers = array("I")
        for token_id in self._unsaid:
            numbers.append(token_id)
            numbers.extend(self._asked[token_id] or ())
        self._unsaid.clear()
        if sys.byteorder == "big":
            numbers.byteswap()
        return numbers.tobytes()

    def _row(self, key: int) -> Row:
        row = self.rows.get(key)
        return row if row is not None else self._asked[key] or ()

    def _row_level(self, length: int, key: int, row: Row) -> Level:
        first = row[0] & SHARES
        return (length, next(float(weight) for below, weight in _SURE if first < below), not row[1], key)

    def after(self, place: int, length: int) -> None:
        """Nothing: the search looks for a candidate's levels in all sources, as others may know a longer suffix."""

    def candidates(self, level: Level) -> Sequence[Candidate]:
        """The tokens of a row, the likeliest first; their weights add up to the level's."""
        if level[3] == _LATELY:
            return self._listed
        row = self._row(level[3])
        if level[2]:
            return ((level[1], row[0] >> 8, row[0]),)
        unit = level[1] / sum([number & 255 for number in row])
        return [((number & 255) * unit, number >> 8, number) for number in row if number]

    def holds(self, level: Level, token_id: int) -> bool:
        """Whether a token is in a row, or among those likely lately."""
        if level[3] == _LATELY:
            return any(token_id == listed for _, listed, _ in self._listed)
        return any(number and number >> 8 == token_id for number in self._row(level[3]))

    def origin(self, place: int) -> Origin:
        """The model, which saw it once, and with the weight of its share."""
        return Origin(self.name, 1, (place & 255) / SHARES)

    def match_length(self, locus: int) -> int:
        """0: no text was read."""
        return 0


def _pulled(weights: dict[int, float], numbers: Sequence[int], factor: float = 1.0) -> dict[int, float]:
    """The weights of tokens, with what rows add to them."""
    for number in numbers:
        if number:
            token_id = number >> 8
            weights[token_id] = weights.get(token_id, 0.0) + factor * _PULL[number & SHARES]
    return weights


def _heaviest(weights: dict[int, float], count: int) -> list[tuple[int, float]]:
    """The tokens of the largest weights with them; of equals those that came first."""
    return nlargest(count, weights.items(), key=itemgetter(1))
