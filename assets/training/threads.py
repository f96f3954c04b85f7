"""How many CPU threads a training step should use on a machine that others use as well: measured as it goes."""

from __future__ import annotations

import time

import torch
from torch._inductor import config as inductor


class ThreadChoice:
    """Tries one thread and all of them in turn, stays with the faster, and looks again every ``period`` steps.

    Two threads that wait for each other are slower than one as soon as somebody else runs on one of the cores.
    """

    def __init__(self, most: int, period: int = 24) -> None:
        inductor.cpp.dynamic_threads = True  # otherwise compiled code keeps the number it was compiled with
        self.counts = sorted({1, most})
        self.period = period
        self.seconds = dict.fromkeys(self.counts, 0.0)
        self.now = self.counts[-1]
        self.step = 0

    def before(self) -> None:
        """Call it before a step: sets the number of threads and starts the clock."""
        turn = self.step % self.period
        probes = [count for count in self.counts if self.seconds[count] == 0.0] or (
            [count for count in self.counts if count != self.best] if turn < 2 else []
        )
        self.now = probes[0] if probes else self.best
        torch.set_num_threads(self.now)
        self.step += 1
        self.started = time.monotonic()

    def after(self) -> None:
        """Call it after a step: remembers how long it took."""
        took = time.monotonic() - self.started
        if self.step > 2:  # the first steps compile
            before = self.seconds[self.now] or took
            self.seconds[self.now] = 0.5 * before + 0.5 * took

    @property
    def best(self) -> int:
        return min(self.counts, key=lambda count: self.seconds[count])
