"""Passages and what is asked about them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and the number of the sentence that answers it."""

    question: str
    gold: int


@dataclass(frozen=True, slots=True)
class AskedPassage:
    """A passage with what is asked about it.

    Attributes:
        question: A question by someone who did not know the passage; empty if there is none.
        answers: Short answers to that, as they stand in the passage.
        written: Questions that this project wrote about it.
    """

    title: str
    sentences: tuple[str, ...]
    question: str = ""
    answers: tuple[str, ...] = ()
    written: tuple[Asked, ...] = ()

    @property
    def text(self) -> str:
        return " ".join(self.sentences)

    @property
    def gold(self) -> tuple[int, ...]:
        """Numbers of the sentences that hold an answer."""
        wanted = [answer.lower() for answer in self.answers]
        return tuple(n for n, s in enumerate(self.sentences) if any(a in s.lower() for a in wanted))
