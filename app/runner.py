"""Runs of a model, each as batches of steps: all of them in the one thread that also loaded the model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeVar

from lookahead.config import LookaheadConfig
from lookahead.drafter import Drafter
from lookahead.engine import LookaheadEngine
from lookahead.records import FinishReason, Method, ModelInfo, RunRecord, StepRecord
from lookahead.runs.recorder import RunRecorder
from lookahead.trie import Trie

if TYPE_CHECKING:
    from lookahead.hf.backend import HFBackend

UPDATE_SECONDS = 0.04
"""Time between two updates of the page; all steps of that time travel together."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class RunRequest:
    """One run as plain data, so that it can travel to another process.

    Attributes:
        prompt_ids: The prompt.
        config: Settings of the drafts.
        max_new_tokens: Most tokens to emit.
        method: ``lookahead`` or ``greedy``.
        earlier: Outputs of earlier runs that the trie knows, oldest first.
    """

    prompt_ids: tuple[int, ...]
    config: LookaheadConfig
    max_new_tokens: int
    method: Method
    earlier: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """What happened since the last batch.

    Attributes:
        steps: The new steps.
        ends: When each ended, seconds from the start of the run.
        run: The run, once it has ended.
        notice: Why the model decodes one token at a time, where only a worker can tell.
    """

    steps: tuple[StepRecord, ...]
    ends: tuple[float, ...]
    run: RunRecord | None = None
    notice: str = ""


Batches = Generator[Batch, None, None]
Stream = Callable[[RunRequest, threading.Event], Batches]


class EngineThread:
    """One thread for everything that computes.

    OpenMP gives every thread that computes a pool of its own, and with more pooled threads than cores they sleep
    between two parallel pieces of work instead of waiting for the next: a pass of a small model takes half as long
    again. So the model is loaded, measured and run in one and the same thread.

    Attributes:
        corpus: Tries that every run may draft from besides what it reads itself.
    """

    def __init__(self, corpus: Sequence[Trie] = ()) -> None:
        self.corpus = corpus
        self._executor = ThreadPoolExecutor(1, "engine")
        self._going: threading.Event | None = None

    def call(self, function: Callable[[], Result]) -> Result:
        """What the function returns, called in the thread."""
        return self._executor.submit(function).result()

    def stream(self, backend: HFBackend, info: ModelInfo, request: RunRequest, cancelled: threading.Event) -> Batches:
        """The run as it goes, a batch every ``UPDATE_SECONDS``; closing the iterator ends it within one step.

        Where a pass fails, the steps before it come first, then its error.
        """
        queue: SimpleQueue[tuple[StepRecord, float]] = SimpleQueue()
        future = self._executor.submit(_work, backend, info, request, cancelled, queue, self.corpus)
        self._going = cancelled
        try:
            while not wait((future,), UPDATE_SECONDS).done:
                if batch := _drain(queue):
                    yield batch
            run = None if future.exception() else future.result()
            yield _drain(queue, run) or Batch((), (), run)
            future.result()
        finally:
            if not future.done():
                cancelled.set()
                wait((future,))

    def close(self) -> None:
        """End a run that is still going, within one step, and the thread with it."""
        if self._going is not None:
            self._going.set()
        self._executor.shutdown(wait=False, cancel_futures=True)


def _work(
    backend: HFBackend,
    info: ModelInfo,
    request: RunRequest,
    cancelled: threading.Event,
    queue: SimpleQueue[tuple[StepRecord, float]],
    corpus: Sequence[Trie],
) -> RunRecord:
    """The run itself."""
    drafter = Drafter(request.config, corpus)
    for output_ids in request.earlier:
        drafter.keep(output_ids)
    engine = LookaheadEngine(backend, request.config, drafter)
    if request.method == "lookahead":
        engine.prepare()
    costs = engine.pass_costs if request.method == "lookahead" else None
    recorder = RunRecorder(request.prompt_ids, request.config, info, request.method, request.max_new_tokens, (), costs)
    steps = engine.generate(
        request.prompt_ids, max_new_tokens=request.max_new_tokens, method=request.method, cancelled=cancelled
    )
    for step in steps:
        recorder.add(step)
        queue.put((step, recorder.seconds))
    return recorder.record()


def broken_off(
    request: RunRequest, info: ModelInfo, steps: Sequence[StepRecord], ends: Sequence[float], reason: FinishReason
) -> RunRecord:
    """The record of a run that went no further than these steps."""
    recorder = RunRecorder(request.prompt_ids, request.config, info, request.method, request.max_new_tokens)
    recorder.steps = list(steps)
    if ends:
        recorder.first_token_seconds, recorder.seconds = ends[0], ends[-1]
    return recorder.record(reason)


def _drain(queue: SimpleQueue[tuple[StepRecord, float]], run: RunRecord | None = None) -> Batch | None:
    """What the queue holds now as one batch; None where it is empty."""
    found = [queue.get() for _ in range(queue.qsize())]
    return Batch(tuple(step for step, _ in found), tuple(end for _, end in found), run) if found else None
