"""A trial of a chat template, a program in a model's files, in a copy of this process, which can be ended."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from time import monotonic, sleep

SECONDS = 10.0
"""Most time of a trial. A template takes milliseconds; Python cannot be interrupted in a single long operation."""
MORE_BYTES = 1_000_000_000
"""Most memory that a trial may take."""
_LOOK_SECONDS = 0.002


def ends(render: Callable[[], object]) -> bool:
    """Whether a call returns or raises within the bounds; True where a process cannot be copied (Windows)."""
    if not hasattr(os, "fork"):
        return True
    if (child := os.fork()) == 0:
        _run(render)
    latest, done, status = monotonic() + SECONDS, 0, 0
    try:
        while not done and monotonic() < latest:
            sleep(_LOOK_SECONDS)
            done, status = os.waitpid(child, os.WNOHANG)
        return bool(done) and status == 0
    except ChildProcessError:  # this program has the system forget its children
        return True
    finally:
        if not done:
            with suppress(OSError):
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)


def _run(render: Callable[[], object]) -> None:
    """Call it and end this process: with status 0, unless it takes too much memory."""
    status = 1
    try:
        _bound_memory()
        render()
        status = 0
    except Exception as error:  # noqa: BLE001 - the caller will meet it, too
        status = int(isinstance(error, MemoryError))
    finally:
        os._exit(status)


def _bound_memory() -> None:
    with suppress(OSError):  # only Linux says how much there is now
        import resource

        with open("/proc/self/statm", encoding="ascii") as file:
            now = int(file.read().split()[0]) * resource.getpagesize()
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        bound = now + MORE_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (bound if most == resource.RLIM_INFINITY else min(bound, most), most))
