"""The tries of a run as they were at one step, rebuilt from its tokens; as pictures and as GraphML."""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import networkx as nx

from app.run.stored_run import StoredRun, TokenText
from lookahead.drafter import FOLLOWED, MAX_DEPTH
from lookahead.trie import NO_TOKEN, ROOT, Trie
from lookahead.trie.locus import Follower, Locus
from lookahead.trie.view import TrieNodeView, neighbourhood

_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
MOST_NODES = 28
"""Most n-grams in one picture."""
DEEPEST = 6
"""Most levels below the match in one picture."""
MOST_SHORTER = 3
"""Most shorter suffixes that are shown beside the match."""
SESSION_TRIES = 8
"""Most tries of earlier outputs that are kept at one time."""

Kind = Literal["own", "earlier", "corpus"]
"""Which trie: the run's own (prompt and output so far), the one of earlier outputs, a corpus."""


@dataclass(slots=True)
class TrieAt:
    """A run's trie after these tokens of prompt and output."""

    trie: Trie
    context: tuple[int, ...]


def trie_at(stored: StoredRun, step: int) -> TrieAt:
    """The request's trie as the draft of this step found it; call it under ``stored.lock``.

    A later step reads only the new tokens; an earlier one starts over (a few microseconds per token).
    """
    output = [token_id for record in stored.steps[:step] for token_id in record.emitted_ids]
    context = (*stored.prompt_ids, *output)
    built: TrieAt | None = stored.cache.get("trie")
    if built is None or len(built.context) > len(context):
        built = stored.cache["trie"] = TrieAt(Trie(MAX_DEPTH), stored.prompt_ids)
        if "prompt" in stored.config.sources:
            built.trie.border = len(stored.prompt_ids)
            built.trie.extend(stored.prompt_ids)
        if "output" not in stored.config.sources:
            built.trie.begin()
    if "output" in stored.config.sources:
        built.trie.extend(context[len(built.context) :])
    built.context = context
    return built


def other_tries(stored: StoredRun) -> list[tuple[Kind, Trie]]:
    """The known tries that the run drafted from besides its own. Never write to them."""
    config = stored.config
    others: list[tuple[Kind, Trie]] = []
    if stored.earlier and "output" in config.sources:
        others.append(("earlier", _read(stored.earlier, config.trie_capacity, config.trie_bytes)))
    if "corpus" in config.sources:
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
    """A place in a trie: after a suffix of the context, or after a text that is searched.

    Attributes:
        start: The trie's node of the suffix, or ``~position`` if the suffix was read once.
        length: Tokens in the suffix.
    """

    trie: Trie
    start: int
    length: int
    kind: Kind = "own"


def levels(stored: StoredRun, now: TrieAt) -> list[Level]:
    """The longest suffixes with a known continuation, in the run's own trie, the earlier outputs' and the corpus.

    The longest comes first; of equal ones, the run's own, as in retrieval. If no suffix is known, the one level is the
    root of the first trie that has read anything.
    """
    others = other_tries(stored)
    # A trie of the prompt alone is followed like the others.
    own = (now.trie.cursors()[-1], -1, 0) if "output" in stored.config.sources else followed(now.trie, now.context)
    found = _suffixes(now.trie, own, "own")
    context = now.context[max(0, len(stored.prompt_ids) - FOLLOWED) :]
    for kind, trie in others:
        found += _suffixes(trie, followed(trie, context), kind)
    if not found:
        roots = [Level(now.trie, ROOT, 0), *(Level(trie, ROOT, 0, kind) for kind, trie in others)]
        return [next((root for root in roots if root.trie.counts[ROOT]), roots[0])]
    return sorted(found, key=lambda level: -level.length)


def followed(trie: Trie, context: Sequence[int]) -> Locus:
    """Where a trie that has not read the context knows the longest suffix of it."""
    follower = Follower(trie)
    follower.follow(context)
    return follower.locus()


def _suffixes(trie: Trie, locus: Locus, kind: Kind) -> list[Level]:
    """The longest suffix with a known continuation, then shorter ones that know more continuations."""
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
    """The n-grams of the level's picture; a narrow picture is deeper."""
    views = neighbourhood(level.trie, level.start, MOST_NODES, DEEPEST)
    return views if len(views) > 2 * DEEPEST else neighbourhood(level.trie, level.start, MOST_NODES, 3 * DEEPEST)


def picture_of(stored: StoredRun, step: int, now: TrieAt, level: Level, whole: bool) -> dict[str, list[Any]]:
    """A level as a picture, whole or a small one beside another; what the last step read is new in it.

    Call it under ``stored.lock``.
    """
    views = around(level) if whole else neighbourhood(level.trie, level.start, 10, 2)
    new: set[int] = set()
    if level.kind == "own" and step and "output" in stored.config.sources:
        newest = now.trie.end - len(stored.steps[step - 1].emitted_ids)
        new = {place for place, view in enumerate(views) if place and view.last_position >= newest}
    return picture(views, stored.texts.token_text, new, level.kind)


def sizes(stored: StoredRun, now: TrieAt) -> dict[str, Any]:
    """The size of all tries together, and of the earlier outputs and the corpus; None for those that are not used."""
    found = [("own", now.trie.stats()), *((kind, trie.stats()) for kind, trie in other_tries(stored))]
    counts = [(kind, size.nodes + size.leaves) for kind, size in found]
    corpus = [count for kind, count in counts if kind == "corpus"]
    earlier = {"outputs": len(stored.earlier), "tokens": sum(map(len, stored.earlier))}
    return {
        "size": {"n_grams": sum(count for _, count in counts), "bytes": sum(size.bytes for _, size in found)},
        "earlier": earlier if any(kind == "earlier" for kind, _ in found) else None,
        "corpus": {"n_grams": sum(corpus)} if corpus else None,
    }


def picture(
    views: Sequence[TrieNodeView], token_text: TokenText, new: Collection[int] = (), kind: Kind = "own"
) -> dict[str, list[Any]]:
    """The n-grams of a neighbourhood as the page draws them; every field is a list over the nodes, parents first.

    ``prompt``, ``output``, ``earlier`` and ``corpus`` count where each n-gram was read: in the run's own trie the first
    two, in another trie its kind alone. ``new`` has the indices of those to be marked.
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
    """Pictures as one GraphML text, one tree each; characters that XML does not allow are replaced."""
    graph = nx.DiGraph()
    for drawn in pictures:
        first = len(graph)
        for place, parent in enumerate(drawn["parent"]):
            counts = {f"{name}_count": drawn[name][place] for name in ("prompt", "output", "earlier", "corpus")}
            graph.add_node(
                first + place,
                token=drawn["id"][place],
                text=_NOT_XML.sub("\ufffd", drawn["text"][place]),
                count=sum(counts.values()),
                **counts,
                new=drawn["new"][place],
            )
            if parent >= 0:
                graph.add_edge(first + parent, first + place)
    buffer = io.BytesIO()
    nx.write_graphml(graph, buffer)
    return buffer.getvalue().decode("utf-8")
