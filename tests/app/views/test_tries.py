"""The Live Trie's answers: the tries as the draft of that step found them, with any sources."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.model.host import ModelHost
from app.run.start import start_run
from app.run.store import RunStore
from app.views import tries
from lookahead.config import LookaheadConfig
from lookahead.trie import ROOT
from tests.app.making import asked, asking, corpus_of, counted_run

SOURCES = [(), ("prompt",), ("output",), ("prompt", "output"), ("corpus",), ("prompt", "output", "corpus")]
ids = st.integers(0, 8)


@settings(max_examples=40)
@given(
    prompt=st.lists(ids, min_size=1, max_size=25),
    sources=st.sampled_from(SOURCES),
    earlier=st.lists(st.lists(ids, min_size=1, max_size=25), max_size=3),
    texts=st.lists(st.lists(ids, min_size=1, max_size=25), max_size=3),
)
def test_the_first_level_is_what_the_draft_of_the_step_began_with(prompt, sources, earlier, texts):
    stored = counted_run(prompt, sources, earlier, corpus=corpus_of(*texts))
    for step in stored.steps[1:-1]:  # the last one may have no room for a draft
        now = tries.trie_at(stored, step.index)
        levels = tries.levels(stored, now)
        # An n-gram at the end of every text that has it has no continuation: no picture begins there.
        others = bool(earlier or texts)
        assert levels[0].length == step.match_length or (others and levels[0].length < step.match_length)
        assert len(now.context) == step.context_length
        for level in levels:
            views = tries.around(level)
            assert views[0].child == level.start
            assert len(views) > 1 or level.start == ROOT
            if level.length:
                assert views[0].token_id == now.context[-1]


def test_without_the_source_output_the_match_moves_on_with_the_context():
    stored = counted_run([1, 2, 3, 4, 5, 6, 7, 8, 1], ("prompt",))
    lengths = []
    for step in stored.steps[1:]:
        now = tries.trie_at(stored, step.index)
        level = tries.levels(stored, now)[0]
        context = now.context[len(now.context) - level.length :]
        assert tries.around(level)[0].token_id == (context[-1] if context else -1)
        lengths.append(level.length)
    assert len(set(lengths)) > 1


def test_a_run_in_progress_knows_the_text_of_any_token(host: ModelHost):
    store = RunStore()
    trie_view = asking(store)["trie_view"]
    output = tuple(host.encode("a text of an earlier run, which this one does not say"))
    run = start_run(host, store, "abc abc abc", LookaheadConfig(decoding_length=4), 12, earlier=(output,))
    assert "an earlier run, which this one does not say" in "".join(map(run.texts.token_text, output))
    seen = 0
    while seen < 12 and run.going:
        run.news(seen).result(60)
        seen = len(run.steps)
        answer = trie_view({"run": run.run_id, "step": seen - 1})
        texts = [text for level in answer["levels"] for text in level["picture"]["text"]]
        assert texts
        assert not [text for text in texts if text.startswith("#")]
    assert seen


@pytest.fixture
def ask():
    """Questions about the second run of a prompt that is in no other trie."""
    first = counted_run([3], ("prompt", "output"), most=40, modulo=50)
    output = [token_id for step in first.steps for token_id in step.emitted_ids]
    stored = counted_run([3], ("prompt", "output"), [output], most=40, modulo=50)
    assert len(stored.steps) < len(first.steps)
    return asked(stored)


def test_earlier_outputs_are_shown_and_told_apart(ask):
    answer = ask("trie_view", 1)
    level = answer["levels"][0]
    assert level["kind"] == "earlier"
    assert level["length"] >= 1
    assert set(level["picture"]["prompt"]) == set(level["picture"]["output"]) == {0}
    assert min(level["picture"]["earlier"]) >= 1
    assert answer["earlier"]["outputs"] == 1
    assert "earlier_count" in ask("graph_file", 1)["text"]


def test_earlier_outputs_without_a_repeated_n_gram_count_too():
    answer = asked(counted_run([1, 2], ("prompt", "output"), [[3, 4, 5]]))("trie_view", 1)
    assert answer["earlier"] == {"outputs": 1, "tokens": 3}


def test_the_search_covers_earlier_outputs_before_this_run_says_it(ask):
    wanted = "".join(ask("trie_view", 1)["levels"][0]["picture"]["text"][1:3])
    (found,) = ask("trie_view", 0, text=wanted)["levels"]
    assert found["kind"] == "earlier"
    assert "".join(found["match"]) == wanted
    assert "not in the trie" in ask("trie_view", 0, text="<51>")["error"]
