"""The studies of all visitors: a process each that computes, the engine's thread for their runs, what came of them.

The process (``study_process.py``) reads the material, replays and sums up; it asks this one for tokens and runs. So no
replay takes the interpreter from the engine, a study that is stopped is gone at once, and one that breaks off takes
nothing with it.
"""

from __future__ import annotations

import atexit
import logging
import os
import pickle
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any, TypeVar

from app.model.error_line import error_line
from app.model.host import HostError, ModelHost
from app.model.runs import RunRequest
from app.run.start import parted
from app.run.study_job import StudyJob, StudyRequest
from lookahead.backend import failure_line
from lookahead.config import LookaheadConfig
from lookahead.costs import PassCosts
from lookahead.records import Method, RunRecord
from lookahead.runs.runfile import RunPair
from lookahead.study.material import Sample

Result = TypeVar("Result")

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
CHECK_SECONDS = 20.0
"""How long a file may be read before it is studied; one that takes longer is refused by its study, if it must be."""
MOST_CHECKS = 8
"""Most files that wait to be read before they are studied; one more is not read."""
STOP_SECONDS = 10.0
"""How long a study that was stopped may take to sum up what it has."""
LENT = "GPUs are lent here to single runs. Study a recording, or run the lab elsewhere."
"""Why prompts do not run on a host that lends GPUs."""
ROOT = Path(__file__).resolve().parents[2]


class BusyError(ValueError):
    """The host has as many studies in progress as it can."""


