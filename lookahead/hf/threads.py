"""How many CPU threads a pass uses while other programs, a browser say, want the same cores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from time import perf_counter

import torch

PAIRS = 6
"""Pairs of passes of one width, one with all threads and one with half of them, that decide."""
LONGEST_TRIAL = 32
"""Passes after which a trial ends undecided: hardly two were of the same width."""
PATIENCE, LONGEST_PATIENCE = 16, 256
"""Passes before the first trial; four times as many, up to the second number, after each trial that changes nothing."""
BETTER = 0.97
"""Half of the threads have to take at most this share of the time."""


class ThreadChoice:
    """All threads, or half of them while that is faster.

    The threads of a pass wait for each other, so one that shares its core with another program holds up all of them.
    No time measured earlier says which is faster: now and then passes of the same width try both in turn.

    Args:
        most: Threads that torch uses, >= 1; with one there is no choice, and torch's number is left as it is.
    """

    def __init__(self, most: int) -> None:
        self.most, self.fewer = most, max(1, most // 2)
        self.now = most
        self._patience = self._wait = PATIENCE
        self._trial: defaultdict[int, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))

    @contextmanager
    def one_pass(self, width: int) -> Iterator[None]:
        """Let torch use that many inside the ``with``, a pass of ``width`` tokens, in the thread that computes it."""
        if self.fewer == self.most:
            yield
            return
        threads = self.next(width)
        torch.set_num_threads(threads)
        started = perf_counter()
        try:
            yield
        finally:
            torch.set_num_threads(self.most)
        self.observe(width, threads, perf_counter() - started)

    def next(self, width: int) -> int:
        """Threads of the next pass: the current number; in a trial what this width has tried less often."""
        if self._wait > 0:
            return self.now
        most, fewer = self._trial[width]
        return self.fewer if len(fewer) < len(most) else self.most

    def observe(self, width: int, threads: int, seconds: float) -> None:
        """Count a pass; a trial's last one decides."""
        self._wait -= 1
        if self._wait >= 0:
            return
        self._trial[width][threads == self.fewer].append(seconds)
        ratios = [fewer / most for pair in self._trial.values() for most, fewer in zip(*pair, strict=False)]
        if len(ratios) >= PAIRS or -self._wait >= LONGEST_TRIAL:
            self._settle(self.fewer if ratios and median(ratios) <= BETTER else self.most)

    def _settle(self, threads: int) -> None:
        changed, self.now = threads != self.now, threads
        self._patience = PATIENCE if changed else min(LONGEST_PATIENCE, 4 * self._patience)
        self._wait = self._patience
        self._trial.clear()
