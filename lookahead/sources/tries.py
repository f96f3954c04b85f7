"""A trie as a source: a request's own (its prompt and output so far), the session's earlier outputs, a corpus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter

from lookahead.sources.source import Candidate, Level, Origin
from lookahead.trie import NO_TOKEN, ROOT, SEVERAL, WIDE, Trie
from lookahead.trie.locus import Follower, Locus, advance, match_length

MAX_DEPTH = 12
"""Longest n-gram that is counted; a copy is followed beyond it in the token log."""
FOLLOWED = 4 * MAX_DEPTH
"""Last tokens of a prompt that are followed in the tries of others."""
ANSWERS = 4096
"""Nodes whose successors are remembered in order of their counts, per trie."""

_WEIGHT = itemgetter(0)


class Successors:
    """The successors of a trie's nodes, most frequent first, remembered until the node is read again.

    Belongs to a drafter, not to the trie: a corpus may be read by several drafters at once, and is never written to.
    """

    def __init__(self, trie: Trie) -> None:
        self.trie = trie
        self._version = trie.version
        self._known: dict[int, tuple[int, list[Candidate]]] = {}

    def __len__(self) -> int:
        """Nodes that are remembered."""
        return len(self._known)

    def of(self, node: int) -> list[Candidate]:
        """The successors of a node that has several, each weighing its count."""
        trie = self.trie
        if self._version != trie.version:
            self._version = trie.version
            self._known.clear()
        count = trie.counts[node]
        known = self._known.get(node)
        if known is not None and known[0] == count:
            return known[1]
        counts = trie.counts
        found: list[Candidate] = [
            (counts[child] if child > 0 else 1.0, token_id, child) for token_id, child in listed(trie, node)
        ]
        ordered = most_frequent_first(found)
        if len(self._known) >= ANSWERS:
            self._known.clear()
        self._known[node] = count, ordered
        return ordered


def listed(trie: Trie, node: int) -> Iterable[tuple[int, int]]:
    """Token and child of the successors of a node with several; of a wide one only the most frequent."""
    children: Mapping[int, int] = trie.fan(node)
    if len(children) <= WIDE:
        return children.items()
    return [(token_id, children[token_id]) for token_id in trie.ranked[node]]


def most_frequent_first(found: list[Candidate]) -> list[Candidate]:
    """The candidates by weight, the most recently found first among equals."""
    found.reverse()
    found.sort(key=_WEIGHT, reverse=True)
    return found


class ReadTrie:
    """A trie that others wrote, followed and never written to: earlier outputs of the session, or a corpus.

    A place is a node of the trie (>= 0) or ``~position``, the log position of what was read only once.

    Args:
        successors: The trie, and what the drafter remembers of it.
        kind: ``session`` or ``corpus``.
        name: Name of the source in the registry.
    """

    trust = 0.75

    def __init__(self, successors: Successors, kind: str, name: str) -> None:
        self.kind, self.name, self.trie = kind, name, successors.trie
        self._successors = successors
        self._follower = Follower(self.trie)

    @property
    def version(self) -> int:
        """Grows when the trie is pruned, which gives its nodes other numbers."""
        return self.trie.version

    def follow(self, token_ids: Sequence[int]) -> None:
        """Go along with the context as it grows."""
        self._follower.follow(token_ids)

    def locus(self) -> Locus:
        """Where the context is now."""
        return self._follower.locus()

    def advance(self, locus: Locus, token_id: int) -> Locus:
        """Where a context one token longer is."""
        return advance(self.trie, locus, token_id)

    def levels(self, locus: Locus) -> Iterator[Level]:
        """What was read after the suffixes of a context, the longest first; of those read equally often the longest."""
        trie = self.trie
        node, position, length = locus
        if position >= 0 and trie.following(position) != NO_TOKEN:
            yield (length, 1.0, True, ~position)
        counts, links, only_token, only_child = trie.counts, trie.links, trie.only_token, trie.only_child
        while True:
            only = only_token[node]
            if only == SEVERAL:
                yield (trie.depths[node], self._total(node), False, node)
            elif only != NO_TOKEN:
                yield (trie.depths[node], self._weight(only_child[node]), True, node)
            if node == ROOT:
                return
            count, node = counts[node], links[node]
            while node != ROOT and counts[node] == count:
                node = links[node]

    def after(self, place: int, length: int) -> Level | None:
        """The level of a candidate's place; at the longest n-gram that is counted, that of the one a token shorter."""
        trie = self.trie
        if place < 0:
            return (length, 1.0, True, place) if trie.following(~place) != NO_TOKEN else None
        if trie.depths[place] >= trie.max_depth:
            place = trie.links[place]
        only = trie.only_token[place]
        if only == SEVERAL:
            return (length, self._total(place), False, place)
        return (length, self._weight(trie.only_child[place]), True, place) if only != NO_TOKEN else None

    def candidates(self, level: Level) -> Sequence[Candidate]:
        """The tokens of a level with their weights, heaviest first."""
        trie, place = self.trie, level[3]
        if place < 0:
            return ((1.0, trie.following(~place), place - 1),)
        if level[2]:
            return ((level[1], trie.only_token[place], trie.only_child[place]),)
        return self._several(place)

    def holds(self, level: Level, token_id: int) -> bool:
        """Whether a token was read at a level."""
        if level[3] < 0:
            return self.trie.following(~level[3]) == token_id
        return self.trie.child(level[3], token_id) != 0

    def origin(self, place: int) -> Origin:
        """Where a candidate comes from."""
        count = 1 if place < 0 else self.trie.counts[place]
        return Origin(self.name, count, count)

    def match_length(self, locus: Locus) -> int:
        """Tokens in the longest suffix that something was read after."""
        return match_length(self.trie, locus)

    def _several(self, node: int) -> Sequence[Candidate]:
        return self._successors.of(node)

    def _total(self, node: int) -> float:
        """What followed a node weighs: all its occurrences but one that is the end of what was read."""
        trie = self.trie
        return float(trie.counts[node] - (trie.last[node] == trie.end - 1))

    def _weight(self, child: int) -> float:
        return float(self.trie.counts[child]) if child > 0 else 1.0


