"""Real sentences that nobody can know by heart: words changed, tails exchanged, pieces that stand in several places."""

from __future__ import annotations

import random


class Scrambler:
    """Changes sentences word by word; words come from anywhere in the training passages."""

    def __init__(self, rng: random.Random, sentences: list[str]) -> None:
        self.rng = rng
        self.frequent = [w for sentence in sentences for w in sentence.split()[:-1] if w[-1] not in ".!?"]
        self.distinct = sorted(set(self.frequent))

    def word(self) -> str:
        """A frequent word or a rare one; none that ends a sentence."""
        return self.rng.choice(self.frequent if self.rng.random() < 0.4 else self.distinct)

    def scrambled(self, sentences: list[str], kept: set[str]) -> list[str]:
        """The sentences changed; words in ``kept`` (lower case) and the last word of each stay."""
        rng = self.rng
        parts = [sentence.split() for sentence in sentences]
        share = rng.choice((0.02, 0.08, 0.2, 0.4))
        for words in parts:
            for at in range(len(words) - 1):
                if rng.random() < share and words[at].strip(".,()\"'").lower() not in kept:
                    words[at] = self.word()
        for _ in range(rng.randint(0, 1 + len(parts))):
            self.repeat(parts)
        return [" ".join(words) for words in parts]

    def repeat(self, parts: list[list[str]]) -> None:
        """Puts one to five words that stand somewhere also somewhere else, half of the time a few words further on.

        No piece ends a sentence: full stops inside of one make its start harder to find.
        """
        rng = self.rng
        giver, taker = rng.choice(parts), rng.choice(parts)
        if len(giver) < 3 or len(taker) < 3:
            return
        begin = rng.randrange(len(giver) - 2)
        piece = giver[begin : min(begin + rng.randint(1, 5), len(giver) - 1)]
        if rng.random() < 0.5:
            after = begin + len(piece) + rng.randint(0, 5)
            giver[after:after] = piece if after < len(giver) else []
            return
        at = rng.randrange(1, len(taker))
        taker[at:at] = piece
