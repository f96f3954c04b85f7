"""One best-first search for several settings that have learned the same, and where each one's own would have ended.

All searches at one place of the output ask the same sources, so what they answer is looked up once (``Ground``).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush, heapreplace

from lookahead.config import Strategy
from lookahead.search.best_first import ESCAPE
from lookahead.search.confidence import CLASSES, level_class
from lookahead.search.growing import GrowingTree
from lookahead.search.width import StopRule
from lookahead.sources.source import Candidate, Level, Locus, Source, longest_first
from lookahead.trie import TOKEN_BITS

SURE_DEPTH = 32
"""Depth to which a branch is sure to go on where it may: path probabilities are far above the smallest number there."""
SURE_FROM = 1e-100
"""Path probability from which on a branch is sure to grow by ``SURE_DEPTH`` nodes."""
FIRST_LOOK = 3
"""Nodes from which on it is looked whether a full draft can end early."""
FOREIGN = 8
"""A setting is given up when so many more nodes beyond its branch length were found for others than of its own."""
NEVER = 1 << 30
"""More nodes than any draft has."""

Lessons = tuple[tuple[Source, int, bool], ...]
"""What ``Search.learn`` tells: source, class of level, held or not."""


class Tier:
    """One level, as all searches at one place of the output see it.

    Attributes:
        number: Which source.
        level: The level.
        kinds: Numbers of its classes of confidence: offered first at a node, and after an escape.
        keys: The same for all sources together.
        candidates: Its tokens, heaviest first; empty until they are listed.
    """

    __slots__ = ("_below", "_source", "candidates", "keys", "kinds", "level", "number")

    def __init__(self, source: Source, number: int, level: Level) -> None:
        self._source, self.number, self.level = source, number, level
        length, total, single, _ = level
        self.kinds = level_class(length, total, single, 0), level_class(length, total, single, 1)
        self.keys = number * CLASSES + self.kinds[0], number * CLASSES + self.kinds[1]
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
        limit: Depth beyond which it sees nothing: a branch of the whole width is cut by the width alone.
        rule: Ends the search where more nodes do not pay; None fills the width.
        full: Nodes with which it ends at the latest.
        sure: Whether it is sure to find so many, so that it may end before.
        nodes: Nodes that its own search would have found.
        pushed: Number of the last offer that its own search would have made (they count down).
        search: The search that serves it.
        seen: What it sees of that.
    """

    __slots__ = ("full", "limit", "longest", "nodes", "pushed", "rule", "search", "seen", "sure", "width")

    def __init__(self, width: int, longest: int, rule: StopRule | None) -> None:
        self.width, self.longest, self.rule = width, longest, rule
        self.limit = longest if longest < width - 1 else NEVER
        self.full, self.sure = width, False
        self.nodes = self.pushed = 0
        self.search: JointSearch
        self.seen: Seen


class Seen:
    """The nodes of a search down to a depth, in their order.

    Attributes:
        limit: That depth.
        nodes: The nodes.
        probabilities: Their path probabilities.
    """

    __slots__ = ("_found", "limit", "nodes", "probabilities")

    def __init__(self, limit: int, tree: GrowingTree) -> None:
        self.limit = limit
        self._found: list[int] = []
        self.nodes: Sequence[int] = self._found
        self.probabilities = tree.probabilities if limit == NEVER else []

    def look(self, tree: GrowingTree, since: int) -> None:
        """See the nodes that were found from this one on."""
        if self.limit == NEVER:
            self.nodes = range(len(tree.nodes))
            return
        limit, nodes, probabilities = self.limit, tree.nodes, tree.probabilities
        found = [node for node in range(since, len(nodes)) if nodes[node][2] <= limit]
        self._found += found
        self.probabilities += [probabilities[node] for node in found]


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


def follow(tree: GrowingTree, path: list[int], following: Sequence[int]) -> list[int]:
    """The path of nodes that hold these tokens, made longer as far as they are drafted."""
    for token_id in following[len(path) :]:
        child = tree.child(path[-1] if path else 0, token_id)
        if child is None:
            break
        path.append(child)
    return path


