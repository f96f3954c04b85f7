"""The studies of all visitors: who has one, how many there may be, how long they are kept."""

from __future__ import annotations

import atexit
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic
from typing import Any

from app.model.host import ModelHost
from app.run.live_study import LiveStudy
from app.run.study_job import StudyRequest
from app.run.study_maker import StudyMaker

UNREAD_SECONDS = 60.0
"""When a study in progress ends because no page follows it. A page that is loaded again is back sooner."""
KEPT_SECONDS = 3600.0
"""How long the studies of a session are kept after its last request."""
MOST_KEPT = 3
"""Most studies of one session; a new one takes the place of its oldest."""
MOST_STUDIES = 60
"""Most studies of all sessions that are kept; the oldest finished one is forgotten first."""
MOST_BYTES = 2_000_000_000
"""Most bytes of their files, on the disk."""
MOST_CHECKS = 8
"""Most files that wait to be read before they are studied; one more is not read."""
STOP_SECONDS = 10.0
"""How long a study that was stopped twice may take to sum up what it has; one that was stopped once still replays."""


GONE = (
    "This study is not on the server any more, or it is another browser's: a study is seen only where it was started."
)


class BusyError(ValueError):
    """The host has as many studies in progress as it can."""


class Studies:
    """All studies, by session; the model of the host makes their runs.

    Attributes:
        invited: Sessions by the key of the address that opens them (``/lab/open?key=KEY``), for a program that starts a
            study itself.
    """

    def __init__(self, host: ModelHost) -> None:
        self._host = host
        self._studies: dict[str, LiveStudy] = {}
        self._seen: dict[str, float] = {}
        self.invited: dict[str, str] = {}
        self._lock = threading.Lock()
        self._maker = StudyMaker(host)
        self._checks = ThreadPoolExecutor(1, "checks")
        self.closed = False
        self._checks_left = threading.Semaphore(MOST_CHECKS)
        atexit.register(self.close)

    def start(
        self, session: str, request: StudyRequest, followed: bool = True, earlier: LiveStudy | None = None
    ) -> LiveStudy:
        """A new study of this session, which runs from now on.

        Args:
            followed: Whether it ends when no page follows it.
            earlier: A finished study of this session whose runs it keeps: same file, same settings of the runs.

        Raises:
            BusyError: If the session, or the host, has too many in progress.
            LookupError: If the earlier study was forgotten.
            ValueError: If the file is too large, or the model is not that of the earlier study any more.
        """
        options = self._host.options
        self._check_size(request)
        with self._lock:
            going = [study for study in self._studies.values() if not study.over.is_set()]
            if any(study.session == session for study in going):
                raise BusyError("A study of yours is running. Stop it first, or wait for its end.")
            if len(going) >= options.max_studies:
                raise BusyError(f"{len(going)} studies are running here already. Try again in a few minutes.")
            if earlier is not None and self._studies.get(earlier.study_id) is not earlier:
                raise LookupError(GONE)
            if earlier is not None and earlier.model != self._host.info.name:
                raise ValueError("Another model was loaded since this study. Run it again.")
            study = LiveStudy(session, request, self._host.info.name, followed, earlier)
            self._studies[study.study_id] = study
            self._seen[session] = monotonic()
            mine = [one for one in self._studies.values() if one.session == session]
            for old in mine[:-MOST_KEPT]:
                self._forget(old)
            self._make_room()
        threading.Thread(target=self._maker.make, args=(study,), name="study", daemon=True).start()
        return study

    def _check_size(self, request: StudyRequest) -> None:
        most = self._host.options.max_study_bytes
        if len(request.data) > most:
            raise ValueError(f"{request.name}: larger than {most:,} bytes; the limit of this page")

    def check(self, request: StudyRequest) -> Future[dict[str, Any]]:
        """What a file holds: ``{"prompts", "recorded"}``; empty if reading it takes long, or too many wait.

        One file is read at a time.

        Raises:
            ValueError: If it cannot be studied, as its study would say; from the future, too.
        """
        self._check_size(request)
        if not self._checks_left.acquire(blocking=False):
            unread = Future[dict[str, Any]]()
            unread.set_result({})
            return unread
        check = self._checks.submit(self._maker.check, request)
        check.add_done_callback(lambda _: self._checks_left.release())
        return check

    def _make_room(self) -> None:
        """Forget the oldest finished studies until the others are within the bounds."""
        total = sum(study.bytes for study in self._studies.values())
        for study in list(self._studies.values()):
            if len(self._studies) <= MOST_STUDIES and total <= MOST_BYTES:
                break
            if study.over.is_set():
                total -= study.bytes
                self._forget(study)

    def get(self, session: str, study_id: str) -> LiveStudy | None:
        """The study with this id, if it is this session's."""
        with self._lock:
            study = self._studies.get(study_id)
            if study is None or study.session != session:
                return None
            self._seen[session] = monotonic()
            return study

    def forget(self, study: LiveStudy) -> None:
        """Forget a study and delete its files."""
        with self._lock:
            self._forget(study)

    def _forget(self, study: LiveStudy) -> None:
        self._studies.pop(study.study_id, None)
        study.forget()

    def tidy(self, now: float) -> None:
        """End studies that nobody follows, and forget those of sessions that have not asked for long."""
        with self._lock:
            for study in list(self._studies.values()):
                going = not study.over.is_set()
                if going and study.followed and study.readers.unread_seconds > UNREAD_SECONDS:
                    study.stop()
                most = STOP_SECONDS + (self._host.options.max_study_seconds if study.stops < 2 else 0)
                if going and study.stopped_at and now - study.stopped_at > most:
                    study.kill()
                idle = min(now - self._seen.get(study.session, now), study.readers.unread_seconds)
                if not going and idle > KEPT_SECONDS:
                    self._forget(study)
            kept = {study.session for study in self._studies.values()}
            self._seen = {session: when for session, when in self._seen.items() if session in kept}

    def close(self) -> None:
        """End and forget all studies."""
        self.closed = True
        with self._lock:
            for study in list(self._studies.values()):
                self._forget(study)
        self._maker.close()
        self._checks.shutdown(wait=False, cancel_futures=True)
