"""What is set once for a whole process: what the garbage collector looks through, and how torch's threads wait."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

SPINS = "2000"
"""Rounds, some microseconds in all: longer than the gaps within a pass, far shorter than a scheduler's time slice."""


@contextmanager
def everything_stays() -> Iterator[None]:
    """Freeze the objects that exist now so that the garbage collector skips them inside the ``with``.

    A model and a trie of a million tokens are so many objects that one full collection takes a tenth of a second, as
    likely in the middle of a draft as anywhere. Reference counting still frees them, and what is made inside the
    ``with`` is collected as usual. Not to be nested: its end shows the collector everything again.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def wait_briefly(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let waiting threads spin for microseconds, then sleep; to be called before torch is imported.

    GNU OpenMP spins for milliseconds by default. Wherever another program wants a core, the spinning threads keep it
    from the thread that everybody waits for: a pass of the embedded model then takes 300 ms instead of 6, against 3 %
    that short spinning costs on a quiet machine. An OMP_WAIT_POLICY or GOMP_SPINCOUNT that is set already is left as
    it is.
    """
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", SPINS)
