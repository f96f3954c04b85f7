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
from heapq import heapify, heappop, heappush, heappushpop

from lookahead.draft import DraftTree
from lookahead.search.confidence import LENGTH_CLASS, LENGTHS, LONGEST, TOTALS, Confidence
from lookahead.search.learning import learn
from lookahead.search.levels import Levels
from lookahead.search.width import StopRule
from lookahead.search.work import (
    ESCAPED,
    FIRST,
    HIERARCHICAL,
    NEXT,
    SINGLE,
    TOKEN_BITS,
    Entry,
    Limits,
    Work,
)
from lookahead.trie.locus import Locus

_FLOOR = 0.3
"""Share of a draft's last path probability below which the next draft puts work off."""
_TYPICAL = 0.6
"""What a node that was read more than once is taken to yield at best, before it is looked at."""
_NEVER = 1e-4
"""Path probabilities below this are not worth a row of the pass, however wide it may be."""


class Search:
    """One draft being made: ``run`` builds the tree, ``learn`` tells the confidence afterwards what was right.

    Args:
        levels: The tries to ask.
        loci: Where the context stands in each of them.
        confidence: Confidence per class of level; read while searching, changed by ``learn``.
        root_id: The last committed token.
        floor: Work that can only yield less than this path probability is put off until nothing else can yield more;
            what was enough for the draft before saves most of it. Afterwards, the floor for the next draft.
    """

    def __init__(
        self, levels: Levels, loci: Sequence[Locus], confidence: Confidence, root_id: int, floor: float
    ) -> None:
        self._levels, self._loci, self._confidence = levels, loci, confidence
        self._work = Work(levels, loci, confidence.values, root_id, confidence.correction, floor)
        self.floor = floor

    def run(self, width: int, longest_branch: int, branching: int, stop: StopRule | None) -> DraftTree:
        """The tree of at most ``width`` nodes, the root included.

        Args:
            width: Most nodes.
            longest_branch: Most draft tokens in one branch.
            branching: ``HIERARCHICAL``, ``PARALLEL`` (only the root has several children) or ``SINGLE`` (no node has).
            stop: Ends the search where more nodes cannot pay any more; None fills the width.
        """
        work, floor = self._work, self.floor
        heap, later, nodes, proposed = work.heap, work.later, work.nodes, work.proposed
        kinds, values, closed = work.kinds, work.values, work.closed
        limits = Limits(width, longest_branch, branching, stop)
        rest: Entry | None = None
        while len(nodes) < width:
            if rest is not None:
                entry = heappushpop(heap, rest)
            elif heap:
                entry = heappop(heap)
            elif later:
                entry = later.pop()
            else:
                break
            negative, _, node, candidates, index, mass, number, length = rest = entry
            if later and negative > -floor:
                # What was put off may yield more than the best that was not.
                heap += later
                heapify(heap)
                later.clear()
                floor = work.floor = 0.0
                continue
            rest = None
            if negative > -_NEVER or (stop is not None and stop.reached(nodes, -negative)):
                break
            if branching != HIERARCHICAL and node in closed:
                continue
            if candidates is None:
                if index == NEXT:
                    rest = work.ask(node, mass)
                elif index == FIRST:
                    rest = work.first_level(node, limits)
                else:
                    rest = work.open(node, index, mass, number, length)
                continue
            several = len(candidates) > 1
            depth = nodes[node][3] + 1
            while True:
                _, token_id, found = candidates[index]
                if token_id < 0:
                    self._levels.more(number, candidates)
                    work.pushed += 1
                    bound = mass * candidates[index][0]
                    rest = (-bound, work.pushed, node, candidates, index, mass, number, length)
                    break
                key = (node << TOKEN_BITS) + token_id
                child = proposed.get(key)
                if child is None:
                    child = proposed[key] = len(nodes)
                    nodes.append((token_id, node, -negative, depth, length + 1, number, found))
                    if branching != HIERARCHICAL and (node or branching == SINGLE):
                        closed.add(node)
                    if depth < longest_branch:
                        # What the child may yield at best, looked up where it is cheap: most nodes stay at the rim.
                        if found < 0:
                            by_length = LENGTH_CLASS[length + 1 if length < LONGEST else LONGEST]
                            likely = -negative * values[(kinds[number] * LENGTHS + by_length) * TOTALS * 4 + 2]
                        else:
                            likely = -negative * _TYPICAL
                        first = (-likely, -child, child, None, FIRST, -negative, 0, 0)
                        if likely < floor:
                            later.append(first)
                        elif (heap and likely < -heap[0][0]) or (first := work.first_level(child, limits)):
                            heappush(heap, first)
                elif nodes[child][5] != number and nodes[child][4] == length + 1:
                    work.rivals.append((child, number, found))
                work.pushed += 1
                if several:
                    index += 1
                    if index == len(candidates):
                        break
                    bound = mass * candidates[index][0]
                    best = bound > -heap[0][0] if heap else bound >= floor
                    over = stop is not None and stop.over
                    if len(nodes) < width and best and not over and node not in closed:
                        negative = -bound
                        continue
                    rest = (-bound, work.pushed, node, candidates, index, mass, number, length)
                else:
                    escaped = mass + negative
                    bound = escaped * ESCAPED
                    rest = (-bound, work.pushed, node, None, NEXT, escaped, 0, 0)
                if bound < floor:
                    later.append(rest)
                    rest = None
                break
        return self._finish(stop)

    def _finish(self, stop: StopRule | None) -> DraftTree:
        nodes = self._work.nodes
        self.floor = _FLOOR * nodes[-1][2] if len(nodes) > 1 else 0.0
        kept = nodes if stop is None else nodes[: stop.width(nodes)]
        return self._levels.tree(kept, self._loci, self._work.rivals)

    def learn(self, token_ids: Sequence[int]) -> None:
        """Compare the levels that were asked along the model's own tokens with what the model chose."""
        learn(self._confidence, self._levels, self._work.nodes, self._work.asked, token_ids)
