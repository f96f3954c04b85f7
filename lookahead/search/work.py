"""The work of a best-first search: what could still be drafted, the most probable first.

An entry of the heap is a tuple; the first field is minus an upper bound of the probability it can yield, the second
settles ties (what was put there last goes first where it is a drafted node, else last). By the fourth and fifth:

- candidates and an index: the next most frequent successor at a level that was asked;
- None and ``FIRST``: the first level of a drafted node, not yet looked at;
- None and a trie node: a first level with several successors, put off until it is the best there is;
- None and ``NEXT``: an escape, the next level of the same node.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappush

from lookahead.search.confidence import LENGTH_CLASS, LENGTHS, TOTAL_CLASS, TOTALS
from lookahead.search.contexts import Contexts
from lookahead.search.learning import AskedLevel
from lookahead.search.levels import Levels, Node, Rival
from lookahead.search.width import StopRule
from lookahead.trie import NO_TOKEN, ROOT
from lookahead.trie.locus import Locus

FIRST, NEXT = -2, -1
LONGEST, _MOST = 32, 16
_SPREAD, ESCAPED, _ANYTHING = 0.3, 0.06, 0.03
"""How much of its mass a level with several successors, one reached by escape, and the empty suffix's is taken to yield
at best. Bounds that would hold always (1.0) are loose and asked three times as many levels for the same accepted
length."""


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
        self.heap: list[tuple] = [(-correction, 0, 0, None, NEXT, correction, 0, 0)]
        self.proposed: dict[tuple[int, int], int] = {}
        """Parent and token of every draft node -> the node."""
        self.rivals: list[Rival] = []
        self.pushed = 0
        self.floor = floor
        self._contexts = Contexts(levels, self.nodes, loci)

    def first_level(self, node: int, width: int, longest_branch: int, closed: set[int], stop: StopRule | None) -> None:
        """Put the level at which a node was found, one token longer, on the heap."""
        _, _, mass, _, length, number, found = self.nodes[node]
        trie = self.tries[number]
        if found < 0:
            self._copy(node, width, longest_branch, closed, stop)
            return
        if trie.depths[found] >= trie.max_depth:
            found = trie.links[found]
        single = trie.only_token[found] != NO_TOKEN
        if single:
            candidates, total = self._levels_of.only_successor(number, found)
        else:
            candidates, total = None, trie.counts[found]
        by_length = LENGTH_CLASS[length if length < LONGEST else LONGEST]
        by_total = TOTAL_CLASS[int(total) if total < _MOST else _MOST]
        level = (((self.kinds[number] * LENGTHS + by_length) * TOTALS + by_total) * 2 + single) * 2
        likely = mass * self.values[level]
        self.pushed += 1
        if candidates is None:
            heappush(self.heap, (-likely * _SPREAD, self.pushed, node, None, found, mass, number, length))
            return
        self.asked[node] = [(level, candidates, number, found)]
        heappush(self.heap, (-likely, self.pushed, node, candidates, 0, mass, number, length))

    def _copy(self, node: int, width: int, longest_branch: int, closed: set[int], stop: StopRule | None) -> None:
        """Go on along the token log from a node read once; as long as nothing else is more probable, draft at once."""
        heap, nodes, asked = self.heap, self.nodes, self.asked
        values = self.values
        _, _, mass, depth, length, number, found = nodes[node]
        last = node == len(nodes) - 1
        log, kind = self.tries[number].log, self.kinds[number]
        index = ~found + 1 - self.tries[number].log_start
        pushed = self.pushed
        while depth < longest_branch:
            pushed += 1
            token_id = log[index] if 0 <= index < len(log) else NO_TOKEN
            if token_id < 0:
                heappush(heap, (-mass * ESCAPED, pushed, node, None, NEXT, mass, 0, 0))
                break
            found -= 1
            level = (kind * LENGTHS + LENGTH_CLASS[length if length < LONGEST else LONGEST]) * TOTALS * 4 + 2
            likely = mass * values[level]
            candidates = ((1.0, token_id, found),)
            asked[node] = [(level, candidates, number, ROOT)]
            best = -likely <= heap[0][0] if heap else likely >= self.floor
            if not last or len(nodes) >= width or not best:
                heappush(heap, (-likely, pushed, node, candidates, 0, mass, number, length))
                break
            if stop is not None and stop.reached(nodes, likely):
                break
            escaped = mass - likely
            heappush(heap, (-escaped * ESCAPED, pushed, node, None, NEXT, escaped, 0, 0))
            closed.add(node)
            self.proposed[node, token_id] = len(nodes)
            depth += 1
            length += 1
            index += 1
            nodes.append((token_id, node, likely, depth, length, number, found))
            mass = likely
            node += 1
        self.pushed = pushed

    def open(self, node: int, found: int, mass: float, number: int, length: int) -> None:
        """Put the candidates of a node's first level, which has several, on the heap, and its escape."""
        candidates, total, _ = self._levels_of.successors(number, found, self.floor / mass)
        if not candidates:
            heappush(self.heap, (-mass * ESCAPED, self.pushed, node, None, NEXT, mass, 0, 0))
            return
        by_length = LENGTH_CLASS[length if length < LONGEST else LONGEST]
        by_total = TOTAL_CLASS[int(total) if total < _MOST else _MOST]
        level = ((self.kinds[number] * LENGTHS + by_length) * TOTALS + by_total) * 4
        self.asked[node] = [(level, candidates, number, found)]
        likely = mass * self.values[level]
        scale, escaped = likely / total, mass - likely
        self.pushed += 2
        heappush(self.heap, (-scale * candidates[0][0], self.pushed, node, candidates, 0, scale, number, length))
        heappush(self.heap, (-escaped * ESCAPED, self.pushed - 1, node, None, NEXT, escaped, 0, 0))

    def ask(self, node: int, mass: float) -> None:
        """Put the candidates of the node's next level on the heap, and its escape to the level after it."""
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
            by_total = TOTAL_CLASS[int(total) if total < _MOST else _MOST]
            level = ((self.kinds[number] * LENGTHS + by_length) * TOTALS + by_total) * 4 + single * 2
            level += asked is not None
            likely = mass * self.values[level]
            if asked is None:
                self.asked[node] = [(level, candidates, number, trie_node)]
            else:
                asked.append((level, candidates, number, trie_node))
            self.pushed += 2
            if len(candidates) == 1:
                heappush(self.heap, (-likely, self.pushed, node, candidates, 0, mass, number, length))
                return
            scale = likely / total
            bound = -scale * candidates[0][0]
            heappush(self.heap, (bound, self.pushed, node, candidates, 0, scale, number, length))
            if levels:
                escaped = mass - likely
                heappush(
                    self.heap,
                    (
                        -escaped * (ESCAPED if levels[-1][0] else _ANYTHING),
                        self.pushed - 1,
                        node,
                        None,
                        NEXT,
                        escaped,
                        0,
                        0,
                    ),
                )
            return
