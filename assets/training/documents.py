"""What the training reads: a passage and the questions that share it, as token ids."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Branch:
    """One question and its answer; it sees the document's prefix and itself, never another branch.

    Attributes:
        question: Token ids from the end of the prefix to the assistant's mark, that mark included.
        answer: Token ids of the answer, the end mark included unless the answer was cut short.
        sources: For every answer token the prefix position it is copied from, or -1; positions past the prefix are
            places in the question.
        followed: Where it would be copied from if nothing were replaced; ``sources`` if None.
        emphasis: What every answer token counts more in the loss, or None.
        pair: A question token and an earlier one that it belongs to.
        gold: The sentence that the question asks for, or -1.
        weight: What every answer token counts in the loss.
        first_weight: What the tokens before ``first_tokens`` count instead.
        question_weight: What every question token counts as plain language modelling.
        begin_weight: What the first token of every copied piece counts more.
    """

    question: list[int]
    answer: list[int]
    sources: list[int] | None = None
    gold: int = -1
    weight: float = 1.0
    first_weight: float = 1.0
    first_tokens: int = 0
    question_weight: float = 0.0
    begin_weight: float = 1.0
    followed: list[int] | None = None
    emphasis: list[float] | None = None
    pair: tuple[int, int] | None = None


@dataclass(slots=True)
class Document:
    """A prefix that several branches share.

    Attributes:
        prefix: Token ids, the user's mark first.
        sentence: For every prefix token the number of its sentence, or -1.
        prefix_weight: What every prefix token counts as plain language modelling.
    """

    prefix: list[int]
    branches: list[Branch]
    sentence: list[int] | None = None
    prefix_weight: float = 0.0


def sentences_of_tokens(document: Document) -> dict[int, int]:
    """For every token of one sentence alone the number of that sentence; -1 for tokens of several."""
    found: dict[int, int] = {}
    for token, number in zip(document.prefix, document.sentence or (), strict=False):
        found[token] = number if found.get(token, number) == number else -1
    return found
