"""The best-first search: of the draft nodes that the sources could propose, those of the highest path probability.

At every node the sources are asked level by level, the longest suffix first. A level takes the share of the node's
probability that it is taken to be sure of (its confidence) and leaves the rest to the next level: the escape of PPM.
The heap holds one offer per level, with the most that it can still yield: its next candidate's probability, or what it
leaves to the levels after it. Taking the largest first drafts parents before children, and nodes in falling path
probability but for what ``ESCAPE`` allows. So a draft cut anywhere is, but for that, the tree of the highest expected
accepted length under these estimates; what is left tells what was seen and not drafted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from heapq import heappop, heappush, heapreplace

from lookahead.config import Strategy
from lookahead.draft import DraftTree
from lookahead.records import Candidate as LeftCandidate
from lookahead.records import LeftOut, Reason
from lookahead.search.confidence import Confidence, level_class
from lookahead.search.growing import GrowingTree
from lookahead.search.width import StopRule
from lookahead.sources.source import Candidate, Level, Locus, Source, longest_first
from lookahead.trie import TOKEN_BITS

ESCAPE = 0.1
"""Largest share of what a level leaves that one token of the next level is taken to have until that level is known.

The one guess of the order: 1.0 would always hold, and looks at two to three times as many levels for the same accepted
length. So the order may rise, after an escape, by a factor of 1 / ESCAPE at most.
"""


class Offer:
    """One level at one draft node, and what it can still yield.

    Attributes:
        kind: Number of its class of confidence.
        scale: Probability of a candidate per unit of its weight, once several are listed.
        probability: Of its next candidate; until they are listed, of all together.
        leaves: Probability that it leaves to the levels after it; 0 once the next one was looked for.
        candidates: Its tokens, heaviest first; empty until they are listed.
        index: Which of them is next.
        following: The offer of the next level at the node.
    """

    __slots__ = (
        "candidates", "following", "index", "kind", "leaves", "level", "node", "number", "probability", "scale",
    )  # fmt: skip

    def __init__(self, node: int, number: int, level: Level, kind: int, takes: float, leaves: float) -> None:
        self.node, self.number, self.level, self.kind = node, number, level, kind
        self.scale, self.probability, self.leaves = 0.0, takes, leaves
        self.candidates: Sequence[Candidate] = ()
        self.index = 0
        self.following: Offer | None = None


class Search:
    """One draft being made: ``run`` builds the tree, ``learn`` tells the confidence afterwards what was right.

    Args:
        sources: What to ask; of levels of equal length the earlier source's comes first.
        confidence: Confidence per class of level; read while searching, changed by ``learn``.
        root_id: The last committed token.
    """

    def __init__(self, sources: Sequence[Source], confidence: Confidence, root_id: int) -> None:
        self._sources, self._confidence = sources, confidence
        self._values = [confidence.of(source).values for source in sources]
        self._tree = GrowingTree(sources, root_id)
        self._loci: dict[int, Sequence[Locus]] = {0: [source.locus() for source in sources]}
        self._levels: dict[int, Iterator[tuple[int, Level]]] = {}
        self._first: dict[int, Offer] = {}
        self._heap: list[tuple[float, int, Offer]] = []
        self._pushed = 0
        self._closed: set[int] = set()
        self._refused: list[tuple[float, int, Offer]] = []
        self._ends: list[int] = []
        self._kept = 1
        self._scale = 1.0
        self._ended: Reason = "width"
        self._end: Reason = "width"

    def run(self, width: int, longest_branch: int, strategy: Strategy, stop: StopRule | None) -> DraftTree:
        """The tree of at most ``width`` nodes, the root included.

        Args:
            width: Most nodes.
            longest_branch: Most draft tokens in one branch (>= 1).
            strategy: ``hierarchical``, ``parallel`` (only the root has several children) or ``single`` (no node has).
            stop: Ends the search where more nodes are not expected to pay; None fills the width.
        """
        correction = self._confidence.correction
        # The best nodes of a full draft are the same whatever all are multiplied by, so that comes last: what rounding
        # does to them cannot depend on it.
        root, self._scale = (1.0, correction) if stop is None else (correction, 1.0)
        if first := self._open(0, root):
            self._first[0] = first
        # A branch of the whole width is cut by the width.
        self._end = "branch_length" if longest_branch < width - 1 else "width"
        self._ended = self._grow(width, longest_branch, strategy, stop)
        self._kept = len(self._tree) if stop is None else stop.width(self._tree.probabilities)
        return self._tree.tree(self._kept, self._tree.match_length(self._loci[0]), self._scale)

    def _grow(self, width: int, longest_branch: int, strategy: Strategy, stop: StopRule | None) -> Reason:
        """Draft the best candidates until the tree is full or more do not pay; returns which of the two.

        The loop of the search, so the few calls that would make it shorter are spelled out.
        """
        tree, heap, closed, sources = self._tree, self._heap, self._closed, self._sources
        nodes, probabilities, children = tree.nodes, tree.probabilities, tree.children
        while heap and len(nodes) < width:
            negative, order, offer = heap[0]
            if stop is not None and len(nodes) >= stop.next_check and stop.reached(probabilities, -negative):
                return "pays"
            parent = offer.node
            if parent in closed:
                self._refused.append(heappop(heap))
                continue
            if offer.probability < offer.leaves * ESCAPE:
                offer.following = self._look_further(offer)
                continue
            if not (candidates := offer.candidates):
                candidates = offer.candidates = sources[offer.number].candidates(offer.level)
                if len(candidates) > 1:
                    self._weigh(offer)
                    continue
            _, token_id, place = candidates[offer.index]
            offer.index = index = offer.index + 1
            offer.probability = offer.scale * candidates[index][0] if index < len(candidates) else 0.0
            bound = offer.leaves * ESCAPE
            if offer.probability > bound:
                bound = offer.probability
            if bound:
                heapreplace(heap, (-bound, order, offer))
            else:
                heappop(heap)
            key = (parent << TOKEN_BITS) + token_id
            length = offer.level[0] + 1
            if key in children:
                tree.also(children[key], length, offer.number, place)
                continue
            child = children[key] = len(nodes)
            depth = nodes[parent][2] + 1
            nodes.append((token_id, parent, depth, length, offer.number, place))
            probabilities.append(-negative)
            if strategy != "hierarchical" and (parent or strategy == "single"):
                closed.add(parent)
            if depth >= longest_branch:
                self._ends.append(child)
            else:
                # After the longest suffix that has this token; the child's other levels are looked for when they count.
                level = None
                if offer is self._first[parent] or not self._held_before(offer, token_id):
                    level = sources[offer.number].after(place, length)
                if level:
                    self._first[child] = self._offer(child, offer.number, level, -negative, 0)
                elif first := self._open(child, -negative):
                    self._first[child] = first
        return "width"

    def learn(self, token_ids: Sequence[int]) -> None:
        """Follow the model's own tokens through the draft and tell the confidence which levels held them.

        Args:
            token_ids: What the model emitted, from the root on.
        """
        node: int | None = 0
        for token_id in token_ids:
            offer = self._first.get(node)
            while offer is not None:
                source = self._sources[offer.number]
                held = source.holds(offer.level, token_id)
                self._confidence.of(source).learn(offer.kind, held)
                if held:
                    break
                offer = offer.following
            node = self._tree.child(node, token_id)
            if offer is None or node is None:
                return

    # ------------------------------------------------------------------ offers

    def _held_before(self, offer: Offer, token_id: int) -> bool:
        """Whether a longer suffix at the same node was followed by a token that this level proposes first."""
        before = self._first[offer.node]
        while before is not offer:
            if self._sources[before.number].holds(before.level, token_id):
                return True
            assert before.following is not None
            before = before.following
        return False

    def _open(self, node: int, probability: float) -> Offer | None:
        """Offer a node's longest level, if there is one."""
        for number, level in self._levels_at(node):
            return self._offer(node, number, level, probability, 0)
        return None

    def _look_further(self, offer: Offer) -> Offer | None:
        """Offer the level after the one on top of the heap, if there is one, with all that this one leaves."""
        left, offer.leaves = offer.leaves, 0.0
        self._put_back(offer)
        first = self._first.get(offer.node)
        for number, level in self._levels_at(offer.node):
            if first is None or number != first.number or level[3] != first.level[3]:
                return self._offer(offer.node, number, level, left, 1)
        return None

    def _offer(self, node: int, number: int, level: Level, reached: float, escaped: int) -> Offer:
        """Put a level on the heap that this probability reaches.

        Args:
            escaped: 1 where another level of the node was offered before it.
        """
        length, total, single, _ = level
        kind = level_class(length, total, single, escaped)
        takes = reached * self._values[number][kind]
        left = reached - takes
        offer = Offer(node, number, level, kind, takes, left)
        bound = left * ESCAPE
        self._pushed -= 1
        heappush(self._heap, (-takes if takes > bound else -bound, self._pushed, offer))
        return offer

    def _weigh(self, offer: Offer) -> None:
        """Give the offer on top of the heap, just listed, the probability of its first candidate."""
        (heaviest, _, _), (_, total, _, _) = offer.candidates[0], offer.level
        # Counts that were halved by a prune may sum to more than their parent's.
        offer.scale = offer.probability / max(total, heaviest)
        offer.probability = offer.scale * heaviest
        self._put_back(offer)

    def _put_back(self, offer: Offer) -> None:
        """Give the offer on top of the heap its new place, or drop it where it can yield nothing more."""
        bound = max(offer.probability, offer.leaves * ESCAPE)
        if bound:
            heapreplace(self._heap, (-bound, self._heap[0][1], offer))
        else:
            heappop(self._heap)

    def _levels_at(self, node: int) -> Iterator[tuple[int, Level]]:
        """The levels at a node that are still to be offered, the longest first, each with its source."""
        levels = self._levels.get(node)
        if levels is None:
            levels = self._levels[node] = longest_first(self._sources, self._loci_of(node))
        return levels

    def _loci_of(self, node: int) -> Sequence[Locus]:
        """Where the drafted context of a node is in every source."""
        above = []
        while node not in self._loci:
            above.append(node)
            _, node, *_ = self._tree.nodes[node]
        loci = self._loci[node]
        for below in reversed(above):
            token_id, *_ = self._tree.nodes[below]
            loci = [source.advance(locus, token_id) for source, locus in zip(self._sources, loci, strict=True)]
            self._loci[below] = loci
        return loci

    # ------------------------------------------------------------------ what was left out

    def left_out(self) -> LeftOut:
        """What was seen and is not in the draft, and why; asked once, before the context grows. Teaches nothing."""
        tree, heap, ends, closed = self._tree, self._heap, set(self._ends), self._closed
        kept = self._kept
        ended: Reason = "pays" if kept < len(tree) else self._ended
        for entry in self._refused:
            heappush(heap, entry)
        for node in self._ends:
            self._open(node, tree.probabilities[node])

        def why(node: int) -> Reason:
            return self._end if node in ends else "strategy" if node in closed else ended

        best = self._best_left(why)
        left = [offer.node for _, _, offer in heap if offer.node < kept]
        counts = Counter([why(node) for node in left])
        if kept < len(tree):
            counts["pays"] += len(tree) - kept
            cut = tree.candidate(kept, "pays")
            best = cut if best is None or cut.probability >= best.probability else best
        unseen = kept - len(set(left))
        return LeftOut(unseen, best=best, **counts)

    def _best_left(self, why: Callable[[int], Reason]) -> LeftCandidate | None:
        """The most probable candidate that is not in the tree."""
        while self._heap:
            negative, _, offer = self._heap[0]
            if offer.probability < offer.leaves * ESCAPE:
                self._look_further(offer)
                continue
            if not offer.candidates:
                offer.candidates = self._sources[offer.number].candidates(offer.level)
                if len(offer.candidates) > 1:
                    self._weigh(offer)
                continue
            _, token_id, place = offer.candidates[offer.index]
            if self._tree.child(offer.node, token_id) is None:
                name = self._sources[offer.number].origin(place).name
                return LeftCandidate(token_id, offer.node, -negative * self._scale, name, why(offer.node))
            offer.index += 1
            more = offer.index < len(offer.candidates)
            offer.probability = offer.scale * offer.candidates[offer.index][0] if more else 0.0
            self._put_back(offer)
        return None
