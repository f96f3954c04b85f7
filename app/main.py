"""The launcher behind ``python app.py``."""

from __future__ import annotations

import os
import sys
import threading

from lookahead.backend import BackendError
from lookahead.collector import everything_stays
from lookahead.openmp import wait_briefly

from .host import HostError, ModelHost
from .options import parse

NICENESS = 10
"""Of the server's threads; with 19, the most, other programs keep them waiting, and the engine with them."""


def main() -> None:
    """Load the model, then serve the page; Ctrl-C ends a run that is going, and the program, at once."""
    try:
        _serve()
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)


def give_way() -> None:
    """On Linux, have this thread and all that it starts from now on yield to those that run already, the engine's.

    A pass waits for the slowest of its threads, so a server that wakes beside them costs more than the time it takes.
    Elsewhere priorities belong to whole processes.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, 0, max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))


def _serve() -> None:
    options = parse()
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    wait_briefly()
    print("Loading the model ...", file=sys.stderr)
    try:
        host = ModelHost.load(options)
    except (HostError, BackendError) as error:
        print(f"app.py: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    from .ui import launch

    give_way()
    try:
        launch(host, server_name=options.host, server_port=options.port)
        with everything_stays():
            # Gradio's own wait ends only when every open page has let go of its connection.
            threading.Event().wait()
    finally:
        host.close()
