"""How a study is made: a process that computes, and the engine's thread for its runs.

The process (``study_process.py``) reads the material, replays and sums up; it asks this one for tokens and runs. So no
replay takes the interpreter from the engine, a study that is stopped is gone at once, and one that breaks off takes
nothing with it.
"""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from app.model.error_line import error_line
from app.model.host import HostError, ModelHost
from app.model.runs import RunRequest
from app.run.live_study import LiveStudy
from app.run.start import parted
from app.run.study_job import StudyJob, StudyRequest
from lookahead.backend import failure_line
from lookahead.config import LookaheadConfig
from lookahead.costs import PassCosts
from lookahead.records import Method, RunRecord
from lookahead.runs.runfile import RunPair
from lookahead.study.material import Sample

Result = TypeVar("Result")

CHECK_SECONDS = 20.0
"""How long a file may be read before it is studied; one that takes longer is refused by its study, if it must be."""
LENT = "GPUs are lent here to single runs. Study a recording, or run the lab elsewhere."
"""Why prompts do not run on a host that lends GPUs."""
ROOT = Path(__file__).resolve().parents[2]


class _OtherModelError(HostError):
    """The model was changed in the middle of a study."""


class StudyMaker:
    """Makes the studies of one host; many at a time."""

    def __init__(self, host: ModelHost) -> None:
        self._host = host
        # One run of all studies waits for the engine at a time: the studies take turns, and a visitor's run on the page
        # waits for one of them at most.
        self._turns = ThreadPoolExecutor(1, "studies")

    def close(self) -> None:
        """No more runs will be made."""
        self._turns.shutdown(wait=False, cancel_futures=True)

    def check(self, request: StudyRequest) -> dict[str, Any]:
        """What a file holds: ``{"prompts", "recorded"}``; empty if reading it takes long.

        Raises:
            ValueError: If it cannot be studied, as its study would say.
        """
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

    def make(self, study: LiveStudy) -> None:
        """Make it, from its first prompt to its end; in a thread of its own."""
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
        if study.kept is None:  # a study that continues keeps the T(n) of its runs
            study.costs = host.thread.start(host.pass_costs, study.cancelled).result()
        costs = study.costs
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
                case "drafting":
                    study.drafting = value
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
            kept=study.kept,
            drafting=study.drafting,
        )

    @staticmethod
    def _process(study: LiveStudy) -> subprocess.Popen[bytes]:
        """The process of a study, which waits for its job. Its folder is not on its path: a visitor fills that."""
        for name in ("material", "runs"):
            (study.folder / name).mkdir(exist_ok=True)  # runs that were kept lie there
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
        self, study: LiveStudy, costs: PassCosts | None, turn: int, sample: Sample, config: LookaheadConfig
    ) -> RunPair | str | None:
        """The runs of a prompt, made by the engine's thread when it is this study's turn; or why there are none.

        None if the study was stopped.
        """
        methods: list[Method] = ["lookahead", "plain"] if study.request.plain else ["lookahead"]
        records: dict[Method, RunRecord] = {}
        if self._host.lends:
            return LENT
        try:
            for method in methods if turn % 2 else reversed(methods):  # a machine that warms up favours neither
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
