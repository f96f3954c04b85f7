"""The trie against a brute-force n-gram oracle."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookahead.trie import MAX_TOKEN_ID, MIN_BYTES, MIN_CAPACITY, NO_TOKEN, RANKED, ROOT, Trie
from tests.lookahead.ngrams import (
    check_trie,
    in_log,
    leaves_of,
    many_sequences,
    nodes_of,
    occurrences,
    sequences,
    spelled,
    suffix_nodes,
    token_ids,
    trie_of,
)

depths = st.integers(2, 7)


@given(many_sequences, depths)
def test_nodes_are_the_ngrams_read_at_least_twice_and_know_how_often(all_sequences, max_depth):
    trie = trie_of(all_sequences, max_depth)
    expected = occurrences(all_sequences, max_depth)
    assert nodes_of(trie) == {ngram: count for ngram, count in expected.items() if count > 1}
    assert trie.counts[ROOT] == sum(map(len, all_sequences))


@given(many_sequences, depths)
def test_leaves_are_the_ngrams_read_once_after_one_read_twice(all_sequences, max_depth):
    trie = trie_of(all_sequences, max_depth)
    expected = occurrences(all_sequences, max_depth)
    once = {ngram for ngram, count in expected.items() if count == 1 and (len(ngram) == 1 or expected[ngram[:-1]] > 1)}
    leaves = leaves_of(trie)
    assert set(leaves) == once
    assert all(in_log(trie, ngram, position) for ngram, position in leaves.items())


@given(many_sequences, depths)
def test_links_depths_and_sizes_are_right(all_sequences, max_depth):
    trie = trie_of(all_sequences, max_depth)
    check_trie(trie)
    stats = trie.stats()
    assert (stats.nodes, stats.leaves, stats.tokens) == (len(trie), len(leaves_of(trie)), len(trie.log))
    assert stats.bytes == trie.bytes() > 0
    assert stats.pruned == 0


@given(many_sequences, sequences, depths)
def test_cursors_are_all_suffixes_that_are_nodes(earlier, sequence, max_depth):
    trie = trie_of(earlier, max_depth)
    trie.begin()
    for length, token_id in enumerate(sequence, start=1):
        trie.extend([token_id])
        cursors = [spelled(trie, node) for node in trie.cursors()]
        assert cursors == suffix_nodes(trie, sequence[:length])


def state(trie: Trie) -> tuple:
    return nodes_of(trie), leaves_of(trie), trie.log.tolist(), list(trie.cursors()), trie.prompt_counts.tolist()


@given(sequences, st.lists(st.integers(0, 40), max_size=5), st.integers(0, 40))
def test_streaming_in_any_chunks_is_one_extension(sequence, cuts, border):
    whole, streamed = Trie(5), Trie(5)
    whole.border = streamed.border = border
    whole.extend(sequence)
    bounds = [0, *sorted(min(cut, len(sequence)) for cut in cuts), len(sequence)]
    for start, end in pairwise(bounds):
        streamed.extend(iter(sequence[start:end]))
    assert state(streamed) == state(whole)


@given(sequences, sequences, depths)
def test_prompt_counts_are_the_occurrences_inside_the_prompt(prompt, output, max_depth):
    trie = Trie(max_depth)
    trie.border = len(prompt)
    trie.extend(prompt)
    trie.extend(output)
    in_prompt = occurrences([prompt], max_depth)
    for node in range(1, len(trie.tokens)):
        assert trie.prompt_counts[node] == in_prompt[spelled(trie, node)]
    assert nodes_of(trie) == {k: v for k, v in occurrences([prompt + output], max_depth).items() if v > 1}


@given(st.lists(sequences, min_size=2, max_size=3))
def test_no_ngram_crosses_from_one_sequence_into_the_next(all_sequences):
    """Not by counts, and not by following a leaf in the log."""
    trie = trie_of(all_sequences)
    texts = {tuple(sequence) for sequence in all_sequences}
    for position in leaves_of(trie).values():
        followed = [trie.log[position - trie.log_start]]
        while (token_id := trie.following(position)) != NO_TOKEN:
            followed.append(token_id)
            position += 1
        assert any(text[len(text) - len(followed) :] == tuple(followed) for text in texts)


@given(
    st.lists(token_ids, max_size=20),
    st.integers(-5, -1) | st.integers(MAX_TOKEN_ID, 1 << 40),
    st.lists(token_ids, max_size=5),
)
def test_an_id_out_of_range_is_refused_and_what_came_before_it_stays(before, bad, after):
    trie, expected = Trie(5), Trie(5)
    with pytest.raises(ValueError, match=f"token id {bad}"):
        trie.extend([*before, bad, *after])
    expected.extend(before)
    assert state(trie) == state(expected)


def test_token_0_is_a_token_like_any_other():
    trie = trie_of([[0, 0, 7, 0, 0, 8]])
    assert nodes_of(trie) == {(0,): 4, (0, 0): 2}
    assert set(leaves_of(trie)) == {(7,), (8,), (0, 7), (0, 8), (0, 0, 7), (0, 0, 8)}
    assert trie.following(0) == 0


def test_what_follows_a_position_ends_with_the_sequence_and_the_log():
    trie = Trie(4)
    trie.extend([5, 6])
    assert [trie.following(position) for position in range(-1, 3)] == [NO_TOKEN, 6, NO_TOKEN, NO_TOKEN]
    trie.begin()
    trie.begin()
    trie.extend([7])
    assert trie.log.tolist() == [5, 6, NO_TOKEN, 7]
    assert trie.following(1) == NO_TOKEN


@settings(max_examples=15)
@given(st.lists(st.integers(0, 200), min_size=300, max_size=900))
def test_a_wide_node_ranks_its_frequent_children_first(successors):
    trie = Trie(3)
    trie.extend(token_id for successor in [*range(12), *successors] for token_id in (1000, successor))
    node = trie.child(ROOT, 1000)
    ranked = trie.ranked[node]
    assert len(ranked) == len(set(ranked)) <= RANKED
    assert trie.counts[node] < trie.rank_again[node] <= trie.counts[node] * 9 // 8 + 4
    count = {token_id: trie.counts[child] if child > 0 else 1 for token_id, child in trie.children(node)}
    best = sorted(count.values(), reverse=True)
    frequent = [token_id for token_id in count if count[token_id] > 1.5 * best[min(RANKED, len(best) - 1)] + 3]
    assert set(frequent) <= set(ranked), "between two rankings the node grows by an eighth, no more"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_depth": 1}, "max_depth=1"),
        ({"max_depth": 101}, "max_depth=101"),
        ({"capacity": MIN_CAPACITY - 1}, f"capacity={MIN_CAPACITY - 1}"),
        ({"max_bytes": MIN_BYTES - 1}, f"max_bytes={MIN_BYTES - 1}"),
    ],
)
def test_bounds_that_hold_nothing_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Trie(**arguments)
