"""The draft trees that the searches make of what the tries know."""

from __future__ import annotations

from itertools import pairwise
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookahead.config import LookaheadConfig
from lookahead.draft import DraftTree
from lookahead.drafter import Drafter, Request
from lookahead.records import Candidate, LeftOut
from lookahead.search.best_first import ESCAPE
from lookahead.sources.registry import SOURCES
from lookahead.trie import Trie
from tests.lookahead.fake_backend import row
from tests.lookahead.ngrams import sequences, trie_of

RANKINGS = ("probability", "frequency")
STRATEGIES = ("hierarchical", "parallel", "single")

texts = sequences | st.lists(st.integers(0, 12), max_size=60)
prompts = texts.map(lambda text: [*text, 1])
rankings, strategies = st.sampled_from(RANKINGS), st.sampled_from(STRATEGIES)
widths = st.integers(1, 70)


def request_after(prompt, output, session=(), corpus=(), expected=(), rows=False, **settings) -> Request:
    """A request with a history: its own prompt and output, an earlier output, a corpus, an expected text; ``rows`` also
    says what was likely after every token of the prompt."""
    drafter = Drafter(LookaheadConfig(**settings), (trie_of([corpus], 12),) if corpus else ())
    drafter.keep(session)
    request = drafter.start(prompt, expected)
    likely = [
        row((3 * one + 1) % 13, (3 * one + 2) % 13, (3 * one + 9) % 13, shares=(140, 90, one + 1)) for one in prompt
    ]
    if rows and output:
        request.recycle(b"".join(likely))
    request.commit(output)
    return request


def left_out_of(request: Request) -> LeftOut:
    """What the request's last draft left out."""
    left = request.left_out()
    assert left is not None
    return left


def best_left(request: Request) -> Candidate:
    """The most probable candidate that the request's last draft left out."""
    best = left_out_of(request).best
    assert best is not None
    return best


def branches(tree: DraftTree) -> list[list[int]]:
    """Tokens of every branch."""
    leaves = set(range(len(tree))) - set(tree.parents) - {0}
    return [[tree.token_ids[node] for node in tree.path(leaf)] for leaf in leaves]


def check_draft(tree: DraftTree, width: int, longest_branch: int, strategy: str) -> None:
    """Assert what every draft must be."""
    tree.check()
    assert len(tree) <= width
    assert max(tree.depths()) <= longest_branch
    assert tree.probabilities[0] == 1.0
    for node in range(1, len(tree)):
        assert 0 < tree.probabilities[node] <= tree.probabilities[tree.parents[node]] <= 1
        assert tree.sources[node] in SOURCES
        assert tree.counts[node] >= 1
    inner = [parent for parent in tree.parents[1:] if parent or strategy == "single"]
    if strategy == "hierarchical":
        return
    assert len(set(inner)) == len(inner)


@settings(max_examples=150)
@given(prompts, texts, texts, texts, texts, widths, st.none() | st.integers(1, 20), strategies, rankings)
def test_every_draft_is_a_well_formed_tree_within_what_was_asked(
    prompt, output, session, corpus, expected, width, branch, strategy, ranking
):
    settings = {"branch_length": branch, "strategy": strategy, "ranking": ranking}
    request = request_after(prompt, output, session, corpus, expected, rows=True, **settings)
    for emitted in ([1], [2, 0], []):
        tree = request.draft(width, branch or width, None)
        check_draft(tree, min(width, 64), min(branch or width, 63), strategy)
        assert tree.token_ids[0] == (output[-1:] or prompt[-1:])[0]
        output = [*output, *emitted]
        request.commit(emitted)


@settings(max_examples=60)
@given(prompts, texts, texts, texts, texts, strategies, st.sampled_from([1, 3, 63]))
def test_a_wider_draft_is_the_narrower_one_and_more(prompt, output, session, corpus, expected, strategy, branch):
    """So it expects no fewer tokens, and a cut anywhere is the draft of that width."""
    known = {"session": session, "corpus": corpus, "expected": expected, "rows": True}
    widest = request_after(prompt, output, **known, strategy=strategy).draft(64, branch, None)
    for width in range(1, 64, 3):
        tree = request_after(prompt, output, **known, strategy=strategy).draft(width, branch, None)
        assert tree.token_ids == widest.token_ids[: len(tree)]
        assert tree.parents == widest.parents[: len(tree)]
        assert len(tree) == min(width, len(widest))
        assert tree.expected_tokens() <= widest.expected_tokens()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_copy_that_is_all_there_is_is_drafted_however_improbable_it_is(strategy):
    request = request_after([*range(2, 20), 1], [], strategy=strategy)
    assert len(request.draft(12, 11, None)) == 12


