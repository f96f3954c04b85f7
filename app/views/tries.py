"""The tries of a run as one step found them, built again from its tokens; as pictures and as GraphML."""

from __future__ import annotations

import functools
import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import networkx as nx

from app.run.stored_run import StoredRun, TokenText
from lookahead.drafter import FOLLOWED, MAX_DEPTH
from lookahead.trie import NO_TOKEN, ROOT, Trie
from lookahead.trie.locus import Follower, Locus
from lookahead.trie.view import TrieNodeView, neighbourhood

MOST_NODES = 28
"""n-grams in one picture."""
DEEPEST = 6
"""Levels below the match in one picture."""
MOST_SHORTER = 3
"""Shorter suffixes that are shown besides the match."""
SESSION_TRIES = 8
"""Tries of earlier outputs that are kept at one time."""

Kind = Literal["own", "earlier", "corpus"]
"""Whose trie: the run's own (prompt and output so far), that of earlier outputs, a corpus."""


@dataclass(slots=True)
class TrieAt:
    """A run's trie after its first ``tokens`` tokens (prompt and output together)."""

    trie: Trie
    tokens: int
    context: tuple[int, ...]


def trie_at(stored: StoredRun, step: int) -> TrieAt:
    """The request's trie as the draft of this step found it; call it under ``stored.lock``.

    Moving forwards reads only the new tokens; moving back starts again (a few microseconds per token).
    """
    output = [token_id for record in stored.steps[:step] for token_id in record.emitted_ids]
    context = (*stored.prompt_ids, *output)
    built: TrieAt | None = stored.cache.get("trie")
    if built is None or built.tokens > len(context):
        trie = Trie(MAX_DEPTH)
        if "prompt" in stored.config.sources:
            trie.border = len(stored.prompt_ids)
            trie.extend(stored.prompt_ids)
        if "output" not in stored.config.sources:
            trie.begin()
        built = TrieAt(trie, len(stored.prompt_ids), context)
    if "output" in stored.config.sources:
        built.trie.extend(context[built.tokens :])
    built.tokens, built.context = len(context), context
    stored.cache["trie"] = built
    return built


def session_trie(stored: StoredRun) -> Trie | None:
    """The trie of the earlier outputs that the run drafted from; None where there are none. Not to be written to."""
    if not stored.earlier or "output" not in stored.config.sources:
        return None
    return _read(stored.earlier, stored.config.trie_capacity, stored.config.trie_bytes)


def other_tries(stored: StoredRun) -> list[tuple[Kind, Trie]]:
    """The tries that the run drafted from besides its own, as far as they are known. Not to be written to."""
    session = session_trie(stored)
    others: list[tuple[Kind, Trie]] = []
    if session is not None:
        others.append(("earlier", session))
    if "corpus" in stored.config.sources:
        others.extend(("corpus", trie) for trie in stored.corpus if trie.log)
    return others


@functools.lru_cache(SESSION_TRIES)
def _read(outputs: tuple[tuple[int, ...], ...], capacity: int, max_bytes: int) -> Trie:
    trie = Trie(MAX_DEPTH, capacity, max_bytes)
    for output_ids in outputs:
        trie.insert(output_ids)
    return trie


@dataclass(frozen=True, slots=True)
class Level:
    """What a trie knows after a suffix of the context, or after a text that is looked for.

    Attributes:
        trie: The trie.
        start: Its node of the suffix, ``~position`` where the suffix was read once.
        length: Tokens in the suffix.
        kind: Whose trie it is.
    """

    trie: Trie
    start: int
    length: int
    kind: Kind = "own"


def levels(stored: StoredRun, now: TrieAt) -> list[Level]:
    """The longest suffixes that something followed, in the run's own trie, the earlier outputs' and the corpus's.

    The longest comes first, the own trie's first among equals, as in retrieval. Where nothing is known: the root of
    the first trie that has read anything.
    """
    others = other_tries(stored)
    found = _suffixes(now.trie, _own_locus(stored, now), "own")
    context = now.context[max(0, len(stored.prompt_ids) - FOLLOWED) :]
    for kind, trie in others:
        found += _suffixes(trie, _followed(trie, context), kind)
    if not found:
        roots = [Level(now.trie, ROOT, 0), *(Level(trie, ROOT, 0, kind) for kind, trie in others)]
        return [next((root for root in roots if root.trie.counts[ROOT]), roots[0])]
    return sorted(found, key=lambda level: -level.length)


def _own_locus(stored: StoredRun, now: TrieAt) -> Locus:
    """Where the context stands in the run's own trie; one that holds the prompt alone is followed like any other."""
    if "output" in stored.config.sources:
        return now.trie.cursors()[-1], -1, 0
    return _followed(now.trie, now.context)


