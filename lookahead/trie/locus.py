"""Where a context is in a trie: its longest suffix that the trie has read, followed token by token."""

from __future__ import annotations

from collections.abc import Iterable

from lookahead.trie import NO_TOKEN, ROOT, SEVERAL, Trie

Locus = tuple[int, int, int]
"""Where a context is: **node**, the longest suffix read at least twice (``ROOT`` if none); **position**, the log
position of the last token of a longer suffix read once (-1 if none); **length**, its tokens (0 if none)."""

START: Locus = (ROOT, -1, 0)


def advance(trie: Trie, locus: Locus, token_id: int) -> Locus:
    """The locus of the context with one more token.

    If a suffix does not continue with this token, the next shorter one is tried (its suffix link). A suffix read once
    is followed in the token log, however long it gets.
    """
    node, position, length = locus
    if position >= 0:
        if trie.following(position) == token_id:
            position += 1
            length += 1
        else:
            position, length = -1, 0
    only_token, only_child, fans, links = trie.only_token, trie.only_child, trie.fans, trie.links
    while True:
        only = only_token[node]
        if only == token_id:
            child = only_child[node]
        else:
            child = fans[only_child[node]].get(token_id, 0) if only == SEVERAL else 0
        if child > 0:
            return (child if trie.depths[child] < trie.max_depth else links[child]), position, length
        if child < 0 and position < 0:
            position, length = ~child, trie.depths[node] + 1
        if node == ROOT:
            return ROOT, position, length
        node = links[node]


class Follower:
    """Follows a context in a trie that does not read it (of an earlier session, or a corpus).

    It remembers the last tokens, so that it finds its place again after a prune.
    """

    def __init__(self, trie: Trie) -> None:
        self.trie = trie
        self._version = trie.version
        self._recent: list[int] = []
        self._locus = START

    def follow(self, token_ids: Iterable[int]) -> None:
        """Append tokens to the context."""
        self._resync()
        for token_id in token_ids:
            self._recent.append(token_id)
            self._locus = advance(self.trie, self._locus, token_id)
        del self._recent[: -4 * self.trie.max_depth]

    def locus(self) -> Locus:
        """The current locus of the context."""
        self._resync()
        return self._locus

    def _resync(self) -> None:
        if self._version == self.trie.version:
            return
        self._version = self.trie.version
        self._locus = START
        for token_id in self._recent:
            self._locus = advance(self.trie, self._locus, token_id)


def match_length(trie: Trie, locus: Locus) -> int:
    """Tokens in the longest recognised suffix with a continuation."""
    node, position, length = locus
    if position >= 0 and trie.following(position) != NO_TOKEN:
        return length
    while trie.only_token[node] == NO_TOKEN and node != ROOT:
        node = trie.links[node]
    return trie.depths[node]
