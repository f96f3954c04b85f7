"""Typed text through the real Trie, retrieval and search, against counting by hand."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.serve.modules import WEB
from app.views.typed_text import DEPTH, MOST_LETTERS, MOST_TOKENS, draft_answer, suffix_answer, trie_answer, words

TEXT = st.text("ab ", max_size=24)


def no_model(text: str) -> list[tuple[int, str, str]]:
    raise AssertionError(f"the model's tokenizer was asked for {text!r}")


def asked_trie(texts: list[str], read: int, tokens: str = "characters") -> dict[str, Any]:
    return trie_answer({"texts": texts, "read": read, "tokens": tokens}, no_model)


@given(st.lists(TEXT, min_size=1, max_size=2).filter(any), st.integers(0, 30))
def test_the_trie_is_drawn_whole_with_every_count(texts: list[str], read: int) -> None:
    trie = asked_trie(texts, read)["trie"]
    grams, newest = Counter[str](), Counter[str]()
    left = read
    for text in texts:
        seen, left = text[:left], max(0, left - len(text))
        ends = [
            (seen[max(0, end - n) : end], end) for end in range(1, len(seen) + 1) for n in range(1, min(end, DEPTH) + 1)
        ]
        grams.update(gram for gram, _ in ends)
        newest = Counter(gram for gram, end in ends if end == len(seen)) if seen else newest
    paths = [""]
    for place in range(1, len(trie["text"])):
        paths.append(paths[trie["parent"][place]] + trie["text"][place])
    assert dict(zip(paths[1:], trie["count"][1:], strict=True)) == grams
    assert {path for path, new in zip(paths, trie["new"], strict=True) if new} == set(newest)
    assert trie["held"] == len(grams)
    assert trie["added"] + trie["again"] == len(newest)


@given(TEXT.filter(lambda text: len(text) > 1))
def test_the_suffix_is_the_longest_that_something_followed(text: str) -> None:
    answer = suffix_answer({"text": text, "tokens": "characters"}, no_model)
    known = [n for n in range(1, min(len(text), answer["most"]) + 1) if text[:-1].rfind(text[-n:]) >= 0]
    assert (answer["levels"][0]["length"] if answer["levels"] else 0) == max(known, default=0)
    for level in answer["levels"]:
        followed = Counter(text[place] for place in level["places"])
        assert dict(level["next"]) == followed
        assert all(text[place - level["length"] : place] == text[-level["length"] :] for place in level["places"])


def test_a_narrower_draft_is_the_beginning_of_a_wider_one() -> None:
    text = "the cat sat on the mat, the cat sat on the sofa, and now the cat sat on the"
    wide = draft_answer({"text": text, "width": 12}, no_model)
    assert len(wide["text"]) == 12
    assert {"mat", "sofa"} == {wide["text"][node] for node in range(1, 12) if wide["parent"][node] == 0}
    assert wide["branches"] == 2
    assert wide["expected"] == pytest.approx(sum(wide["p"]))
    for width in range(2, 12):
        narrow = draft_answer({"text": text, "width": width}, no_model)
        assert narrow["text"] == wide["text"][:width]
        assert narrow["best"]["text"] == wide["text"][width]
        assert narrow["best"]["parent"] == wide["parent"][width]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a b a c a", ("c", 1, 2)),
        ("x the cat sat. y the cat sat, z the cat ran; the cat", ("sat", 2, 3)),
        ("one two one", ("two", 1, 1)),
    ],
)
def test_a_guess_says_where_its_probability_is_from(text: str, says: tuple[str, int, int]) -> None:
    answer = draft_answer({"text": text, "width": 2}, no_model)
    root, first, *_ = answer["why"]
    assert root is None
    assert (answer["text"][1], first["times"], first["of"]) == says
    assert not first["longer"]
    assert first["times"] / first["of"] * first["sure"] == pytest.approx(answer["p"][1])


def test_every_guess_is_explained_by_what_was_read_before() -> None:
    text = "the old cat slept on the mat. the old cat slept on the sofa. the old dog ran off. now the old"
    answer = draft_answer({"text": text, "width": 16}, no_model)
    read, parents, pieces = words(text), answer["parent"], answer["text"]
    assert len(answer["why"]) == len(pieces) + (answer["best"] is not None)
    for node in range(1, len(pieces)):
        path, above, why = [], parents[node], answer["why"][node]
        while above > 0:
            path.insert(0, pieces[above])
            above = parents[above]
        match = [*read, *path][-why["length"] :] if why["length"] else []
        ends = range(len(match), len(read))
        followed = [read[end] for end in ends if read[end - len(match) : end] == match]
        assert (why["times"], why["of"]) == (followed.count(pieces[node]), len(followed))
        factor = answer["p"][node] / answer["p"][parents[node]]
        assert why["times"] / why["of"] * why["sure"] == pytest.approx(factor)


def test_the_chapters_own_text_grows_deeper_first_and_then_beside() -> None:
    source = (WEB / "learn/lessons/draft.js").read_text()
    text = source.split("const TEXT = '")[1].split("'")[0]
    answer = draft_answer({"text": text, "width": 4}, no_model)
    assert answer["parent"] == (-1, 0, 1, 0)


def test_the_models_own_tokens_are_spelled_by_its_tokenizer() -> None:
    spelled = {"ab": [(7, "a", "a"), (9, "b", "b")], "b": [(9, "b", "b")]}
    answer = trie_answer({"texts": ["ab", "b"], "read": 3, "tokens": "model"}, spelled.__getitem__)
    assert answer["tokens"] == [["a", 0], ["b", 0], ["b", 1]]
    assert max(answer["trie"]["count"][1:]) == 2


def test_a_token_reads_as_it_does_at_its_place_and_alone_in_a_tree() -> None:
    the, cat, capital = (1, " the", " the"), (2, " cat", " cat"), (3, "", "")
    spelled = [capital, (1, "The", " the"), cat, (4, ";", ";"), the, cat, the]
    question = {"text": "The cat; the cat the", "texts": ["The cat; the cat the"], "read": 7, "tokens": "model"}
    answers = [ask({**question, "width": 2}, lambda _: spelled) for ask in (trie_answer, suffix_answer, draft_answer)]
    pieces = ["", "The", " cat", ";", " the", " cat", " the"]
    assert [piece for piece, _ in answers[0]["tokens"]] == list(answers[1]["tokens"]) == pieces
    assert "The" not in answers[0]["trie"]["text"]
    assert answers[1]["levels"][0]["next"] == [(" cat", 2)]
    assert answers[2]["text"] == [" the", " cat"]


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ({"texts": "ab"}, "a list of texts"),
        ({"texts": [1]}, "a list of texts"),
        ({"texts": ["a" * (MOST_LETTERS + 1)]}, "Shorten it"),
        ({"texts": ["a " * (MOST_TOKENS + 1)]}, f"at most {MOST_TOKENS}"),
        ({"texts": ["  ", ""]}, "Type a few words"),
        ({"texts": ["a"], "tokens": "bytes"}, "choose words, characters or model"),
        ({"texts": ["a"], "read": "1"}, "need a number"),
        ({"texts": ["a"], "read": True}, "need a number"),
    ],
)
def test_bad_questions_are_answered_in_a_line(question: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        trie_answer(question, no_model)


@pytest.mark.parametrize("width", [0, 17, "4", None, True])
def test_a_width_is_bounded(width: Any) -> None:
    with pytest.raises(ValueError, match="need 1 to 16"):
        draft_answer({"text": "a b", "width": width}, no_model)