@settings(max_examples=150)
@given(prompts, texts, texts, texts, texts, st.sets(st.sampled_from(list(SOURCES)), min_size=1))
def test_probabilities_never_rise_but_by_what_an_escape_may_yield(prompt, output, session, corpus, expected, sources):
    """Every source alone, and all together."""
    request = request_after(prompt, output, session, corpus, expected, rows=True, sources=tuple(sorted(sources)))
    for emitted in ([1], [2, 0, 1]):
        probabilities = request.draft(64, 63, None).probabilities[1:]
        lowest = 1.0
        for probability in probabilities:
            assert probability <= lowest / ESCAPE * (1 + 1e-9)
            lowest = min(lowest, probability)
        request.commit(emitted)


@settings(max_examples=100)
@given(prompts, texts, texts, texts, texts)
def test_with_a_bound_that_always_holds_probabilities_never_rise(prompt, output, session, corpus, expected):
    with mock.patch("lookahead.search.best_first.ESCAPE", 1.0):
        request = request_after(prompt, output, session, corpus, expected, rows=True)
        probabilities = request.draft(64, 63, None).probabilities
    assert all(after <= before * (1 + 1e-9) for before, after in pairwise(probabilities))


@settings(max_examples=100)
@given(prompts, texts, texts, texts, st.lists(st.floats(0.5, 3), min_size=64, max_size=64))
def test_a_search_that_stops_has_found_the_best_of_all_widths(prompt, output, session, corpus, seconds):
    """With a bound that always holds, no cut of the full draft brings more tokens per second."""
    with mock.patch("lookahead.search.best_first.ESCAPE", 1.0):
        full, cut = (
            request_after(prompt, output, session, corpus).draft(64, 63, seconds if adaptive else None)
            for adaptive in (False, True)
        )
    rates = [(1 + sum(full.probabilities[1:n])) / seconds[n - 1] for n in range(1, len(full) + 1)]
    assert cut.token_ids == full.token_ids[: len(cut)]
    assert cut.expected_tokens() / seconds[len(cut) - 1] >= max(rates) * (1 - 1e-5)


# ------------------------------------------------------------------ what was left out


@settings(max_examples=150)
@given(prompts, texts, texts, widths, st.none() | st.integers(1, 6), strategies)
def test_the_best_candidate_left_out_follows_from_the_draft_and_is_not_in_it(
    prompt, output, corpus, width, branch, strategy
):
    request = request_after(prompt, output, (), corpus, strategy=strategy)
    tree = request.draft(width, branch or width, None)
    if width < 2:
        assert request.left_out() is None
        return
    left = left_out_of(request)
    counts = (left.unseen, left.pays, left.branch_length, left.width, left.strategy)
    assert min(counts) >= 0
    assert left.unseen <= len(tree)
    best = left.best
    assert (best is None) == (sum(counts[1:]) == 0)
    if best is None:
        return
    assert 0 <= best.parent < len(tree)
    assert 0 < best.probability <= tree.probabilities[best.parent]
    assert getattr(left, best.reason) > 0
    siblings = [t for t, parent in zip(tree.token_ids, tree.parents, strict=True) if parent == best.parent]
    assert best.token_id not in siblings
    if best.reason == "branch_length":
        assert tree.depths()[best.parent] == min(branch or width, 63)
    if best.reason == "width":
        assert len(tree) == min(width, 64)


@settings(max_examples=20)
@given(prompts, texts, texts)
def test_what_did_not_fit_is_the_next_node_of_a_wider_draft(prompt, output, corpus):
    wide = request_after(prompt, output, (), corpus).draft(64, 63, None)
    for width in range(2, len(wide)):
        request = request_after(prompt, output, (), corpus)
        request.draft(width, 63, None)
        best = best_left(request)
        assert (best.token_id, best.parent, best.reason) == (wide.token_ids[width], wide.parents[width], "width")
        assert best.probability == wide.probabilities[width]


