"""Questions made from any sentence: some of its telling words, worn down and reordered as people do when they ask."""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Iterable
from functools import cache

from .names import word_list
from .paths import TEXTS

WORD = re.compile(r"[A-Za-z0-9][\w'’-]*")
MONTH = "January|February|March|April|May|June|July|August|September|October|November|December"
DATE = re.compile(
    rf"\b(?:(?:in|on|since|until|from|by) )?(?:\d{{1,2}} )?(?:{MONTH})? ?\d{{0,2}},? ?(?:1[0-9]|20)\d\d\b"
)
PERSON = re.compile(r"(?<=[a-z,] )(?:[A-Z][a-z]+|[A-Z]\.) (?:[A-Z]\. )?[A-Z][a-z]+\b")
PLACE = re.compile(r"\b(?:in|at|near|from|to) (?:the )?[A-Z][a-z]+(?:,? [A-Z][a-z]+)*")
NUMBER = re.compile(r"\b(?:about |over |nearly )?[0-9][0-9,.]* (?:million |billion )?(?=[a-z]+s\b)")


@cache
def stop_words() -> frozenset[str]:
    """Words that tell nothing about a sentence."""
    return frozenset(word_list("stop"))


@cache
def families() -> dict[str, tuple[str, ...]]:
    """Words that an answer may have instead of a question's word, both ways."""
    found: dict[str, set[str]] = {}
    for line in (TEXTS / "families.txt").read_text(encoding="utf-8").splitlines():
        first, *others = line.split()
        for other in others:
            found.setdefault(first, set()).add(other)
            found.setdefault(other, set()).add(first)
    return {word: tuple(sorted(others)) for word, others in found.items()}


def related(rng: random.Random, word: str, often: float) -> str:
    """The word or, in a share ``often`` of the cases, one that means nearly the same."""
    others = families().get(word, ())
    return rng.choice(others) if others and rng.random() < often else word


class WordWeights:
    """How telling a word is: the fewer sentences hold it, the more."""

    def __init__(self, sentences: Iterable[str]) -> None:
        counts: Counter[str] = Counter()
        total = 1
        for sentence in sentences:
            total += 1
            counts.update(set(words(sentence)))
        self.counts = counts
        self.total = total

    def __call__(self, word: str) -> float:
        return math.log(self.total / (1 + self.counts[word]))


def words(text: str) -> list[str]:
    """Its words, lower case."""
    return [w.lower() for w in WORD.findall(text)]


def worn(rng: random.Random, word: str) -> str:
    """The word as another form of itself, now and then."""
    if rng.random() > 0.15 or len(word) < 5 or not word.isalpha():
        return word
    for end, others in (
        ("ies", ("y",)),
        ("ing", ("ed", "", "e")),
        ("ed", ("ing", "", "e")),
        ("s", ("",)),
        ("ly", ("",)),
        ("tion", ("te",)),
    ):
        if word.endswith(end):
            return word[: -len(end)] + rng.choice(others)
    return word + rng.choice(("s", "ed", "ing"))


def typed_question(rng: random.Random, sentence: str) -> tuple[str, str] | None:
    """A question word for something the sentence holds and the sentence without it, or None."""
    found: list[tuple[str, re.Match[str]]] = []
    for asking, pattern in (
        (("when", "what year", "when did", "when was"), DATE),
        (("who", "who", "who is", "who was"), PERSON),
        (("where", "where is", "where did", "where was"), PLACE),
        (("how many", "how much", "what number of"), NUMBER),
    ):
        found += [(rng.choice(asking), match) for match in pattern.finditer(sentence)]
    if not found:
        return None
    asking, match = rng.choice(found)
    return asking, sentence[: match.start()] + " " + sentence[match.end() :]


def made_question(rng: random.Random, sentence: str, weight: WordWeights) -> str:
    """A question that ``sentence`` answers, or at least shares its telling words with."""
    asking = rng.choice(("what", "what is", "which", "how", "why", "what did", "name the", "who", "when", "where", ""))
    rest = sentence
    typed = typed_question(rng, sentence)
    if typed is not None and rng.random() < 0.85:
        asking, rest = typed
    candidates = words(rest)
    if rng.random() < 0.5 and len(candidates) > 9:
        at = rng.randrange(len(candidates) - 6)
        candidates = candidates[at : at + rng.randint(6, 12)]
    content = [w for w in dict.fromkeys(candidates) if w not in stop_words()]
    if not content:
        return f"{asking} {' '.join(candidates[:6])}".strip()
    count = min(len(content), rng.randint(2, 6))
    ranked = sorted(content, key=lambda w: weight(w) * rng.uniform(0.5, 1.3), reverse=True)[:count]
    chosen = set(ranked)
    kept = [w for w in candidates if w in chosen or (w in stop_words() and rng.random() < 0.35)][:14]
    if rng.random() < 0.3:
        rng.shuffle(kept)
    return f"{asking} {' '.join(worn(rng, related(rng, w, 0.2)) for w in kept)}".strip()


def titled_question(rng: random.Random, title: str, sentence: str, weight: WordWeights, first: bool) -> str:
    """A question by people who know what the passage is about: its title, and a word or two of one sentence.

    A question that the ``first`` sentence answers may name the title alone.
    """
    asking, rest = rng.choice(("what is", "what", "which", "how", "why", "what was", "who", "when", "where")), sentence
    typed = typed_question(rng, sentence)
    if typed is not None and rng.random() < 0.8:
        asking, rest = typed
    named = [w for w in words(re.sub(r"\(.*?\)", "", title)) if rng.random() < 0.85] or words(title)
    content = [w for w in dict.fromkeys(words(rest)) if w not in stop_words() and w not in named]
    content.sort(key=lambda w: weight(w) * rng.uniform(0.3, 1.5), reverse=True)
    count = rng.choice((0, 0, 1, 1, 2, 3)) if first else rng.choice((1, 1, 2, 2, 3, 4))
    chosen = set(content[:count])
    kept = [w for w in words(rest) if w in chosen or (chosen and w in stop_words() and rng.random() < 0.15)][:8]
    kept = [worn(rng, related(rng, w, 0.4)) for w in kept]
    if rng.random() < 0.5:
        named = [rng.choice(("the", "in the", "of the", "in", "of", "for", "to the")), *named]
    parts = [kept, named] if rng.random() < 0.6 else [named, kept]
    return " ".join([asking, *parts[0], *parts[1]])
