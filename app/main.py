"""What ``python app.py`` runs."""

from __future__ import annotations

import os
import signal
import sys
import threading

from app.model import zero_gpu
from app.model.host import HostError, ModelHost
from app.options import parse
from lookahead.backend import BackendError
from lookahead.process import everything_stays, wait_briefly


def main() -> None:
    """Load the model, then serve the page. Ctrl-C ends the run in progress and the program at once."""
    try:
        _serve()
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)


def _serve() -> None:
    options = parse()
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    wait_briefly()
    # Questions run Python code beside the engine, which waits this long for the interpreter, several times in a pass:
    # with the default of 5 ms a run beside them took twice as long as with 1 ms.
    sys.setswitchinterval(0.001)
    print("Loading the model ...", file=sys.stderr)
    decorate = zero_gpu.decorator()  # before anything imports torch
    from lookahead.hf.quiet import quiet

    quiet()
    try:
        host = ModelHost.load(options, decorate)
    except (HostError, BackendError) as error:
        print(f"app.py: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    from app.page.layout import launch

    interrupted = noted_interrupts()
    try:
        launch(host, server_name=options.host, server_port=options.port)
        with everything_stays():
            # Gradio's own wait lasts until every open page has closed its connection.
            while not interrupted.wait(1):  # Windows handles the signal only between two waits
                pass
        raise KeyboardInterrupt
    finally:
        host.close()


def noted_interrupts() -> threading.Event:
    """The event that Ctrl-C sets from now on; Python would lose a KeyboardInterrupt raised inside a finalizer.

    A second Ctrl-C raises KeyboardInterrupt. Where Ctrl-C is ignored (in the background), it stays ignored.
    """
    interrupted = threading.Event()

    def note(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        interrupted.set()

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, note)
    return interrupted
