"""The best-first search: which draft nodes, of all that the tries could propose, have the highest path probability.

A heap holds three kinds of work, each with an upper bound of the probability it can still yield: a candidate (the
next most frequent successor at a level), an escape (the next level of the same node, with the probability that
the levels before it missed) and a level with many successors, put off until it is the best there is. Popping the
largest bound first yields the nodes in falling path probability, parents before children: cut anywhere, the tree
is the one of the highest expected accepted length under the estimates.

A successor found at a level leads straight to the child's own first level: no longer suffix was followed by it, or
it would have been proposed there. So a draft costs a few list operations a node; only an escape has to look up
where the drafted context stands in the tries.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop, heappush

from lookahead.draft import DraftTree
from lookahead.search.confidence import LENGTH_CLASS, LENGTHS, TOTAL_CLASS, TOTALS, Confidence
from lookahead.search.contexts import Contexts
from lookahead.search.learning import learn
from lookahead.search.levels import Candidate, Levels, Node
from lookahead.search.width import StopRule
from lookahead.trie import NO_TOKEN, ROOT
from lookahead.trie.locus import Locus

HIERARCHICAL, PARALLEL, SINGLE = range(3)

_LONGEST, _MOST = 32, 16
_SPREAD, _ESCAPED = 0.3, 0.06
"""How much of its mass a level with several successors, and one reached by escape, is taken to yield at best. Bounds
that would hold always (1.0) are loose and asked three times as many levels for the same accepted length."""
_FLOOR = 0.3
"""Share of a draft's last path probability below which the next draft puts work off."""
_TYPICAL = 0.6
"""What a node that was read more than once is taken to yield at best, before it is looked at."""
_FIRST, _NEXT = -2, -1
"""Work at a node on the heap: its first level, or the next one after an escape."""
_NEVER = 1e-4
"""Path probabilities below this are not worth a row of the pass, however wide it may be."""


