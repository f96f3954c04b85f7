"""Text that a visitor of a lesson typed, through the real Trie, retrieval and search: no model is asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lookahead.config import LookaheadConfig
from lookahead.drafter import MAX_DEPTH, Drafter, Request
from lookahead.sources.tries import OwnTrie
from lookahead.trie import ROOT, Trie
from lookahead.trie.view import neighbourhood

DEPTH = 4
"""Longest n-gram of the trie that is drawn whole; the engine's own counts up to ``MAX_DEPTH`` tokens."""
MOST_LETTERS = 400
"""Most characters that are read of all typed texts together."""
MOST_TOKENS = 60
"""Most tokens of a trie that is drawn whole."""
WIDEST = 16
"""Widest draft of typed text."""
MOST_LEVELS = 4
"""Most suffixes that are shown."""

Spell = Callable[[str], Sequence[tuple[int, str, str]]]
"""A text to the ids of its tokens, their texts at their places and their texts alone, by a model's tokenizer."""


@dataclass(frozen=True, slots=True)
class Typed:
    """Token ids of typed sentences, their texts at their places (same shape), and the text of every id alone.

    The two differ where a tokenizer has marks: after its mark for a capital ``" the"`` reads ``"The"``.
    """

    sentences: tuple[tuple[int, ...], ...]
    pieces: tuple[tuple[str, ...], ...]
    texts: dict[int, str]

    @property
    def ids(self) -> tuple[int, ...]:
        """All token ids, in order."""
        return tuple(token_id for sentence in self.sentences for token_id in sentence)


def words(text: str) -> list[str]:
    """Words and signs of a text, without the spaces between them.

    >>> words("The cat sat.")
    ['The', 'cat', 'sat', '.']
    """
    return re.findall(r"\w+|[^\w\s]", text)


def typed(texts: Any, tokens: str, spell: Spell) -> Typed:
    """Typed texts as tokens.

    Args:
        tokens: ``words``, ``characters``, or ``model`` for the tokenizer of the page's model.

    Raises:
        ValueError: If it is not a short list of short texts, or has no tokens.
    """
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError("need a list of texts")
    if sum(map(len, texts)) > MOST_LETTERS:
        raise ValueError(f"That is more than {MOST_LETTERS} characters. Shorten it.")
    ids: dict[str, int] = {}
    if tokens == "model":
        found = [[*spell(text)] if text else [] for text in texts]
    elif tokens in ("words", "characters"):
        split = words if tokens == "words" else list
        found = [[(ids.setdefault(piece, len(ids)), piece, piece) for piece in split(text)] for text in texts]
    else:
        raise ValueError(f"tokens={str(tokens)[:20]!r}; choose words, characters or model")
    if not any(found):
        raise ValueError("Type a few words.")
    sentences = tuple(tuple(token_id for token_id, *_ in tokens) for tokens in found)
    pieces = tuple(tuple(piece for _, piece, _ in tokens) for tokens in found)
    return Typed(sentences, pieces, {token_id: alone for tokens in found for token_id, _, alone in tokens})


def grown(text: Typed, read: int) -> dict[str, Any]:
    """The whole trie after the first ``read`` tokens: counts per n-gram, and what the last token changed."""
    trie, left, end = Trie(DEPTH), read, -1
    for sentence in text.sentences:
        if seen := sentence[:left]:
            trie.begin()
            trie.extend(seen)
            end = trie.end - 1
            left -= len(seen)
    views = neighbourhood(trie, ROOT, MOST_TOKENS * DEPTH + 1, DEPTH)
    fresh = [view.depth > 0 and view.last_position == end for view in views]
    return {
        "text": [text.texts[view.token_id] if view.depth else "" for view in views],
        "id": [view.token_id for view in views],
        "parent": [view.parent for view in views],
        "depth": [view.depth for view in views],
        "count": [view.count for view in views],
        "new": fresh,
        "added": sum(is_new and view.count == 1 for is_new, view in zip(fresh, views, strict=True)),
        "again": sum(is_new and view.count > 1 for is_new, view in zip(fresh, views, strict=True)),
        "held": len(views) - 1,
    }


