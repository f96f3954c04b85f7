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

    try:
        launch(host, server_name=options.host, server_port=options.port)
        with everything_stays():
            # Gradio's own wait ends only when every open page has let go of its connection.
            threading.Event().wait()
    finally:
        host.close()
