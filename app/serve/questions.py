"""What the page asks the server, one function per question. Each takes one JSON object and returns one.

A question names a run by its id, which only its own tab knows. The answer to a question that fails is
``{"error": one line}``; the page never sees an exception.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from sys import getsizeof
from typing import Any

import msgspec
import orjson
from starlette.responses import Response, StreamingResponse

from app.model.error_line import error_line
from app.model.host import WIDEST
from app.run.store import MOST_BYTES, RunStore
from app.run.stored_run import StoredRun, from_record
from app.serve.question_thread import QuestionThread
from app.views import first_sight, tries
from app.views import what_if as replays
from app.views.search import search
from app.views.seen_in import where_seen
from app.views.step_messages import announced, since, steps_data
from lookahead.config import MAX_TOKENS
from lookahead.records import RunRecord
from lookahead.runs import runfile
from lookahead.sources.registry import SOURCES
from lookahead.strict_json import refuse_half_pairs

Answer = dict[str, Any]

MOST_CHIPS = 11
"""Tokens of a suffix that are shown one by one."""
MOST_SOUGHT = 200
"""Most characters of a text that is searched."""
MOST_AT_ONCE = 1_000
"""Most steps in an answer; the page reads those of a longer run from the step stream."""
MOST_STEPS = 20_000
"""Most steps of a run that is opened on the page."""
MOST_PROMPT = 100_000
"""Most prompt tokens of a run that is opened on the page: its trie is rebuilt on request."""
_PART = 200_000
"""Bytes that are sent before the server looks after others."""


def answered(function: Callable[[RunStore, Answer], Answer], store: RunStore, question: Any) -> Answer:
    """The answer to a question, in the caller's thread."""
    try:
        if not isinstance(question, dict):
            raise ValueError("a question is one JSON object")
        return function(store, question)
    except Exception as error:
        if not isinstance(error, ValueError):
            logging.getLogger(__name__).warning("a question failed", exc_info=error)
        return {"error": error_line(error)}


def server_functions(store: RunStore, thread: QuestionThread) -> list[Callable[[Any], Coroutine[Any, Any, Response]]]:
    """The questions as server functions of the stage, answered and written in their own thread."""

    def served(function: Callable[[RunStore, Answer], Answer]) -> Callable[[Any], Coroutine[Any, Any, Response]]:
        async def answer(question: Any) -> Response:
            try:
                data = await thread.ask(lambda: orjson.dumps(answered(function, store, question)))
            except (ValueError, TypeError) as error:  # too many wait, or the answer has half a character
                data = orjson.dumps({"error": error_line(error)})
            if len(data) <= _PART:
                return Response(data, media_type="application/json")
            return StreamingResponse(_parts(data), media_type="application/json")

        answer.__name__ = function.__name__
        return answer

    return list(map(served, QUESTIONS))


async def _parts(data: bytes) -> AsyncIterator[bytes]:
    for place in range(0, len(data), _PART):
        yield data[place : place + _PART]
        await asyncio.sleep(0)


def _run(store: RunStore, question: Answer) -> StoredRun:
    run = store.get(question.get("run"))
    if run is None:
        raise ValueError("This run is no longer on the server. Open its run file to look further into it.")
    return run


def _step(run: StoredRun, question: Answer) -> int:
    step = question.get("step")
    if type(step) is not int or not 0 <= step < len(run.steps):
        raise ValueError(f"step={step!r}; this run has {len(run.steps)} steps")
    return step


def steps(store: RunStore, question: Answer) -> Answer:
    """The message with all steps from ``from`` on; of a long run, one without steps (see ``announced``)."""
    run, start = _run(store, question), question.get("from", 0)
    if type(start) is not int or not 0 <= start <= MAX_TOKENS:
        raise ValueError(f"from={start!r}; need the index of a step, 0 for all")
    return announced(run) if len(run.steps) - start > MOST_AT_ONCE else since(run, start)


def trie_view(store: RunStore, question: Answer) -> Answer:
    """The tries at a step: what they know after the last tokens, or after ``text`` if a text is searched."""
    run = _run(store, question)
    step, text = _step(run, question), question.get("text") or ""
    if not isinstance(text, str) or len(text) > MOST_SOUGHT:
        raise ValueError(f"only a text of at most {MOST_SOUGHT} characters can be searched")
    with run.lock:
        now = tries.trie_at(run, step)
        store.trim(run)
        if text:
            shown = search(run, now, _pieces(run, step), text)
            if not shown:
                raise ValueError(f"“{text[:40]}” is not in the trie at step {step}.")
        else:
            shown = [(level, list(now.context[len(now.context) - level.length :])) for level in tries.levels(run, now)]
        first = {id(level.trie): level for level, _ in reversed(shown)}
        return {
            "step": step,
            "levels": [
                {
                    "kind": level.kind,
                    "length": level.length,
                    "match": [run.texts.token_text(token_id) for token_id in tokens[-MOST_CHIPS:]],
                    "picture": tries.picture_of(run, step, now, level, whole=level is first[id(level.trie)]),
                }
                for level, tokens in shown
            ],
            **tries.sizes(run, now),
        }


def graph_file(store: RunStore, question: Answer) -> Answer:
    """The neighbourhood of the match at a step, in every trie that has one, as GraphML."""
    run = _run(store, question)
    step = _step(run, question)
    with run.lock:
        now = tries.trie_at(run, step)
        store.trim(run)
        first: dict[int, tries.Level] = {}
        for level in tries.levels(run, now):
            first.setdefault(id(level.trie), level)
        return {
            "text": tries.graphml([tries.picture_of(run, step, now, level, whole=True) for level in first.values()])
        }


