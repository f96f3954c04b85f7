"""One study of a session: its process, its files, and what came of it so far."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

from app.run.readers import Readers
from app.run.study_job import StudyRequest


class LiveStudy:
    """One study of a session, in progress or finished. Its thread writes it; any thread may read it.

    Attributes:
        study_id: An id that nobody can guess.
        model: Name of the model that makes its runs.
        followed: Whether it ends when no page follows it.
        progress: ``{"done", "of", "seconds_left", "what"}``.
        result: The study so far as JSON; None before the first row.
        problem: Why it broke off, in one line; empty if it did not.
        cancelled: The event that ends it.
        over: Whether it is over.
        stopped_at: When it was stopped first; 0.0 if it was not.
        folder: The folder of its files.
        bytes: Size of them; 0 until it is over.
        readers: The pages that follow it.
    """

    def __init__(self, session: str, request: StudyRequest, model: str, followed: bool = True) -> None:
        self.model = model
        self.followed = followed
        self.study_id = secrets.token_urlsafe(12)
        self.session = session
        self.request = request
        self.progress: dict[str, Any] = {"done": 0, "of": None, "seconds_left": None, "what": "waiting"}
        self.result: bytes | None = None
        self.problem = ""
        self.cancelled = threading.Event()
        self.over = threading.Event()
        self.process: subprocess.Popen[bytes] | None = None
        self.stopped_at = 0.0
        self.bytes = 0
        self._folder = TemporaryDirectory(prefix="lookahead-study-", ignore_cleanup_errors=True)
        self.folder = Path(self._folder.name)
        self.readers = Readers()

    def stop(self) -> None:
        """End it after the current pass; what it has is summed up."""
        self.stopped_at = self.stopped_at or monotonic()
        self.cancelled.set()
        if self.process is not None:
            self.process.terminate()

    def kill(self) -> None:
        """End its process now, and those that it has started."""
        self.stop()
        process = self.process
        if process is None or process.returncode is not None:
            return
        with suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()

    def forget(self) -> None:
        """End it, and delete its files."""
        self.kill()
        self._folder.cleanup()

    def run_file(self, name: str) -> Path | None:
        """The run file with this name; None if there is none."""
        return next((path for path in (self.folder / "runs").glob("*.json") if path.name == name), None)