def _followed(trie: Trie, context: Sequence[int]) -> Locus:
    follower = Follower(trie)
    follower.follow(context)
    return follower.locus()


def _suffixes(trie: Trie, locus: Locus, kind: Kind) -> list[Level]:
    """The longest suffix that something followed, then shorter ones that know further successors."""
    node, position, length = locus
    found: list[Level] = []
    known: set[int] = set()
    if position >= 0 and trie.following(position) != NO_TOKEN:
        found.append(Level(trie, ~position, length, kind))
        known.add(trie.following(position))
    while node != ROOT and len(found) <= MOST_SHORTER:
        following = {token_id for token_id, _ in trie.children(node)}
        if not following <= known:
            found.append(Level(trie, node, trie.depths[node], kind))
            known |= following
        node = trie.links[node]
    return found


def around(level: Level) -> list[TrieNodeView]:
    """What a picture of this level shows; a narrow one is deeper."""
    views = neighbourhood(level.trie, level.start, MOST_NODES, DEEPEST)
    return views if len(views) > 2 * DEEPEST else neighbourhood(level.trie, level.start, MOST_NODES, 3 * DEEPEST)


def a_little(level: Level) -> list[TrieNodeView]:
    """The same for a shorter suffix beside the match."""
    return neighbourhood(level.trie, level.start, 10, 2)


def picture_of(stored: StoredRun, step: int, now: TrieAt, level: Level, whole: bool) -> dict[str, list[Any]]:
    """A level as a picture; n-grams that the step before read are new. Call it under ``stored.lock``.

    Args:
        whole: Whether it gets all the room that one picture has.
    """
    views = around(level) if whole else a_little(level)
    new: set[int] = set()
    if level.kind == "own" and step and "output" in stored.config.sources:
        newest = now.trie.end - len(stored.steps[step - 1].emitted_ids)
        new = {place for place, view in enumerate(views) if place and view.last_position >= newest}
    return picture(views, stored.texts.token_text, new, level.kind)


def sizes(stored: StoredRun, now: TrieAt) -> dict[str, Any]:
    """The size of all tries together; what the earlier outputs and the corpus hold, None where they are not asked."""
    others = [(kind, trie.stats()) for kind, trie in other_tries(stored)]
    found = [now.trie.stats(), *(size for _, size in others)]
    corpus = [size.nodes + size.leaves for kind, size in others if kind == "corpus"]
    earlier = {"outputs": len(stored.earlier), "tokens": sum(map(len, stored.earlier))}
    return {
        "size": {
            "n_grams": sum(size.nodes + size.leaves for size in found),
            "bytes": sum(size.bytes for size in found),
        },
        "earlier": earlier if any(kind == "earlier" for kind, _ in others) else None,
        "corpus": {"n_grams": sum(corpus)} if corpus else None,
    }


def picture(
    views: Sequence[TrieNodeView], token_text: TokenText, new: Collection[int] = (), kind: Kind = "own"
) -> dict[str, list[Any]]:
    """The n-grams of a neighbourhood as the page draws them, every field a list over its nodes.

    Node 0 is where it begins, and parents come before their children. ``prompt``, ``output``, ``earlier`` and
    ``corpus`` count where each n-gram was read: all counts of another trie than the run's own are of its kind.

    Args:
        new: Places of the nodes that are marked as new.
    """
    counts = {name: [view.count if kind == name else 0 for view in views] for name in ("earlier", "corpus")}
    return {
        "id": [view.token_id for view in views],
        "text": [token_text(view.token_id) if view.token_id >= 0 else "" for view in views],
        "prompt": [view.prompt_count for view in views],
        "output": [view.count - view.prompt_count if kind == "own" else 0 for view in views],
        **counts,
        "new": [place in new for place in range(len(views))],
        "parent": [view.parent for view in views],
    }


def graphml(pictures: Sequence[dict[str, list[Any]]]) -> str:
    """Pictures as one GraphML text, a tree each; characters that XML cannot carry are replaced."""
    graph = nx.DiGraph()
    for drawn in pictures:
        first = len(graph)
        for place, parent in enumerate(drawn["parent"]):
            counts = {f"{name}_count": drawn[name][place] for name in ("prompt", "output", "earlier", "corpus")}
            graph.add_node(
                first + place,
                token=drawn["id"][place],
                text=_for_xml(drawn["text"][place]),
                count=sum(counts.values()),
                **counts,
                new=drawn["new"][place],
            )
            if parent >= 0:
                graph.add_edge(first + parent, first + place)
    buffer = io.BytesIO()
    nx.write_graphml(graph, buffer)
    return buffer.getvalue().decode("utf-8")


def _for_xml(text: str) -> str:
    return "".join(
        letter if letter in "\t\n\r" or (letter >= " " and letter not in "\ufffe\uffff") else "\ufffd"
        for letter in text
    )
