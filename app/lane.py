"""One run on the page: what it was asked for in, its updates out, whatever becomes of it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

from lookahead.backend import PASS_ERRORS, failure_line
from lookahead.metrics import first_difference
from lookahead.records import FinishReason, Method, RunRecord, TokenGap

from . import stage
from .host import ModelHost
from .runner import RunRequest, broken_off
from .settings import Settings
from .store import RunStore
from .stored_run import Outputs, StoredRun, new_id


@dataclass(frozen=True, slots=True)
class Update:
    """One update of a run: the message for the page, and the run once it has ended."""

    message: dict[str, Any]
    stored: StoredRun
    run: RunRecord | None = None


def updates(
    host: ModelHost,
    store: RunStore,
    text: str,
    settings: Settings,
    lane: Method,
    earlier: Outputs,
    cancelled: threading.Event,
    beside: RunRecord | None = None,
) -> Generator[Update, None, None]:
    """One run, an update every 40 ms. Where a pass fails, the run ends there, with the finish reason ``error``.

    Args:
        beside: A finished run of the same prompt; where the two part, the end says how close it was.

    Raises:
        HostError: If the prompt or a setting cannot be used.
        ValueError: If a setting is out of its range.
    """
    from lookahead.hf.describe import RunTextStream

    config = settings.config()
    prompt_ids = host.encode(text)
    request = RunRequest(prompt_ids, config, host.new_tokens(settings.max_new_tokens), lane, earlier)
    texts = RunTextStream(host.backend, prompt_ids)
    head = stage.head_data(
        prompt_pieces=texts.prompt_pieces,
        method=lane,
        model=host.info,
        config=config,
        limit=request.max_new_tokens,
        note=host.notice_for(request),
        corpus=bool(host.corpus),
    )
    stored = StoredRun(new_id(), lane, request, texts.prompt_pieces, head, host.corpus)
    stored.token_text, stored.cancelled = texts.token_text, cancelled
    store.add(stored)
    batches = host.stream(request, cancelled)
    ends: list[float] = []
    try:
        yield Update(stored.since(0), stored)
        for batch in batches:
            ends += batch.ends
            data = []
            for step, end in zip(batch.steps, batch.ends, strict=True):
                pieces = texts.push(step.emitted_ids)
                if batch.run is not None and step is batch.steps[-1]:
                    pieces[-1] += texts.finish()
                data.append(stage.step_data(step, pieces, texts.token_text, end))
            message = stored.add(batch.steps, data)
            if batch.run is not None:
                run = _with_texts(host, batch.run, text)
                message["end"] = stored.finish(run, _parted(host, beside, run))
                yield Update(message, stored, run)
            else:
                yield Update(message, stored)
    except Exception as error:  # whatever it is, the page must not wait for more
        run = _with_texts(host, broken_off(request, host.info, stored.steps, ends, "error"), text)
        stored.finish(run, problem=failure_line(error))
        yield Update(stored.since(len(stored.data)), stored, run)
        if not isinstance(error, PASS_ERRORS):
            raise
        logging.getLogger(__name__).warning("a run broke off", exc_info=error)
    except GeneratorExit:  # the page has gone, or its connection: what there is stays, as of a run that was stopped
        if stored.run is None:
            run = broken_off(request, host.info, stored.steps, ends, "cancelled")
            stored.finish(_with_texts(host, run, text))
        raise
    finally:
        stored.close()
        batches.close()


def _with_texts(host: ModelHost, run: RunRecord, prompt: str) -> RunRecord:
    """The run with what its ids say."""
    from lookahead.hf.describe import run_texts

    return replace(run, texts=run_texts(host.backend, run, prompt, host.backend.decode(run.token_ids)))


def _parted(host: ModelHost, first: RunRecord | None, second: RunRecord) -> TokenGap | None:
    """How close the decision was at the first token that differs; None where both have the same."""
    if first is None:
        return None
    ids, others = first.token_ids, second.token_ids
    place = first_difference(ids, others)
    if place is None or place >= min(len(ids), len(others)):
        return None
    return host.token_gap(first.prompt_ids, ids[:place], ids[place], others[place])


def how_it_ended(stored: StoredRun, run: RunRecord) -> str:
    """One line on a finished run."""
    count, tokens = len(stored.steps), len(run.token_ids)
    name = "Greedy" if stored.lane == "plain" else "Lookahead"
    ended: dict[FinishReason, str] = {
        "cancelled": "stopped",
        "context": "the model's context is full",
        "eos": "ended by itself",
        "error": f"broke off: {(stored.end or {}).get('problem')}",
        "length": "reached the limit",
        "stop": "reached a stop string",
    }
    passes = "pass" if count == 1 else "passes"
    noun = "token" if tokens == 1 else "tokens"
    return f"{name}: {tokens} {noun} in {count} forward {passes}, {run.seconds:.2f} s, {ended[run.finish_reason]}."
