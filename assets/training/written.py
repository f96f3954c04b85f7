"""Questions and passages that this project wrote: what people would ask, and the sentence that answers it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from .asked import Asked, AskedPassage
from .paths import TEXTS


def read_questions(path: Path) -> dict[int, tuple[Asked, ...]]:
    """The questions written about passages of nq-open-oracle, by the number of the row there.

    A line is row, sentence and question, with tabs between.
    """
    found: dict[int, list[Asked]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        row, gold, question = line.split("\t")
        found.setdefault(int(row), []).append(Asked(question, int(gold)))
    return {row: tuple(asked) for row, asked in found.items()}


@cache
def written_passages() -> tuple[AskedPassage, ...]:
    """The invented passages: a title after ``#``, a line a sentence, questions after ``?`` and a number."""
    passages = []
    for block in (TEXTS / "encyclopedia.txt").read_text(encoding="utf-8").split("\n\n"):
        title, *lines = block.strip().splitlines()
        asked = [line[2:].split(" ", 1) for line in lines if line.startswith("? ")]
        sentences = tuple(line for line in lines if not line.startswith("? "))
        written = tuple(Asked(question, int(number)) for number, question in asked)
        passages.append(AskedPassage(title.removeprefix("# "), sentences, written=written))
    return tuple(passages)
