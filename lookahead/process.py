"""Process-wide settings: what the garbage collector looks through, how torch's threads wait, which signals end it."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import AbstractContextManager, contextmanager

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


class Ended(KeyboardInterrupt):
    """The process was told to end by a signal other than that of Ctrl-C, its number in ``args``."""


@contextmanager
def _handled(handler: Callable[[int, object], None] | signal.Handlers, *names: str) -> Iterator[None]:
    """Handle these signals so inside the ``with``; one that the process was started to ignore stays ignored."""
    before = {}
    if threading.current_thread() is threading.main_thread():  # Python allows it only there
        numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
        before = {one: signal.getsignal(one) for one in numbers if signal.getsignal(one) != signal.SIG_IGN}
    try:
        for number in before:
            signal.signal(number, handler)
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier or signal.SIG_DFL)


def ends_like_ctrl_c() -> AbstractContextManager[None]:
    """Inside this ``with`` SIGTERM and SIGHUP raise ``Ended``, as Ctrl-C raises KeyboardInterrupt."""

    def end(number: int, _: object) -> None:
        raise Ended(number)

    return _handled(end, "SIGTERM", "SIGHUP")


def uninterrupted() -> AbstractContextManager[None]:
    """Inside this ``with`` Ctrl-C, SIGTERM and SIGHUP are ignored, so that what is being written gets whole."""
    return _handled(signal.SIG_IGN, "SIGINT", "SIGTERM", "SIGHUP")
