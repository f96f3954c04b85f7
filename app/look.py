"""The tries of a run as one step found them, built again from its tokens: the engine keeps no pictures."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lookahead.drafter import MAX_DEPTH
from lookahead.trie import NO_TOKEN, ROOT, Trie
from lookahead.trie.locus import Follower, Locus
from lookahead.trie.view import TrieNodeView, find, neighbourhood

from .store import StoredRun

MOST_NODES = 28
"""n-grams in one picture."""
DEEPEST = 6
"""Levels below the match in one picture."""
MOST_SHORTER = 3
"""Shorter suffixes that are shown besides the match."""
SESSION_TRIES = 8
"""Tries of earlier outputs that are kept at one time."""


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
    """

    trie: Trie
    start: int
    length: int


def levels(stored: StoredRun, now: TrieAt) -> list[Level]:
    """The longest suffixes that something followed, in the run's own trie and in that of the earlier outputs.

    The longest comes first, the own trie's first among equals, as in retrieval. Where nothing is known: the root.
    """
    session = session_trie(stored)
    found = _suffixes(now.trie, _own_locus(stored, now))
    if session is not None:
        found += _suffixes(session, _followed(session, now.context))
    return sorted(found, key=lambda level: -level.length) or [Level(now.trie, ROOT, 0)]


def _own_locus(stored: StoredRun, now: TrieAt) -> Locus:
    """Where the context stands in the run's own trie; one that holds the prompt alone is followed like any other."""
    if "output" in stored.config.sources:
        return now.trie.cursors()[-1], -1, 0
    return _followed(now.trie, now.context)


def _followed(trie: Trie, context: Sequence[int]) -> Locus:
    follower = Follower(trie)
    follower.follow(context)
    return follower.locus()


def _suffixes(trie: Trie, locus: Locus) -> list[Level]:
    """The longest suffix that something followed, then shorter ones that know further successors."""
    node, position, length = locus
    found: list[Level] = []
    known: set[int] = set()
    if position >= 0 and trie.following(position) != NO_TOKEN:
        found.append(Level(trie, ~position, length))
        known.add(trie.following(position))
    while node != ROOT and len(found) <= MOST_SHORTER:
        following = {token_id for token_id, _ in trie.children(node)}
        if not following <= known:
            found.append(Level(trie, node, trie.depths[node]))
            known |= following
        node = trie.links[node]
    return found


def around(level: Level) -> list[TrieNodeView]:
    """What a picture of this level shows; a slim one goes deeper."""
    views = neighbourhood(level.trie, level.start, MOST_NODES, DEEPEST)
    return views if len(views) > 2 * DEEPEST else neighbourhood(level.trie, level.start, MOST_NODES, 3 * DEEPEST)


def a_little(level: Level) -> list[TrieNodeView]:
    """The same for a shorter suffix beside the match."""
    return neighbourhood(level.trie, level.start, 10, 2)


def search(
    stored: StoredRun, now: TrieAt, pieces: Sequence[str], text: str, token_text: Callable[[int], str]
) -> list[tuple[Level, list[int]]]:
    """Where a text is in the run's own trie and in that of the earlier outputs, each with the tokens that spell it.

    Args:
        pieces: The text of each context token.
        token_text: The text of a token of an earlier output.
    """
    found = [_found(now.trie, _spelling(pieces, now.context, text))]
    session = session_trie(stored)
    if session is not None:
        spelled = (_spelling([token_text(token_id) for token_id in ids], ids, text) for ids in stored.earlier)
        found.append(next(filter(None, (_found(session, tokens) for tokens in spelled)), None))
    return [place for place in found if place is not None]


def _found(trie: Trie, tokens: list[int]) -> tuple[Level, list[int]] | None:
    start = find(trie, tokens) if tokens else None
    return None if start is None else (Level(trie, start, len(tokens)), tokens)


def _spelling(pieces: Sequence[str], token_ids: Sequence[int], text: str) -> list[int]:
    """The tokens that spell a text where it is said first, at most a window; none where it is not."""
    place = "".join(pieces).find(text) if text else -1
    if place < 0:
        return []
    start = end = position = 0
    for index, piece in enumerate(pieces):
        if position <= place:
            start = index
        position += len(piece)
        if position >= place + len(text):
            end = index + 1
            break
    return list(token_ids[start:end])[: MAX_DEPTH - 1]


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
