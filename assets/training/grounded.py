"""The grounded-answer task: a passage, many questions about it, and for each the sentence that answers it."""

from __future__ import annotations

import random

from .asked import Asked, AskedPassage
from .documents import Branch, Document
from .encoding import Encoder
from .facts import capitalised, posed, tell
from .names import Names
from .questions import WordWeights, made_question, related, titled_question, words
from .scrambling import Scrambler
from .written import written_passages

SHORT_ANSWER = 7
"""Tokens of an answer that is cut short: enough to show which sentence was chosen."""
FIRST_TOKENS = 5
FIRST_WEIGHT = 3.0


def best_gold(passage: AskedPassage, weight: WordWeights) -> int | None:
    """Of the sentences that hold an answer the one that shares most with the question; None if none holds one."""
    asked = set(words(passage.question))
    golds = passage.gold
    if not golds:
        return None
    return max(golds, key=lambda n: (sum(weight(w) for w in asked & set(words(passage.sentences[n]))), -n))


def reworded(rng: random.Random, question: str) -> str:
    """A real question, now and then without a word, in another order, or with a capital and a question mark."""
    parts = [related(rng, word, 0.2) for word in question.split()]
    while len(parts) > 4 and rng.random() < 0.35:
        del parts[rng.randrange(1, len(parts))]
    if len(parts) > 6 and rng.random() < 0.1:
        at = rng.randrange(2, len(parts) - 1)
        parts[at], parts[at - 1] = parts[at - 1], parts[at]
    text = " ".join(parts)
    return capitalised(text) + "?" if rng.random() < 0.3 else text