class _OtherModelError(HostError):
    """The model was changed in the middle of a study."""


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
        self._readers = 0
        self._unread_since = monotonic()

    @property
    def unread_seconds(self) -> float:
        """How long no page has followed it."""
        return 0.0 if self._readers else monotonic() - self._unread_since

    @contextmanager
    def read(self) -> Iterator[None]:
        """Inside the ``with``, a page follows it; for the server's event loop alone."""
        self._readers += 1
        try:
            yield
        finally:
            self._readers -= 1
            self._unread_since = monotonic()

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
        # One run of all studies waits for the engine at a time: the studies take turns, and a visitor's run on the page
        # waits for one of them at most.
        self._turns = ThreadPoolExecutor(1, "studies")
        self._checks = ThreadPoolExecutor(1, "checks")
        self._checks_left = threading.Semaphore(MOST_CHECKS)
        atexit.register(self.close)

    def start(self, session: str, request: StudyRequest, followed: bool = True) -> LiveStudy:
        """A new study of this session, which runs from now on.

        Args:
            followed: Whether it ends when no page follows it.

        Raises:
            BusyError: If the session, or the host, has too many in progress.
            ValueError: If the file is too large.
        """
        options = self._host.options
        self._check_size(request)
        with self._lock:
            going = [study for study in self._studies.values() if not study.over.is_set()]
            if any(study.session == session for study in going):
                raise BusyError("A study of yours is running. Stop it first, or wait for its end.")
            if len(going) >= options.max_studies:
                raise BusyError(f"{len(going)} studies are running here already. Try again in a few minutes.")
            study = LiveStudy(session, request, self._host.info.name, followed)
            self._studies[study.study_id] = study
            self._seen[session] = monotonic()
            mine = [one for one in self._studies.values() if one.session == session]
            for old in mine[:-MOST_KEPT]:
                self._forget(old)
            self._make_room()
        threading.Thread(target=self._work, args=(study,), name="study", daemon=True).start()
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
        check = self._checks.submit(self._checked, request)
        check.add_done_callback(lambda _: self._checks_left.release())
        return check

    def _checked(self, request: StudyRequest) -> dict[str, Any]:
        study = LiveStudy("", request, self._host.info.name)
        timer = threading.Timer(CHECK_SECONDS, study.kill)
        try:
            process = study.process = self._process(study)
            assert process.stdin is not None
            assert process.stdout is not None
            timer.start()
            with process.stdin as tell, process.stdout as ask:
                pickle.dump(self._job(study, None, only_read=True), tell)
                tell.flush()
                kind, value = pickle.load(ask)
        except (EOFError, BrokenPipeError):  # killed by the timer, or for its memory
            return {}
        finally:
            timer.cancel()
            study.forget()
            if study.process is not None:
                study.process.wait()
        if kind == "error":
            raise ValueError(value)
        if self._host.lends and not value["recorded"]:
            raise ValueError(LENT)
        return value

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

    def look(self, now: float) -> None:
        """End studies that nobody follows, and forget those of sessions that have not asked for long."""
        with self._lock:
            for study in list(self._studies.values()):
                going = not study.over.is_set()
                if going and study.followed and study.unread_seconds > UNREAD_SECONDS:
                    study.stop()
                if going and study.stopped_at and now - study.stopped_at > STOP_SECONDS:
                    study.kill()
                idle = min(now - self._seen.get(study.session, now), study.unread_seconds)
                if not going and idle > KEPT_SECONDS:
                    self._forget(study)
            kept = {study.session for study in self._studies.values()}
            self._seen = {session: when for session, when in self._seen.items() if session in kept}

    def close(self) -> None:
        """End and forget all studies."""
        with self._lock:
            for study in list(self._studies.values()):
                self._forget(study)
        self._turns.shutdown(wait=False, cancel_futures=True)
        self._checks.shutdown(wait=False, cancel_futures=True)

    # ------------------------------------------------------------------ the thread of one study

    def _work(self, study: LiveStudy) -> None:
        try:
            self._serve(study)
        except Exception as error:  # nobody reads this thread's result
            if not study.cancelled.is_set():
                logging.getLogger(__name__).warning("a study broke off", exc_info=error)
                study.problem = error_line(error)
        finally:
            study.kill()
            if study.process is not None:
                study.process.wait()
            with suppress(OSError):  # the visitor may have had it deleted
                study.bytes = sum(path.stat().st_size for path in study.folder.rglob("*"))
            study.over.set()

    def _serve(self, study: LiveStudy) -> None:
        """Start the process of the study, and answer what it asks until it ends."""
        process = study.process = self._process(study)
        assert process.stdin is not None
        assert process.stdout is not None
        tell, ask = process.stdin, process.stdout

        def answer(value: object) -> None:
            pickle.dump(value, tell)
            tell.flush()

        host = self._host
        if study.cancelled.is_set():
            return
        costs = host.thread.start(host.pass_costs, study.cancelled).result()
        answer(self._job(study, costs))
        while True:
            try:
                kind, value = pickle.load(ask)
            except EOFError:
                raise HostError("The study broke off. Start it again with fewer prompts or without a sweep.") from None
            match kind:
                case "progress":
                    study.progress = value
                case "study":
                    study.result = value
                case "error":
                    study.problem = value
                    return
                case "end":
                    return
                case "encode":
                    answer(self._encoded(value))
                case "run":
                    answer(self._made(study, costs, *value))

    def _job(self, study: LiveStudy, costs: PassCosts | None, only_read: bool = False) -> StudyJob:
        """What the process of a study gets."""
        host, options = self._host, self._host.options
        return StudyJob(
            study.request,
            study.folder,
            most_prompts=options.max_study_prompts,
            model=host.info,
            costs=costs,
            sources=host.sources,
            trie=os.path.abspath(options.trie) if options.trie and host.corpus else None,
            tokenizer=host.source,
            most_seconds=options.max_study_seconds,
            only_read=only_read,
        )

    @staticmethod
    def _process(study: LiveStudy) -> subprocess.Popen[bytes]:
        """The process of a study, which waits for its job. Its folder is not on its path: a visitor fills that."""
        for name in ("material", "runs"):
            (study.folder / name).mkdir()
        file = study.folder / "material" / study.request.name
        file.write_bytes(study.request.data)
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "app.run.study_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))},
            start_new_session=True,
        )

    def _encoded(self, text: str) -> tuple[int, ...] | str:
        """The prompt's tokens; or why it has none, in one line."""
        try:
            return self._host.encode(text)
        except Exception as error:  # a tokenizer or a chat template may raise anything
            logging.getLogger(__name__).info("a prompt has no tokens", exc_info=error)
            return error_line(error)

    def _made(
        self, study: LiveStudy, costs: PassCosts | None, place: int, sample: Sample, config: LookaheadConfig
    ) -> RunPair | str | None:
        """The runs of a prompt, made by the engine's thread when it is this study's turn; or why there are none.

        None if the study was stopped.
        """
        methods: list[Method] = ["lookahead", "plain"] if study.request.plain else ["lookahead"]
        records: dict[Method, RunRecord] = {}
        if self._host.lends:
            return LENT
        try:
            for method in methods if place % 2 else reversed(methods):  # a machine that warms up favours neither
                task = partial(self._generated, study, costs, sample, config, method)
                records[method] = self._turns.submit(self._in_turn, study, task).result()
                if records[method].finish_reason == "cancelled":
                    return None
            run, plain = records["lookahead"], records.get("plain")
            gap = plain and self._turns.submit(self._in_turn, study, lambda: parted(self._host, run, plain)).result()
            return RunPair(run, plain, gap)
        except _OtherModelError as error:
            study.problem = str(error)
            return None
        except ValueError as error:
            return error_line(error)
        except Exception as error:  # whatever a pass may raise
            if study.cancelled.is_set():
                return None
            logging.getLogger(__name__).warning("a run of a study broke off", exc_info=error)
            return failure_line(error)

    def _in_turn(self, study: LiveStudy, task: Callable[[], Result]) -> Result:
        return self._host.thread.start(task, study.cancelled).result()

    def _generated(
        self, study: LiveStudy, costs: PassCosts | None, sample: Sample, config: LookaheadConfig, method: Method
    ) -> RunRecord:
        """The run with its texts, made in the engine's thread."""
        host, request = self._host, study.request
        if host.info.name != study.model:
            raise _OtherModelError("Another model was loaded before this study ended. Start it again.")
        asked = RunRequest(
            *(sample.prompt_ids, config, request.max_new_tokens, method),
            sampling=request.sampling,
            pass_costs=costs,
        )
        return host.with_texts(host.generate(asked, study.cancelled, lambda *_: None), sample.text)
