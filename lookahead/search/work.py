"""The work of a best-first search: what could still be drafted, the most probable first.

An ``Entry`` of the heap is a tuple; the first field is minus an upper bound of the probability it can yield, the second
settles ties: of drafted nodes the newest goes first, of other work the oldest. By the fourth and fifth:

- candidates and an index: the next most frequent successor at a level that was asked;
- None and ``FIRST``: the first level of a drafted node, not yet looked at;
- None and a trie node: a first level with several successors, put off until it is the best there is;
- None and ``NEXT``: an escape, the next level of the same node.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappush
from typing import NamedTuple

from lookahead.search.confidence import LENGTH_CLASS, LENGTHS, LONGEST, MOST, TOTAL_CLASS, TOTALS
from lookahead.search.contexts import Contexts
from lookahead.search.learning import AskedLevel
from lookahead.search.levels import Levels, Node, Rival
from lookahead.search.width import StopRule
from lookahead.trie import NO_TOKEN, ROOT
from lookahead.trie.locus import Locus

HIERARCHICAL, PARALLEL, SINGLE = range(3)
"""Every node may have several children, only the root, none."""
FIRST, NEXT = -2, -1
TOKEN_BITS = 24
"""Bits of a token id."""
_SPREAD, ESCAPED, _ANYTHING = 0.3, 0.06, 0.03
"""How much of its mass a level with several successors, one reached by escape, and the empty suffix's is taken to yield
at best. Bounds that would hold always (1.0) are loose and asked three times as many levels for the same accepted
length."""


Entry = tuple
"""One piece of work: minus its bound, tie, draft node, candidates, index, mass to share out, trie, suffix length."""


class Limits(NamedTuple):
    """What a draft may be: most nodes, most tokens in a branch, which nodes may have several children, when to stop."""

    width: int
    longest_branch: int
    branching: int
    stop: StopRule | None


class Work:
    """The heap, the draft's nodes so far and the levels asked at each of them.

    Args:
        levels: The tries to ask.
        loci: Where the context stands in each of them.
        values: Confidence per class of level.
        root_id: The last committed token.
        correction: What the whole draft's probabilities are scaled by.
        floor: Successors with a smaller path probability need not be listed.
    """

    def __init__(
        self,
        levels: Levels,
        loci: Sequence[Locus],
        values: Sequence[float],
        root_id: int,
        correction: float,
        floor: float,
    ) -> None:
        self._levels_of = levels
        self.tries, self.kinds, self.values = levels.tries, levels.kinds, values
        self.nodes: list[Node] = [(root_id, -1, 1.0, 0, 0, -1, ROOT)]
        self.asked: dict[int, list[AskedLevel]] = {}
        self.heap: list[Entry] = [(-correction, 0, 0, None, NEXT, correction, 0, 0)]
        self.later: list[Entry] = []
        """Work below the floor, in no order."""
        self.closed: set[int] = set()
        """Nodes that have all the children they may have, where that is one."""
        self.proposed: dict[int, int] = {}
        """Parent and token of every draft node, in one number -> the node."""
        self.rivals: list[Rival] = []
        self.pushed = 0
        self.floor = floor
        self._contexts = Contexts(levels, self.nodes, loci)

    def first_level(self, node: int, limits: Limits) -> Entry | None:
        """What to put on the heap for the level at which a node was found, one token longer."""
        _, _, mass, _, length, number, found = self.nodes[node]
        if found < 0:
            return self._copy(node, limits)
        trie = self.tries[number]
        only = trie.only_token[found]
        if only == NO_TOKEN and trie.depths[found] >= trie.max_depth:
            found = trie.links[found]
            only = trie.only_token[found]
        single = only >= 0
        if single:
            candidates, total = self._levels_of.only_successor(number, found)
        else:
            candidates, total = None, trie.counts[found]
        by_length = LENGTH_CLASS[length if length < LONGEST else LONGEST]
        by_total = TOTAL_CLASS[int(total) if total < MOST else MOST]
        level = (((self.kinds[number] * LENGTHS + by_length) * TOTALS + by_total) * 2 + single) * 2
        likely = mass * self.values[level]
        self.pushed += 1
        if candidates is None:
            return -likely * _SPREAD, self.pushed, node, None, found, mass, number, length
        self.asked[node] = [(level, candidates, number, found)]
        return -likely, self.pushed, node, candidates, 0, mass, number, length

    def _copy(self, node: int, limits: Limits) -> Entry | None:
        """Go on along the token log from a node read once, as long as nothing else is more probable."""
        width, longest_branch, branching, stop = limits
        heap, nodes, asked, values = self.heap, self.nodes, self.asked, self.values
        start = node
        _, _, mass, depth, length, number, found = nodes[node]
        log, base = self.tries[number].log, self.kinds[number] * LENGTHS
        index, end = ~found + 1 - self.tries[number].log_start, len(log)
        while depth < longest_branch:
            token_id = log[index] if 0 <= index < end else NO_TOKEN
            if token_id < 0:
                self.pushed += 1
                return -mass * ESCAPED, self.pushed, node, None, NEXT, mass, 0, 0
            found -= 1
            level = (base + LENGTH_CLASS[length if length < LONGEST else LONGEST]) * TOTALS * 4 + 2
            likely = mass * values[level]
            asked[node] = [(level, ((1.0, token_id, found),), number, ROOT)]
            # Where it begins there is nothing more probable: that is why it was looked at.
            best = node == start or likely >= (-heap[0][0] if heap else self.floor)
            if not best or len(nodes) >= width or (stop is not None and stop.reached(nodes, likely)):
                return -likely, -node, node, None, FIRST, mass, 0, 0
            self.pushed += 1
            if branching == HIERARCHICAL:
                escaped = mass - likely
                escape = (-escaped * ESCAPED, self.pushed, node, None, NEXT, escaped, 0, 0)
                if escaped * ESCAPED < self.floor:
                    self.later.append(escape)
                else:
                    heappush(heap, escape)
            else:
                self.closed.add(node)
            self.proposed[(node << TOKEN_BITS) + token_id] = len(nodes)
            depth += 1
            length += 1
            index += 1
            nodes.append((token_id, node, likely, depth, length, number, found))
            mass = likely
            node = len(nodes) - 1
        return None

    def open(self, node: int, found: int, mass: float, number: int, length: int) -> Entry:
        """What to put on the heap for a node's first level that has several candidates; its escape is there then."""
        candidates, total, _ = self._levels_of.successors(number, found, self.floor / mass)
        self.pushed += 2
        if not candidates:
            return -mass * ESCAPED, self.pushed, node, None, NEXT, mass, 0, 0
        by_length = LENGTH_CLASS[length if length < LONGEST else LONGEST]
        by_total = TOTAL_CLASS[int(total) if total < MOST else MOST]
        level = ((self.kinds[number] * LENGTHS + by_length) * TOTALS + by_total) * 4
        self.asked[node] = [(level, candidates, number, found)]
        likely = mass * self.values[level]
        self._put_escape(node, mass - likely, ESCAPED)
        scale = likely / total
        return -scale * candidates[0][0], self.pushed, node, candidates, 0, scale, number, length

    def _put_escape(self, node: int, escaped: float, share: float) -> None:
        """Put the next level of a node off until it is the best there is."""
        bound = escaped * share
        entry = (-bound, self.pushed - 1, node, None, NEXT, escaped, 0, 0)
        if bound < self.floor:
            self.later.append(entry)
        else:
            heappush(self.heap, entry)

    def ask(self, node: int, mass: float) -> Entry | None:
        """What to put on the heap for the node's next level; the escape to the level after it is there then."""
        asked = self.asked.get(node)
        levels = self._contexts.levels(node, asked is not None)
        while levels:
            length, number, position, trie_node = levels.pop()
            number = -number
            trie = self.tries[number]
            if position >= 0:
                token_id = trie.following(position)
                if token_id == NO_TOKEN:
                    continue
                candidates, total, single = [(1.0, token_id, ~(position + 1))], 1.0, True
            else:
                if trie_node != ROOT:
                    self._contexts.push_shorter(levels, number, trie_node)
                candidates, total, single = self._levels_of.successors(number, trie_node, self.floor / mass)
            if not candidates:
                continue
            by_length = LENGTH_CLASS[length if length < LONGEST else LONGEST]
            by_total = TOTAL_CLASS[int(total) if total < MOST else MOST]
            level = ((self.kinds[number] * LENGTHS + by_length) * TOTALS + by_total) * 4 + single * 2
            level += asked is not None
            likely = mass * self.values[level]
            if asked is None:
                self.asked[node] = [(level, candidates, number, trie_node)]
            else:
                asked.append((level, candidates, number, trie_node))
            self.pushed += 2
            if len(candidates) == 1:
                return -likely, self.pushed, node, candidates, 0, mass, number, length
            if levels:
                self._put_escape(node, mass - likely, ESCAPED if levels[-1][0] else _ANYTHING)
            scale = likely / total
            return -scale * candidates[0][0], self.pushed, node, candidates, 0, scale, number, length
        return None
