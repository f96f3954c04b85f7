"""Collecting a run: the clock, the steps as they come, and the record at the end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from time import perf_counter

import lookahead
from lookahead.config import LookaheadConfig
from lookahead.costs import PassCosts
from lookahead.records import FinishReason, Method, ModelInfo, RunRecord, RunTexts, StepRecord


class RunRecorder:
    """Takes the steps of one run and makes its RunRecord. The clock starts when it is made."""

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
        self.first_token_seconds: float | None = None
        self.seconds = 0.0
        self._created = datetime.now(UTC).isoformat(timespec="seconds")
        self._started = perf_counter()

    def add(self, step: StepRecord) -> None:
        """Take the next step, now."""
        self.seconds = perf_counter() - self._started
        if self.first_token_seconds is None:
            self.first_token_seconds = self.seconds
        self.steps.append(step)

    def record(self, broken_off: FinishReason = "cancelled", texts: RunTexts | None = None) -> RunRecord:
        """The run so far.

        Args:
            broken_off: The finish reason of a run whose last step has none.
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
