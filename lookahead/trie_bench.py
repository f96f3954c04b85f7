"""Speed and size of the trie: it reads many tokens, then drafts along sequences that it has not read."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from lookahead.config import LookaheadConfig
from lookahead.drafter import MAX_DEPTH, Drafter
from lookahead.process import everything_stays
from lookahead.replay import Replay, ReplayTotals
from lookahead.trie import Trie

_VOCABULARY = 30_000
_SEQUENCE = 400
_ASKED_TOKENS = 12_000


def bench_trie(
    sequences: Iterable[Sequence[int]],
    tokens: int,
    config: LookaheadConfig,
    progress: Callable[[int], object] = lambda _: None,
    pass_seconds: Sequence[float] | None = None,
) -> dict[str, Any]:
    """Fill a trie with the first ``tokens`` tokens of the sequences, then draft along the ones after them.

    Returns what reading cost (sizes by the trie's own count, ``resident_bytes_per_token`` by the system's, None if it
    does not report it), what drafts along held-out sequences cost (``retrieve_us``), and what learning from one of
    their tokens did (``commit_us``), in microseconds. ``adaptive`` is of drafts that end where more nodes do not pay,
    along other held-out sequences; None without ``pass_seconds``.

    Args:
        sequences: Token ids; the last ones are held out of the trie.
        tokens: How many the trie reads (the last sequence is cut there).
        config: Width and strategy of the drafts.
        progress: Called with the number of tokens after each sequence.
        pass_seconds: T(n) up to the width, to measure drafts of adaptive width too.

    Raises:
        ValueError: If the sequences are too short for ``tokens`` and a held-out rest.
    """
    remaining = iter(sequences)
    trie = Trie(MAX_DEPTH)
    before, seconds, read = _resident_bytes(), 0.0, 0
    while read < tokens:
        sequence = next(remaining, None)
        if sequence is None:
            raise ValueError(f"only {read} tokens to read; {tokens} are asked for, plus some more to draft along")
        part = list(sequence)[: tokens - read]
        started = time.perf_counter()
        trie.insert(part)
        seconds += time.perf_counter() - started
        read += len(part)
        progress(len(part))
    after = _resident_bytes()
    with everything_stays():
        drafted = _ask(trie, remaining, config)
        if not drafted.steps:
            raise ValueError(f"no sequence left to draft along after {tokens} tokens; ask for fewer")
        stats = trie.stats()
        adaptive = ReplayTotals() if pass_seconds is None else _ask(trie, remaining, config, pass_seconds)
    return {
        "tokens": read,
        "insert_us_per_token": 1e6 * seconds / read,
        "trie_nodes": stats.nodes + stats.leaves,
        "trie_bytes": stats.bytes,
        "bytes_per_token": stats.bytes / read,
        "resident_bytes_per_token": None if before is None or after is None else (after - before) / read,
        "steps": drafted.steps,
        **drafted.numbers(),
        "retrieve_us_p50": drafted.retrieve_us(0.5),
        "commit_us_per_token": 1e6 * drafted.commit_seconds / drafted.tokens,
        **{f"adaptive_{name}": value for name, value in adaptive.numbers().items()},
    }


def _ask(
    trie: Trie,
    sequences: Iterator[Sequence[int]],
    config: LookaheadConfig,
    pass_seconds: Sequence[float] | None = None,
) -> ReplayTotals:
    """Draft along held-out sequences, the first quarter of each given as the prompt."""
    drafter = Drafter(config, warm=(trie,))
    totals = ReplayTotals()
    for sequence in sequences:
        prompt = max(1, len(sequence) // 4)
        if len(sequence) - prompt < 2:
            continue
        request = drafter.start(sequence[:prompt])
        for step in Replay(request, sequence[prompt:], config, pass_seconds=pass_seconds):
            totals.add(step)
        if totals.tokens >= _ASKED_TOKENS:
            break
    return totals


def synthetic_sequences(seed: int = 0) -> Iterator[list[int]]:
    """Endless sequences that resemble text: few frequent tokens, frequent pairs, repeated passages."""
    generator = random.Random(seed)
    passages: list[list[int]] = []
    while True:
        sequence: list[int] = []
        while len(sequence) < _SEQUENCE:
            if passages and generator.random() < 0.01:
                sequence += generator.choice(passages)
            elif sequence and generator.random() < 0.5:
                # One of a few usual successors of the previous token, the first the most usual.
                sequence.append((sequence[-1] * 7919 + 31 * int(generator.expovariate(0.7))) % _VOCABULARY)
            else:
                sequence.append(min(_VOCABULARY - 1, int(generator.paretovariate(0.6)) - 1))
        start = generator.randrange(_SEQUENCE - 40)
        passages.append(sequence[start : start + generator.randrange(5, 40)])
        del passages[:-2000]
        yield sequence[:_SEQUENCE]


def _resident_bytes() -> int | None:
    """Resident size of this process; None if the system has no /proc."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None
