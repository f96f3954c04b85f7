"""Where a context stands in a trie: the longest suffix of it that the trie has read, followed token by token."""

from __future__ import annotations

from collections.abc import Iterable

from lookahead.trie import NO_TOKEN, ROOT, SEVERAL, Trie

Locus = tuple[int, int, int]
"""The longest recognised suffix of a context that is a node, and the longest one: **node** of the longest suffix that
was read at least twice (the root if none was); log **position** of the last token of the longest suffix, where that
one was read only once and is longer, -1 otherwise; **length**, the tokens in that longer one, 0 where there is none."""

START: Locus = (ROOT, -1, 0)


def advance(trie: Trie, locus: Locus, token_id: int) -> Locus:
    """The locus of the context one token longer.

    A suffix that does not go on by this token gives way to the next shorter one (its suffix link); a suffix
    read once is followed in the token log, however long it gets.
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
    """A context followed in a trie that it is not written to (an earlier session's, a corpus's).

    Remembers the last tokens, so that it finds its place again after the trie was pruned or has grown.
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
        """Where the context stands now."""
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
    """Tokens in the longest recognised suffix that something followed."""
    node, position, length = locus
    if position >= 0 and trie.following(position) != NO_TOKEN:
        return length
    while trie.only_token[node] == NO_TOKEN and node != ROOT:
        node = trie.links[node]
    return trie.depths[node]
