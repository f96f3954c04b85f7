"""Process-wide settings: what the garbage collector looks through, and how torch's threads wait."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

SPINS = "2000"
"""Rounds, some microseconds in all: longer than the gaps in a pass, far shorter than a scheduler's time slice."""


@contextmanager
def everything_stays() -> Iterator[None]:
    """Freeze the objects that exist now so that the garbage collector skips them inside the ``with``.

    A model and a trie of a million tokens are so many objects that one full collection takes a tenth of a second, maybe
    in the middle of a draft. Reference counting still frees them, and objects created inside the ``with`` are
    collected as usual. Do not nest it: its end unfreezes everything.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def wait_briefly(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let waiting threads spin for microseconds, then sleep; call it before torch is imported.

    GNU OpenMP spins for milliseconds by default. If another program wants a core, the spinning threads take it from
    the thread that all others wait for: a pass of the embedded model then takes 300 ms instead of 6. Short spinning
    costs 3 % on a quiet machine. An OMP_WAIT_POLICY or GOMP_SPINCOUNT that is already set is left alone.
    """
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", SPINS)
