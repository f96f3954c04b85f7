"""Real sentences that a model cannot know by heart: words changed, pieces in several places, long lists."""

from __future__ import annotations

import random

ABBREVIATIONS = (
    *("Jr.", "Sr.", "St.", "Mr.", "Mrs.", "Dr.", "Co.", "Inc.", "Ltd.", "No.", "vs.", "ca.", "Jan.", "Dec.", "Ave."),
    *("U.S.", "U.K.", "D.C.", "L.A.", "B.C.", "A.D.", "J.", "R.", "W.", "E.", "M.", "J. R.", "C. S.", "Ph.D.", "a.m."),
)


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
        if rng.random() < 0.6:
            self.add_list(rng.choice(parts))
        return [" ".join(words) for words in parts]

    def repeat(self, parts: list[list[str]]) -> None:
        """Repeats one to five words of the text in another place, half of the time a few words further on.

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

    def phrase(self, least: int, most: int) -> list[str]:
        """Words in a row of the passages."""
        count = self.rng.randint(least, most)
        begin = self.rng.randrange(max(1, len(self.frequent) - count))
        return [word.rstrip(".,;:") or word for word in self.frequent[begin : begin + count]]

    def add_list(self, words: list[str]) -> None:
        """Puts a list of two to six items into a sentence: they begin or end alike and differ in between.

        A quotation has to know in which of them it is. Some of what tells them apart stands in two or more, as the
        year in "the 2009 Globe for Best Actor, the 2009 BAFTA for Best Actor"; some are abbreviations.
        """
        rng = self.rng
        short = rng.random() < 0.3
        before, after = self.phrase(0, 3), [] if short else self.phrase(1, 5)
        shared = [self.word() for _ in range(rng.randint(1, 3))]
        items = []
        for _ in range(rng.randint(2, 6)):
            own = self.phrase(0 if short else 1, 3)
            if rng.random() < 0.5:
                own.insert(0, rng.choice(shared))
            items.append([*before, *own, rng.choice(ABBREVIATIONS)] if short else [*before, *own, *after])
        between = rng.choice((",", ",", ",", ";", "&", "and", "or"))
        for item in items[:-1]:
            item[-1:] = [item[-1] + between] if between in (",", ";") else [item[-1], between]
        if between == "," and rng.random() < 0.6:
            items[-1].insert(0, "and")
            items[-2][-1] = items[-2][-1].rstrip(",")
        at = rng.randrange(len(words))
        words[at:at] = [word for item in items for word in item]
