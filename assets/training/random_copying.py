"""Stage one: choosing and quoting "sentences" of random token ids, which needs no language and no tokenizer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .alphabet import BOT, END, FIRST_MERGED, JOIN, SHIFT, USER, VOCAB_SIZE, byte_id
from .documents import Branch, Document

SHIFT_ID, JOIN_ID, STOP_ID, NEWLINE_ID = (byte_id(c) for c in (SHIFT, JOIN, ".", "\n"))


def rank_weights() -> np.ndarray:
    """Zipf's law over the merged tokens, whose ids are ordered by frequency."""
    weights = 1.0 / (np.arange(VOCAB_SIZE - FIRST_MERGED) + 5.0)
    return weights / weights.sum()


CUMULATIVE = rank_weights().cumsum()


def words(rng: np.random.Generator, count: int, common: float) -> list[int]:
    """Random token ids, a share ``common`` of them frequent ones."""
    rare = rng.integers(FIRST_MERGED, VOCAB_SIZE, count)
    frequent = FIRST_MERGED + np.minimum(np.searchsorted(CUMULATIVE, rng.random(count)), VOCAB_SIZE - FIRST_MERGED - 1)
    return np.where(rng.random(count) < common, frequent, rare).tolist()


def random_document(rng: np.random.Generator, sentences: int, longest: int, branches: int) -> Document:
    """A passage of random sentences with questions; sentences share words and often their first ones."""
    common = rng.choice([0.1, 0.4])
    texts = [words(rng, int(rng.integers(3, longest + 1)), common) for _ in range(sentences)]
    for number in range(1, sentences):
        if rng.random() < 0.3:
            opening = texts[rng.integers(number)][: rng.integers(1, 4)]
            texts[number][: len(opening)] = opening
        if rng.random() < 0.15:
            texts[number][rng.integers(len(texts[number]))] = int(rng.choice(texts[rng.integers(number)]))
    for _ in range(int(rng.integers(0, 2 * sentences))):
        repeat_piece(rng, texts)
    prefix, sentence, spans = [USER, JOIN_ID], [-1, -1], []
    for number, text in enumerate(texts):
        spans.append(len(prefix))
        marked = [SHIFT_ID, *text, STOP_ID]
        prefix += marked
        sentence += [number] * len(marked)
    made = [random_branch(rng, texts, spans, common, whole=n % 3 == 0) for n in range(branches)]
    return Document(prefix, made, sentence)


def repeat_piece(rng: np.random.Generator, texts: list[list[int]]) -> None:
    """Puts two to eight ids in a row also somewhere else, in place of what was there, if both are long enough."""
    giver = texts[rng.integers(len(texts))]
    taker = giver if rng.random() < 0.3 else texts[rng.integers(len(texts))]
    size = int(rng.integers(2, 9))
    if len(giver) > size and len(taker) > size + 1:
        begin, at = int(rng.integers(len(giver) - size)), int(rng.integers(1, len(taker) - size))
        taker[at : at + size] = giver[begin : begin + size]


def random_branch(
    rng: np.random.Generator, texts: list[list[int]], spans: list[int], common: float, whole: bool
) -> Branch:
    """A question of a few ids of one sentence, and that sentence or (not ``whole``) its beginning."""
    gold = int(rng.integers(len(texts)))
    others = {token for number, text in enumerate(texts) if number != gold for token in text}
    own = [token for token in texts[gold] if token not in others]
    if not own:
        own = texts[gold]
    asked = rng.choice(own, size=min(len(own), int(rng.integers(1, 5))), replace=False).tolist()
    shared = [token for token in texts[gold] if token in others]
    noise = words(rng, int(rng.integers(0, 3)), 0.8) + shared[: int(rng.integers(0, 2))]
    asked += noise
    if rng.random() < 0.6:
        rng.shuffle(asked)
    answer = [JOIN_ID, SHIFT_ID, *texts[gold], STOP_ID, END]
    sources = [-1, *range(spans[gold], spans[gold] + len(texts[gold]) + 2), -1]
    if not whole:
        answer, sources = answer[:5], sources[:5]
    question = [NEWLINE_ID, NEWLINE_ID, JOIN_ID, *asked, BOT]
    return Branch(question, answer, sources, gold, first_weight=3.0, first_tokens=4)


def random_documents(rng: np.random.Generator, hardness: float) -> Iterator[Document]:
    """Endless passages; ``hardness`` from 0 (two to four short sentences) to 1 (up to twelve longer ones)."""
    while True:
        sentences = int(rng.integers(2, 5 + round(8 * hardness)))
        longest = int(8 + rng.integers(0, 1 + round(24 * hardness)))
        yield random_document(rng, sentences, longest, branches=int(rng.integers(6, 13)))
