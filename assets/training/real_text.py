"""Real text from the data folder: passages with questions, word problems, functions; what is held out of it."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

from .asked import Asked, AskedPassage
from .paths import TEXTS
from .written import read_questions

FILES = ("nq-open-oracle.jsonl.gz", "gsm8k_train.jsonl.gz", "humanevalpack.jsonl.gz")
"""What a data folder holds, the sources' own rows as they publish them, one JSON object per line."""
HELD_OUT_QUESTIONS = 300
HELD_OUT_PROBLEMS = 200
HELD_OUT_FUNCTIONS = 20
BORDER = re.compile(
    r"(?<=[.!?])(?<!\b[A-Z]\.)(?<!\bMr\.)(?<!\bMrs\.)(?<!\bDr\.)(?<!\bSt\.)(?<!\bJr\.)(?<!\bvs\.)(?<!\bNo\.)"
    r"\s+(?=[\"'(]?[A-Z0-9])"
)
"""Between two sentences; initials and the commonest abbreviations end none."""


@dataclass(frozen=True, slots=True)
class RealText:
    """The training part and the held-out part of each source; all empty without a data folder."""

    passages: tuple[AskedPassage, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()
    functions: tuple[str, ...] = ()
    held_out_passages: tuple[AskedPassage, ...] = ()
    held_out_problems: tuple[tuple[str, str], ...] = ()
    held_out_functions: tuple[str, ...] = ()


def split_sentences(text: str) -> tuple[str, ...]:
    """The sentences of a passage, white space made single."""
    return tuple(BORDER.split(re.sub(r"\s+", " ", text).strip()))


def read_lines(path: Path) -> list[dict]:
    """The rows of a gzipped JSON lines file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def asked_passage(row: dict) -> AskedPassage:
    """One row of nq-open-oracle."""
    context = row["ctxs"][0]
    return AskedPassage(context["title"], split_sentences(context["text"]), row["question"], tuple(row["answers"]))


def with_written(passages: list[AskedPassage], by_row: dict[int, tuple[Asked, ...]]) -> list[AskedPassage]:
    """The passages with the questions written about them; the same passage in several rows gets the same ones."""
    by_text = {passages[row].text: asked for row, asked in by_row.items()}
    return [replace(p, written=by_text.get(p.text, ())) for p in passages]


def solved_problem(row: dict) -> tuple[str, str]:
    """One row of gsm8k: the problem, and its steps without the calculator's marks."""
    steps, _, result = re.sub(r"<<.*?>>", "", row["answer"]).partition("\n#### ")
    return row["question"].strip(), f"{steps.strip()}\nThe answer is {result.strip()}."


def read_real_text(folder: Path | None) -> RealText:
    """Everything in ``folder``, with the last rows of each file held out and their passages kept out of training.

    Raises:
        OSError: If one of ``FILES`` is not there or cannot be read.
    """
    if folder is None:
        return RealText()
    asked = [asked_passage(row) for row in read_lines(folder / FILES[0])]
    if asked:
        written = read_questions(TEXTS / "questions.tsv") | read_questions(TEXTS / "held_out_questions.tsv")
        asked = with_written(asked, written)
    kept, held = asked[:-HELD_OUT_QUESTIONS], asked[-HELD_OUT_QUESTIONS:]
    hidden = {p.text for p in held} | {s for p in held for s in p.sentences if len(s) > 30}
    kept = [p for p in kept if p.text not in hidden and not any(s in hidden for s in p.sentences)]
    problems = [solved_problem(row) for row in read_lines(folder / FILES[1])]
    rows = read_lines(folder / FILES[2])
    functions = [row["declaration"].strip() + "\n" + row["canonical_solution"].rstrip() for row in rows]
    functions = [f for f in functions if len(f) < 900]
    return RealText(
        tuple(kept),
        tuple(problems[:-HELD_OUT_PROBLEMS]),
        tuple(functions[:-HELD_OUT_FUNCTIONS]),
        tuple(held),
        tuple(problems[-HELD_OUT_PROBLEMS:]),
        tuple(functions[-HELD_OUT_FUNCTIONS:]),
    )
