"""What the Live Trie, its search and the node details show of a corpus that a run drafted from."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from app.run.stored_run import StoredRun, from_record
from app.views import search, seen_in, tries
from lookahead.drafter import MAX_DEPTH
from lookahead.runs import runfile
from lookahead.trie import Trie
from lookahead.trie.prune import prune
from tests.app.making import asked, corpus_of, counted_run
from tests.app.model.test_corpus import GOLDEN

ALL = ("prompt", "output", "corpus")


def said(stored: StoredRun) -> list[int]:
    """The prompt and everything that the run emitted."""
    return [*stored.prompt_ids, *(token_id for step in stored.steps for token_id in step.emitted_ids)]


def corpus_run(sources=ALL, corpus: tuple[Trie, ...] | None = None) -> StoredRun:
    """A run of a prompt whose continuation only the corpus knows."""
    if corpus is None:
        corpus = corpus_of(said(counted_run([3], (), most=40, modulo=50)))
    return counted_run([3], sources, most=40, modulo=50, corpus=corpus)


def test_the_corpus_is_shown_and_told_apart() -> None:
    ask = asked(corpus_run())
    answer = ask("trie_view", 1)
    level = answer["levels"][0]
    picture = level["picture"]
    assert level["kind"] == "corpus"
    assert level["length"] >= 1
    assert {*picture["prompt"], *picture["output"], *picture["earlier"]} == {0}
    assert not any(picture["new"])
    assert min(picture["corpus"]) >= 1
    assert answer["earlier"] is None
    assert answer["corpus"]["n_grams"] > 0
    assert answer["size"]["n_grams"] > answer["corpus"]["n_grams"]
    assert "corpus_count" in ask("graph_file", 1)["text"]


def test_a_run_without_the_source_shows_nothing_of_the_corpus() -> None:
    stored = corpus_run(("prompt", "output"))
    assert stored.corpus
    ask = asked(stored)
    answer = ask("trie_view", 1)
    assert answer["corpus"] is None
    assert {level["kind"] for level in answer["levels"]} == {"own"}
    assert "not in the trie" in ask("trie_view", 0, text="<22>")["error"]


def test_a_long_prompt_is_followed_in_the_corpus_as_the_draft_follows_it() -> None:
    prompt = random.Random(4).choices(range(50), k=100)
    corpus = corpus_of(said(counted_run(prompt, (), most=20, modulo=50)))
    stored = counted_run(prompt, ("corpus",), most=20, modulo=50, corpus=corpus)
    level = tries.levels(stored, tries.trie_at(stored, 1))[0]
    assert level.length == stored.steps[1].match_length < len(prompt)


def test_where_nothing_is_recognised_the_root_shown_is_of_a_trie_that_can_guess() -> None:
    stored = counted_run([3], ("corpus",), most=4, modulo=50, corpus=corpus_of([40, 41, 42, 40]))
    (level,) = tries.levels(stored, tries.trie_at(stored, 1))
    assert (level.length, level.kind) == (0, "corpus")
    assert len(tries.around(level)) > 1


def test_looking_writes_nothing_into_the_corpus() -> None:
    stored = corpus_run()
    ask = asked(stored)
    (trie,) = stored.corpus
    before = (trie.stats(), trie.version, list(trie.counts))
    for step in range(len(stored.steps)):
        ask("trie_view", step)
        ask("trie_view", step, text="<22>")
        ask("graph_file", step)
    assert (trie.stats(), trie.version, list(trie.counts)) == before


def test_the_search_covers_the_corpus() -> None:
    ask = asked(corpus_run())
    wanted = "".join(ask("trie_view", 1)["levels"][0]["picture"]["text"][1:3])
    (place,) = ask("trie_view", 0, text=wanted)["levels"]
    assert place["kind"] == "corpus"
    assert "".join(place["match"]) == wanted
    assert "not in the trie" in ask("trie_view", 0, text="<51>")["error"]


LETTERS = ["a", "b", "ab", "ba", "aab", "", "c"]


@given(
    texts=st.lists(st.lists(st.integers(0, len(LETTERS) - 1), min_size=1, max_size=12), min_size=1, max_size=3),
    wanted=st.text("abc", min_size=1, max_size=6),
)
def test_a_text_is_found_exactly_where_the_corpus_says_it(texts: list[list[int]], wanted: str) -> None:
    (trie,) = corpus_of(*texts)
    tokens = search.spelled(trie, wanted, LETTERS.__getitem__)
    spelled = ["".join(map(LETTERS.__getitem__, text)) for text in texts]
    assert bool(tokens) == any(wanted in text for text in spelled)
    if tokens:
        assert wanted in "".join(map(LETTERS.__getitem__, tokens))
        assert any(text[at : at + len(tokens)] == tokens for text in texts for at in range(len(text)))


def test_the_most_frequent_spelling_is_found() -> None:
    (trie,) = corpus_of([0, 1], [2, 6], [2, 0])
    assert search.spelled(trie, "ab", LETTERS.__getitem__) == [2]


def test_a_node_of_the_corpus_is_quoted_from_it() -> None:
    stored = corpus_run()
    ask = asked(stored)
    text = said(stored)
    quoted = 0
    for step in stored.steps[1:]:
        assert step.draft is not None
        for node in range(1, len(step.draft)):
            if step.draft.sources[node] != "corpus":
                continue
            seen = ask("node_seen", step.index, node=node)
            assert seen["where"] == "the corpus"
            assert seen["token"] == f"<{step.draft.token_ids[node]}>"
            line = "".join(f"<{token_id}>" for token_id in text)
            assert seen["before"] + seen["token"] + seen["after"] in line
            quoted += 1
    assert quoted > 10


def test_a_quote_ends_where_the_text_does_and_begins_where_it_begins() -> None:
    seen = seen_in.where_in_corpus(corpus_of([1, 2], [3, 4, 5], [6]), [9, 3, 4])
    assert seen is not None
    assert (seen.where, seen.matched, seen.before, seen.after) == ("the corpus", 1, (3,), (4, 5))
    assert seen_in.where_in_corpus(corpus_of([1, 2]), [7]) is None
    assert seen_in.where_in_corpus((), [7]) is None


def test_a_corpus_that_lost_its_oldest_text_is_quoted_from_what_it_has() -> None:
    trie = Trie(MAX_DEPTH, capacity=2_000)
    numbers = random.Random(5)
    for _ in range(40):
        trie.insert([numbers.randrange(6) for _ in range(60)])
    prune(trie)
    assert trie.log_start > 0
    for _ in range(200):
        wanted = [numbers.randrange(6) for _ in range(8)]
        seen = seen_in.where_in_corpus((trie,), wanted)
        assert seen is not None
        assert seen.after[0] == wanted[-1]
        assert (
            list(seen.before[len(seen.before) - min(seen.matched, 7, len(seen.before)) :])
            == wanted[7 - min(seen.matched, 7, len(seen.before)) : 7]
        )


def test_an_opened_run_does_not_know_its_corpus() -> None:
    stored = from_record(runfile.load(GOLDEN))
    assert stored.corpus == ()
    assert "corpus" in stored.config.sources
    assert asked(stored)("trie_view", 1)["corpus"] is None


def test_a_space_at_the_end_takes_no_further_token_in() -> None:
    words = {1: "cat", 2: " sat", 3: "alog", 4: " ", 5: "the "}
    trie = Trie(MAX_DEPTH)
    for text in ((1, 3), (1, 3), (1, 2), (1, 4), (5, 1)):
        trie.insert(text)
    for wanted, tokens in (("cat ", [1]), ("cat", [1]), ("cat s", [1, 2]), ("catalog ", []), (" ", [2]), ("the ", [5])):
        assert search.spelled(trie, wanted, words.__getitem__) == tokens, wanted
    pieces = [words[token_id] for token_id in (1, 3, 1, 2, 4, 1)]
    assert search._spelling(pieces, (1, 3, 1, 2, 4, 1), "cat ") == [1]
    assert search._spelling(pieces, (1, 3, 1, 2, 4, 1), "sat  ") == []
    assert search._spelling(pieces, (1, 3, 1, 2, 4, 1), "sat ") == [2]
