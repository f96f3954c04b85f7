"""One study of a session: its process, its files, and what came of it so far."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

from app.run.readers import Readers
from app.run.study_job import StudyRequest, digest_of
from lookahead.costs import PassCosts
from lookahead.study.grid import Drafting


class LiveStudy:
    """One study of a session, in progress or finished. Its thread writes it; any thread may read it.

    Attributes:
        study_id: An id that nobody can guess.
        model: Name of the model that makes its runs.
        followed: Whether it ends when no page follows it.
        digest: A digest of its file.
        kept: What the study that it continues had found, as JSON; None if it continues none.
        costs: T(n) by which its runs choose their widths.
        drafting: Time of its drafts; None until it was measured.
        progress: ``{"done", "of", "seconds_left", "what"}``.
        result: The study so far as JSON; None before the first row. At first that of the study that it continues.
        problem: Why it broke off, in one line; empty if it did not.
        cancelled: The event that ends its runs.
        over: Whether it is over.
        stops: How many times it was stopped: the second one ends what follows the runs.
        stopped_at: When it was stopped, at most for the second time; 0.0 if it was not.
        folder: The folder of its files.
        bytes: Size of them; 0 until it is over.
        readers: The pages that follow it.
    """

    def __init__(
        self,
        session: str,
        request: StudyRequest,
        model: str,
        followed: bool = True,
        earlier: LiveStudy | None = None,
    ) -> None:
        self.model = model
        self.followed = followed
        self.study_id = secrets.token_urlsafe(12)
        self.session = session
        self.request = request
        self.digest = earlier.digest if earlier else digest_of(request.data)
        self.kept = earlier.result if earlier else None
        self.costs: PassCosts | None = earlier.costs if earlier else None
        self.drafting: Drafting | None = earlier.drafting if earlier else None
        self.progress: dict[str, Any] = {"done": 0, "of": None, "seconds_left": None, "what": "waiting"}
        self.result = self.kept
        self.problem = ""
        self.cancelled = threading.Event()
        self.over = threading.Event()
        self.process: subprocess.Popen[bytes] | None = None
        self.stops, self.stopped_at = 0, 0.0
        self.bytes = 0
        self._folder = TemporaryDirectory(prefix="lookahead-study-", ignore_cleanup_errors=True)
        self.folder = Path(self._folder.name)
        if earlier is not None:
            self._keep_runs(earlier.folder / "runs")
        self.readers = Readers()

    def _keep_runs(self, runs: Path) -> None:
        """Take the run files of another study over; they are written once and never changed."""
        (self.folder / "runs").mkdir()
        for path in runs.glob("*.json"):
            try:
                os.link(path, self.folder / "runs" / path.name)
            except OSError:  # a file system without links
                shutil.copyfile(path, self.folder / "runs" / path.name)

    def stop(self) -> None:
        """End its runs after the current pass; the study is finished on what it has. A second time ends that, too."""
        self.stops += 1
        if self.stops <= 2:
            self.stopped_at = monotonic()
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
