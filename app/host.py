"""The one model of a page, and runs on it: each in a thread of its own that never waits for the page."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING

from lookahead.config import LookaheadConfig
from lookahead.drafter import Drafter
from lookahead.embedded import EMBEDDED_MODEL
from lookahead.engine import LookaheadEngine
from lookahead.records import Method, ModelInfo, RunRecord, StepRecord
from lookahead.runs.recorder import RunRecorder

from .options import AppOptions

if TYPE_CHECKING:
    from lookahead.hf.backend import HFBackend

UPDATE_SECONDS = 0.04
"""Time between two updates of the page; all steps of that time travel together."""


class HostError(ValueError):
    """Something that the visitor or the operator can put right; one line says how."""


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
    """The steps since the last batch, when each ended (seconds from the start), and the run when it has ended."""

    steps: tuple[StepRecord, ...]
    ends: tuple[float, ...]
    run: RunRecord | None = None


class ModelHost:
    """The model of this process, its facts, and what a prompt may be.

    Args:
        backend: The model.
        info: What runs say about it.
        options: The limits.
    """

    def __init__(self, backend: HFBackend, info: ModelInfo, options: AppOptions) -> None:
        self.backend = backend
        self.info = info
        self.options = options
        self._generate = _on_a_gpu(self._stream)

    @classmethod
    def load(cls, options: AppOptions) -> ModelHost:
        """The model that the options name, ready to run: its masks tried, its T(n) measured.

        Raises:
            HostError, BackendError: If it cannot be loaded.
        """
        if options.model is None and not (EMBEDDED_MODEL / "config.json").is_file():
            raise HostError("there is no embedded model in assets/model; name one with --model ID_OR_DIR")
        from lookahead.hf.quiet import quiet

        quiet()
        from lookahead.hf.backend import HFBackend
        from lookahead.hf.describe import model_info

        name = options.model or str(EMBEDDED_MODEL)
        backend = HFBackend.from_pretrained(name, device=options.device, dtype=options.dtype)
        LookaheadEngine(backend).prepare()
        return cls(backend, model_info(backend, "embedded" if options.model is None else name), options)

    def encode(self, prompt: str) -> tuple[int, ...]:
        """The prompt's token ids.

        Raises:
            HostError: If it is empty or too long.
        """
        most = self.options.max_prompt_tokens
        if not prompt.strip():
            raise HostError("The prompt is empty. Write something for the model to continue.")
        if len(prompt) > 20 * most:
            raise HostError(f"The prompt has {len(prompt)} characters; {20 * most} are the limit here. Shorten it.")
        try:
            prompt.encode("utf-8")
        except UnicodeEncodeError:
            raise HostError("The prompt holds half a character (a lone surrogate); write it anew.") from None
        ids = tuple(self.backend.encode(prompt))
        context = self.backend.context_limit
        room = most if context is None else min(most, context - 1)
        if len(ids) > room:
            why = "the model's context" if room < most else "this page's limit"
            raise HostError(f"The prompt has {len(ids)} tokens; {room} is the most ({why}). Shorten it.")
        if not ids:
            raise HostError("The prompt has no tokens for this model. Write something else.")
        return ids

    def new_tokens(self, wanted: int) -> int:
        """That many new tokens, if a run may have them.

        Raises:
            HostError: If not.
        """
        if not 1 <= wanted <= self.options.max_new_tokens:
            raise HostError(
                f"{wanted} new tokens were asked for; 1 to {self.options.max_new_tokens} are possible here."
            )
        return wanted

    def stream(self, request: RunRequest, cancelled: threading.Event) -> Generator[Batch, None, None]:
        """The run as it goes, a batch every ``UPDATE_SECONDS``; closing the iterator ends it within one step."""
        batches = self._generate(request, cancelled)
        try:
            yield from batches
        finally:
            batches.close()

    def _stream(self, request: RunRequest, cancelled: threading.Event) -> Generator[Batch, None, None]:
        queue: SimpleQueue[tuple[StepRecord, float]] = SimpleQueue()
        with ThreadPoolExecutor(1, "engine") as executor:
            future = executor.submit(self._work, request, cancelled, queue)
            try:
                while not wait((future,), UPDATE_SECONDS).done:
                    if batch := _drain(queue):
                        yield batch
                yield _drain(queue, future.result()) or Batch((), (), future.result())
            finally:
                if not future.done():
                    cancelled.set()

    def _work(
        self, request: RunRequest, cancelled: threading.Event, queue: SimpleQueue[tuple[StepRecord, float]]
    ) -> RunRecord:
        """The run itself, in the engine's thread."""
        drafter = Drafter(request.config)
        for output_ids in request.earlier:
            drafter.keep(output_ids)
        engine = LookaheadEngine(self.backend, request.config, drafter)
        if request.method == "lookahead":
            engine.prepare()
        costs = engine.pass_costs if request.method == "lookahead" else None
        recorder = RunRecorder(
            request.prompt_ids, request.config, self.info, request.method, request.max_new_tokens, (), costs
        )
        steps = engine.generate(
            request.prompt_ids, max_new_tokens=request.max_new_tokens, method=request.method, cancelled=cancelled
        )
        for step in steps:
            recorder.add(step)
            queue.put((step, recorder.seconds))
        return recorder.record()


def _drain(queue: SimpleQueue[tuple[StepRecord, float]], run: RunRecord | None = None) -> Batch | None:
    """What the queue holds now as one batch; None where it is empty."""
    found = [queue.get() for _ in range(queue.qsize())]
    return Batch(tuple(step for step, _ in found), tuple(end for _, end in found), run) if found else None


Stream = Callable[[RunRequest, threading.Event], Generator[Batch, None, None]]


def _on_a_gpu(stream: Stream) -> Stream:
    """On a ZeroGPU Space: the same run in a worker that has the GPU. Elsewhere nothing changes.

    The worker is another process, so the event stays here and the worker is closed instead.
    """
    try:
        import spaces  # pyright: ignore[reportMissingImports]
    except ImportError:
        return stream

    @spaces.GPU(duration=120)
    def in_worker(request: RunRequest) -> Generator[Batch, None, None]:
        yield from stream(request, threading.Event())

    def generate(request: RunRequest, cancelled: threading.Event) -> Generator[Batch, None, None]:
        batches = in_worker(request)
        try:
            for batch in batches:
                yield batch
                if cancelled.is_set():
                    return
        finally:
            batches.close()

    return generate


def most_recent(outputs: Sequence[tuple[int, ...]], most_tokens: int = 32_000) -> tuple[tuple[int, ...], ...]:
    """The last outputs that together have at most that many tokens.

    >>> most_recent([(1, 2), (3, 4), (5,)], 3)
    ((3, 4), (5,))
    """
    kept: list[tuple[int, ...]] = []
    left = most_tokens
    for output in reversed(outputs):
        left -= len(output)
        if left < 0:
            break
        kept.append(output)
    return tuple(reversed(kept))
