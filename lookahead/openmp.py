"""How torch's threads wait for each other on a CPU."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

SPINS = "2000"
"""Rounds, some microseconds in all: longer than the gaps within a pass, far shorter than a scheduler's time slice."""


def wait_briefly(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let waiting threads spin for microseconds, then sleep; to be called before torch is imported.

    GNU OpenMP spins for milliseconds by default. Wherever another program wants a core, the spinning threads keep it
    from the thread that everybody waits for: a pass of the embedded model then takes 300 ms instead of 6, against 3 %
    that short spinning costs on a quiet machine. Whoever has chosen a way of waiting keeps it.
    """
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", SPINS)