class OwnTrie(ReadTrie):
    """A request's own trie: it reads the prompt and the output, and an occurrence in the prompt weighs more.

    Args:
        sources: Which of ``prompt`` and ``output`` are read.
        prompt_weight: Weight of an occurrence in the prompt relative to one in the output.
    """

    trust = 1.0

    def __init__(self, prompt_ids: Sequence[int], sources: Sequence[str], prompt_weight: float) -> None:
        trie = Trie(MAX_DEPTH)
        super().__init__(Successors(trie), "request", "output")
        self.reads_output = "output" in sources
        self._extra = prompt_weight - 1.0
        if "prompt" in sources:
            trie.border = len(prompt_ids)
            trie.extend(prompt_ids)
        if not self.reads_output:
            # The trie holds the prompt alone, so the context is followed in it as in any other.
            trie.begin()
            self._follower.follow(prompt_ids)

    def emptied(self) -> OwnTrie:
        """The same source after the end of its request: it knows nothing, and reads what is committed all the same."""
        return OwnTrie((), ("output",) if self.reads_output else (), 1.0 + self._extra)

    def follow(self, token_ids: Sequence[int]) -> None:
        """Read the tokens, or, in a trie of the prompt alone, go along with the context."""
        if self.reads_output:
            self.trie.extend(token_ids)
        else:
            self._follower.follow(token_ids)

    def locus(self) -> Locus:
        """Where the context is now."""
        return (self.trie.cursors()[-1], -1, 0) if self.reads_output else self._follower.locus()

    def origin(self, place: int) -> Origin:
        """The prompt or the output, whichever weighs more."""
        trie = self.trie
        weight = 1.0 + self._extra
        if place < 0:
            return Origin("prompt", 1, weight) if ~place < trie.border else Origin("output", 1, 1.0)
        in_prompt = trie.prompt_counts[place]
        rest = trie.counts[place] - in_prompt
        if in_prompt and in_prompt * weight >= rest:
            return Origin("prompt", in_prompt, in_prompt * weight)
        return Origin("output", rest, rest)

    def _several(self, node: int) -> Sequence[Candidate]:
        trie, extra = self.trie, self._extra
        counts, prompt_counts, border = trie.counts, trie.prompt_counts, trie.border
        found: list[Candidate] = [
            (
                counts[child] + extra * prompt_counts[child] if child > 0 else 1.0 + extra * (~child < border),
                token_id,
                child,
            )
            for token_id, child in listed(trie, node)
        ]
        return most_frequent_first(found)

    def _total(self, node: int) -> float:
        trie, extra = self.trie, self._extra
        # The root has no counts of its own in the prompt.
        total = trie.counts[node] + extra * (trie.prompt_counts[node] if node else trie.border)
        last = trie.last[node]
        return total - 1.0 - extra * (last < trie.border) if last == trie.end - 1 else total

    def _weight(self, child: int) -> float:
        trie = self.trie
        if child > 0:
            return trie.counts[child] + self._extra * trie.prompt_counts[child]
        return 1.0 + self._extra if ~child < trie.border else 1.0
