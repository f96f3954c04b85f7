"""One best-first search for several settings that have learned the same, and where each one's own would have ended.

All searches at one place of the output ask the same sources, so what they answer is looked up once (``Ground``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush, heapreplace

from lookahead.config import Strategy
from lookahead.search.best_first import ESCAPE
from lookahead.search.confidence import Confidence, level_class
from lookahead.search.growing import GrowingTree
from lookahead.search.levels import longest_first
from lookahead.search.width import StopRule
from lookahead.sources.source import Candidate, Level, Locus, Source
from lookahead.trie import TOKEN_BITS

SURE_DEPTH = 32
"""Depth to which a branch is sure to go on where it may: path probabilities are far above the smallest number there."""
SURE_FROM = 1e-100
"""Path probability from which on a branch is sure to grow by ``SURE_DEPTH`` nodes."""
FIRST_LOOK = 3
"""Nodes from which on it is looked whether a full draft can end early."""
NEVER = 1 << 30
"""More nodes than any draft has."""


class Tier:
    """One level, as all searches at one place of the output see it.

    Attributes:
        number: Which source.
        level: The level.
        kinds: Numbers of its classes of confidence: offered first at a node, and after an escape.
        candidates: Its tokens, heaviest first; empty until they are listed.
    """

    __slots__ = ("_below", "_source", "candidates", "kinds", "level", "number")

    def __init__(self, source: Source, number: int, level: Level) -> None:
        self._source, self.number, self.level = source, number, level
        length, total, single, _ = level
        self.kinds = level_class(length, total, single, 0), level_class(length, total, single, 1)
        self.candidates: Sequence[Candidate] = ()
        self._below: dict[int, Tier | None] = {}

    def listed(self) -> Sequence[Candidate]:
        """Its candidates, now listed."""
        self.candidates = self._source.candidates(self.level)
        return self.candidates

    def holds(self, token_id: int) -> bool:
        """Whether a token was seen at this level."""
        return self._source.holds(self.level, token_id)

    def below(self, index: int) -> Tier | None:
        """The level after the suffix that a candidate makes longer; None where nothing followed it."""
        if index not in self._below:
            level = self._source.after(self.candidates[index][2], self.level[0] + 1)
            self._below[index] = None if level is None else Tier(self._source, self.number, level)
        return self._below[index]


class Ground:
    """What the sources know after one drafted context: its levels, the longest first, and the contexts after it.

    Args:
        sources: The sources.
        loci: Where the context is in each of them.
    """

    __slots__ = ("_below", "_levels", "_loci", "_tiers", "sources")

    def __init__(self, sources: Sequence[Source], loci: Sequence[Locus]) -> None:
        self.sources, self._loci = sources, loci
        self._tiers: list[Tier] = []
        self._levels: Iterator[tuple[int, Level]] | None = None
        self._below: dict[int, Ground] = {}

    def tier(self, index: int) -> Tier | None:
        """One of its levels; None where it has fewer."""
        tiers = self._tiers
        if index == len(tiers):
            if self._levels is None:
                self._levels = longest_first(self.sources, self._loci)
            for number, level in self._levels:
                tiers.append(Tier(self.sources[number], number, level))
                return tiers[index]
        return tiers[index] if index < len(tiers) else None

    def below(self, token_id: int) -> Ground:
        """The context one token longer."""
        found = self._below.get(token_id)
        if found is None:
            loci = [source.advance(locus, token_id) for source, locus in zip(self.sources, self._loci, strict=True)]
            found = self._below[token_id] = Ground(self.sources, loci)
        return found


class Cut:
    """Where one setting's own search ends in a search that serves several.

    Attributes:
        width: Most nodes, the root included.
        longest: Most draft tokens in one branch.
        rule: Ends the search where more nodes do not pay; None fills the width.
        full: Nodes that it is sure to find if nothing ends it.
        nodes: Nodes that its own search would have found.
        pushed: Number of the last offer that its own search would have made (they count down).
    """

    __slots__ = ("full", "longest", "nodes", "pushed", "rule", "width")

    def __init__(self, width: int, longest: int, rule: StopRule | None) -> None:
        self.width, self.longest, self.rule = width, longest, rule
        self.full = width
        self.nodes = self.pushed = 0

    @property
    def next_check(self) -> int:
        """Nodes from which on it may end."""
        return self.width if self.rule is None else min(self.width, self.rule.next_check)


class _Offer:
    """One level at one draft node, and what it can still yield (see ``best_first.Offer``).

    Attributes:
        order: Its number; they count down.
    """

    __slots__ = ("following", "index", "kind", "leaves", "listed", "node", "order", "probability", "scale", "tier")

    def __init__(self, node: int, tier: Tier, kind: int, takes: float, leaves: float, order: int) -> None:
        self.node, self.tier, self.kind, self.order = node, tier, kind, order
        self.scale, self.probability, self.leaves = 0.0, takes, leaves
        self.listed = False
        self.index = 0
        self.following: _Offer | None = None


def _chances(offer: _Offer, end: int | None = None) -> list[float]:
    """The path probabilities of its candidates from the next one to an end, as they will be once they are listed."""
    tier = offer.tier
    candidates = tier.candidates or tier.listed()
    if len(candidates) == 1:
        return [] if offer.listed else [offer.probability]
    scale = offer.scale if offer.listed else offer.probability / max(tier.level[1], candidates[0][0])
    return [scale * one[0] for one in candidates[offer.index : end]]


class JointSearch:
    """The search of ``best_first.Search``, step by step the same, for several settings at once.

    Args:
        ground: What is known after the output so far.
        confidence: Confidence per class of level; only read.
        root_id: The last committed token.
    """

    def __init__(self, ground: Ground, confidence: Confidence, root_id: int) -> None:
        self._values = [confidence.of(source).values for source in ground.sources]
        self.grown = GrowingTree(ground.sources, root_id)
        self._grounds: dict[int, Ground] = {0: ground}
        self._next: dict[int, int] = {}
        """Node -> its next level that was not offered."""
        self._first: dict[int, _Offer] = {}
        self._heap: list[tuple[float, int, _Offer]] = []
        self._pushed = 0
        self._closed: set[int] = set()

    def serve(
        self,
        cuts: Sequence[Cut],
        strategy: Strategy,
        root: float,
        following: Sequence[int] = (),
        sure_roots: int = 0,
    ) -> None:
        """Search until the last of them has ended, and note where each does.

        The search of a full width ends early where it is known what it would accept and teach: the rest of its nodes
        only fill it up. It then has as many nodes as it is wide, though not all of them were looked for.

        Args:
            root: What all path probabilities are multiplied by.
            following: The tokens that may be accepted.
            sure_roots: Children that the root is sure to get, each with a branch as long as may be.
        """
        self._open_cuts = list(cuts)
        self._following, self._strategy = following, strategy
        self._longest = max(cut.longest for cut in cuts)
        self._path_end = self._path_length = 0
        self._sure = {cut for cut in cuts if cut.rule is None and sure_roots}
        if strategy == "single":
            for cut in cuts:
                cut.full = min(cut.width, cut.longest + 1)
        else:
            self._sure = {cut for cut in self._sure if sure_roots * min(cut.longest, SURE_DEPTH) >= cut.width - 1}
        self._open(0, root)
        self.next_check = min(cut.next_check for cut in cuts)
        if self._sure:
            self.next_check = min(self.next_check, FIRST_LOOK)
        self._grow()
        for cut in self._open_cuts:
            cut.nodes, cut.pushed = len(self.grown), self._pushed

    def _grow(self) -> None:
        """Draft the best candidates until all have ended; the calls that would make it shorter are spelled out."""
        heap, closed, strategy, longest = self._heap, self._closed, self._strategy, self._longest
        nodes, probabilities, children = self.grown.nodes, self.grown.probabilities, self.grown.children
        first, values = self._first, self._values
        while heap:
            negative, order, offer = heap[0]
            if len(nodes) >= self.next_check and self._ended(-negative):
                return
            parent = offer.node
            if parent in closed:
                heappop(heap)
                continue
            leaves = offer.leaves * ESCAPE
            if offer.probability < leaves:
                self._look_further(offer)
                continue
            tier = offer.tier
            candidates = tier.candidates or tier.listed()
            if not offer.listed:
                offer.listed = True
                if len(candidates) > 1:
                    # Counts that were halved by a prune may sum to more than their parent's.
                    offer.scale = offer.probability / max(tier.level[1], candidates[0][0])
                    offer.probability = offer.scale * candidates[0][0]
                    self._put_back(offer)
                    continue
            index = offer.index
            _, token_id, place = candidates[index]
            offer.index = index + 1
            rest = offer.probability = offer.scale * candidates[index + 1][0] if index + 1 < len(candidates) else 0.0
            if bound := rest if rest > leaves else leaves:
                heapreplace(heap, (-bound, order, offer))
            else:
                heappop(heap)
            key = (parent << TOKEN_BITS) + token_id
            if key in children:
                continue
            child = children[key] = len(nodes)
            depth = nodes[parent][2] + 1
            nodes.append((token_id, parent, depth, tier.level[0] + 1, tier.number, place))
            probabilities.append(-negative)
            if strategy != "hierarchical" and (parent or strategy == "single"):
                closed.add(parent)
            if depth < longest:
                # After the longest suffix that has this token; the child's other levels are looked for when they count.
                below = None
                if offer is first[parent] or not self._held_before(offer, token_id):
                    below = tier.below(index)
                if below is None:
                    self._open(child, -negative)
                    continue
                kind = below.kinds[0]
                takes = -negative * values[below.number][kind]
                left = -negative - takes
                bound = left * ESCAPE
                self._pushed = pushed = self._pushed - 1
                opened = first[child] = _Offer(child, below, kind, takes, left, pushed)
                heappush(heap, (-takes if takes > bound else -bound, pushed, opened))

    # ------------------------------------------------------------------ offers

    def _held_before(self, offer: _Offer, token_id: int) -> bool:
        """Whether a longer suffix at the same node was followed by a token that this level proposes first."""
        before = self._first[offer.node]
        while before is not offer:
            if before.tier.holds(token_id):
                return True
            assert before.following is not None
            before = before.following
        return False

    def _open(self, node: int, probability: float) -> None:
        """Offer a node's longest level, if there is one."""
        tier = self._ground_of(node).tier(0)
        if tier is not None:
            self._next[node] = 1
            self._first[node] = self._offer(node, tier, probability, 0)

    def _look_further(self, offer: _Offer) -> None:
        """Offer the level after the one on top of the heap, if there is one, with all that this one leaves."""
        left, offer.leaves = offer.leaves, 0.0
        self._put_back(offer)
        node = offer.node
        first, ground = self._first[node].tier, self._ground_of(node)
        index = self._next.get(node, 0)
        while (tier := ground.tier(index)) is not None:
            index += 1
            if tier.number != first.number or tier.level[3] != first.level[3]:
                offer.following = self._offer(node, tier, left, 1)
                break
        self._next[node] = index

    def _offer(self, node: int, tier: Tier, reached: float, escaped: int) -> _Offer:
        """Put a level on the heap that this probability reaches (``escaped``: after another of the node)."""
        kind = tier.kinds[escaped]
        takes = reached * self._values[tier.number][kind]
        left = reached - takes
        bound = left * ESCAPE
        self._pushed -= 1
        offer = _Offer(node, tier, kind, takes, left, self._pushed)
        heappush(self._heap, (-takes if takes > bound else -bound, self._pushed, offer))
        return offer

    def _put_back(self, offer: _Offer) -> None:
        """Give the offer on top of the heap its new place, or drop it where it can yield nothing more."""
        bound = max(offer.probability, offer.leaves * ESCAPE)
        if bound:
            heapreplace(self._heap, (-bound, offer.order, offer))
        else:
            heappop(self._heap)

    def _ground_of(self, node: int) -> Ground:
        """What is known after a node's drafted context."""
        found = self._grounds.get(node)
        if found is None:
            token_id, parent = self.grown.nodes[node][:2]
            found = self._grounds[node] = self._ground_of(parent).below(token_id)
        return found

    # ------------------------------------------------------------------ where it ends

    def _ended(self, bound: float) -> bool:
        """Whether all have ended (see ``StopRule.reached``)."""
        probabilities = self.grown.probabilities
        count = len(probabilities)
        ahead = self._ahead() if self._sure else 0
        far = NEVER
        if self._strategy == "single":  # the one branch goes on from where it is now
            far = count + SURE_DEPTH if probabilities[-1] > SURE_FROM else 0
        going = []
        for cut in self._open_cuts:
            if cut in self._sure and min(count + ahead, far) >= cut.full:
                cut.nodes, cut.pushed = cut.full, self._pushed
                self._sure.discard(cut)
            elif count >= cut.width or (cut.rule is not None and cut.rule.reached(probabilities, bound)):
                cut.nodes, cut.pushed = count, self._pushed
                self._sure.discard(cut)
            else:
                going.append(cut)
        self._open_cuts = going
        self.next_check = min([cut.next_check for cut in going], default=0)
        if self._sure:
            self.next_check = min(self.next_check, count + 1 + (count >> 2))
        return not going

    def _ahead(self) -> int:
        """Nodes that are sure to be found before anything changes that counts; ``NEVER`` if nothing does.

        What counts is the next token that could be accepted, and another level at the last accepted node, which would
        teach something.
        """
        tree = self.grown
        while self._path_length < len(self._following):
            child = tree.child(self._path_end, self._following[self._path_length])
            if child is None:
                break
            self._path_end, self._path_length = child, self._path_length + 1
        node = self._path_end
        if self._path_length == len(self._following) or node in self._closed or self._path_length >= self._longest:
            return NEVER
        token_id, offer = self._following[self._path_length], self._first.get(node)
        last = offer
        while offer is not None:
            if offer.tier.holds(token_id):
                candidates = offer.tier.candidates or offer.tier.listed()
                ranks = [place for place, one in enumerate(candidates) if one[1] == token_id]
                if ranks and ranks[0] >= offer.index:
                    return self._before(node, _chances(offer, ranks[0] + 1)[-1], offer, ranks[0])
            last, offer = offer, offer.following
        return NEVER if last is None or not last.leaves else self._before(node, last.leaves * ESCAPE)

    def _before(self, at: int, least: float, wanted: _Offer | None = None, rank: int = 0) -> int:
        """Nodes that are sure to be found before a candidate of this probability, or a level, at a node."""
        children = self.grown.children
        found: set[int] = set()
        for negative, _, offer in self._heap:
            node = offer.node
            if -negative <= least or node in self._closed:
                continue
            chances = _chances(offer)
            end = rank if offer is wanted else offer.index + sum(chance > least for chance in chances)
            likelier = offer.tier.candidates[offer.index : end]
            if self._strategy == "hierarchical" or (self._strategy == "parallel" and not node):
                keys = ((node << TOKEN_BITS) + one[1] for one in likelier)
                found.update(key for key in keys if key not in children)
            elif likelier:  # the first of them is the only child of its node
                if node == at:
                    return NEVER
                found.add(node << TOKEN_BITS)
        return len(found)

    def lessons(self, token_ids: Sequence[int], cut: Cut) -> tuple[tuple[Source, int, bool], ...]:
        """What ``Search.learn`` of one setting's own search would tell: source, class of level, held or not."""
        found: list[tuple[Source, int, bool]] = []
        sources = self._grounds[0].sources
        node: int | None = 0
        for depth, token_id in enumerate(token_ids):
            offer = self._first.get(node) if depth < cut.longest else None
            while offer is not None:
                held = offer.tier.holds(token_id)
                found.append((sources[offer.tier.number], offer.kind, held))
                if held:
                    break
                offer = offer.following
                if offer is not None and offer.order < cut.pushed:
                    offer = None
            node = self.grown.child(node, token_id)
            if offer is None or node is None or node >= cut.nodes:
                break
        return tuple(found)
