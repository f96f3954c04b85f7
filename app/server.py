"""What the stage asks the server for, a function a question. Each takes one JSON object and answers with one.

A question about a run names it by its id, which only its own tab knows. A question that cannot be answered gets
``{"error": one line}``; nothing is raised towards the page.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from lookahead.records import RunRecord
from lookahead.runs import runfile
from lookahead.trie.view import TrieNodeView

from . import graph, look, whatif
from .store import RunStore, StoredRun, from_record

Answer = dict[str, Any]


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
    """The trie at a step: the match and its neighbourhood, or those of ``text`` where one is searched for."""
    run = _run(store, question)
    step = _step(run, question)
    with run.lock:
        now = look.trie_at(run, step)
        node, tokens = look.match(now.trie)
        text = str(question.get("text") or "")
        if text:
            found = look.search(now.trie, _pieces(run, step), now.context, text)
            if found is None:
                raise QuestionError("not in the trie at this step")
            place = look.find(now.trie, found)
            while found and (place is None or place < 0):
                # Read once only: the picture shows the longest beginning that was read more often.
                found = found[:-1]
                place = look.find(now.trie, found)
            node, tokens = place or 0, found
        views = look.around(now.trie, node)
        newest = now.trie.end - (len(run.steps[step - 1].emitted_ids) if step else 0)
        token_text = _token_text(run)

        def picture(shown: list[TrieNodeView]) -> dict[str, Any]:
            new = {index for index, view in enumerate(shown) if index and step and view.last_position >= newest}
            return graph.picture(graph.trie_graph(shown, token_text, new))

        size = now.trie.stats()
        earlier = sum(len(output) for output in run.earlier)
        return {
            "step": step,
            "match": [token_text(token_id) for token_id in tokens],
            "picture": picture(views),
            "shorter": [
                {"match": [token_text(token_id) for token_id in suffix], "picture": picture(found)}
                for suffix, found in ([] if text else look.shorter(now.trie, node))
            ],
            "more": len(views) == look.MOST_NODES,
            "size": {"nodes": size.nodes, "leaves": size.leaves, "tokens": size.tokens, "bytes": size.bytes},
            "pruned": size.pruned,
            "earlier": {"outputs": len(run.earlier), "tokens": earlier},
        }


def graph_file(store: RunStore, question: Answer) -> Answer:
    """The neighbourhood of the match at a step as GraphML."""
    run = _run(store, question)
    step = _step(run, question)
    with run.lock:
        now = look.trie_at(run, step)
        views = look.around(now.trie, look.match(now.trie)[0])
        return {"text": graph.graphml(graph.trie_graph(views, _token_text(run), set()))}


def node_seen(store: RunStore, question: Answer) -> Answer:
    """Where the token of a draft node was seen before."""
    run = _run(store, question)
    step = _step(run, question)
    draft = run.steps[step].draft
    node = question.get("node")
    if draft is None or not isinstance(node, int) or not 0 < node < len(draft):
        raise QuestionError("only a draft token was seen somewhere before")
    seen = look.where_seen(run, step, [draft.token_ids[place] for place in draft.path(node)])
    if seen is None:
        raise QuestionError("not in the prompt, nor in an output that is still remembered")
    text = _token_text(run)
    before, after = "".join(map(text, seen.before)), "".join(map(text, seen.after[1:]))
    return {
        "where": seen.where,
        "matched": seen.matched,
        "before": before,
        "token": text(seen.after[0]),
        "after": after,
    }


def what_if(store: RunStore, question: Answer) -> Answer:
    """Numbers of the run under other settings, beside the real ones."""
    run = _run(store, question)
    finished = _finished(run)
    config = whatif.changed(finished.config, question.get("config") or {})
    own = run.cache.get("own")
    if own is None:
        own = run.cache["own"] = whatif.replayed(finished, finished.config, run.earlier)
    return whatif.answer(finished, config, run.earlier, own)


def run_file(store: RunStore, question: Answer) -> Answer:
    """The text of the run's file; ``greedy`` names the greedy run that goes into it, too."""
    run = _finished(_run(store, question))
    beside = store.get(question.get("greedy"))
    if beside is None or beside.run is None:
        return {"text": runfile.to_json(run)}
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


def _token_text(run: StoredRun) -> Callable[[int], str]:
    """The text of a token of this run, as far as its steps and pieces told it."""
    table: dict[int, str] = run.cache.setdefault("tokens", {})
    done = run.cache.get("tokens_read", 0)
    if run.texts is not None and not run.cache.get("tokens_all"):
        table.update(run.texts.tokens)
        run.cache["tokens_all"] = True
    if not table and len(run.prompt_pieces) == len(run.prompt_ids):
        table.update(zip(run.prompt_ids, run.prompt_pieces, strict=True))
    for data in run.data[done:]:
        draft = data["draft"]
        if draft:
            table.update(zip(draft["ids"], draft["text"], strict=True))
        for token_id, piece, _ in data["emitted"]:
            table.setdefault(token_id, piece)
    run.cache["tokens_read"] = len(run.data)
    return lambda token_id: table.get(token_id, f"#{token_id}")


def _pieces(run: StoredRun, step: int) -> list[str]:
    """The text of every token of the context at a step."""
    output = [piece for data in run.data[:step] for _, piece, _ in data["emitted"]]
    if len(run.prompt_pieces) == len(run.prompt_ids):
        return [*run.prompt_pieces, *output]
    text = _token_text(run)
    return [*(text(token_id) for token_id in run.prompt_ids), *output]
