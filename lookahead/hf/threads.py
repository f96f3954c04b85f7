"""How many CPU threads a pass should use while other programs, a browser say, want the same cores."""

from __future__ import annotations

from collections import deque
from statistics import median

import torch

from lookahead.costs import PassCosts

SLOW = 1.4
"""Passes that take this many times T(n) are held up by something: worth trying fewer threads."""
RECENT, TRIAL = 8, 5
"""Passes that tell how it goes now; passes of a trial, the first of which wakes the threads and does not count."""
PATIENCE, LONGEST_PATIENCE = 32, 1024
"""Passes before another trial; doubled after one that changed nothing."""
BETTER = 0.95
"""Share of the time that a trial has to need at most."""


class ThreadChoice:
    """All threads, or half of them where that is faster at the moment.

    The threads of a pass wait for each other, so one that shares its core with another program holds up all of them.
    Where passes take as long as T(n) says nothing is tried and nothing changes. The number of threads does not change
    what a pass computes, only who computes it.

    Args:
        most: Threads that torch uses, and that T(n) was measured with.
        costs: T(n); without it no pass is known to be slow.
    """

    def __init__(self, most: int, costs: PassCosts | None = None) -> None:
        self.most, self.fewer = most, max(1, most // 2)
        self.now = most
        self.costs = costs
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._trial: list[float] | None = None
        self._before = most
        self._patience = self._wait = PATIENCE

    def observe(self, count: int, seconds: float) -> int:
        """Threads for the next pass, after one of ``count`` tokens took ``seconds``."""
        if self.costs is None or self.fewer == self.most:
            return self.now
        ratio = seconds / self.costs.at(count)
        if self._trial is not None:
            self._trial.append(ratio)
            if len(self._trial) == TRIAL:
                self._settle(median(self._trial[1:]))
            return self.now
        self._recent.append(ratio)
        self._wait -= 1
        due = self.now < self.most or median(self._recent) > SLOW
        if self._wait <= 0 and len(self._recent) == RECENT and due:
            self._before, self.now = self.now, self.fewer if self.now == self.most else self.most
            self._trial = []
        return self.now

    def _settle(self, ratio: float) -> None:
        """End a trial: stay with it or go back."""
        if ratio < BETTER * median(self._recent):
            self._patience = PATIENCE
            self._recent.clear()
        else:
            self.now = self._before
            self._patience = min(LONGEST_PATIENCE, 2 * self._patience)
        self._trial, self._wait = None, self._patience

    def apply(self) -> None:
        """Let torch use that many from now on; to be called in the thread that computes."""
        if torch.get_num_threads() != self.now:
            torch.set_num_threads(self.now)

    def rest(self) -> None:
        """Give torch back all threads, after a run."""
        if torch.get_num_threads() != self.most:
            torch.set_num_threads(self.most)
