"""Finding a text in the tries of a run."""

from __future__ import annotations

import functools
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from itertools import accumulate, count

from app.run.stored_run import StoredRun, TokenText
from app.views.tries import Kind, Level, TrieAt, other_tries
from lookahead.drafter import MAX_DEPTH
from lookahead.trie import NO_TOKEN, ROOT, Trie
from lookahead.trie.view import find

CORPORA = 2
"""Most corpora whose token texts are kept at one time."""

Place = tuple[Level, list[int]]
"""Where a text is in a trie, and the tokens that spell it."""


def search(stored: StoredRun, now: TrieAt, pieces: Sequence[str], text: str) -> list[Place]:
    """The places of a text in the run's own trie and in the others that it drafted from; call it under ``stored.lock``.

    Capitals are ignored: some tokenizers write a capital as a separate token, so a single token does not show it.
    Spaces at the end must follow, but the place is before the token that begins with them.

    Args:
        pieces: The text of each context token.
    """
    text = text.lower()
    found = [_found(now.trie, _spelling(pieces, now.context, text), "own")]
    found += [_found_in_other(stored, kind, trie, text) for kind, trie in other_tries(stored)]
    return [place for place in found if place is not None]


def _found_in_other(stored: StoredRun, kind: Kind, trie: Trie, text: str) -> Place | None:
    """The place in a trie that does not change; the last search is kept, since every step asks again."""
    name = f"search {kind}"
    known = stored.cache.get(name)
    if known is None or known[0] is not trie or known[1] != text:
        token_text = stored.texts.token_text
        if kind == "corpus":
            place = _found(trie, spelled(trie, text, _kept(trie, token_text))[: MAX_DEPTH - 1], kind)
        else:
            texts = (_spelling([token_text(token_id) for token_id in ids], ids, text) for ids in stored.earlier)
            place = next(filter(None, (_found(trie, tokens, kind) for tokens in texts)), None)
        known = stored.cache[name] = trie, text, place
    return known[2]


def _found(trie: Trie, tokens: list[int], kind: Kind) -> Place | None:
    start = find(trie, tokens) if tokens else None
    return None if start is None else (Level(trie, start, len(tokens), kind), tokens)


def _spelling(pieces: Sequence[str], token_ids: Sequence[int], text: str) -> list[int]:
    """The tokens that spell a text (in small letters) where it first appears; at most as many as an n-gram has."""
    pieces = [piece.lower() for piece in pieces]
    place = "".join(pieces).find(text) if text else -1
    if place < 0:
        return []
    ends = list(accumulate(map(len, pieces)))
    start, end = bisect_right([0, *ends], place) - 1, bisect_left(ends, place + _length(text)) + 1
    return list(token_ids[start:end])[: MAX_DEPTH - 1]


def spelled(trie: Trie, text: str, token_text: TokenText) -> list[int]:
    """The tokens of the most frequent n-gram that spells a text; empty if the trie has read none.

    The first token may begin before the text, and the last one may end after it. A text that was read once is followed
    in the token log; one that was read more often can be found only up to the longest n-gram that is counted.
    """
    order = count()
    heap: list[tuple[int, int, int, tuple[int, ...], int, str]] = []

    def push(tokens: tuple[int, ...], child: int, rest: str) -> None:
        times = trie.counts[child] if child >= 0 else 1
        heappush(heap, (-times, len(tokens), next(order), tokens, child, rest))

    for token_id, child in trie.children(ROOT):
        for rest in _rests(text, token_text(token_id)):
            push((token_id,), child, rest)
    while heap:
        _, _, _, tokens, child, rest = heappop(heap)
        if not rest:
            return _without_spaces(tokens, text, token_text)
        for token_id, below in _below(trie, child):
            piece = token_text(token_id)
            if rest.startswith(piece) or piece.startswith(rest):
                push((*tokens, token_id), below, rest[len(piece) :])
    return []


def _length(text: str) -> int:
    """Letters of a text without the spaces at its end; all of a text of spaces."""
    return len(text.rstrip(" ") or text)


def _without_spaces(tokens: Sequence[int], text: str, token_text: TokenText) -> list[int]:
    """The tokens without those that only the spaces at the end of the text need."""
    needed = list(tokens)
    while len(needed) > 1 and "".join(map(token_text, needed[:-1])).endswith(text[: _length(text)]):
        needed.pop()
    return needed


def _rests(text: str, piece: str) -> Iterator[str]:
    """The rest of a text after a piece in which it begins, for every place where it can begin.

    >>> list(_rests("aab", "aa")), list(_rests("aab", "baabs"))
    (['ab', 'b'], [''])
    """
    if text in piece:
        yield ""
        return
    for length in range(1, min(len(piece) + 1, len(text))):
        if text.startswith(piece[-length:]):
            yield text[length:]


def _below(trie: Trie, child: int) -> Iterator[tuple[int, int]]:
    """The tokens after an n-gram, each with the longer n-gram that it makes."""
    if child >= 0:
        yield from trie.children(child)
    elif (token_id := trie.following(~child)) != NO_TOKEN:
        yield token_id, child - 1


@functools.lru_cache(CORPORA)
def _texts(trie: Trie) -> dict[int, str]:
    """The token texts of a corpus in small letters, kept once for all runs: it may hold the whole vocabulary."""
    return {}


def _kept(trie: Trie, token_text: TokenText) -> TokenText:
    """``token_text`` in small letters, called once per token."""
    texts = _texts(trie)

    def kept(token_id: int) -> str:
        if token_id not in texts:
            texts[token_id] = token_text(token_id).lower()
        return texts[token_id]

    return kept
