"""What the page asks the server, one function per question. Each takes one JSON object and returns one.

A question names a run by its id, which only its own tab knows. The answer to a question that fails is
``{"error": one line}``; the page never sees an exception.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from app.run.store import RunStore
from app.run.stored_run import StoredRun, from_record
from app.views import tries
from app.views import what_if as replays
from app.views.search import search
from app.views.seen_in import where_seen
from app.views.step_messages import since, steps_data
from lookahead.records import RunRecord
from lookahead.runs import runfile

Answer = dict[str, Any]

MOST_CHIPS = 11
"""Tokens of a suffix that are shown one by one."""


def functions(store: RunStore) -> list[Callable[[Any], Answer]]:
    """The questions as server functions of the stage."""

    def answering(function: Callable[[RunStore, Answer], Answer]) -> Callable[[Any], Answer]:
        @functools.wraps(function)
        def answer(question: Any) -> Answer:
            try:
                if not isinstance(question, dict):
                    raise ValueError("a question is one JSON object")
                return function(store, question)
            except (ValueError, KeyError, TypeError, IndexError) as error:
                return {"error": str(error) or type(error).__name__}

        # The page sends one value, and Gradio would count the two parameters of the wrapped function.
        del answer.__wrapped__  # type: ignore[attr-defined]
        return answer

    return [answering(function) for function in (steps, trie_view, node_seen, what_if, run_file, open_run, graph_file)]


def _run(store: RunStore, question: Answer) -> StoredRun:
    run = store.get(question.get("run"))
    if run is None:
        raise ValueError("This run is no longer on the server. Open its run file to look further into it.")
    return run


def _step(run: StoredRun, question: Answer) -> int:
    step = question.get("step")
    if not isinstance(step, int) or not 0 <= step < len(run.steps):
        raise ValueError(f"step={step!r}; this run has {len(run.steps)} steps")
    return step


def steps(store: RunStore, question: Answer) -> Answer:
    """The message with all steps from ``from`` on."""
    return since(_run(store, question), max(0, int(question.get("from", 0))))


def trie_view(store: RunStore, question: Answer) -> Answer:
    """The tries at a step: what they know after the last tokens, or after ``text`` if a text is searched."""
    run = _run(store, question)
    step = _step(run, question)
    with run.lock:
        now = tries.trie_at(run, step)
        text = str(question.get("text") or "")
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
        first: dict[int, tries.Level] = {}
        for level in tries.levels(run, now):
            first.setdefault(id(level.trie), level)
        return {
            "text": tries.graphml([tries.picture_of(run, step, now, level, whole=True) for level in first.values()])
        }


def node_seen(store: RunStore, question: Answer) -> Answer:
    """Where the token of a draft node was read before."""
    run = _run(store, question)
    step = _step(run, question)
    draft = run.steps[step].draft
    node = question.get("node")
    if draft is None or not isinstance(node, int) or not 0 < node < len(draft):
        raise ValueError("only a draft token was read somewhere before")
    seen = where_seen(run, step, node)
    if seen is None and draft.sources[node] == "corpus":
        raise ValueError("in the corpus, a trie file that is not known here")
    if seen is None:
        raise ValueError("neither in the prompt nor in an output that is still remembered")
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
    }


def what_if(store: RunStore, question: Answer) -> Answer:
    """The run's numbers under other settings, and the real ones."""
    run = _run(store, question)
    finished = _finished(run)
    config = replays.changed(finished.config, question.get("config") or {})
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
    pair = runfile.pair_from_json(text)
    note = str(question.get("note") or "opened from a file")[:60]
    runs = [from_record(pair.run, note), *([from_record(pair.greedy, note, pair.parted)] if pair.greedy else [])]
    for run in runs:
        store.add(run)
    return {"messages": [since(run, 0) for run in runs]}


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