class Search:
    """One draft being made: ``run`` builds the tree, ``learn`` tells the confidence afterwards what was right.

    Args:
        levels: The tries to ask.
        loci: Where the context stands in each of them.
        confidence: Confidence per class of level; read while searching, changed by ``learn``.
        root_id: The last committed token.
        floor: Work that can only yield less than this path probability is put off until nothing else is left; what
            was enough for the draft before saves most of it. Afterwards, the floor for the next draft.
    """

    def __init__(
        self, levels: Levels, loci: Sequence[Locus], confidence: Confidence, root_id: int, floor: float
    ) -> None:
        self._levels_of, self._confidence = levels, confidence
        self._tries, self._kinds = levels.tries, levels.kinds
        self._nodes: list[Node] = [(root_id, -1, 1.0, 0, 0, -1, ROOT)]
        self._root_loci = loci
        self._contexts = Contexts(levels, self._nodes, loci)
        self._asked: dict[int, list[tuple[int, Sequence[Candidate]]]] = {}
        self._heap: list[tuple] = [(-confidence.correction, 0, 0, None, _NEXT, confidence.correction, 0, 0)]
        self._later: list[tuple] = []
        self._proposed: set[tuple[int, int]] = set()
        self.floor = floor
        self._pushed = 0

    def run(self, width: int, longest_branch: int, branching: int, stop: StopRule | None) -> DraftTree:
        """The tree of at most ``width`` nodes, the root included.

        Args:
            width: Most nodes.
            longest_branch: Most draft tokens in one branch.
            branching: ``HIERARCHICAL``, ``PARALLEL`` (only the root has several children) or ``SINGLE`` (no node has).
            stop: Ends the search where more nodes cannot pay any more; None fills the width.
        """
        heap, nodes, later, floor = self._heap, self._nodes, self._later, self.floor
        kinds, values = self._kinds, self._confidence.values
        proposed = self._proposed
        closed: set[int] = set()
        while len(nodes) < width:
            if not heap:
                if not later:
                    break
                heap += later
                heapify(heap)
                later.clear()
                floor = 0.0
            entry = heappop(heap)
            negative, _, node, candidates, index, mass, number, length = entry
            if negative > -_NEVER or (stop is not None and stop.reached(nodes, -negative)):
                break
            if branching != HIERARCHICAL and node in closed:
                continue
            if candidates is None:
                if index == _FIRST:
                    self._first_level(node, width, longest_branch, closed, stop)
                else:
                    self._ask(node, mass)
                continue
            several = len(candidates) > 1
            depth = nodes[node][3] + 1
            while True:
                _, token_id, found = candidates[index]
                if (node, token_id) not in proposed:
                    proposed.add((node, token_id))
                    child = len(nodes)
                    nodes.append((token_id, node, -negative, depth, length + 1, number, found))
                    if branching != HIERARCHICAL and (node or branching == SINGLE):
                        closed.add(node)
                    if depth < longest_branch:
                        # What the child may yield at best, looked up where it is cheap: most nodes stay at the rim.
                        if found < 0:
                            by_length = LENGTH_CLASS[length + 1 if length < _LONGEST else _LONGEST]
                            likely = -negative * values[(kinds[number] * LENGTHS + by_length) * TOTALS * 4 + 2]
                        else:
                            likely = -negative * _TYPICAL
                        if likely < floor:
                            later.append((-likely, -child, child, None, _FIRST, -negative, 0, 0))
                        elif heap and likely < -heap[0][0]:
                            heappush(heap, (-likely, -child, child, None, _FIRST, -negative, 0, 0))
                        else:
                            self._first_level(child, width, longest_branch, closed, stop)
                if not several:
                    escaped = mass + negative
                    bound = escaped * _ESCAPED
                    rest = (-bound, self._pushed + 1, node, None, _NEXT, escaped, 0, 0)
                else:
                    index += 1
                    if index == len(candidates):
                        break
                    bound = mass * candidates[index][0]
                    if len(nodes) < width and (not heap or bound > -heap[0][0]) and node not in closed:
                        negative = -bound
                        continue
                    rest = (-bound, self._pushed + 1, node, candidates, index, mass, number, length)
                self._pushed += 1
                if bound < floor:
                    later.append(rest)
                else:
                    heappush(heap, rest)
                break
        return self._finish(stop)

    def _finish(self, stop: StopRule | None) -> DraftTree:
        nodes = self._nodes
        self.floor = _FLOOR * nodes[-1][2] if len(nodes) > 1 else 0.0
        return self._levels_of.tree(nodes if stop is None else nodes[: stop.width(nodes)], self._root_loci)

    # ------------------------------------------------------------------ levels

    def _first_level(self, node: int, width: int, longest_branch: int, closed: set[int], stop: StopRule | None) -> None:
        """Put the level at which a node was found, one token longer, on the heap."""
        _, _, mass, _, length, number, found = self._nodes[node]
        trie = self._tries[number]
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
        by_length = LENGTH_CLASS[length if length < _LONGEST else _LONGEST]
        by_total = TOTAL_CLASS[int(total) if total < _MOST else _MOST]
        level = (((self._kinds[number] * LENGTHS + by_length) * TOTALS + by_total) * 2 + single) * 2
        likely = mass * self._confidence.values[level]
        self._pushed += 1
        if candidates is None:
            heappush(self._heap, (-likely * _SPREAD, self._pushed, node, None, _NEXT, mass, 0, 0))
            return
        self._asked[node] = [(level, candidates)]
        heappush(self._heap, (-likely, self._pushed, node, candidates, 0, mass, number, length))

    def _copy(self, node: int, width: int, longest_branch: int, closed: set[int], stop: StopRule | None) -> None:
        """Go on along the token log from a node read once; as long as nothing else is more probable, draft at once."""
        heap, nodes, asked = self._heap, self._nodes, self._asked
        values = self._confidence.values
        _, _, mass, depth, length, number, found = nodes[node]
        last = node == len(nodes) - 1
        log, kind = self._tries[number].log, self._kinds[number]
        index = ~found + 1 - self._tries[number].log_start
        pushed = self._pushed
        while depth < longest_branch:
            pushed += 1
            token_id = log[index] if 0 <= index < len(log) else NO_TOKEN
            if token_id < 0:
                heappush(heap, (-mass * _ESCAPED, pushed, node, None, _NEXT, mass, 0, 0))
                break
            found -= 1
            level = (kind * LENGTHS + LENGTH_CLASS[length if length < _LONGEST else _LONGEST]) * TOTALS * 4 + 2
            likely = mass * values[level]
            candidates = ((1.0, token_id, found),)
            asked[node] = [(level, candidates)]
            if not last or len(nodes) >= width or (heap and -likely > heap[0][0]):
                heappush(heap, (-likely, pushed, node, candidates, 0, mass, number, length))
                break
            if stop is not None and stop.reached(nodes, likely):
                break
            escaped = mass - likely
            heappush(heap, (-escaped * _ESCAPED, pushed, node, None, _NEXT, escaped, 0, 0))
            closed.add(node)
            self._proposed.add((node, token_id))
            depth += 1
            length += 1
            index += 1
            nodes.append((token_id, node, likely, depth, length, number, found))
            mass = likely
            node += 1
        self._pushed = pushed

    def _ask(self, node: int, mass: float) -> None:
        """Put the candidates of the node's next level on the heap, and its escape to the level after it."""
        asked = self._asked.get(node)
        levels = self._contexts.levels(node, asked is not None)
        while levels:
            length, number, position, trie_node = levels.pop()
            number = -number
            trie = self._tries[number]
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
            by_length = LENGTH_CLASS[length if length < _LONGEST else _LONGEST]
            by_total = TOTAL_CLASS[int(total) if total < _MOST else _MOST]
            level = ((self._kinds[number] * LENGTHS + by_length) * TOTALS + by_total) * 4 + single * 2
            level += asked is not None
            likely = mass * self._confidence.values[level]
            if asked is None:
                self._asked[node] = [(level, candidates)]
            else:
                asked.append((level, candidates))
            self._pushed += 2
            if len(candidates) == 1:
                heappush(self._heap, (-likely, self._pushed, node, candidates, 0, mass, number, length))
                return
            scale = likely / total
            bound = -scale * candidates[0][0]
            heappush(self._heap, (bound, self._pushed, node, candidates, 0, scale, number, length))
            if levels:
                escaped = mass - likely
                heappush(self._heap, (-escaped * _ESCAPED, self._pushed - 1, node, None, _NEXT, escaped, 0, 0))
            return

    def learn(self, token_ids: Sequence[int]) -> None:
        """Compare the levels that were asked along the model's own tokens with what the model chose."""
        learn(self._confidence, self._nodes, self._asked, token_ids)
