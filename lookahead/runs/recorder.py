"""Recording a run: the clock, the steps as they come, and the record at the end."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

import lookahead
from lookahead.config import GREEDY, LookaheadConfig, RunSettings, Sampling, stop_strings
from lookahead.costs import PassCosts
from lookahead.draft import plain_ids
from lookahead.records import METHOD_WORDS, FinishReason, Method, ModelInfo, RunRecord, RunTexts, StepRecord
from lookahead.runs.runfile import to_json

if TYPE_CHECKING:
    from lookahead.engine import LookaheadEngine


class RunRecorder:
    """Collects the steps of one run and makes its RunRecord. The clock starts when the recorder is created.

    Raises:
        ValueError: If a run file cannot hold such a run.
    """

    def __init__(
        self,
        prompt_ids: Sequence[int],
        config: LookaheadConfig,
        model: ModelInfo,
        method: Method,
        max_new_tokens: int,
        stop: Sequence[str] = (),
        pass_costs: PassCosts | None = None,
        sampling: Sampling = GREEDY,
        expected: Sequence[int] = (),
    ) -> None:
        self.max_new_tokens = RunSettings(max_new_tokens).max_new_tokens
        self.stop = stop_strings(stop)
        self.steps: list[StepRecord] = []
        self.ends: list[float] = []
        """When each step ended, seconds from the start of the run."""
        self._empty = RunRecord(
            prompt_ids=plain_ids(prompt_ids),
            steps=(),
            config=config,
            model=model,
            method=method,
            finish_reason="cancelled",
            seconds=0.0,
            first_token_seconds=None,
            max_new_tokens=self.max_new_tokens,
            stop=self.stop,
            pass_costs=pass_costs if method == "lookahead" else None,
            sampling=sampling,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            version=lookahead.__version__,
            expected_ids=plain_ids(expected),
        )
        to_json(self._empty)  # what a file cannot hold is refused before it runs
        self._started = perf_counter()

    @property
    def seconds(self) -> float:
        """When the last step ended, seconds from the start of the run; 0.0 before the first."""
        return self.ends[-1] if self.ends else 0.0

    def add(self, step: StepRecord) -> None:
        """Take the next step, which ends now."""
        self.ends.append(perf_counter() - self._started)
        self.steps.append(step)

    def record(self, broken_off: FinishReason = "cancelled", texts: RunTexts | None = None) -> RunRecord:
        """The run so far.

        Args:
            broken_off: The finish reason if the last step has none.
        """
        last_reason = self.steps[-1].finish_reason if self.steps else None
        return replace(
            self._empty,
            steps=tuple(self.steps),
            finish_reason=last_reason or broken_off,
            seconds=self.seconds,
            first_token_seconds=self.ends[0] if self.ends else None,
            texts=texts,
        )


class RecordedRun(RunRecorder):
    """One run of an engine that records itself: iterate it for the steps as they happen, then call ``record``.

    The first run's one-time work (trying the model's masks, measuring T(n)) is done when it is created; the clock
    starts with the iteration.

    Arguments and errors are those of ``LookaheadEngine.generate``, and ``model``, its description for the record.
    """

    def __init__(
        self,
        engine: LookaheadEngine,
        prompt_ids: Sequence[int],
        model: ModelInfo,
        *,
        max_new_tokens: int,
        method: str = "lookahead",
        stop: Sequence[str] = (),
        sampling: Sampling = GREEDY,
        cancelled: threading.Event | None = None,
        expected: Sequence[int] = (),
    ) -> None:
        start = partial(
            engine.generate,
            prompt_ids,
            max_new_tokens=max_new_tokens,
            stop=stop,
            method=method,
            sampling=sampling,
            cancelled=cancelled,
            expected=expected,
        )
        start()  # refuses bad arguments before T(n) is measured
        kind = METHOD_WORDS[method]
        costs = engine.pass_costs if kind == "lookahead" else None
        super().__init__(prompt_ids, engine.config, model, kind, max_new_tokens, stop, costs, sampling, expected)
        self._run = start(pass_costs=costs)

    def __iter__(self) -> Iterator[StepRecord]:
        """The steps; each is recorded before it is yielded."""
        self._started = perf_counter()
        with closing(self._run) as steps:
            for step in steps:
                self.add(step)
                yield step

    def whole(self) -> RunRecord:
        """The record of all steps, which run now."""
        for _ in self:
            pass
        return self.record()
