"""Made-up subjects with facts: sentences that state them and questions that ask for them, from texts/domains*.txt."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import cache

from .names import Names
from .paths import TEXTS


@dataclass(slots=True)
class FactKind:
    """One thing to say about a subject: ``{s}`` stands for it, ``{v}`` for the value; its names have a / between."""

    name: str
    value_kind: str
    sentences: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)

    @property
    def names_subject(self) -> bool:
        return any("{s}" in sentence for sentence in self.sentences)


@dataclass(slots=True)
class Domain:
    """A kind of subject, the words that can stand for it, and what can be said about it."""

    name: str
    pronouns: list[str]
    facts: list[FactKind] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Fact:
    """One sentence of a passage with the value it states and the questions it answers."""

    field: str
    value: str
    sentence: str
    questions: tuple[str, ...]

    def naming(self, subject: str) -> tuple[str, ...]:
        """The questions that name the subject; all of them if none does."""
        return tuple(q for q in self.questions if subject in q) or self.questions


@dataclass(frozen=True, slots=True)
class Story:
    """A subject and the facts told about it, in order."""

    domain: str
    subject: str
    facts: tuple[Fact, ...]

    @property
    def passage(self) -> str:
        return " ".join(fact.sentence for fact in self.facts)


@cache
def domains() -> tuple[Domain, ...]:
    """All domains of the text files."""
    found: list[Domain] = []
    for path in sorted(TEXTS.glob("domains*.txt")):
        for line in path.read_text().splitlines():
            if line.startswith("# "):
                name, pronouns = line[2:].split(": ")
                found.append(Domain(name, pronouns.split(", ")))
            elif line.startswith("S "):
                found[-1].facts[-1].sentences.append(line[2:])
            elif line.startswith("Q "):
                found[-1].facts[-1].questions.append(line[2:])
            elif line:
                name, value_kind = line.split()
                found[-1].facts.append(FactKind(name, value_kind))
    return tuple(found)


def capitalised(text: str) -> str:
    """The text with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def tell(rng: random.Random, names: Names, count: int) -> Story:
    """A subject with ``count`` facts (fewer where its domain has fewer), the first sentence naming it."""
    domain = rng.choice(domains())
    subject = names.subject(domain.name)
    kinds = rng.sample(domain.facts, min(count, len(domain.facts)))
    kinds.sort(key=lambda kind: not kind.names_subject)
    kinds[1:] = rng.sample(kinds[1:], len(kinds) - 1)
    facts = []
    for number, kind in enumerate(kinds):
        sentence = rng.choice(kind.sentences)
        if number == 0:
            named = [s for s in kind.sentences if "{s}" in s]
            sentence = rng.choice(named or kind.sentences)
        value = names.value(kind.value_kind)
        shown = subject if number == 0 or rng.random() < 0.5 else rng.choice(domain.pronouns)
        sentence = (
            sentence.replace("The {s}", "{s}").replace("the {s}", "{s}") if shown.startswith("the ") else sentence
        )
        text = capitalised(sentence.replace("{s}", shown).replace("{v}", value))
        questions = tuple(q.replace("{s}", subject).replace("the the ", "the ") for q in kind.questions)
        name = rng.choice(kind.name.split("/"))
        facts.append(Fact(name, value, text.replace("the the ", "the "), questions))
    return Story(domain.name, subject, tuple(facts))


def posed(rng: random.Random, question: str) -> str:
    """The question as different people type it."""
    roll = rng.random()
    if roll < 0.35:
        return question.lower()
    if roll < 0.5:
        return question
    if roll < 0.6:
        return question.lower() + "?"
    return capitalised(question) + "?"
