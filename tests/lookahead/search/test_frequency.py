"""The paper's ranking against its definition: stage by stage, the most frequent nodes of each."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lookahead.config import LookaheadConfig
from lookahead.draft import DraftTree
from lookahead.drafter import Drafter
from lookahead.sources.tries import MAX_DEPTH
from tests.lookahead.ngrams import occurrences, sequences

texts = sequences | st.lists(st.integers(0, 8), max_size=60)


def drafted(prompt, output, width: int = 64, branch: int = 63, **settings) -> DraftTree:
    request = Drafter(LookaheadConfig(ranking="frequency", **settings)).start(prompt)
    request.commit(output)
    return request.draft(width, branch, None)


def first_level(tree: DraftTree) -> list[int]:
    return [token_id for token_id, parent in zip(tree.token_ids, tree.parents, strict=True) if parent == 0]


@given(texts, st.floats(0.25, 4))
def test_stages_go_from_the_longest_suffix_to_none(output, weight):
    """With one token per branch the draft is: what followed the longest suffix, most frequent first, and so on."""
    tree = drafted([0], output, branch=1, prompt_weight=weight, sources=("output",))
    counts = occurrences([output], MAX_DEPTH)
    expected: list[int] = []
    for length in range(min(len(output), MAX_DEPTH - 1), -1, -1):
        suffix = tuple(output[len(output) - length :])
        after = {ngram[-1]: count for ngram, count in counts.items() if ngram[:-1] == suffix}
        stage = [after[token_id] for token_id in after if token_id not in expected]
        found = first_level(tree)[len(expected) : len(expected) + len(stage)]
        assert [after.get(token_id) for token_id in found] == sorted(stage, reverse=True)
        expected += found
    assert first_level(tree) == expected


@given(texts, texts)
def test_a_narrower_draft_is_the_beginning_of_a_wider_one(prompt, output):
    wide = drafted([*prompt, 1], output)
    for width in range(1, 64, 7):
        tree = drafted([*prompt, 1], output, width)
        assert tree.token_ids == wide.token_ids[: len(tree)]
        assert tree.parents == wide.parents[: len(tree)]


@given(texts, texts, st.lists(st.floats(0.5, 3), min_size=64, max_size=64))
def test_an_adaptive_draft_is_a_part_of_the_full_one(prompt, output, seconds):
    full = drafted([*prompt, 1], output)
    request = Drafter(LookaheadConfig(ranking="frequency")).start([*prompt, 1])
    request.commit(output)
    tree = request.draft(64, 63, seconds)
    tree.check()
    assert tree.token_ids == full.token_ids[: len(tree)]


def test_the_more_frequent_branch_goes_deeper_first():
    tree = drafted([1], [5, 6, 7, 9, 5, 6, 7, 9, 5, 6, 7, 9, 5, 8, 4, 9, 5], width=4, sources=("output",))
    assert tree.token_ids == (5, 6, 7, 9)
    assert tree.probabilities[1] == 2 / 3


def test_learning_changes_nothing():
    request = Drafter(LookaheadConfig(ranking="frequency")).start([1, 2, 3, 1])
    before = list(request.confidence.of(request.sources[0]).values)
    for _ in range(3):
        request.draft(8, 7, None)
        request.commit([2, 3, 1])
    assert request.confidence.of(request.sources[0]).values == before


def test_what_does_not_fit_is_told():
    request = Drafter(LookaheadConfig(ranking="frequency")).start([5, 6, 5, 7, 5])
    request.draft(2, 1, None)
    left = request.left_out()
    assert left is not None
    assert left.best is not None
    assert (left.best.token_id, left.best.reason) == (6, "width")


def test_counts_halved_below_those_of_their_successors_are_shares_all_the_same():
    """A prune halves the count of a context to that of its last token, after which nothing is known to follow."""
    drafter = Drafter(LookaheadConfig(ranking="frequency"))
    drafter.keep([1, 2, 1, 2, 1, 3, 1])
    trie = drafter.session
    trie.counts[0] = trie.counts[trie.child(0, 1)] = 1
    trie.last[trie.child(0, 1)] = trie.end - 1
    tree = drafter.start([1]).draft(16, 15, None)
    assert len(tree) > 1
    assert max(tree.probabilities) <= 1
