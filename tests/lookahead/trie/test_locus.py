"""The locus of a context, against a search for its longest suffix in all sequences read."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from lookahead.trie import NO_TOKEN, Trie
from lookahead.trie.locus import START, Follower, advance, match_length
from tests.lookahead.ngrams import in_log, many_sequences, sequences, spelled, suffix_nodes, trie_of

contexts = st.lists(st.integers(0, 4), max_size=30)
depths = st.integers(2, 7)


def ends(trie: Trie, ngram: tuple[int, ...]) -> list[int]:
    """Log positions where an occurrence of the n-gram ends."""
    return [position for position in range(trie.end) if in_log(trie, ngram, position)]


def longest_known_suffix(trie: Trie, context: list[int]) -> tuple[int, ...]:
    for length in range(len(context), 0, -1):
        suffix = tuple(context[-length:])
        if ends(trie, suffix):
            return suffix
    return ()


@given(many_sequences, contexts, depths)
def test_the_node_is_the_longest_suffix_that_is_one(read, context, max_depth):
    trie, locus = trie_of(read, max_depth), START
    for length, token_id in enumerate(context, start=1):
        locus = advance(trie, locus, token_id)
        assert spelled(trie, locus[0]) == suffix_nodes(trie, context[:length])[-1]


@given(many_sequences, contexts, depths)
def test_the_position_is_where_a_longer_suffix_was_read_once(read, context, max_depth):
    trie, locus = trie_of(read, max_depth), START
    for length, token_id in enumerate(context, start=1):
        locus = advance(trie, locus, token_id)
        longest = longest_known_suffix(trie, context[:length])
        if locus[1] >= 0:
            followed = tuple(context[length - locus[2] : length])
            assert ends(trie, followed) == [locus[1]], "read once, and there"
            assert trie.depths[locus[0]] < locus[2] <= len(longest)


@given(st.lists(st.lists(st.integers(0, 9), max_size=25), max_size=3), st.lists(st.integers(0, 9), max_size=25))
def test_nothing_is_missed_where_nothing_read_twice_is_long(read, context):
    """If the window is longer than every repetition, the locus is the brute-force longest suffix."""
    trie, locus = trie_of(read, 40), START
    for length, token_id in enumerate(context, start=1):
        locus = advance(trie, locus, token_id)
        longest = longest_known_suffix(trie, context[:length])
        found = ends(trie, longest) if longest else []
        if len(found) == 1:
            assert (locus[1], locus[2]) == (found[0], len(longest))
        else:
            assert locus[1] == -1
            assert spelled(trie, locus[0]) == longest


@given(sequences, contexts)
def test_a_copy_is_followed_however_long(before, copied):
    """Distinct tokens, read once: every one of them is found again, past any depth."""
    text = [token_id + 10 * place + 10 for place, token_id in enumerate(copied)]
    trie = trie_of([before, text], 3)
    follower = Follower(trie)
    follower.follow(before + text)
    locus = follower.locus()
    if text:
        assert locus[2] == len(text)
        assert trie.following(locus[1]) == NO_TOKEN


@given(many_sequences, contexts, st.lists(st.integers(0, 30), max_size=4))
def test_following_in_any_chunks_is_the_same(read, context, cuts):
    trie = trie_of(read)
    locus = START
    for token_id in context:
        locus = advance(trie, locus, token_id)
    follower = Follower(trie)
    bounds = [0, *sorted(min(cut, len(context)) for cut in cuts), len(context)]
    for start, end in pairwise(bounds):
        follower.follow(context[start:end])
    assert follower.locus() == locus


@given(st.lists(st.lists(st.integers(0, 1), max_size=4), max_size=6), contexts)
@example([[0], [0]], [0])
@example([[1, 0], [2, 0], [1, 0, 1]], [2, 0])
def test_the_match_length_counts_what_something_followed(read, context):
    trie = trie_of(read)
    follower = Follower(trie)
    follower.follow(context)
    locus = follower.locus()
    length = match_length(trie, locus)
    known = [
        size
        for size in range(1, min(len(context), trie.max_depth - 1) + 1)
        if any(trie.following(end) != NO_TOKEN for end in ends(trie, tuple(context[-size:])))
    ]
    if length < trie.max_depth:
        assert length == max(known, default=0)
    else:
        assert length == locus[2]
        assert trie.following(locus[1]) != NO_TOKEN


@given(many_sequences, sequences, contexts)
def test_a_trie_that_grows_meanwhile_leaves_the_follower_a_true_place(read, more, context):
    trie = trie_of(read)
    follower = Follower(trie)
    follower.follow(context)
    trie.insert(more)
    follower.follow(context[:3])
    whole, locus = context + context[:3], follower.locus()
    node = spelled(trie, locus[0])
    assert node == tuple(whole[len(whole) - len(node) :])
    if locus[1] >= 0:
        assert in_log(trie, tuple(whole[len(whole) - locus[2] :]), locus[1])
