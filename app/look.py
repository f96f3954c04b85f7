"""The trie of a run as it stood at one step, built again from the run's tokens: the engine keeps no pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lookahead.drafter import MAX_DEPTH
from lookahead.trie import ROOT, Trie
from lookahead.trie.view import TrieNodeView, find, neighbourhood, ngram

from .store import StoredRun

MOST_NODES = 28
"""n-grams in one picture."""
DEEPEST = 6
"""Levels below the match in one picture."""
MOST_SHORTER = 3
"""Shorter suffixes that are shown besides the match."""


@dataclass(slots=True)
class TrieAt:
    """A run's trie after its first ``tokens`` tokens (prompt and output together)."""

    trie: Trie
    tokens: int
    context: tuple[int, ...]


def trie_at(stored: StoredRun, step: int) -> TrieAt:
    """The request's trie as the draft of this step found it; call it under ``stored.lock``.

    Growing forwards reads only the new tokens; going back begins anew (a few microseconds a token).
    """
    output = [token_id for record in stored.steps[:step] for token_id in record.emitted_ids]
    context = (*stored.prompt_ids, *output)
    built: TrieAt | None = stored.cache.get("trie")
    if built is None or built.tokens > len(context):
        trie = Trie(MAX_DEPTH)
        if "prompt" in stored.config.sources:
            trie.border = len(stored.prompt_ids)
            trie.extend(stored.prompt_ids)
        built = TrieAt(trie, len(stored.prompt_ids), context)
    if "output" in stored.config.sources:
        built.trie.extend(context[built.tokens :])
    built.tokens, built.context = len(context), context
    stored.cache["trie"] = built
    return built


def match(trie: Trie) -> tuple[int, list[int]]:
    """The node of the longest suffix that something followed, and its tokens; the root where there is none."""
    for node in reversed(trie.cursors()):
        if node != ROOT and next(iter(trie.children(node)), None) is not None:
            return node, ngram(trie, node)
    return ROOT, []


def shorter(trie: Trie, node: int) -> list[tuple[list[int], list[TrieNodeView]]]:
    """Shorter suffixes than the match that know further successors: their tokens and a small neighbourhood of each.

    Retrieval begins at the longest suffix and goes on with shorter ones until the draft is full; a suffix that knows
    nothing beyond the longer one is left out.
    """
    found: list[tuple[list[int], list[TrieNodeView]]] = []
    known = {token_id for token_id, _ in trie.children(node)}
    for cursor in reversed(trie.cursors()):
        if cursor == ROOT or trie.depths[cursor] >= trie.depths[node] or len(found) == MOST_SHORTER:
            continue
        following = {token_id for token_id, _ in trie.children(cursor)}
        if not following <= known:
            known |= following
            found.append((ngram(trie, cursor), neighbourhood(trie, cursor, 10, 2)))
    return found


def around(trie: Trie, node: int) -> list[TrieNodeView]:
    """What a picture of this node's neighbourhood shows; a slim one goes deeper."""
    views = neighbourhood(trie, node, MOST_NODES, DEEPEST)
    return views if len(views) > 2 * DEEPEST else neighbourhood(trie, node, MOST_NODES, 3 * DEEPEST)


def search(trie: Trie, pieces: Sequence[str], context: Sequence[int], text: str) -> list[int] | None:
    """The tokens that spell a text where the run's context says it first; None where it does not.

    Args:
        pieces: The text of each context token.
    """
    place = "".join(pieces).find(text) if text else -1
    if place < 0:
        return None
    start = end = position = 0
    for index, piece in enumerate(pieces):
        if position <= place:
            start = index
        position += len(piece)
        if position >= place + len(text):
            end = index + 1
            break
    tokens = list(context[start:end])[: MAX_DEPTH - 1]
    return tokens if find(trie, tokens) is not None else None


@dataclass(frozen=True, slots=True)
class Seen:
    """Where a draft node's token was seen: the text it came from, and how many tokens before it agree."""

    where: str
    matched: int
    before: tuple[int, ...]
    after: tuple[int, ...]


def where_seen(stored: StoredRun, step: int, path: Sequence[int], around_tokens: int = 8) -> Seen | None:
    """The latest place whose tokens before it agree longest with the context and the draft path; None for none.

    Args:
        path: Token ids from the root's child to the node, at least one.
    """
    record = stored.steps[step]
    output = [token_id for earlier in stored.steps[:step] for token_id in earlier.emitted_ids]
    context = [*stored.prompt_ids, *output][: record.context_length]
    wanted = [*context, *path]
    border = len(stored.prompt_ids)
    texts = [(f"earlier output {number}", list(ids), 0) for number, ids in enumerate(stored.earlier, start=1)]
    best: tuple[int, str, list[int], int] | None = None
    for name, ids, _ in [*texts, ("", context, border)]:
        for place in range(len(ids) - 1, -1, -1):
            if ids[place] != wanted[-1]:
                continue
            matched = _agreement(ids, place, wanted)
            if best is None or matched > best[0]:
                where = name or ("the prompt" if place < border else "this output")
                best = (matched, where, ids, place)
    if best is None:
        return None
    matched, where, ids, place = best
    return Seen(
        where, matched - 1, tuple(ids[max(0, place - around_tokens) : place]), tuple(ids[place : place + around_tokens])
    )


def _agreement(ids: Sequence[int], place: int, wanted: Sequence[int]) -> int:
    """How many tokens up to ``place`` agree with the end of ``wanted`` (64 at most)."""
    most = min(place + 1, len(wanted), 64)
    for count in range(most):
        if ids[place - count] != wanted[-1 - count]:
            return count
    return most