def test_each_reason_is_told():
    """A text that is a copy of itself, cut in every way."""
    prompt = [*range(10, 30), 1, *range(10, 15)]

    def reason(width=8, branch=63, seconds=None, **config):
        request = request_after(prompt, [], **config)
        request.draft(width, branch, seconds)
        return best_left(request)

    assert (reason().reason, reason().token_id) == ("width", 22)
    assert (reason(branch=3).reason, reason(branch=3).token_id) == ("branch_length", 18)
    dear = reason(seconds=[1.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0])
    assert (dear.reason, dear.token_id, dear.parent) == ("pays", 15, 0)
    single = request_after([1, 2, 1, 3, 1], [], strategy="single")
    single.draft(64, 63, None)
    assert left_out_of(single).strategy > 0
    nothing = request_after([1, 2, 3], [4], sources=("corpus",))
    nothing.draft(64, 63, None)
    assert left_out_of(nothing) == LeftOut(unseen=1)


def test_what_a_draft_teaches_does_not_depend_on_how_much_was_listed():
    """A token beyond the ones that were listed is held by its level all the same."""
    corpus = [[1, 2, 50 + rank] for rank in range(40) for _ in range(40 - rank)]
    taught = []
    for width in (6, 64):
        trie = Trie(12)
        for sequence in corpus:
            trie.insert(sequence)
        request = Drafter(LookaheadConfig(), (trie,)).start([9, 1, 2])
        request.draft(width, 1, None)
        table = request.confidence.of(next(source for source in request.sources if source.kind == "corpus"))
        before = list(table.values)
        request.commit([50 + 39])
        after = table.values
        taught.append([(n, new) for n, (old, new) in enumerate(zip(before, after, strict=True)) if new != old])
    assert taught[0] == taught[1] != []


@settings(max_examples=60)
@given(prompts, texts, texts, texts, strategies, rankings)
def test_the_same_history_drafts_the_same_tree(prompt, output, session, corpus, strategy, ranking):
    first, second = (
        request_after(prompt, output, session, corpus, strategy=strategy, ranking=ranking).draft(48, 47, None)
        for _ in range(2)
    )
    assert first == second


