"""Runs for the tests of the app: of a model, and of a fake backend that counts; and questions about them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import Any

from app.model.host import ModelHost
from app.model.runs import RunRequest
from app.page.events import Handlers
from app.run.start import start_run
from app.run.store import RunStore
from app.run.stored_run import StoredRun
from app.serve.questions import QUESTIONS, answered
from lookahead import LookaheadConfig, RunRecord
from lookahead.drafter import MAX_DEPTH, Drafter
from lookahead.engine import LookaheadEngine
from lookahead.records import Method, ModelInfo
from lookahead.trie import Trie
from tests.lookahead.fake_backend import FakeBackend

INFO = ModelInfo("tiny", "cpu", "float32", 1, 300)


def in_loop(work: Coroutine[Any, Any, Any]) -> Any:
    """What it returns, run in another thread: a test of the page may have left an event loop running in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def finished(
    host: ModelHost,
    store: RunStore | None = None,
    prompt: str = "abc abc abc",
    max_new_tokens: int = 60,
    method: Method = "lookahead",
    earlier: Sequence[tuple[int, ...]] = (),
    **config: Any,
) -> StoredRun:
    """A finished run of the model."""
    settings = LookaheadConfig(**config)
    run = start_run(host, store or RunStore(), prompt, settings, max_new_tokens, method, earlier=tuple(earlier))
    assert run.wait(120)
    return run


def record_of(run: StoredRun) -> RunRecord:
    """The record of a finished run."""
    assert run.run is not None
    return run.run


class Words:
    """Texts of a run whose tokens are numbers in angle brackets."""

    def __init__(self, prompt_ids: Sequence[int]) -> None:
        self.prompt_pieces = self.push(prompt_ids)

    def push(self, token_ids: Sequence[int]) -> list[str]:
        return list(map(self.token_text, token_ids))

    def finish(self) -> str:
        return ""

    def token_text(self, token_id: int) -> str:
        return f"<{token_id}>"


def corpus_of(*texts: Sequence[int]) -> tuple[Trie, ...]:
    """A corpus trie that has read these texts; no trie if there are no texts."""
    trie = Trie(MAX_DEPTH)
    for text in texts:
        trie.insert(text)
    return (trie,) if texts else ()


def counted_run(
    prompt: Sequence[int],
    sources: Any,
    earlier: Sequence[Sequence[int]] = (),
    most: int = 25,
    modulo: int = 9,
    corpus: tuple[Trie, ...] = (),
) -> StoredRun:
    """A real run of a fake backend that counts, after its last step but not marked as finished."""
    config = LookaheadConfig(decoding_length=8, budget="fixed", sources=sources)
    drafter = Drafter(config, corpus)
    for output_ids in earlier:
        drafter.keep(output_ids)
    backend = FakeBackend(lambda context: (7 * context[-1] + len(context) // 3) % modulo)
    request = RunRequest(tuple(prompt), config, most, "lookahead", tuple(map(tuple, earlier)))
    stored = StoredRun(request, INFO, Words(prompt), corpus=corpus)
    engine = LookaheadEngine(backend, config, drafter)
    for step in engine.generate(prompt, max_new_tokens=most):
        stored.add(step, 0.0)
    return stored


def asking(store: RunStore) -> dict[str, Callable[[Any], dict[str, Any]]]:
    """The questions that the page may ask, by name."""
    return {function.__name__: partial(answered, function, store) for function in QUESTIONS}


def asked(stored: StoredRun) -> Callable[..., dict[str, Any]]:
    """``name, step, **more`` to the answer about this run."""
    store = RunStore()
    store.add(stored)
    answers = asking(store)
    return lambda name, step, **more: answers[name]({"run": stored.run_id, "step": step, **more})


def played(handlers: Handlers, methods: tuple[Method, ...], tab: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The outputs of a scene while a page reads its runs."""
    found: list[tuple[Any, ...]] = []
    with ExitStack() as readers:
        for output in handlers.scene(methods, tab, values):
            found.append(output)
            if isinstance(output[0], str):
                run = handlers.store.get(json.loads(output[0])["scene"][-1])
                assert run
                readers.enter_context(run.readers.another())
    return found


def controls_of(handlers: Handlers, prompt: str = "abc abc abc", **values: Any) -> dict[str, Any]:
    """The values of the page's controls by name: the defaults, except for those given."""
    defaults = {name: one.plain(one.default) for name, one in handlers.settings.items()}
    return {**defaults, **values, "document": "", "prompt": prompt}
