"""How hard a copied token is: harder where what comes before it stands elsewhere too and goes on otherwise there."""

from __future__ import annotations

from dataclasses import dataclass

PLAIN, AFTER_ONE, AFTER_TWO, AFTER_FOUR = range(4)


@dataclass(frozen=True, slots=True)
class Followers:
    """What follows tokens, pairs and fours of a prefix: a token id where it is always the same, -1 where it is not."""

    prefix: list[int]
    after_one: dict[int, int]
    after_two: dict[tuple[int, int], int]
    after_four: dict[tuple[int, ...], int]

    def hardness(self, source: int) -> int:
        """``PLAIN`` if the token before ``source`` tells it, ``AFTER_ONE`` if only two do, ``AFTER_TWO`` if only
        four, ``AFTER_FOUR`` if not those.

        >>> followers([5, 1, 2, 3, 1, 2, 4]).hardness(2)
        0
        >>> followers([5, 1, 2, 3, 1, 2, 4]).hardness(6)
        2
        """
        before = self.prefix[source - 1]
        if self.after_one[before] >= 0:
            return PLAIN
        if self.after_two.get((self.prefix[source - 2], before), 0) >= 0:
            return AFTER_ONE
        return AFTER_TWO if self.after_four.get(tuple(self.prefix[max(0, source - 4) : source]), 0) >= 0 else AFTER_FOUR


def followers(prefix: list[int]) -> Followers:
    """What follows what in ``prefix``."""
    one: dict[int, int] = {}
    two: dict[tuple[int, int], int] = {}
    four: dict[tuple[int, ...], int] = {}
    for at in range(1, len(prefix)):
        token, before = prefix[at], prefix[at - 1]
        if one.setdefault(before, token) != token:
            one[before] = -1
        if at > 1 and two.setdefault((prefix[at - 2], before), token) != token:
            two[prefix[at - 2], before] = -1
        last = tuple(prefix[at - 4 : at])
        if at > 3 and four.setdefault(last, token) != token:
            four[last] = -1
    return Followers(prefix, one, two, four)
