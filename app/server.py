"""What the stage asks the server for, a function a question. Each takes one JSON object and answers with one.

A question about a run names it by its id, which only its own tab knows. A question that cannot be answered gets
``{"error": one line}``; nothing is raised towards the page.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import networkx as nx

from lookahead.records import RunRecord
from lookahead.runs import runfile

from . import graph, look, places, whatif
from .store import RunStore
from .stored_run import StoredRun, from_record

Answer = dict[str, Any]

MOST_CHIPS = 11
"""Tokens of a suffix that are shown one by one."""


class QuestionError(ValueError):
    """A question without an answer; one line that says why."""


def functions(store: RunStore) -> list[Callable[[Any], Answer]]:
    """The functions, each answering in the words of the stage's script."""

    def answering(function: Callable[[RunStore, Answer], Answer]) -> Callable[[Any], Answer]:
        @functools.wraps(function)
        def answer(question: Any) -> Answer:
            try:
                if not isinstance(question, dict):
                    raise QuestionError("a question is one JSON object")
                return function(store, question)
            except (ValueError, KeyError, TypeError, IndexError) as error:
                return {"error": str(error) or type(error).__name__}

        # The page sends one value; wraps() would show the server two parameters.
        del answer.__wrapped__  # type: ignore[attr-defined]
        return answer

    return [answering(function) for function in (steps, trie_view, node_seen, what_if, run_file, open_run, graph_file)]


def _run(store: RunStore, question: Answer) -> StoredRun:
    run = store.get(question.get("run"))
    if run is None:
        raise QuestionError("this run is no longer on the server; open its run file to look further into it")
    return run


def _step(run: StoredRun, question: Answer) -> int:
    step = question.get("step")
    if not isinstance(step, int) or not 0 <= step < len(run.steps):
        raise QuestionError(f"step {step!r}; this run has {len(run.steps)}")
    return step


def steps(store: RunStore, question: Answer) -> Answer:
    """All steps from ``from`` on: what fills a gap."""
    return _run(store, question).since(int(question.get("from", 0)))


def trie_view(store: RunStore, question: Answer) -> Answer:
    """The tries at a step: what they know after the last tokens, or after ``text`` where one is searched for."""
    run = _run(store, question)
    step = _step(run, question)
    with run.lock:
        now = look.trie_at(run, step)
        text = str(question.get("text") or "")
        if text:
            shown = places.search(run, now, _pieces(run, step), text)
            if not shown:
                raise QuestionError(f"“{text[:40]}” is not in the trie at step {step}.")
        else:
            shown = [(level, list(now.context[len(now.context) - level.length :])) for level in look.levels(run, now)]
        first = {id(level.trie): level for level, _ in reversed(shown)}
        return {
            "step": step,
            "levels": [
                {
                    "kind": level.kind,
                    "length": level.length,
                    "match": [run.token_text(token_id) for token_id in tokens[-MOST_CHIPS:]],
                    "picture": graph.picture(_graph(run, step, now, level, whole=level is first[id(level.trie)])),
                }
                for level, tokens in shown
            ],
            **_sizes(run, now),
        }


def _sizes(run: StoredRun, now: look.TrieAt) -> Answer:
    """The size of all tries together; what the earlier outputs and the corpus hold, None where they are not asked."""
    others = [(kind, trie.stats()) for kind, trie in look.other_tries(run)]
    sizes = [now.trie.stats(), *(size for _, size in others)]
    corpus = [size.nodes + size.leaves for kind, size in others if kind == "corpus"]
    earlier = {"outputs": len(run.earlier), "tokens": sum(map(len, run.earlier))}
    return {
        "size": {
            "n_grams": sum(size.nodes + size.leaves for size in sizes),
            "bytes": sum(size.bytes for size in sizes),
        },
        "earlier": earlier if any(kind == "earlier" for kind, _ in others) else None,
        "corpus": {"n_grams": sum(corpus)} if corpus else None,
    }


