"""The launcher behind ``python app.py``."""

from __future__ import annotations

import os
import sys

from lookahead.backend import BackendError
from lookahead.openmp import wait_briefly

from .host import HostError, ModelHost
from .options import parse


def main() -> None:
    """Load the model, then serve the page until interrupted."""
    options = parse()
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    wait_briefly()
    print("Loading the model ...", file=sys.stderr)
    try:
        host = ModelHost.load(options)
    except (HostError, BackendError) as error:
        print(f"app.py: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    from .theme import page_options
    from .ui import build_demo

    try:
        build_demo(host).launch(server_name=options.host, server_port=options.port, **page_options())
    finally:
        host.close()
