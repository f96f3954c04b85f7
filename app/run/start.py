"""One run of the page: settings in, a stream of steps out, however it ends; the engine's thread makes and stores it."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from functools import partial

from app.model.error_line import error_line
from app.model.host import HostError, ModelHost
from app.model.runs import Outputs, RunRequest, broken_off
from app.run.store import RunStore
from app.run.stored_run import StoredRun
from lookahead.backend import failure_line
from lookahead.config import GREEDY, LookaheadConfig, Sampling
from lookahead.metrics import first_difference
from lookahead.records import Method, RunRecord, TokenGap

SHORT_SECONDS = 2.0
"""Two runs that took longer together are not made again."""


def start_run(
    host: ModelHost,
    store: RunStore,
    prompt: str,
    config: LookaheadConfig,
    max_new_tokens: int,
    method: Method = "lookahead",
    *,
    sampling: Sampling = GREEDY,
    earlier: Outputs = (),
    cancelled: threading.Event | None = None,
    beside: StoredRun | None = None,
    expected: str = "",
) -> StoredRun:
    """The run, which the engine's thread makes from now on. If a pass fails, it ends with the reason ``error``.

    Args:
        cancelled: The event that ends it after the current pass.
        beside: A finished run of the same prompt. If the two differ, the end says how close the decision was; if they
            are short, both are made once more, so that their times say how much they vary.

    Raises:
        HostError: If the prompt or the expected text cannot be used.
    """
    prompt_ids = host.encode(prompt)
    expected_ids = host.encode_expected(expected, prompt_ids)
    request = RunRequest(prompt_ids, config, max_new_tokens, method, earlier, sampling, expected_ids)
    texts, note = host.texts(request.prompt_ids), host.notice_for(request)
    run = StoredRun(request, host.info, texts, note, host.corpus, cancelled or threading.Event())
    store.add(run)
    host.thread.start(partial(_make, host, run, prompt, beside), run.cancelled)
    return run


def _make(host: ModelHost, run: StoredRun, prompt: str, beside: StoredRun | None) -> None:
    """Make the run and store it, in the engine's thread. It ends whatever happens."""
    try:
        try:
            if host.info.name != run.model.name:
                raise HostError("another model was loaded before this run began; press Run again")
            record, problem = host.generate(run.request, run.cancelled, run.add), ""
        except Exception as error:  # nobody reads this thread's result
            logging.getLogger(__name__).warning("a run broke off", exc_info=error)
            record, problem = broken_off(run.request, host.info, run.steps, run.ends, "error"), failure_line(error)
        record, gap = host.with_texts(record, prompt), None
        if beside is not None and beside.run is not None:
            if again := repeated(host, run.cancelled, (beside.request, beside.run), (run.request, record)):
                beside.run = replace(beside.run, repeat_seconds=again[:1])
                run.beside_seconds = again[:1]
                record = replace(record, repeat_seconds=again[1:])
            gap = parted(host, beside.run, record)
        run.finish(record, gap, problem)
    except Exception as error:  # a tokenizer that cannot spell the output
        logging.getLogger(__name__).warning("a run has no texts", exc_info=error)
        record = broken_off(run.request, host.info, run.steps, run.ends, "error")
        run.finish(record, problem=error_line(error))
    finally:
        run.close()


def parted(host: ModelHost, first: RunRecord, second: RunRecord) -> TokenGap | None:
    """How close the decision was at the first token that differs; None if neither run contradicts the other."""
    ids, others = first.token_ids, second.token_ids
    place = first_difference(ids, others)
    if place is None or place >= min(len(ids), len(others)):
        return None
    return host.token_gap(first.prompt_ids, ids[:place], ids[place], others[place], second.sampling)


def repeated(
    host: ModelHost, cancelled: threading.Event, *runs: tuple[RunRequest, RunRecord]
) -> tuple[float, ...] | None:
    """The wall clock of each of these runs, made again one after the other in the engine's thread.

    None if they are not worth it (one did not come to its own end, they took long, or a borrowed GPU would pay for it),
    and if a repetition is stopped or fails.
    """
    whole = all(run.finish_reason not in ("cancelled", "error") for _, run in runs)
    if not whole or host.lends or sum(run.seconds for _, run in runs) >= SHORT_SECONDS:
        return None
    found = []
    for request, _ in runs:
        try:
            run = host.generate(request, cancelled, lambda *_: None)
        except Exception as error:  # the runs themselves are whole: only this measurement is lost
            logging.getLogger(__name__).warning("a run was not timed again", exc_info=error)
            return None
        if run.finish_reason == "cancelled":
            return None
        found.append(run.seconds)
    return tuple(found)
