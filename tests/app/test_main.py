"""``python app.py`` from its first line to Ctrl-C."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import weakref
from pathlib import Path

import pytest

from app.main import noted_interrupts

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_ctrl_c_ends_the_app_without_a_traceback(tiny_model: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = subprocess.Popen(
        [sys.executable, "app.py", "--port", str(port), "--model", str(tiny_model)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # In the background, tests start with SIGINT ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        for _ in range(3000):  # minutes on a busy machine
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/config").read()
                break
            except OSError:
                assert app.poll() is None
                time.sleep(0.1)
        app.send_signal(signal.SIGINT)
        out, err = app.communicate(timeout=30)
    finally:
        app.kill()
    assert app.returncode == 0
    assert str(port) in out
    assert err.splitlines() == ["Loading the model ...", "Stopped."]


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_a_ctrl_c_inside_a_finalizer_is_not_lost() -> None:
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        interrupted = noted_interrupts()
        something = {1}
        watched = weakref.ref(something, lambda _: os.kill(os.getpid(), signal.SIGINT))
        del something
        assert watched() is None
        assert interrupted.is_set()
    finally:
        signal.signal(signal.SIGINT, handler)
