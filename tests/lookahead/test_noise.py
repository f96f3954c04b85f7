"""The noise of sampling: known answers of the generator, its distribution, and that it depends on nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookahead.hf.noise import BLOCK, bounds, noise, philox


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ((0, 0), 0, (0xFF1DAE59, 0x6CD10DF2)),
        ((0xFFFFFFFF, 0xFFFFFFFF), 0xFFFFFFFF, (0x2C3F628B, 0xAB4FD7AD)),
        ((0x243F6A88, 0x85A308D3), 0x13198A2E, (0xDD7CE038, 0xF62A4C12)),
    ],
)
def test_philox_gives_the_known_answers_of_random123(counter, key, words):
    index, position = (np.array([word], dtype=np.uint64) for word in counter)
    first, second = philox(index, position, key)
    assert (int(first[0]), int(second[0])) == words


def _noise(seed: int, pairs: list[tuple[int, int]]) -> list[float]:
    positions, tokens = (np.array(part, dtype=np.int64) for part in zip(*pairs, strict=True))
    return noise(seed, positions, tokens).tolist()


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 300_000)), min_size=1, max_size=80), st.integers(0, 99))
def test_it_depends_on_seed_position_and_token_alone(pairs, seed):
    together = _noise(seed, pairs)
    assert together == [_noise(seed, [pair])[0] for pair in pairs]
    assert together[::-1] == _noise(seed, pairs[::-1])


def test_another_seed_position_or_token_has_another():
    ten = [(position, token) for position in range(10) for token in range(10)]
    assert len({*_noise(1, ten), *_noise(2, ten)}) == 200


def test_it_is_gumbel_distributed_and_independent_within_and_across_blocks():
    positions, tokens = (one.ravel() for one in np.indices((2000, 2 * BLOCK)))
    table = noise(11, positions, tokens).reshape(2000, -1)
    shares = np.exp(-np.exp(-table))  # uniform if the noise is Gumbel distributed
    counts, _ = np.histogram(shares, bins=64, range=(0, 1))
    expected = shares.size / 64
    assert ((counts - expected) ** 2 / expected).sum() < 110  # chi-square with 63 degrees: 99.98 % are below
    for other in (1, 7, BLOCK):
        near, far = shares[:, :-other].ravel(), shares[:, other:].ravel()
        assert abs(np.corrcoef(near, far)[0, 1]) < 4.5 / np.sqrt(near.size)
    assert abs(np.corrcoef(shares[:-1].ravel(), shares[1:].ravel())[0, 1]) < 4.5 / np.sqrt(shares.size)
    places = np.bincount(table[:, :BLOCK].argmax(axis=1), minlength=BLOCK)
    assert ((places - 2000 / BLOCK) ** 2 / (2000 / BLOCK)).sum() < 350  # 255 degrees: 99.99 % are below


def test_a_bound_is_the_largest_noise_of_its_block():
    found = bounds(5, 3, 4, 3)
    for position in range(4):
        row = noise(5, np.full(3 * BLOCK, 3 + position), np.arange(3 * BLOCK))
        assert row.reshape(3, BLOCK).max(axis=1).astype(np.float32).tolist() == found[position].tolist()