class Grounded:
    """Makes documents of this task from real passages and from made-up facts."""

    def __init__(
        self, rng: random.Random, encoder: Encoder, passages: tuple[AskedPassage, ...], weight: WordWeights
    ) -> None:
        self.rng = rng
        self.encoder = encoder
        self.names = Names(rng)
        self.weight = weight
        self.passages = [(p, best_gold(p, weight)) for p in passages + written_passages()]
        self.scrambler = Scrambler(rng, [s for p, _ in self.passages for s in p.sentences])

    def document(self, sentences: list[str], asked: list[Asked], whole: int, language: float = 0.0) -> Document:
        """A passage with its questions; the first ``whole`` answers are complete, the rest cut short."""
        prefix, numbers, starts = self.encoder.passage(sentences)
        branches = []
        for number, item in enumerate(asked):
            answer, sources = self.encoder.quotation(sentences, prefix, starts, item.gold, item.gold)
            if number >= whole:
                answer, sources = answer[:SHORT_ANSWER], sources[:SHORT_ANSWER]
            branches.append(
                Branch(
                    self.encoder.question(item.question),
                    answer,
                    sources,
                    item.gold,
                    first_weight=FIRST_WEIGHT,
                    first_tokens=FIRST_TOKENS,
                )
            )
        self.rng.shuffle(branches)
        return Document(prefix, branches, numbers, prefix_weight=language)

    def made(self, sentences: list[str], count: int) -> list[Asked]:
        """Questions made from the words of the sentences, each sentence asked about as often as another."""
        order = [n for n in range(len(sentences)) if len(sentences[n]) > 15] or [0]
        asked = []
        for number in range(count):
            gold = order[number % len(order)] if number >= len(order) else self.rng.choice(order)
            asked.append(Asked(made_question(self.rng, sentences[gold], self.weight), gold))
        return asked

    def known(self, passage: AskedPassage, gold: int | None, place: dict[int, int], most: int) -> list[Asked]:
        """Its real question, worded in one to three ways, then up to ``most`` of the written ones.

        Args:
            place: Where each of its sentences stands; what asks for another is left out.
        """
        rng = self.rng
        asked = []
        if gold in place:
            asked = [Asked(reworded(rng, passage.question), place[gold]) for _ in range(rng.choice((1, 2, 2, 3)))]
        written = [a for a in passage.written if a.gold in place]
        for item in rng.sample(written, min(len(written), most)):
            question = reworded(rng, item.question) if item.question.islower() else item.question
            asked.append(Asked(question, place[item.gold]))
        return asked

    def natural(self) -> Document:
        """One passage in its order, with what people ask about it and a few made questions."""
        rng = self.rng
        passage, gold = rng.choice(self.passages)
        order = list(range(len(passage.sentences)))
        if len(order) > 2 and rng.random() < 0.3:
            order.remove(rng.choice([n for n in order if n != gold]))
        sentences = [passage.sentences[n] for n in order]
        asked = self.known(passage, gold, {n: at for at, n in enumerate(order)}, rng.randint(4, 9))
        scrambled = rng.random() < 0.4
        if scrambled:
            sentences = self.scrambler.scrambled(sentences, self.told_by(passage))
        early = [1 / (1 + n) for n in range(len(sentences))]
        for _ in range(rng.randint(0, 2)):
            (n,) = rng.choices(range(len(sentences)), early)
            asked.append(Asked(titled_question(rng, passage.title, sentences[n], self.weight, n == 0), n))
        asked += self.made(sentences, rng.randint(1, 3))
        rest = asked[1:]
        rng.shuffle(rest)
        language = 0.1 if not scrambled and rng.random() < 0.4 else 0.0
        return self.document(sentences, [*asked[:1], *rest], 4, language)

    def told_by(self, passage: AskedPassage) -> set[str]:
        """Words that must stay in its sentences, so that what people ask about it still has its answer there."""
        asked = " ".join(item.question for item in passage.written)
        return {*words(passage.question), *words(passage.title), *words(" ".join(passage.answers)), *words(asked)}

    def real(self, longest: int = 1) -> Document:
        """Real sentences: one passage in its order, one shuffled, or up to ``longest + 1`` mixed."""
        rng = self.rng
        if rng.random() < 0.6:
            return self.natural()
        passage, gold = rng.choice(self.passages)
        places: list[tuple[AskedPassage, int]] = [(passage, n) for n in range(len(passage.sentences))]
        shuffled = rng.random() < 0.6
        for _ in range(rng.randint(0 if shuffled else 1, longest)):
            other = rng.choice(self.passages)[0]
            added = [(other, n) for n in range(len(other.sentences))]
            places = [*added, *places] if rng.random() < 0.5 else [*places, *added]
        if shuffled:
            rng.shuffle(places)
        sentences = [p.sentences[n] for p, n in places]
        asked = []
        for one in dict.fromkeys(p for p, _ in places):
            at = {n: place for place, (p, n) in enumerate(places) if p is one}
            asked += self.known(one, gold if one is passage else None, at, rng.randint(2, 6))
        if rng.random() < 0.3:
            kept = set().union(*(self.told_by(p) for p, _ in places))
            sentences = self.scrambler.scrambled(sentences, kept)
        asked += self.made(sentences, rng.randint(1, 2 + len(sentences)))
        whole = asked[:1] + asked[-2:]
        return self.document(sentences, whole + asked[1:-2], len(whole))

    def told(self, stories: int = 2) -> Document:
        """Made-up facts about one subject or a few, in order or shuffled, with the questions written for them."""
        rng = self.rng
        told = [tell(rng, self.names, rng.randint(2, 8)) for _ in range(rng.choice((1, 1, 1, *range(2, stories + 1))))]
        one = len(told) == 1
        facts = [(f, f.questions if one else f.naming(story.subject)) for story in told for f in story.facts]
        if one and rng.random() < 0.4:
            rng.shuffle(facts)
        sentences = [fact.sentence for fact, _ in facts]
        asked = [Asked(posed(rng, rng.choice(questions)), n) for n, (_, questions) in enumerate(facts)]
        rng.shuffle(asked)
        asked += self.made(sentences, rng.randint(0, 3))
        return self.document(sentences, asked, whole=3)
