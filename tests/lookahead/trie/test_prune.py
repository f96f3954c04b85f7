"""Pruning: within the bounds at any time, and what is left is a trie."""

from __future__ import annotations

import random
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookahead.trie import MIN_BYTES, MIN_CAPACITY, ROOT, Trie
from lookahead.trie.locus import Follower
from lookahead.trie.prune import prune
from lookahead.trie.view import find
from lookahead.trie_bench import synthetic_sequences
from tests.lookahead.ngrams import check_order, check_trie, in_log, leaves_of, nodes_of, spelled, suffix_nodes, trie_of


class Watched(Trie):
    """A trie that checks its bounds after every token."""

    def _read(self, token_id: int) -> None:
        super()._read(token_id)
        assert self.capacity is None or len(self) + self.leaves <= self.capacity
        assert self.max_bytes is None or self.bytes() <= self.max_bytes


def text(seed: int, length: int, vocabulary: int = 40) -> list[int]:
    """Random tokens with repeated passages."""
    rng = random.Random(seed)
    tokens: list[int] = []
    while len(tokens) < length:
        if tokens and rng.random() < 0.3:
            start = rng.randrange(len(tokens))
            tokens += tokens[start : start + rng.randrange(1, 20)]
        else:
            tokens.append(int(rng.paretovariate(0.5)) % vocabulary)
    return tokens[:length]


texts = st.builds(text, st.integers(0, 10**6), st.integers(0, 400), st.sampled_from([2, 40, 5000]))
bounds = st.sampled_from([{"capacity": MIN_CAPACITY}, {"capacity": MIN_CAPACITY, "max_bytes": MIN_BYTES}])


@settings(max_examples=12)
@given(st.lists(texts, min_size=3, max_size=6), bounds, st.sampled_from([4, 12, 100]))
def test_inserting_never_exceeds_the_bounds_and_leaves_a_trie(all_texts, bounds, max_depth):
    trie = Watched(max_depth, **bounds)
    for tokens in all_texts:
        trie.insert(tokens)
    check_trie(trie)
    assert trie.stats().pruned == trie.pruned
    assert (trie.version > 0) == (trie.pruned > 0)


@pytest.mark.parametrize("capacity", [None, 4_000_000])
@pytest.mark.parametrize("vocabulary", [300, 50_000])
def test_the_bound_on_bytes_holds_alone_and_the_room_is_used(capacity, vocabulary):
    trie = Watched(12, capacity, MIN_BYTES)
    most = 0
    for seed in range(12):
        trie.insert(text(seed, 1500, vocabulary))
        most = max(most, trie.bytes())
    assert trie.pruned
    assert most > MIN_BYTES / 4
    check_trie(trie)


@settings(max_examples=25)
@given(st.lists(texts, min_size=1, max_size=3), texts, st.floats(0.05, 1), st.integers(0, 3))
def test_survivors_are_a_trie_with_the_most_used_ngrams(earlier, tokens, share, again):
    trie = trie_of(earlier, 6)
    trie.begin()
    trie.extend(tokens)
    for _ in range(again + 1):
        before, leaves = nodes_of(trie), leaves_of(trie)
        counted = len(trie) + trie.leaves
        version = trie.version
        trie.capacity = max(1, int(share * counted))
        gone = prune(trie)
        check_trie(trie)
        check_order(trie)
        assert trie.version == version + 1
        assert gone == counted - len(trie) - trie.leaves
        assert len(trie) + trie.leaves <= trie.capacity
        after = nodes_of(trie)
        assert all(count <= max(1, before[ngram] // 2) <= count + 1 for ngram, count in after.items())
        lost = [before[ngram] for ngram in before if ngram not in after]
        assert not lost or not after or max(lost) // 2 <= min(after.values()) + 1
        kept = leaves_of(trie)
        assert all(leaves[ngram] == position for ngram, position in kept.items())
        assert all(in_log(trie, ngram[-1:], position) for ngram, position in kept.items())
        trie.extend(tokens[:50])
        check_trie(trie)


@settings(max_examples=25)
@given(texts, texts, st.floats(0.05, 1))
def test_cursors_are_valid_in_the_middle_of_a_sequence(earlier, tokens, share):
    trie = trie_of([earlier], 6)
    trie.begin()
    trie.extend(tokens)
    trie.capacity = max(1, int(share * (len(trie) + trie.leaves)))
    prune(trie)
    for token_id in tokens[:20]:
        cursors = [spelled(trie, node) for node in trie.cursors()]
        assert cursors == suffix_nodes(trie, tokens)
        tokens = [*tokens, token_id]
        trie.extend([token_id])


def test_the_frequent_outlives_the_rare():
    trie = Watched(8, MIN_CAPACITY)
    often = list(range(100, 110))
    for seed in range(60):
        trie.insert(often)
        trie.insert(text(seed, 150, 5000))
    node = find(trie, often[:8])
    assert trie.pruned > MIN_CAPACITY
    assert node is not None
    assert node > 0


def test_the_once_frequent_gives_way_to_the_frequent():
    trie = Trie(8, MIN_CAPACITY)
    for _ in range(30):
        trie.insert(range(100, 110))
    for seed in range(150):
        trie.insert(text(seed, 150, 5000))
    assert find(trie, range(100, 108)) is None


@settings(max_examples=30)
@given(texts, texts, st.floats(0.1, 1))
def test_a_follower_finds_its_place_again(tokens, context, share):
    trie = trie_of([tokens, context], 6)
    follower = Follower(trie)
    follower.follow(context)
    trie.capacity = max(1, int(share * (len(trie) + trie.leaves)))
    prune(trie)
    fresh = Follower(trie)
    fresh.follow(context[-24:])
    assert follower.locus() == fresh.locus()
    assert spelled(trie, follower.locus()[0]) == suffix_nodes(trie, context)[-1]


def allocated(sequences) -> tuple[Trie, int]:
    """A trie that has read these, and the bytes that the interpreter gave it."""
    sequences = [list(sequence) for sequence in sequences]
    tracemalloc.start()
    try:
        trie = Trie(12)
        for sequence in sequences:
            trie.insert(sequence)
        return trie, tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def _synthetic(tokens: int) -> list[list[int]]:
    generated = synthetic_sequences(1)
    return [next(generated) for _ in range(tokens // 400)]


SHAPES = {
    "text": lambda: _synthetic(12_000),
    "passages": lambda: [text(seed, 3000, 5000) for seed in range(4)],
    "no token twice": lambda: [range(12_000)],
    "one token": lambda: [[7] * 12_000],
    "pairs": lambda: [[token for i in range(6000) for token in (5, 1000 + i % 3000)]],
    "noise": lambda: [[random.Random(seed).randrange(1000) for _ in range(1500)] for seed in range(8)],
    "few tokens": lambda: [[random.Random(seed).randrange(12) for _ in range(1500)] for seed in range(8)],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_bytes_are_an_estimate_from_above_and_a_close_one(shape):
    trie, real = allocated(SHAPES[shape]())
    assert real - 20_000 <= trie.bytes() <= 2.2 * real + 20_000
    assert trie.counts[ROOT] >= 11_900
