"""The noise of sampling: a pure function of seed, output position and token, computed on the CPU whatever the device.

A token drawn from ``softmax(scores)`` is ``argmax(scores + noise)`` where the noise is Gumbel distributed (Gumbel-max).
The same seed therefore gives the same token at the same position, however many rows a pass has.

Noise is ``-log(time)`` of an exponential race, run by blocks so that most tokens need none: the first of a block's
``BLOCK`` tokens arrives after ``Exp(BLOCK)``, it is each of them with equal chance, and the others need ``Exp(1)``
more, as exponential times have no memory. All times are then independent ``Exp(1)``, and one number bounds the noise of
a block.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BLOCK = 256
"""Tokens in a block, a power of two."""

Integers = NDArray[np.uint64]
Reals = NDArray[np.float64]

_MULTIPLIER, _WEYL = np.uint64(0xD256D193), 0x9E3779B9
_LOW, _WORD = np.uint64(0xFFFFFFFF), np.uint64(32)
_OF_BLOCKS = np.uint64(1 << 31)
"""Added to a block's number: a counter that no token has."""


def philox(index: Integers, position: Integers, seed: int) -> tuple[Integers, Integers]:
    """Two random words of 32 bits for each counter: Philox 2x32-10 (Salmon et al., SC 2011).

    Args:
        index: First word of the counters.
        position: Second word, of the same shape.
        seed: The key, below 2^32.
    """
    left, right, key = index.copy(), position.copy(), seed
    for _ in range(10):
        left *= _MULTIPLIER
        low = left & _LOW
        left >>= _WORD
        left ^= right
        left ^= np.uint64(key)
        right = low
        key = (key + _WEYL) & 0xFFFFFFFF
    return left, right


def noise(seed: int, positions: NDArray[np.int64], token_ids: NDArray[np.int64]) -> Reals:
    """The Gumbel noise of these tokens at these output positions, shape ``(n,)`` as both arguments."""
    tokens, rows = token_ids.astype(np.uint64), positions.astype(np.uint64)
    blocks = tokens // np.uint64(BLOCK)
    # One call for the tokens and their blocks: for short arrays the number of calls is what takes time.
    words = philox(np.concatenate((tokens, blocks | _OF_BLOCKS)), np.concatenate((rows, rows)), seed)
    waits, count = _exponential(words[0]), len(tokens)
    winners = words[1][count:] % np.uint64(BLOCK)
    own = np.where(tokens % np.uint64(BLOCK) == winners, 0.0, waits[:count])
    return -np.log(waits[count:] / BLOCK + own)


def bounds(seed: int, first: int, positions: int, blocks: int) -> NDArray[np.float32]:
    """The largest noise in each block, for this many positions from ``first`` on, shape ``(positions, blocks)``."""
    index = np.arange(blocks, dtype=np.uint64) | _OF_BLOCKS
    rows = np.arange(first, first + positions, dtype=np.uint64)
    words, _ = philox(np.tile(index, positions), np.repeat(rows, blocks), seed)
    return -np.log(_exponential(words) / BLOCK).astype(np.float32).reshape(positions, blocks)


def _exponential(words: Integers) -> Reals:
    """Exponentially distributed times of random words; never 0 and never infinite."""
    return -np.log((words + 0.5) / 2.0**32)
