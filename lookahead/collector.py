"""Python's garbage collector, told what stays."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def everything_stays() -> Iterator[None]:
    """While the ``with`` lasts, no collection looks through what is in memory now; reference counts still free it.

    A model and a trie of a million tokens are so many objects that one full collection takes a tenth of a second, as
    likely in the middle of a draft as anywhere. What is made inside the ``with`` is collected as ever. Not to be
    nested: its end shows the collector everything again.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