def node_seen(store: RunStore, question: Answer) -> Answer:
    """Where the token of a draft node was read before; ``place``: which token of how many in an expected text."""
    run = _run(store, question)
    step = _step(run, question)
    draft = run.steps[step].draft
    node = question.get("node")
    if draft is None or not isinstance(node, int) or not 0 < node < len(draft):
        raise ValueError("only a draft token was read somewhere before")
    seen = where_seen(run, step, node)
    if seen is None:
        where = SOURCES[draft.sources[node]].read_in
        raise ValueError(where or "neither in the prompt nor in an output that is still remembered")
    ids = (*seen.before, *seen.after)
    # The run's own text comes first: a token by itself may lack its space or its capital.
    own = None if seen.start is None else _pieces(run, step)[seen.start : seen.start + len(ids)]
    words = list(map(run.texts.token_text, ids)) if own is None or len(own) < len(ids) else own
    at = len(seen.before)
    return {
        "where": seen.where,
        "matched": seen.matched,
        "before": "".join(words[:at]),
        "token": words[at],
        "after": "".join(words[at + 1 :]),
        "place": None if seen.place is None else [seen.place + 1, len(run.request.expected_ids)],
    }


def what_if(store: RunStore, question: Answer) -> Answer:
    """The run's numbers under other settings, and the real ones."""
    run = _run(store, question)
    finished = _finished(run)
    config = replays.changed(finished.config, question.get("config") or {}, WIDEST)
    with run.lock:
        own = run.cache.get("own")
        if own is None:
            own = run.cache["own"] = replays.replayed(finished, finished.config, run.earlier, run.corpus)
    return replays.answer(finished, config, run.earlier, run.corpus, own)


def run_file(store: RunStore, question: Answer) -> Answer:
    """The text of the run's file; ``beside`` names a greedy run of the same prompt to save in it, too."""
    run = _finished(_run(store, question))
    asked = question.get("beside")
    beside = store.get(asked)
    if not asked:
        return {"text": runfile.to_json(run)}
    if beside is None or beside.run is None:
        note = "Saved without the greedy run, which is no longer on the server."
    elif (run.method, beside.method) != ("lookahead", "plain"):
        note = "Saved without the other run: a run file holds one lookahead run and one greedy run."
    else:
        return {"text": runfile.to_json(run, beside.run, beside.parted)}
    return {"text": runfile.to_json(run), "note": note}


def open_run(store: RunStore, question: Answer) -> Answer:
    """The runs of a file, checked field by field and stored: one message per run."""
    text = question.get("text")
    if not isinstance(text, str):
        raise ValueError("not a run file: no text")
    note = str(question.get("note") or "opened from a file")[:60]
    refuse_half_pairs({"note": note})  # they would make every answer about this run fail
    pair = opened(text)
    size = getsizeof(text)
    runs = [from_record(pair.run, note, more_bytes=size)]
    if pair.greedy:
        runs.append(from_record(pair.greedy, note, pair.parted, more_bytes=size))
    if sum(run.bytes for run in runs) > MOST_BYTES // 4:
        raise ValueError("this run is too large for the page")
    messages = [since(run, 0) if len(run.steps) <= MOST_AT_ONCE else announced(run) for run in runs]
    for run in runs:
        store.add(run)
    return {"messages": messages}


def example(store: RunStore, question: Answer) -> Answer:
    """The runs of an example that is bundled with the page: one message per run."""
    return {"messages": [since(run, 0) for run in first_sight.example(store, question.get("name"))]}


QUESTIONS = (steps, trie_view, node_seen, what_if, run_file, open_run, example, graph_file)


def opened(text: str) -> runfile.RunPair:
    """The runs of a file, within the bounds of the page.

    Raises:
        ValueError: If it is not a run file, or too large for the page.
    """
    if len(text) > runfile.MAX_FILE_BYTES or len(text.encode("utf-8", "replace")) > runfile.MAX_FILE_BYTES:
        raise ValueError(f"not a run file: larger than {runfile.MAX_FILE_BYTES} bytes")
    with suppress(msgspec.MsgspecError, UnicodeError, RecursionError):  # what is wrong with it is said below
        run: _Lengths | None = msgspec.json.decode(text, type=_Lengths)
        while run is not None:  # before the long work of checking it
            if len(run.steps) > MOST_STEPS:
                raise ValueError(f"a run of {len(run.steps):,} steps; the page opens at most {MOST_STEPS:,}")
            if len(run.prompt_ids) > MOST_PROMPT:
                raise ValueError(f"a prompt of {len(run.prompt_ids):,} tokens; the page opens at most {MOST_PROMPT:,}")
            run = run.greedy
    return runfile.pair_from_json(text)


class _Lengths(msgspec.Struct):
    """What is counted of a run in a file, not looked into."""

    steps: list[msgspec.Raw] = []
    prompt_ids: list[msgspec.Raw] = []
    greedy: _Lengths | None = None


def _finished(run: StoredRun) -> RunRecord:
    if run.run is None:
        raise ValueError("The run is in progress. Try again when it has finished.")
    return run.run


def _pieces(run: StoredRun, step: int) -> list[str]:
    """The text of every token of the context at a step."""
    output = [piece for data in steps_data(run)[:step] for _, piece, _ in data["emitted"]]
    if len(run.texts.prompt_pieces) == len(run.prompt_ids):
        return [*run.texts.prompt_pieces, *output]
    return [*map(run.texts.token_text, run.prompt_ids), *output]