def _candidates(offer: _Offer) -> tuple[Sequence[Candidate], float]:
    """Its candidates, and their probability per unit of their weights as it will be once they are listed.

    A single candidate has the probability of the offer, which is not computed; the factor is 0 then.
    """
    tier = offer.tier
    candidates = tier.candidates or tier.listed()
    if offer.listed or len(candidates) == 1:
        return candidates, offer.scale
    return candidates, offer.probability / max(tier.level[1], candidates[0][0])


def _likelier(candidates: Sequence[Candidate], begin: int, scale: float, least: float) -> int:
    """Index after the last of the candidates from ``begin`` on that is more probable than this."""
    return bisect_left(candidates, -least, begin, key=lambda one: -scale * one[0])


class JointSearch:
    """The search of ``best_first.Search``, step by step the same, for several settings at once.

    It can go on for other settings as if it had begun with them, if all that it has read of their confidence is equal
    (``fits``).

    Args:
        ground: What is known after the output so far.
        root_id: The last committed token.
        strategy: How branches may part.
        root: What all path probabilities are multiplied by.
        following: The tokens that may be accepted.
        longest: Most draft tokens in one branch of any setting.
        sure_roots: Children that the root is sure to get, each with a branch as long as may be.
        ruled: Whether it serves settings with a stop rule, or those without.
    """

    def __init__(
        self,
        ground: Ground,
        root_id: int,
        strategy: Strategy,
        root: float = 1.0,
        following: Sequence[int] = (),
        longest: int = NEVER,
        sure_roots: int = 0,
        ruled: bool = False,
    ) -> None:
        self.grown = GrowingTree(ground.sources, root_id)
        self.path: list[int] = []
        """The nodes that hold the tokens that follow, as far as they are drafted."""
        self._strategy: Strategy = strategy
        self._root, self._following, self._longest, self._sure_roots = root, following, longest, sure_roots
        self._grounds: dict[int, Ground] = {0: ground}
        self._next: dict[int, int] = {}
        """Node -> its next level that was not offered."""
        self._first: dict[int, _Offer] = {}
        self._heap: list[tuple[float, int, _Offer]] = []
        self._pushed = 0
        self._marks = [0]
        """Number of the last offer made before each node was found."""
        self._closed: set[int] = set()
        self._values: Sequence[Sequence[float]] = ()
        self._read: dict[int, tuple[int, int, float]] = {}
        """What was read of the confidence: source, class, value."""
        self._turns: list[tuple[int, float, int, int]] | None = [] if ruled else None
        """Nodes, bound, depth and number of the last offer at each turn, where a stop rule could have ended it."""
        self._seen: dict[int, Seen] = {}
        self._looked = 1
        self._open_cuts: list[Cut] = []
        self._given_up: list[Cut] = []
        self._lessons: dict[tuple[int, int, bool], Lessons] = {}

    def fits(self, values: Sequence[Sequence[float]]) -> bool:
        """Whether the search would have come to where it is with this confidence, too (see ``serve``)."""
        for number, kind, value in self._read.values():  # noqa: SIM110  asked for every search and confidence
            if values[number][kind] != value:
                return False
        return True

    def serve(self, cuts: Sequence[Cut], values: Sequence[Sequence[float]]) -> list[Cut]:
        """Search until the last of them is done, and note where each does; returns those given up.

        Those have short branches, and a search of their own (``longest``) finds fewer nodes that are not theirs.

        The search of a full width ends early where it is known what it would accept and teach: the rest of its nodes
        only fill it up. It then has as many nodes as it is wide, though not all of them were looked for.

        Args:
            values: Confidence per source and class of level; only read.
        """
        self._values, self._given_up = values, []
        for cut in cuts:
            cut.search = self
            cut.seen = self._seen_to(cut.limit if cut.limit < self._longest else NEVER)
            if self._strategy == "single":
                cut.full, cut.sure = min(cut.width, cut.longest + 1), cut.rule is None and self._sure_roots > 0
            else:
                cut.sure = cut.rule is None and self._sure_roots * min(cut.longest, SURE_DEPTH) >= cut.width - 1
        self._open_cuts = [cut for cut in cuts if not self._ended_before(cut)]
        if not self._first:
            self._open(0, self._root)
        self.next_check = 0 if self._turns is not None or len(self.grown) > 1 else FIRST_LOOK
        if self._open_cuts:
            self._grow()
        self._look()
        for cut in self._open_cuts:
            if not self._is_full(cut):
                cut.nodes, cut.pushed = len(cut.seen.nodes), self._pushed
        follow(self.grown, self.path, self._following)
        return self._given_up

    def _ended_before(self, cut: Cut) -> bool:
        """Whether a cut would have ended at one of the turns that the search has taken."""
        seen, rule = cut.seen, cut.rule
        if rule is None:
            return self._is_full(cut)
        for count, bound, depth, pushed in self._turns or ():
            nodes = bisect_left(seen.nodes, count)
            if nodes >= cut.full:
                break
            if depth < cut.limit and nodes >= rule.next_check and rule.reached(seen.probabilities[:nodes], bound):
                cut.nodes, cut.pushed = nodes, pushed
                return True
        return False

    def _grow(self) -> None:
        """Draft the best candidates until all are done; the calls that would make it shorter are spelled out."""
        heap, closed, strategy, longest = self._heap, self._closed, self._strategy, self._longest
        nodes, probabilities, children = self.grown.nodes, self.grown.probabilities, self.grown.children
        first, values, read, marks, turns = self._first, self._values, self._read, self._marks, self._turns
        while heap:
            negative, order, offer = heap[0]
            parent = offer.node
            if turns is not None:
                turns.append((len(nodes), -negative, nodes[parent][2], self._pushed))
            if len(nodes) >= self.next_check and self._ended(-negative, nodes[parent][2]):
                return
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
            marks.append(self._pushed)
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
                value = values[below.number][below.kinds[0]]
                read.setdefault(below.keys[0], (below.number, below.kinds[0], value))
                takes = -negative * value
                left = -negative - takes
                bound = left * ESCAPE
                self._pushed = pushed = self._pushed - 1
                opened = first[child] = _Offer(child, below, below.kinds[0], takes, left, pushed)
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
        value = self._values[tier.number][kind]
        self._read.setdefault(tier.keys[escaped], (tier.number, kind, value))
        takes = reached * value
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

    def _look(self) -> None:
        """See what was found since the last look."""
        if (looked := self._looked) < len(self.grown.nodes):
            self._looked = len(self.grown.nodes)
            for seen in self._seen.values():
                seen.look(self.grown, looked)

    def _seen_to(self, limit: int) -> Seen:
        """The nodes down to a depth."""
        seen = self._seen.get(limit)
        if seen is None:
            seen = self._seen[limit] = Seen(limit, self.grown)
            seen.look(self.grown, 0)
        return seen

    def _is_full(self, cut: Cut) -> bool:
        """Whether a cut has all the nodes that it may have; notes where it ended."""
        if len(cut.seen.nodes) < cut.full:
            return False
        cut.nodes, cut.pushed = cut.full, self._marks[cut.seen.nodes[cut.full - 1]]
        return True

    def _ended(self, bound: float, depth: int) -> bool:
        """Whether all are done.

        Args:
            bound: Most that any further node's path probability can be.
            depth: That of the node whose turn it is.
        """
        self._look()
        count = len(self.grown)
        sure: dict[int, int] = {}
        going, self.next_check = [], NEVER
        for cut in self._open_cuts:
            if self._is_full(cut):
                continue
            limit, nodes, cut.pushed = cut.limit, len(cut.seen.nodes), self._pushed
            more = cut.full - nodes
            if cut.rule is not None:
                if depth < limit and cut.rule.reached(cut.seen.probabilities, bound):
                    cut.nodes = nodes
                    continue
                more = min(more, max(0, cut.rule.next_check - nodes))
            elif cut.sure:
                if limit not in sure:
                    sure[limit] = min(self._ahead(limit), self._reach())
                if sure[limit] >= more:
                    cut.nodes = cut.full
                    continue
                more = min(more, max(sure[limit], nodes))
            if limit < self._longest and count - nodes > nodes + FOREIGN:
                self._given_up.append(cut)
                continue
            going.append(cut)
            self.next_check = min(self.next_check, count + more)
        self._open_cuts = going
        return not going

    def _reach(self) -> int:
        """Nodes by which the search is sure to go on."""
        if self._strategy != "single":
            return NEVER
        return SURE_DEPTH if self.grown.probabilities[-1] > SURE_FROM else 0

    def _ahead(self, limit: int) -> int:
        """Nodes down to a depth that are sure to be found before what counts; ``NEVER`` if nothing counts any more.

        What counts is the next token that could be accepted, and another level at the last accepted node, which would
        teach something.
        """
        follow(self.grown, self.path, self._following)
        path = self.path
        node = path[-1] if path else 0
        if len(path) >= min(limit, self._longest, len(self._following)) or node in self._closed:
            return NEVER
        token_id, offer = self._following[len(path)], self._first.get(node)
        least, wanted, rank, leaves = 0.0, None, 0, 0.0
        while offer is not None:  # any level may propose the token first
            if offer.tier.holds(token_id):
                candidates, scale = _candidates(offer)
                place = next((place for place, one in enumerate(candidates) if one[1] == token_id), -1)
                chance = scale * candidates[place][0] or offer.probability
                if place >= offer.index and chance > least:
                    least, wanted, rank = chance, offer, place
            leaves, offer = offer.leaves, offer.following
        if leaves * ESCAPE > least:
            least, wanted = leaves * ESCAPE, None
        return self._before(limit, node, least, wanted, rank) if least else NEVER

    def _before(self, limit: int, at: int, least: float, wanted: _Offer | None = None, rank: int = 0) -> int:
        """Nodes down to a depth that are sure to be found before one of this probability, or a level, at a node."""
        nodes, children, closed = self.grown.nodes, self.grown.children, self._closed
        found: set[int] = set()
        for negative, _, offer in self._heap:
            node = offer.node
            if -negative <= least or nodes[node][2] >= limit or node in closed:
                continue
            candidates, scale = _candidates(offer)
            if offer is wanted:
                end = rank
            elif scale:
                end = _likelier(candidates, offer.index, scale, least)
            else:
                end = int(offer.probability > least)
            likelier = candidates[offer.index : end]
            if self._strategy == "hierarchical" or (self._strategy == "parallel" and not node):
                for one in likelier:
                    key = (node << TOKEN_BITS) + one[1]
                    if key not in children:
                        found.add(key)
            elif likelier:  # the first of them is the only child of its node
                if node == at:
                    return NEVER
                found.add(node << TOKEN_BITS)
        return len(found)

    # ------------------------------------------------------------------ what it says of each

    def accepted(self, cut: Cut, kept: int) -> int:
        """How many of the tokens that follow a setting's first ``kept`` nodes hold."""
        nodes = cut.seen.nodes
        path = self.path[: cut.longest]
        return bisect_left(path, nodes[kept]) if kept < len(nodes) else len(path)

    def lessons(self, token_ids: Sequence[int], cut: Cut) -> Lessons:
        """What ``Search.learn`` of one setting's own search would tell of emitted tokens, all but the last accepted."""
        key = len(token_ids), cut.pushed, len(token_ids) <= cut.longest
        if key not in self._lessons:
            self._lessons[key] = tuple(self._taught(token_ids, cut))
        return self._lessons[key]

    def _taught(self, token_ids: Sequence[int], cut: Cut) -> Iterator[tuple[Source, int, bool]]:
        sources = self._grounds[0].sources
        node: int | None = 0
        for token_id in token_ids[: cut.longest]:
            offer = self._first.get(node)
            while offer is not None:
                held = offer.tier.holds(token_id)
                yield sources[offer.tier.number], offer.kind, held
                if held:
                    break
                offer = offer.following
                if offer is not None and offer.order < cut.pushed:
                    offer = None
            node = self.grown.child(node, token_id)
            if offer is None or node is None:
                return
