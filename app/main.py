"""The launcher behind ``python app.py``."""

from __future__ import annotations

import os
import signal
import sys
import threading

from lookahead.backend import BackendError
from lookahead.process import everything_stays, wait_briefly

from .host import HostError, ModelHost
from .options import parse


def main() -> None:
    """Load the model, then serve the page; Ctrl-C ends a run that is going, and the program, at once."""
    try:
        _serve()
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)


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

    interrupted = noted_interrupts()
    try:
        launch(host, server_name=options.host, server_port=options.port)
        with everything_stays():
            # Gradio's own wait ends only when every open page has let go of its connection.
            while not interrupted.wait(1):  # Windows sees the signal only between two waits
                pass
        raise KeyboardInterrupt
    finally:
        host.close()


def noted_interrupts() -> threading.Event:
    """What Ctrl-C sets from now on, in place of an exception: Python drops one where a finalizer happens to be running.

    The second one raises it again. Nothing changes where Ctrl-C is ignored, in the background.
    """
    interrupted = threading.Event()

    def note(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        interrupted.set()

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, note)
    return interrupted