def trie_answer(question: dict[str, Any], spell: Spell) -> dict[str, Any]:
    """Tokens of the typed sentences, and the trie after ``read`` of them."""
    text = typed(question.get("texts"), question.get("tokens", "words"), spell)
    if len(text.ids) > MOST_TOKENS:
        raise ValueError(f"That makes {len(text.ids)} tokens; at most {MOST_TOKENS} are drawn. Shorten it.")
    read = question.get("read", 0)
    if type(read) is not int or read < 0:
        raise ValueError(f"read={str(read)[:20]}; need a number of tokens")
    tokens = [[piece, place] for place, pieces in enumerate(text.pieces) for piece in pieces]
    return {"tokens": tokens, "read": min(read, len(tokens)), "trie": grown(text, read)}


def suffix_answer(question: dict[str, Any], spell: Spell) -> dict[str, Any]:
    """The longest suffixes of the typed text that it has had before, each with what followed and how often."""
    text = typed([question.get("text")], question.get("tokens", "words"), spell)
    ids = text.ids
    source = OwnTrie(ids, ("prompt", "output"), 1.0)
    levels = []
    for level in list(source.levels(source.locus()))[:MOST_LEVELS]:
        length, *_ = level
        if length:
            found = [(text.texts[token], source.origin(place).times) for _, token, place in source.candidates(level)]
            levels.append({"length": length, "next": found, "places": _places(ids, length)})
    return {"tokens": text.pieces[0], "levels": levels, "most": MAX_DEPTH - 1}


def _places(ids: Sequence[int], length: int) -> list[int]:
    """Where the last ``length`` tokens are found before: the index after each of those places."""
    suffix = tuple(ids[-length:])
    return [end for end in range(length, len(ids)) if tuple(ids[end - length : end]) == suffix]


def draft_answer(question: dict[str, Any], spell: Spell) -> dict[str, Any]:
    """The draft tree after the typed text, at most ``width`` tokens wide, nodes in the order of the search."""
    text = typed([question.get("text")], question.get("tokens", "words"), spell)
    width = question.get("width")
    if type(width) is not int or not 1 <= width <= WIDEST:
        raise ValueError(f"width={str(width)[:20]}; need 1 to {WIDEST}")
    config = LookaheadConfig(decoding_length=width, budget="fixed")
    request = Drafter(config).start(text.ids)
    tree = request.draft(width, width - 1, None)
    left = request.left_out()
    best = left and left.best
    drafted = list(zip(tree.token_ids, tree.parents, tree.probabilities, strict=True))
    drafted += [(best.token_id, best.parent, best.probability)] if best else []
    guesses = [(token_id, parent, p / tree.probabilities[max(0, parent)]) for token_id, parent, p in drafted]
    return {
        "text": [text.pieces[0][-1], *(text.texts[token_id] for token_id in tree.token_ids[1:])],
        "parent": tree.parents,
        "p": tree.probabilities,
        "count": tree.counts,
        "match": tree.match_length,
        "branches": len(set(range(1, len(tree.parents))) - set(tree.parents)),  # leaves, the root is none
        "expected": tree.expected_tokens(),
        "best": best and {**asdict(best), "text": text.texts[best.token_id]},
        "why": _reasons(request, guesses),
    }


def _reasons(request: Request, guesses: Sequence[tuple[int, int, float]]) -> list[dict[str, Any] | None]:
    """Where the factor of every guess (token, parent, factor), the root first, has its value from; None for the root.

    ``times`` of ``of`` times the token followed the ``length`` tokens before it, the longest such match; ``sure`` is
    the rest of the factor: the confidence after such a match (``search/confidence.py``), less what ``longer`` matches,
    if there are any, took for their own tokens.
    """
    source = request.sources[0]
    loci, found = [source.locus()], list[dict[str, Any] | None]([None])
    for token_id, parent, factor in guesses[1:]:
        loci.append(source.advance(loci[parent], token_id))
        levels = enumerate(source.levels(loci[parent]))
        place, level = next((one for one in levels if source.holds(one[1], token_id)), (0, None))
        listed = [] if level is None else [one for one in source.candidates(level) if one[1] == token_id]
        if level is None or not listed:
            found.append(None)
            continue
        times = source.origin(listed[0][2]).times
        of = round(level[1] * times / listed[0][0])
        sure = min(1.0, factor * of / times)
        found.append({"times": times, "of": of, "length": level[0], "sure": sure, "longer": place > 0})
    return found
