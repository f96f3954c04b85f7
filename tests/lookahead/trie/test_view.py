"""Inspecting a trie: finding n-grams, and neighbourhoods."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lookahead.trie import ROOT, Trie
from lookahead.trie.view import find, neighbourhood
from tests.lookahead.ngrams import in_log, many_sequences, occurrences, sequences, spelled, token_ids, trie_of


@given(many_sequences, st.lists(token_ids, max_size=6))
def test_an_ngram_is_found_exactly_where_it_was_read(all_sequences, wanted):
    trie = trie_of(all_sequences)
    count = occurrences(all_sequences, 5)[tuple(wanted)]
    found = find(trie, wanted)
    if not wanted:
        assert found == ROOT
    elif count == 0:
        assert found is None
    elif count == 1:
        assert found is not None
        assert found < 0
        assert in_log(trie, tuple(wanted), ~found)
    else:
        assert found is not None
        assert found > 0
        assert spelled(trie, found) == tuple(wanted)
        assert trie.counts[found] == count


@given(sequences, sequences, st.integers(1, 30), st.integers(0, 8))
def test_a_neighbourhood_is_the_most_frequent_part_of_the_subtree(prompt, output, most, deepest):
    trie = Trie(5)
    trie.border = len(prompt)
    trie.extend(prompt)
    trie.extend(output)
    counts = occurrences([prompt + output], 40)
    for node in range(min(4, len(trie.tokens))):
        views = neighbourhood(trie, node, most, deepest)
        assert 1 <= len(views) <= most
        assert (views[0].child, views[0].parent, views[0].count) == (node, -1, trie.counts[node])
        path = [spelled(trie, node)]
        for index, view in enumerate(views[1:], start=1):
            assert 0 <= view.parent < index
            path.append((*path[view.parent], view.token_id))
            assert view.depth == views[view.parent].depth + 1 <= trie.depths[node] + deepest
            assert view.count == counts[path[index]] <= views[view.parent].count
            assert 0 <= view.prompt_count <= view.count
            assert in_log(trie, path[index], view.last_position)
        assert len(set(path)) == len(path)
        below = [views[index].count for index in range(1, len(views))]
        assert below == sorted(below, reverse=True), "no rarer n-gram is shown while a more frequent one waits"


def test_what_was_read_once_is_followed_in_the_log():
    trie = trie_of([[1, 2, 3, 4, 5]])
    views = neighbourhood(trie, ROOT, 40, 3)
    assert [view.token_id for view in views if view.depth == 1] == [1, 2, 3, 4, 5]
    assert max(view.depth for view in views) == 3
    assert find(trie, [2, 3, 4]) == ~3
    assert find(trie, [1, 2, 3, 4, 5, 6]) is None


def test_a_neighbourhood_may_begin_at_what_was_read_once():
    trie = trie_of([[9, 1, 2, 3, 4, 5], [6, 7]])
    views = neighbourhood(trie, ~trie.log.index(2), 40, 2)
    assert [(view.token_id, view.parent, view.depth, view.count) for view in views] == [
        (2, -1, 0, 1),
        (3, 0, 1, 1),
        (4, 1, 2, 1),
    ]
    assert [view.token_id for view in neighbourhood(trie, ~trie.log.index(5), 40, 2)] == [5]


@given(sequences, sequences)
def test_the_root_counts_the_prompt_apart(prompt, output):
    trie = Trie(5)
    trie.border = len(prompt)
    trie.extend(prompt)
    trie.extend(output)
    root = neighbourhood(trie, ROOT, 1, 0)[0]
    assert (root.count, root.prompt_count) == (len(prompt) + len(output), len(prompt))
