"""Where a text is in the tries of a run, and where the token of a draft node was seen before."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from itertools import count

from lookahead.drafter import MAX_DEPTH
from lookahead.trie import NO_TOKEN, ROOT, Trie
from lookahead.trie.locus import Follower
from lookahead.trie.view import find

from .look import Kind, Level, TrieAt, other_tries
from .stage import TokenText
from .stored_run import StoredRun

CORPORA = 2
"""Corpora whose tokens' texts are kept at one time."""
AGREEING = 64
"""Most tokens that are compared before a place."""

Place = tuple[Level, list[int]]
"""Where a text is in a trie, and the tokens that spell it."""


def search(stored: StoredRun, now: TrieAt, pieces: Sequence[str], text: str) -> list[Place]:
    """Where a text is in the run's own trie and in those that it drafted from besides; call it under ``stored.lock``.

    Capitals do not count: some tokenizers write one as a token of its own, so a token by itself does not tell.

    Args:
        pieces: The text of each context token.
    """
    text = text.lower()
    found = [_found(now.trie, _spelling(pieces, now.context, text), "own")]
    found += [_found_in_other(stored, kind, trie, text) for kind, trie in other_tries(stored)]
    return [place for place in found if place is not None]


def _found_in_other(stored: StoredRun, kind: Kind, trie: Trie, text: str) -> Place | None:
    """The place in a trie that does not change: the last search is remembered, since every step asks again."""
    name = f"search {kind}"
    known = stored.cache.get(name)
    if known is None or known[0] is not trie or known[1] != text:
        token_text = stored.token_text
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
    """The tokens that spell a text (in small letters) where it is said first, at most a window; none where nowhere."""
    pieces = [piece.lower() for piece in pieces]
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


def spelled(trie: Trie, text: str, token_text: TokenText) -> list[int]:
    """The tokens of the most frequent n-gram that spells a text; none where the trie has read no such n-gram.

    The first token may begin before the text, the last one may end after it. What was read once is followed in the
    token log, so only a text that was said more than once is bounded by the longest n-gram that is counted.
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
            return list(tokens)
        for token_id, below in _below(trie, child):
            piece = token_text(token_id)
            if rest.startswith(piece) or piece.startswith(rest):
                push((*tokens, token_id), below, rest[len(piece) :])
    return []


def _rests(text: str, piece: str) -> Iterator[str]:
    """What is left of a text after a piece that it begins in, for every place where it may begin.

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
    """The tokens after an n-gram, each with the n-gram that is one longer."""
    if child >= 0:
        yield from trie.children(child)
    elif (token_id := trie.following(~child)) != NO_TOKEN:
        yield token_id, child - 1


@functools.lru_cache(CORPORA)
def _texts(trie: Trie) -> dict[int, str]:
    """The texts of a corpus's tokens in small letters, kept once for all runs: it may hold the whole vocabulary."""
    return {}


def _kept(trie: Trie, token_text: TokenText) -> TokenText:
    """The same texts in small letters, each asked for once."""
    texts = _texts(trie)

    def kept(token_id: int) -> str:
        if token_id not in texts:
            texts[token_id] = token_text(token_id).lower()
        return texts[token_id]

    return kept


@dataclass(frozen=True, slots=True)
class Seen:
    """Where a draft node's token was seen: the text it came from, and how many tokens before it agree.

    Attributes:
        where: The text, in words.
        matched: Agreeing tokens before it (``AGREEING`` - 1 at most).
        before: Tokens before it.
        after: The token itself and those after it.
        start: Place of the first of all these in the context; None where they stand elsewhere.
    """

    where: str
    matched: int
    before: tuple[int, ...]
    after: tuple[int, ...]
    start: int | None = None


def where_seen(stored: StoredRun, step: int, node: int) -> Seen | None:
    """Where a draft node's token was seen; None where that is not known.

    One that came from a corpus is looked for there, any other in the texts of this run and the earlier ones.

    Args:
        node: A node of the step's draft, not its root.
    """
    record = stored.steps[step]
    draft = record.draft
    assert draft is not None
    output = [token_id for earlier in stored.steps[:step] for token_id in earlier.emitted_ids]
    context = [*stored.prompt_ids, *output][: record.context_length]
    wanted = [*context, *(draft.token_ids[place] for place in draft.path(node))]
    if draft.sources[node] == "corpus":
        return where_in_corpus(stored.corpus, wanted)
    return _where_in_texts(stored, context, wanted)


def _where_in_texts(stored: StoredRun, context: list[int], wanted: list[int]) -> Seen | None:
    """The latest place whose tokens before it agree longest with the context and the draft path; None for none."""
    border = len(stored.prompt_ids)
    texts = [(f"earlier output {number}", list(ids)) for number, ids in enumerate(stored.earlier, start=1)]
    best: tuple[int, str, list[int], int] | None = None
    for name, ids in [*texts, ("", context)]:
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
    seen = _seen(where, matched, ids, place)
    return replace(seen, start=place - len(seen.before)) if ids is context else seen


def where_in_corpus(corpus: Sequence[Trie], wanted: Sequence[int]) -> Seen | None:
    """The latest place in a corpus whose tokens before it agree longest; None where none was read, or is left.

    The trie itself is asked, never its whole text, so a run of more agreeing tokens than the longest n-gram that is
    counted may be missed where it was read more than once.
    """
    best: tuple[int, Trie, int] | None = None
    for trie in corpus:
        place = _latest(trie, wanted) - trie.log_start
        if place < 0:
            continue
        matched = _agreement(trie.log, place, wanted)
        if best is None or matched > best[0]:
            best = (matched, trie, place)
    return None if best is None else _seen("the corpus", best[0], best[1].log, best[2])


def _latest(trie: Trie, wanted: Sequence[int]) -> int:
    """Log position of the last of these tokens where the trie read the longest suffix that its log still holds."""
    follower = Follower(trie)
    follower.follow(wanted)
    node, position, _ = follower.locus()
    if position >= 0:
        return position
    while node != ROOT and trie.last[node] < trie.log_start:
        node = trie.links[node]
    return trie.last[node] if node != ROOT else -1


def _seen(where: str, matched: int, ids: Sequence[int], place: int, around_tokens: int = 8) -> Seen:
    """The place with the tokens around it, none of another text."""
    before = list(ids[max(0, place - around_tokens) : place])
    after = list(ids[place : place + around_tokens])
    while NO_TOKEN in before:
        del before[: before.index(NO_TOKEN) + 1]
    if NO_TOKEN in after:
        del after[after.index(NO_TOKEN) :]
    return Seen(where, matched - 1, tuple(before), tuple(after))


def _agreement(ids: Sequence[int], place: int, wanted: Sequence[int]) -> int:
    """How many tokens up to ``place`` agree with the end of ``wanted`` (``AGREEING`` at most)."""
    most = min(place + 1, len(wanted), AGREEING)
    for length in range(most):
        if ids[place - length] != wanted[-1 - length]:
            return length
    return most