@settings(max_examples=80)
@given(prompts, texts, texts, texts, st.sets(st.sampled_from(["prompt", "output", "corpus"])), strategies, rankings)
def test_no_node_comes_from_a_source_that_is_off(prompt, output, session, corpus, sources, strategy, ranking):
    """Each source has tokens of its own, so a node's token tells where it came from."""
    places = {"prompt": 100, "output": 200, "session": 300, "corpus": 400}
    read = zip(places, (prompt, output, session, corpus), strict=True)
    told = {place: [token + places[place] for token in text] for place, text in read}
    request = request_after(
        [*told["prompt"], 1, 5, 1], [], [*told["session"], 1, *told["session"]], [*told["corpus"], 1, *told["corpus"]],
        sources=tuple(sorted(sources)), strategy=strategy, ranking=ranking,
    )  # fmt: skip
    for emitted in (told["output"], [1], [1, *told["output"], 1]):
        request.commit(emitted)
        tree = request.draft(64, 63, None)
        tree.check()
        found = set(tree.sources[1:])
        assert found <= sources
        for token_id, source in zip(tree.token_ids[1:], tree.sources[1:], strict=True):
            if token_id >= 100:
                assert source == {1: "prompt", 2: "output", 3: "output", 4: "corpus"}[token_id // 100]


@pytest.mark.parametrize("ranking", RANKINGS)
def test_ngrams_across_the_border_of_prompt_and_output_are_found(ranking):
    request = request_after([9, 3, 4], [5, 6, 8, 3, 4], ranking=ranking, strategy="single")
    tree = request.draft(4, 3, None)
    assert branches(tree) == [[5, 6, 8]], "4 5 was read with 4 in the prompt and 5 in the output"
    request = request_after([9, 3, 4], [5, 6, 4, 5], ranking=ranking, strategy="single")
    assert branches(request.draft(3, 2, None)) == [[6, 4]]


@pytest.mark.parametrize("ranking", RANKINGS)
def test_an_output_is_read_from_its_first_token(ranking):
    request = request_after([1], [7, 8, 7], ranking=ranking)
    assert 8 in request.draft(4, 3, None).token_ids


@pytest.mark.parametrize("ranking", RANKINGS)
def test_an_end_token_inside_the_prompt_is_a_token_like_any_other(ranking):
    """Chat templates have them; with 0 as the end token, too."""
    for end in (0, 2):
        request = request_after([5, 6, end, 7, 8, 9, end, 7], [], ranking=ranking, strategy="single")
        assert branches(request.draft(4, 3, None)) == [[8, 9, end]]


@pytest.mark.parametrize("ranking", RANKINGS)
def test_a_shorter_suffix_joins_a_longer_match(ranking):
    prompt = [1, 2, 30, 9, 2, 40, 9, 2, 50, 9, 1, 2]
    tree = request_after(prompt, [], ranking=ranking).draft(16, 15, None)
    first = [token for token, parent in zip(tree.token_ids, tree.parents, strict=True) if parent == 0]
    assert first[0] == 30, "what followed 1 2 comes first"
    assert {30, 40, 50} <= set(first), "what followed 2 alone is there as well"


@pytest.mark.parametrize("ranking", RANKINGS)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_long_copy_needs_no_recursion(ranking, strategy):
    prompt = [*range(10, 2010), 10, 11, 12]
    tree = request_after(prompt, [], ranking=ranking, strategy=strategy, decoding_length=1024).draft(1024, 1023, None)
    check_draft(tree, 1024, 1023, strategy)
    copied = [token_id for token_id in tree.token_ids if token_id >= 13]
    assert copied[:200] == list(range(13, 213))


def test_a_copy_read_twice_is_followed_past_the_window():
    prompt = [*range(10, 200), 5, *range(10, 200), 6, 10, 11, 12]
    tree = request_after(prompt, [], strategy="single").draft(64, 63, None)
    assert branches(tree) == [list(range(13, 13 + len(tree) - 1))]
    assert len(tree) > 40


@pytest.mark.parametrize("ranking", RANKINGS)
def test_prompt_occurrences_weigh_more(ranking):
    """Equally often read, the one in the prompt comes first; with a small weight the other one does."""
    for weight, first in ((2.0, 30), (0.4, 40)):
        request = request_after([7, 30, 5], [7, 40, 7], ranking=ranking, prompt_weight=weight)
        assert request.draft(3, 2, None).token_ids[1] == first


def test_the_frequency_ranking_puts_the_most_frequent_successor_of_the_longest_suffix_first():
    request = request_after([1], [2, 7, 2, 8, 2, 8, 2, 8, 3, 2, 7, 5, 3, 2], ranking="frequency", sources=("output",))
    tree = request.draft(8, 7, None)
    assert tree.token_ids[1] == 7, "3 2 was followed by 7"
    assert 8 in [token for token, parent in zip(tree.token_ids, tree.parents, strict=True) if parent == 0]


def test_prompt_weight_makes_no_successor_surer_than_its_level():
    """All that is known is how frequent the tokens of the prompt are, and one of them nearly always comes."""
    request = request_after([*range(100, 112), *[7] * 300], [], prompt_weight=10.0)
    for token_id in range(200, 230):
        request.commit([token_id])
        check_draft(request.draft(16, 15, None), 16, 15, "hierarchical")
        request.commit([7])


@settings(max_examples=60)
@given(prompts, texts, texts, widths, st.none() | st.integers(1, 4), strategies)
def test_asking_what_was_left_out_teaches_nothing(prompt, output, corpus, width, branch, strategy):
    """A run asks, a replay of it does not: both draft the same all along."""
    asked, silent = (request_after(prompt, [], (), corpus, strategy=strategy) for _ in range(2))
    for token_id in [*output, 1, 1]:
        trees = [request.draft(width, branch or width, None) for request in (asked, silent)]
        assert trees[0] == trees[1]
        asked.left_out()
        for request in (asked, silent):
            request.commit([token_id])


def test_a_childs_first_level_is_that_of_the_longest_suffix_also_where_a_shorter_one_proposed_it():
    """1 2 3 was followed by 5 once among many 4, and 2 3 by 5 most of the time."""
    corpus = [*[1, 2, 3, 4, 9] * 99, 1, 2, 3, 5, 6, 9, *[2, 3, 5, 7, 9] * 301]
    request = request_after([8, 1, 2, 3], [], (), corpus, sources=("corpus",))
    tree = request.draft(24, 3, None)
    five = next(n for n in range(1, len(tree)) if tree.parents[n] == 0 and tree.token_ids[n] == 5)
    below = [tree.token_ids[n] for n in range(1, len(tree)) if tree.parents[n] == five]
    assert below[0] == 6, "after 1 2 3 5 came 6"
