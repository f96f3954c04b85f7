"""Where the token of a draft node was read before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

from app.run.stored_run import StoredRun
from app.views.tries import followed
from lookahead.sources.expected import ExpectedText
from lookahead.sources.registry import SOURCES
from lookahead.trie import NO_TOKEN, ROOT, Trie

AGREEING = 64
"""Most tokens that are compared at a place."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Where a draft node's token was read: in which text, and how many tokens before it match.

    Attributes:
        where: The text, in words.
        matched: Matching tokens before it (at most ``AGREEING`` - 1).
        before: Tokens before it.
        after: The token itself and those after it.
        start: Index of the first of these tokens in the context; None if they are in another text.
        place: Index of the token in the expected text; None if it is in another text.
    """

    where: str
    matched: int
    before: tuple[int, ...]
    after: tuple[int, ...]
    start: int | None = None
    place: int | None = None


def where_seen(stored: StoredRun, step: int, node: int) -> Seen | None:
    """Where the token of a draft node, not of the root, was read; None if that is not known.

    A token from a corpus is searched in the corpus, one from an expected text is where the draft read it there, and one
    from the prompt or the output in the texts of this run and of earlier ones.
    """
    record = stored.steps[step]
    draft = record.draft
    assert draft is not None
    output = [token_id for earlier in stored.steps[:step] for token_id in earlier.emitted_ids]
    context = [*stored.prompt_ids, *output][: record.context_length]
    wanted = [*context, *(draft.token_ids[place] for place in draft.path(node))]
    if draft.sources[node] == "corpus":
        return where_in_corpus(stored.corpus, wanted)
    if draft.sources[node] == "expected":
        output = context[len(stored.prompt_ids) :]
        return _where_expected(stored.request.expected_ids, output, wanted, len(draft.path(node)))
    return None if SOURCES[draft.sources[node]].read_in else _where_in_texts(stored, context, wanted)


def _where_in_texts(stored: StoredRun, context: list[int], wanted: list[int]) -> Seen | None:
    """The place with the longest match of context and draft path before it, the latest of several; None if none."""
    border = len(stored.prompt_ids)
    texts = [(f"earlier output {number}", list(ids)) for number, ids in enumerate(stored.earlier, start=1)]
    found = [
        (_agreement(ids, place, wanted), name, ids, place)
        for name, ids in [*texts, ("", context)]
        for place in range(len(ids) - 1, -1, -1)
        if ids[place] == wanted[-1]
    ]
    if not found:
        return None
    matched, name, ids, place = max(found, key=itemgetter(0))
    seen = _seen(name or ("the prompt" if place < border else "this output"), matched, ids, place)
    return replace(seen, start=place - len(seen.before)) if ids is context else seen


def _where_expected(expected: Sequence[int], output: Sequence[int], wanted: Sequence[int], depth: int) -> Seen | None:
    """Where a node of that depth is in the expected text; None if the text has another token there.

    A branch reads on, token by token, from where the output is in the text.
    """
    source = ExpectedText(expected)
    source.follow(output)
    following, _, _ = source.locus()
    place = following + depth - 1
    if place >= len(expected) or expected[place] != wanted[-1]:
        return None
    return replace(_seen("the expected text", _agreement(expected, place, wanted), expected, place), place=place)


def where_in_corpus(corpus: Sequence[Trie], wanted: Sequence[int]) -> Seen | None:
    """The latest place in a corpus with the longest match before it; None if the corpus has none (any more).

    This asks the trie and never scans its text. So a match longer than the longest counted n-gram may be missed if it
    was read more than once.
    """
    places = [(trie, _latest(trie, wanted) - trie.log_start) for trie in corpus]
    found = [(_agreement(trie.log, place, wanted), trie, place) for trie, place in places if place >= 0]
    if not found:
        return None
    matched, trie, place = max(found, key=itemgetter(0))
    return _seen("the corpus", matched, trie.log, place)


def _latest(trie: Trie, wanted: Sequence[int]) -> int:
    """Log position of the last of these tokens where the log still holds their longest known suffix; -1 if nowhere."""
    node, position, _ = followed(trie, wanted)
    if position >= 0:
        return position
    while node != ROOT and trie.last[node] < trie.log_start:
        node = trie.links[node]
    return trie.last[node] if node != ROOT else -1


def _seen(where: str, matched: int, ids: Sequence[int], place: int, around_tokens: int = 8) -> Seen:
    """The place with the tokens around it, all of one text."""
    before = list(ids[max(0, place - around_tokens) : place])
    after = list(ids[place : place + around_tokens])
    while NO_TOKEN in before:
        del before[: before.index(NO_TOKEN) + 1]
    if NO_TOKEN in after:
        del after[after.index(NO_TOKEN) :]
    return Seen(where, matched - 1, tuple(before), tuple(after))


def _agreement(ids: Sequence[int], place: int, wanted: Sequence[int]) -> int:
    """How many tokens up to ``place`` match the end of ``wanted`` (at most ``AGREEING``)."""
    most = min(place + 1, len(wanted), AGREEING)
    for length in range(most):
        if ids[place - length] != wanted[-1 - length]:
            return length
    return most
