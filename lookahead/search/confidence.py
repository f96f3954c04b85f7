"""How sure a level is: the chance that the model's next token is among the tokens seen after one suffix.

A **level** is what one source has seen after one suffix of the context. Its confidence is the complement of the escape
probability of PPM (Cleary and Witten 1984); here it is not a formula of the counts but estimated, as PPM's
secondary estimation does (Bloom 1998), per class of level: which kind of source, how long the suffix, how often seen,
one successor or several, first choice or after an escape. Every class starts from a prior and moves, in log-odds,
with every verified draft, so a request that copies is soon trusted to copy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from lookahead.sources.source import Source

LENGTHS = 10
"""Classes of suffix length: 0, 1, 2, 3, 4, 5-6, 7-9, 10-15, 16-31, 32 and more."""
TOTALS = 5
"""Classes of how often the suffix was followed by anything: 1, 2, 3-5, 6-15, 16 and more."""
LONGEST, MOST = 32, 16
"""Suffix length and count from on which all are of one class."""
LENGTH_CLASS = bytes([0, 1, 2, 3, 4, 5, 5, 6, 6, 6, *[7] * 6, *[8] * 16, 9])
TOTAL_CLASS = bytes([0, 0, 1, 2, 2, 2, *[3] * 10, 4])
"""Class by suffix length up to ``LONGEST``, and by count up to ``MOST``."""

# Prior confidence by length class, for one successor and for several; measured on recorded outputs and rounded.
_ONE = (0.40, 0.46, 0.57, 0.62, 0.72, 0.79, 0.86, 0.94, 0.965, 0.97)
_SEVERAL = (0.50, 0.45, 0.45, 0.45, 0.50, 0.50, 0.50, 0.60, 0.70, 0.70)
_AFTER_ESCAPE = 0.45
_DRAFT_PRIOR, _FADE = 3.0, 0.98
_STEP, _FIRST_STEPS = 0.11, 2.5


def level_class(length: int, total: float, single: bool, escaped: int) -> int:
    """Number of the class of a level, 0 to ``CLASSES - 1``.

    Args:
        length: Tokens in the suffix.
        total: Weight of everything that followed it.
        single: Whether one token followed it, or several.
        escaped: 1 where a longer suffix was offered at the same node, 0 for the first.
    """
    by_length = LENGTH_CLASS[length if length < LONGEST else LONGEST]
    by_total = TOTAL_CLASS[int(total) if total < MOST else MOST]
    return ((by_length * TOTALS + by_total) * 2 + single) * 2 + escaped


CLASSES = LENGTHS * TOTALS * 4


def _prior(number: int) -> float:
    number, escaped = divmod(number, 2)
    number, single = divmod(number, 2)
    value = (_ONE if single else _SEVERAL)[number // TOTALS]
    return value * _AFTER_ESCAPE if escaped else value


PRIORS: Sequence[float] = tuple(_prior(number) for number in range(CLASSES))


class Table:
    """Confidence per class of one kind of source.

    Args:
        trust: Factor for the priors.

    Attributes:
        values: Current confidence of every class, shape ``(CLASSES,)``; read directly by the search.
    """

    def __init__(self, trust: float) -> None:
        self.values = [p * trust for p in PRIORS]
        self._odds = [math.log(p / (1.0 - p)) for p in self.values]
        self._seen = [0] * len(PRIORS)

    def copy(self) -> Table:
        """The same confidence, which learns by itself from now on."""
        copy = Table.__new__(Table)
        copy.values, copy._odds, copy._seen = self.values.copy(), self._odds.copy(), self._seen.copy()
        return copy

    def learn(self, number: int, hit: bool) -> None:
        """Move one class towards what was observed; the first observations count most."""
        seen = self._seen[number]
        self._seen[number] = seen + 1
        step = (_STEP + _FIRST_STEPS / (seen + 1.5)) * (hit - self.values[number])
        odds = self._odds[number] = min(6.0, max(-6.0, self._odds[number] + step))
        self.values[number] = 1.0 / (1.0 + math.exp(-odds))


class Confidence:
    """Confidence per kind of source and class of level, learned from what the model accepted.

    The best of many estimates is, on average, an overestimate: what whole drafts were expected to bring and what they
    brought is compared as well, and the ratio corrects every path probability of the next draft.

    Attributes:
        correction: Factor for path probabilities, at most 1.
    """

    def __init__(self) -> None:
        self.correction = 1.0
        self._expected = self._accepted = _DRAFT_PRIOR
        self._tables: dict[str, Table] = {}

    def of(self, source: Source) -> Table:
        """What is learned of sources of this kind."""
        if source.kind not in self._tables:
            self._tables[source.kind] = Table(source.trust)
        return self._tables[source.kind]

    def copy(self) -> Confidence:
        """The same confidence, which learns by itself from now on."""
        copy = Confidence()
        copy.correction, copy._expected, copy._accepted = self.correction, self._expected, self._accepted
        copy._tables = {kind: table.copy() for kind, table in self._tables.items()}
        return copy

    def settle(self, expected: float, accepted: int) -> None:
        """Compare a draft's expected accepted tokens with the accepted ones; older drafts fade."""
        self._expected = (self._expected - _DRAFT_PRIOR) * _FADE + _DRAFT_PRIOR + expected
        self._accepted = (self._accepted - _DRAFT_PRIOR) * _FADE + _DRAFT_PRIOR + accepted
        self.correction = min(1.0, self._accepted / self._expected)
