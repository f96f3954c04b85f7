"""A brute-force oracle of n-grams, and the invariants that every trie must keep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hypothesis import strategies as st

from lookahead.trie import NO_TOKEN, ROOT, SEVERAL, Trie

Ngram = tuple[int, ...]

token_ids = st.integers(0, 3)
"""Few tokens, 0 among them, so that n-grams repeat."""
sequences = st.lists(token_ids, max_size=40)
many_sequences = st.lists(sequences, max_size=4)


def trie_of(all_sequences: Sequence[Sequence[int]], max_depth: int = 5, **bounds: int) -> Trie:
    """A trie that has read these sequences."""
    trie = Trie(max_depth, **bounds)
    for sequence in all_sequences:
        trie.insert(sequence)
    return trie


def occurrences(all_sequences: Sequence[Sequence[int]], max_depth: int) -> Counter[Ngram]:
    """How often every n-gram of 1 to ``max_depth`` tokens occurs in the sequences, never across two of them."""
    return Counter(
        tuple(sequence[start : start + length])
        for sequence in all_sequences
        for start in range(len(sequence))
        for length in range(1, min(max_depth, len(sequence) - start) + 1)
    )


def spelled(trie: Trie, node: int) -> Ngram:
    """The n-gram of a node, read along its parents."""
    spelling: list[int] = []
    while node != ROOT:
        spelling.append(trie.tokens[node])
        node = trie.parents[node]
    return tuple(reversed(spelling))


def nodes_of(trie: Trie) -> dict[Ngram, int]:
    """Count of every node."""
    return {spelled(trie, node): trie.counts[node] for node in range(1, len(trie.tokens))}


def leaves_of(trie: Trie) -> dict[Ngram, int]:
    """Log position of every leaf."""
    return {
        (*spelled(trie, node), token_id): ~child
        for node in range(len(trie.tokens))
        for token_id, child in trie.children(node)
        if child < 0
    }


def in_log(trie: Trie, ngram: Ngram, position: int) -> bool:
    """Whether these tokens are in the log, the last of them at this position."""
    end = position + 1 - trie.log_start
    return end >= len(ngram) and tuple(trie.log[end - len(ngram) : end]) == ngram


def suffix_nodes(trie: Trie, context: Sequence[int]) -> list[Ngram]:
    """Every suffix of the context that is a node and may have successors, shortest (the empty one) first."""
    nodes = nodes_of(trie)
    shorter = range(min(len(context), trie.max_depth - 1) + 1)
    suffixes = [tuple(context[len(context) - length :]) for length in shorter]
    return [suffix for suffix in suffixes if not suffix or suffix in nodes]


def check_trie(trie: Trie) -> None:
    """Assert the invariants of every trie, pruned or not."""
    size = len(trie.tokens)
    columns = (trie.parents, trie.links, trie.counts, trie.prompt_counts, trie.last, trie.depths)
    assert all(len(column) == size for column in (*columns, trie.only_token, trie.only_child))
    listed: dict[int, tuple[int, int]] = {}
    leaves = entries = 0
    for node in range(size):
        tokens = [token_id for token_id, _ in trie.children(node)]
        assert len(tokens) == len(set(tokens))
        assert (trie.only_token[node] == SEVERAL) == (len(tokens) > 1)
        entries += len(tokens) if len(tokens) > 1 else 0
        for token_id, child in trie.children(node):
            assert child != ROOT
            assert trie.child(node, token_id) == child
            if child > 0:
                listed[child] = (node, token_id)
            else:
                leaves += 1
                assert in_log(trie, (token_id,), ~child)
                assert trie.depths[node] < trie.max_depth
    assert leaves == trie.leaves
    assert entries == trie.entries
    assert sorted(listed) == list(range(1, size)), "every node is its parent's child, once"
    for node in range(1, size):
        parent, link = trie.parents[node], trie.links[node]
        assert listed[node] == (parent, trie.tokens[node])
        assert parent < node
        assert trie.tokens[node] != NO_TOKEN
        assert trie.depths[node] == trie.depths[parent] + 1 <= trie.max_depth
        assert spelled(trie, link) == spelled(trie, node)[1:], "the link leads to the n-gram without its first token"
        assert trie.counts[node] >= 1
        assert 0 <= trie.prompt_counts[node] <= trie.counts[node]


def check_order(trie: Trie) -> None:
    """Assert that no n-gram was read more often than a part of it (so in every trie just pruned)."""
    for node in range(1, len(trie.tokens)):
        for part in (trie.parents[node], trie.links[node]):
            assert part == ROOT or trie.counts[node] <= trie.counts[part]
