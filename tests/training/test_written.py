"""The questions and passages that this project wrote: whole, in their place, never about what is held out."""

import gzip
import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.training.asked import Asked, AskedPassage
from assets.training.encoding import Encoder
from assets.training.grounded import Grounded
from assets.training.mixture import tokenizer_texts, weights_of
from assets.training.paths import TEXTS
from assets.training.real_text import FILES, HELD_OUT_QUESTIONS, RealText, asked_passage, read_lines, read_real_text
from assets.training.tokenizer import train_tokenizer
from assets.training.written import read_questions, written_passages

DATA = Path(__file__).parents[3] / "shared" / "data"
MARKS = ("kimo", "vasu", "telp", "rodi", "nefa", "gulm", "zarn", "poth")


def marked_passage(title: str, marks: tuple[str, ...]) -> AskedPassage:
    """A passage of one sentence a mark, with questions that name the mark of the sentence they are about."""
    sentences = tuple(f"Here stands the word {mark} in {title} once more." for mark in marks)
    written = tuple(Asked(f"where is {mark}", n) for n, mark in enumerate(marks) for _ in range(2))
    return AskedPassage(title, sentences, f"what of {marks[1]}", (marks[1],), written)


PASSAGES = (marked_passage("Ulm", MARKS[:4]), marked_passage("Bonn", MARKS[4:]))


@pytest.fixture(scope="module")
def grounded():
    text = RealText(passages=PASSAGES)
    encoder = Encoder(train_tokenizer(tokenizer_texts(text, seed=0, size=100)))
    made = Grounded(random.Random(0), encoder, PASSAGES, weights_of(text))
    made.passages = made.passages[: len(PASSAGES)]
    return made


def marked_questions(grounded: Grounded, seed: int) -> int:
    """How many questions of one document name a mark; each has to stand in the sentence it leads to."""
    grounded.rng = random.Random(seed)
    document = grounded.real(longest=1)
    decode = grounded.encoder.tokenizer.decode
    found = 0
    for branch in document.branches:
        for mark in MARKS:
            if decode(branch.question) == f"\n\nwhere is {mark}<bot>":
                sentence = [
                    t for t, n in zip(document.prefix, document.sentence or (), strict=True) if n == branch.gold
                ]
                assert mark in decode(sentence)
                found += 1
    return found


@given(seed=st.integers(0, 10_000))
def test_a_question_goes_with_its_sentence_wherever_that_ends_up(grounded, seed):
    marked_questions(grounded, seed)


def test_most_documents_have_written_questions(grounded):
    assert sum(marked_questions(grounded, seed) > 1 for seed in range(100)) > 70


@pytest.mark.parametrize("name", ["questions.tsv", "held_out_questions.tsv"])
def test_written_questions_are_questions_and_stand_there_once(name):
    by_row = read_questions(TEXTS / name)
    assert by_row
    for asked in by_row.values():
        assert all(3 <= len(a.question.split()) <= 30 and a.gold >= 0 for a in asked)
        assert len({a.question for a in asked}) == len(asked)


def test_no_passage_or_sentence_that_is_held_out_is_trained_on(tmp_path, monkeypatch):
    monkeypatch.setattr("assets.training.real_text.read_questions", lambda _: {})  # go by the real file's rows
    shared = "This very sentence stands in two different passages."

    def row(place: int, text: str) -> dict:
        return {"question": f"q{place}", "answers": ["a"], "ctxs": [{"title": f"T{place}", "text": text}]}

    texts = [f"Passage number {place} says this. And then it says that." for place in range(HELD_OUT_QUESTIONS + 20)]
    texts[3] = texts[-1]
    texts[5], texts[-2] = f"One thing first. {shared}", f"{shared} Another thing last."
    rows = {FILES[0]: [row(place, text) for place, text in enumerate(texts)], FILES[1]: [], FILES[2]: []}
    for name, lines in rows.items():
        with gzip.open(tmp_path / name, "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
    text = read_real_text(tmp_path)
    kept, held = ([p.text for p in part] for part in (text.passages, text.held_out_passages))
    assert held == texts[-HELD_OUT_QUESTIONS:]
    assert kept == [texts[place] for place in range(20) if place not in (3, 5)]


def test_a_data_folder_that_lacks_a_file_is_refused(tmp_path):
    with pytest.raises(OSError, match="nq-open-oracle"):
        read_real_text(tmp_path)


@pytest.mark.skipif(not DATA.exists(), reason="needs the data folder")
def test_training_is_asked_about_training_passages_and_the_quiz_about_held_out_ones():
    rows = [asked_passage(row) for row in read_lines(DATA / "nq-open-oracle.jsonl.gz")]
    text = read_real_text(DATA)
    kept, held = {p.text for p in text.passages}, {p.text for p in text.held_out_passages}
    for name, allowed in (("questions.tsv", kept - held), ("held_out_questions.tsv", held - kept)):
        for row, asked in read_questions(TEXTS / name).items():
            assert rows[row].text in allowed
            assert max(a.gold for a in asked) < len(rows[row].sentences)
    assert min(read_questions(TEXTS / "held_out_questions.tsv")) >= len(rows) - HELD_OUT_QUESTIONS
    assert any(p.written for p in text.passages)
    assert any(p.written for p in text.held_out_passages)


def test_invented_passages_are_whole():
    titles = [p.title for p in written_passages()]
    assert len(set(titles)) == len(titles) > 100
    for passage in written_passages():
        assert len(passage.sentences) > 1
        assert all(sentence.rstrip("\"')]")[-1] in ".!?" for sentence in passage.sentences)
        assert len(passage.written) > 3
        assert all(a.question and 0 <= a.gold < len(passage.sentences) for a in passage.written)
