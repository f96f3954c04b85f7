"""One run of the model as plain data: the request, the steps as they are made, the record at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lookahead.config import GREEDY, LookaheadConfig, Sampling
from lookahead.costs import PassCosts
from lookahead.drafter import Drafter
from lookahead.engine import LookaheadEngine
from lookahead.records import FinishReason, Method, ModelInfo, RunRecord, StepRecord
from lookahead.runs.recorder import RecordedRun, RunRecorder
from lookahead.trie import Trie

if TYPE_CHECKING:
    from lookahead.hf.backend import HFBackend

Outputs = tuple[tuple[int, ...], ...]
"""Outputs of earlier runs, oldest first."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """One run as plain data, so that it can travel to another process.

    Attributes:
        config: Settings of the drafts.
        max_new_tokens: Most tokens to emit.
        earlier: Outputs of earlier runs to draft from, oldest first.
        expected_ids: What the output is expected to be like.
        pass_costs: T(n) by which it chooses its widths; None takes what is known when it starts.
    """

    prompt_ids: tuple[int, ...]
    config: LookaheadConfig
    max_new_tokens: int
    method: Method = "lookahead"
    earlier: Outputs = ()
    sampling: Sampling = GREEDY
    expected_ids: tuple[int, ...] = ()
    pass_costs: PassCosts | None = None


Take = Callable[[StepRecord, float], None]
"""Takes each step as soon as it is made, and the time when it ended, in seconds from the start of the run."""
Generate = Callable[[RunRequest, threading.Event, Take], RunRecord]
"""Makes a run in the calling thread, until the event is set; raises an error only after it has passed on the steps."""


def recorded_run(
    backend: HFBackend, info: ModelInfo, corpus: Sequence[Trie], request: RunRequest, cancelled: threading.Event
) -> RecordedRun:
    """The run, ready to be iterated."""
    drafter = Drafter(request.config, corpus)
    for output_ids in request.earlier:
        drafter.keep(output_ids)
    engine = LookaheadEngine(backend, request.config, drafter, request.pass_costs)
    return RecordedRun(
        engine,
        request.prompt_ids,
        info,
        max_new_tokens=request.max_new_tokens,
        method=request.method,
        sampling=request.sampling,
        cancelled=cancelled,
        expected=request.expected_ids,
    )


def generate(
    backend: HFBackend,
    info: ModelInfo,
    corpus: Sequence[Trie],
    request: RunRequest,
    cancelled: threading.Event,
    take: Take,
) -> RunRecord:
    """The record of the run; ``take`` takes its steps as they are made."""
    run = recorded_run(backend, info, corpus, request, cancelled)
    for step in run:
        take(step, run.seconds)
    return run.record()


def broken_off(
    request: RunRequest, info: ModelInfo, steps: Sequence[StepRecord], ends: Sequence[float], reason: FinishReason
) -> RunRecord:
    """The record of a run that ended after these steps."""
    recorder = RunRecorder(
        *(request.prompt_ids, request.config, info, request.method, request.max_new_tokens),
        sampling=request.sampling,
        expected=request.expected_ids,
    )
    recorder.steps, recorder.ends = list(steps), list(ends)
    return recorder.record(reason)