def _graph(run: StoredRun, step: int, now: look.TrieAt, level: look.Level, whole: bool) -> nx.DiGraph:
    """A level as a graph; n-grams that the step before read are new.

    Args:
        whole: Whether it gets all the room that one picture has.
    """
    views = look.around(level) if whole else look.a_little(level)
    new: set[int] = set()
    if level.kind == "own" and step and "output" in run.config.sources:
        newest = now.trie.end - len(run.steps[step - 1].emitted_ids)
        new = {index for index, view in enumerate(views) if index and view.last_position >= newest}
    return graph.trie_graph(views, run.token_text, new, level.kind)


def graph_file(store: RunStore, question: Answer) -> Answer:
    """The neighbourhoods of the match at a step, in every trie that knows one, as GraphML."""
    run = _run(store, question)
    step = _step(run, question)
    with run.lock:
        now = look.trie_at(run, step)
        first: dict[int, look.Level] = {}
        for level in look.levels(run, now):
            first.setdefault(id(level.trie), level)
        graphs = [_graph(run, step, now, level, whole=True) for level in first.values()]
        return {"text": graph.graphml(nx.disjoint_union_all(graphs))}


def node_seen(store: RunStore, question: Answer) -> Answer:
    """Where the token of a draft node was seen before."""
    run = _run(store, question)
    step = _step(run, question)
    draft = run.steps[step].draft
    node = question.get("node")
    if draft is None or not isinstance(node, int) or not 0 < node < len(draft):
        raise QuestionError("only a draft token was seen somewhere before")
    seen = places.where_seen(run, step, node)
    if seen is None and draft.sources[node] == "corpus":
        raise QuestionError("in the corpus, a trie file that the run drafted from; its text is not known here")
    if seen is None:
        raise QuestionError("not in the prompt, nor in an output that is still remembered")
    ids = (*seen.before, *seen.after)
    # In this text's own words where it is this text: tokens by themselves may lack its blanks and capitals.
    own = None if seen.start is None else _pieces(run, step)[seen.start : seen.start + len(ids)]
    words = list(map(run.token_text, ids)) if own is None or len(own) < len(ids) else own
    at = len(seen.before)
    return {
        "where": seen.where,
        "matched": seen.matched,
        "before": "".join(words[:at]),
        "token": words[at],
        "after": "".join(words[at + 1 :]),
    }


def what_if(store: RunStore, question: Answer) -> Answer:
    """Numbers of the run under other settings, beside the real ones."""
    run = _run(store, question)
    finished = _finished(run)
    config = whatif.changed(finished.config, question.get("config") or {})
    with run.lock:
        own = run.cache.get("own")
        if own is None:
            own = run.cache["own"] = whatif.replayed(finished, finished.config, run.earlier, run.corpus)
    return whatif.answer(finished, config, run.earlier, run.corpus, own)


def run_file(store: RunStore, question: Answer) -> Answer:
    """The text of the run's file; ``greedy`` names the greedy run that goes into it, too."""
    run = _finished(_run(store, question))
    beside = store.get(question.get("beside"))
    if beside is None or beside.run is None:
        answer = {"text": runfile.to_json(run)}
        if question.get("beside"):
            answer["note"] = "Saved without greedy decoding, which is no longer on the server."
        return answer
    return {"text": runfile.to_json(run, beside.run, beside.parted)}


def open_run(store: RunStore, question: Answer) -> Answer:
    """What a run file holds, checked field by field, ready to be looked at: a message a lane."""
    text = question.get("text")
    if not isinstance(text, str):
        raise QuestionError("no run file: no text")
    pair = runfile.pair_from_json(text)
    note = str(question.get("note") or "opened from a file")[:60]
    lanes = [from_record(pair.run, note)]
    if pair.greedy is not None:
        lanes.append(from_record(pair.greedy, note, pair.parted))
    for lane in lanes:
        store.add(lane)
    return {"messages": [lane.since(0) for lane in lanes]}


def _finished(run: StoredRun) -> RunRecord:
    if run.run is None:
        raise QuestionError("the run is still going; wait for its end")
    return run.run


def _pieces(run: StoredRun, step: int) -> list[str]:
    """The text of every token of the context at a step."""
    output = [piece for data in run.data[:step] for _, piece, _ in data["emitted"]]
    if len(run.prompt_pieces) == len(run.prompt_ids):
        return [*run.prompt_pieces, *output]
    return [*map(run.token_text, run.prompt_ids), *output]
