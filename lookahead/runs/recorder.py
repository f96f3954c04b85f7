"""Recording a run: the clock, the steps as they come, and the record at the end."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING

import lookahead
from lookahead.config import LookaheadConfig
from lookahead.costs import PassCosts
from lookahead.records import METHOD_WORDS, FinishReason, Method, ModelInfo, RunRecord, RunTexts, StepRecord

if TYPE_CHECKING:
    from lookahead.engine import LookaheadEngine


class RunRecorder:
    """Collects the steps of one run and makes its RunRecord. The clock starts when the recorder is created."""

    def __init__(
        self,
        prompt_ids: Sequence[int],
        config: LookaheadConfig,
        model: ModelInfo,
        method: Method,
        max_new_tokens: int,
        stop: Sequence[str] = (),
        pass_costs: PassCosts | None = None,
    ) -> None:
        self.prompt_ids = tuple(prompt_ids)
        self.config = config
        self.model = model
        self.method: Method = method
        self.max_new_tokens = max_new_tokens
        self.stop = tuple(stop)
        self.pass_costs = pass_costs if method == "lookahead" else None
        self.steps: list[StepRecord] = []
        self.ends: list[float] = []
        """When each step ended, seconds from the start of the run."""
        self.first_token_seconds: float | None = None
        self.seconds = 0.0
        self._created = datetime.now(UTC).isoformat(timespec="seconds")
        self._started = perf_counter()

    def add(self, step: StepRecord) -> None:
        """Take the next step, which ends now."""
        self.seconds = perf_counter() - self._started
        if self.first_token_seconds is None:
            self.first_token_seconds = self.seconds
        self.steps.append(step)
        self.ends.append(self.seconds)

    def record(self, broken_off: FinishReason = "cancelled", texts: RunTexts | None = None) -> RunRecord:
        """The run so far.

        Args:
            broken_off: The finish reason if the last step has none.
        """
        last_reason = self.steps[-1].finish_reason if self.steps else None
        return RunRecord(
            prompt_ids=self.prompt_ids,
            steps=tuple(self.steps),
            config=self.config,
            model=self.model,
            method=self.method,
            finish_reason=last_reason or broken_off,
            seconds=self.seconds,
            first_token_seconds=self.first_token_seconds,
            max_new_tokens=self.max_new_tokens,
            stop=self.stop,
            pass_costs=self.pass_costs,
            texts=texts,
            created=self._created,
            version=lookahead.__version__,
        )


class RecordedRun(RunRecorder):
    """One run of an engine that records itself: iterate it for the steps as they happen, then call ``record``.

    The first run's one-time work (trying the model's masks, measuring T(n)) is done when it is created; the clock
    starts with the iteration.

    Args:
        engine: Runs the model.
        prompt_ids: The prompt, at least one token.
        model: Description of the model for the record.
        method: A name in ``METHOD_WORDS``.
        max_new_tokens: Most tokens to emit (>= 1).
        stop: Strings that end the output.
        cancelled: Set it to end the run after the current pass.

    Raises:
        ValueError: If an argument cannot be used; raised by the first step.
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
        cancelled: threading.Event | None = None,
    ) -> None:
        kind = METHOD_WORDS[method]
        costs = engine.pass_costs if kind == "lookahead" else None
        super().__init__(prompt_ids, engine.config, model, kind, max_new_tokens, stop, costs)
        self._engine, self._cancelled = engine, cancelled

    def __iter__(self) -> Iterator[StepRecord]:
        """The steps; each is recorded before it is yielded."""
        steps = self._engine.generate(
            self.prompt_ids,
            max_new_tokens=self.max_new_tokens,
            stop=self.stop,
            method=self.method,
            cancelled=self._cancelled,
            pass_costs=self.pass_costs,
        )
        self._started = perf_counter()
        for step in steps:
            self.add(step)
            yield step
