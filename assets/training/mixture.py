"""The stream of training documents: every task in its share, and the texts the tokenizer is trained on."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .documents import Document
from .edits import edited_code
from .encoding import Encoder
from .extraction import extraction_request
from .facts import posed, tell
from .grounded import Grounded
from .names import Names
from .problems import problem
from .questions import WordWeights
from .random_copying import random_documents
from .real_text import RealText
from .rewriting import rewritten, written_function
from .stories import story_task, told_story
from .tangling import tangled


@dataclass(frozen=True, slots=True)
class Shares:
    """How many documents of each kind, relative to each other."""

    random: float = 0.15
    real: float = 0.45
    told: float = 0.20
    extraction: float = 0.20
    rewriting: float = 0.20
    steps: float = 0.10
    story: float = 0.10
    longest: int = 1
    tangled: float = 0.0
    """The share of the functions to rewrite that are made to repeat themselves."""


def weights_of(text: RealText) -> WordWeights:
    """How telling words are in the training passages (in made-up ones where there are none)."""
    sentences = [s for p in text.passages for s in p.sentences]
    if not sentences:
        rng = random.Random(0)
        names = Names(rng)
        sentences = [f.sentence for _ in range(300) for f in tell(rng, names, 6).facts]
    return WordWeights(sentences)


class Mixture:
    """Endless documents by shares; the same seed gives the same stream."""

    def __init__(self, seed: int, encoder: Encoder, text: RealText, shares: Shares) -> None:
        self.rng = random.Random(seed)
        self.encoder = encoder
        self.text = text
        self.names = Names(self.rng)
        self.grounded = Grounded(self.rng, encoder, text.passages, weights_of(text))
        self.random_documents = random_documents(np.random.default_rng(seed), 0.8)
        self.shares = shares

    def documents(self) -> Iterator[Document]:
        makers = {
            self.random_document: self.shares.random,
            self.real_document: self.shares.real,
            self.told_document: self.shares.told,
            self.extraction: self.shares.extraction,
            self.rewriting: self.shares.rewriting,
            self.steps: self.shares.steps,
            self.story: self.shares.story,
        }
        kinds, weights = list(makers), list(makers.values())
        while True:
            yield self.rng.choices(kinds, weights)[0]()

    def random_document(self) -> Document:
        return next(self.random_documents)

    def real_document(self) -> Document:
        return self.grounded.real(self.shares.longest)

    def told_document(self) -> Document:
        return self.grounded.told()

    def extraction(self) -> Document:
        story = tell(self.rng, self.names, self.rng.randint(2, 8))
        return self.encoder.edited(story.passage, [extraction_request(self.rng, story) for _ in range(3)])

    def rewriting(self) -> Document:
        known = self.text.functions and self.rng.random() < 0.3
        code = self.rng.choice(self.text.functions) if known else written_function(self.rng)
        if self.rng.random() < self.shares.tangled:
            code = tangled(self.rng, code)
        edits = [edit for edit in (rewritten(self.rng, code) for _ in range(4)) if edit is not None]
        return edited_code(self.encoder, code, edits) if edits else self.rewriting()

    def steps(self) -> Document:
        known = self.text.problems and self.rng.random() < 0.6
        text, answer = self.rng.choice(self.text.problems) if known else problem(self.rng)
        return self.encoder.edited(text, [("", answer)], weight=0.5)

    def story(self) -> Document:
        request, answer = story_task(self.rng)
        return self.encoder.edited(request, [("", answer)], weight=0.5)


def tokenizer_texts(text: RealText, seed: int, size: int = 2500) -> Iterator[str]:
    """The corpus of the tokenizer: the training part of the real text and ``size`` texts of every task."""
    rng = random.Random(seed)
    names = Names(rng)
    for passage in text.passages:
        yield f"{passage.text}\n\n{passage.question}"
    for asked, answer in text.problems[:2000]:
        yield f"{asked}\n{answer}"
    yield from text.functions
    for _ in range(size):
        story = tell(rng, names, 6)
        request, answer = extraction_request(rng, story)
        yield f"{story.passage}\n\n{posed(rng, rng.choice(story.facts).questions[0])}"
        yield f"{request}\n{answer}"
    for _ in range(size // 3):
        code = written_function(rng)
        yield "\n\n".join((code, *(rewritten(rng, code) or ())))
        yield "\n".join(problem(rng))
        yield " ".join(told_story(rng))
