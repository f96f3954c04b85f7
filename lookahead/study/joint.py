"""One sample replayed with many settings at once, each exactly as by itself.

What a setting drafts at a position depends on what was read up to there, which is the same for all settings that draft
from the same sources, and on what it learned from its own drafts. So the settings go along the output together: the
tries read every token once, and what the sources answer at a position is looked up once. One search serves all widths
and branch lengths, because a search finds the nodes of a wider draft in the same order, and all settings that have
learned the same of what it reads, whatever else they have learned; it ends where what it would accept and teach is
known. A tree by frequency, which nothing is learned for, serves all widths and branch lengths too.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

from lookahead.config import LookaheadConfig, Strategy
from lookahead.costs import PassCosts
from lookahead.draft import DraftTree, plain_ids
from lookahead.drafter import Drafter
from lookahead.replay import RecordedRows
from lookahead.search.confidence import Confidence
from lookahead.search.growing import GrowingTree
from lookahead.search.width import StopRule
from lookahead.sources.recycled import RecycledLogits
from lookahead.sources.source import Source
from lookahead.sources.tries import ReadTrie, listed
from lookahead.study.joint_frequency import JointFrequency, Prospect
from lookahead.study.joint_search import Cut, Ground, JointSearch, Lessons, Seen
from lookahead.study.material import Sample
from lookahead.study.remembered import Remembered
from lookahead.study.replayed import (
    chain_of,
    drafter_of,
    expected_of,
    known_rows,
    output_of,
    pass_seconds,
    replay_of,
    room_of,
)
from lookahead.trie import NO_TOKEN, ROOT, SEVERAL, Trie


@dataclass(slots=True)
class Outcome:
    """What one setting did on one sample.

    Attributes:
        tokens: Tokens of the decode passes.
        widths: Tokens in a pass, the root included -> passes.
        accepted: Accepted draft tokens.
    """

    tokens: int = 0
    widths: Counter[int] = field(default_factory=Counter)
    accepted: int = 0

    @property
    def passes(self) -> int:
        """Decode passes."""
        return self.widths.total()

    @property
    def drafted(self) -> int:
        """Draft tokens."""
        return sum((width - 1) * passes for width, passes in self.widths.items())

    def seconds(self, of_pass: Mapping[int, float]) -> float:
        """Time of all passes, given that of a pass by its tokens."""
        return sum(of_pass[width] * passes for width, passes in self.widths.items())

    def add(self, width: int, accepted: int, emitted: int) -> None:
        """Count one more pass."""
        self.widths[width] += 1
        self.accepted += accepted
        self.tokens += emitted


class _Setting:
    """One setting on its way along the output.

    Attributes:
        config: The draft settings.
        width, longest: Of them: most nodes, and most draft tokens in one branch.
        outcome: What it did so far.
        seconds: T(n) where it decides the width of its drafts; None for the full width.
        rule: Its stop rule, made once.
        confidence: What it has learned; shared with those that have learned the same.
        recycled: What its passes found likely; None where nothing is recycled.
    """

    __slots__ = ("confidence", "config", "longest", "outcome", "recycled", "rule", "seconds", "width")

    def __init__(self, config: LookaheadConfig, seconds: Sequence[float] | None) -> None:
        self.config, self.seconds = config, seconds
        self.width, self.longest = config.decoding_length, config.longest_branch
        self.outcome = Outcome()
        self.rule = None if seconds is None else StopRule(seconds)
        self.recycled: RecycledLogits | None = None
        self.confidence: Confidence

    @property
    def row_value(self) -> float:
        """Tokens that a draft node is worth besides being accepted."""
        return 0.0 if self.recycled is None else self.recycled.row_value


class _Alike(NamedTuple):
    """What searches begin with: those with the same but for the confidence may turn out to be the same."""

    strategy: Strategy
    recycled: RecycledLogits | None
    ruled: bool
    root: float
    confidence: Confidence


_Drafting = tuple[_Setting, Cut]
"""A setting and the bounds of its next draft."""


def best_widths(probabilities: Sequence[float], seconds: Sequence[float], node_value: float = 0.0) -> list[int]:
    """What ``choose_width`` says of the first n nodes, for every n from 0 to the narrower of both.

    Args:
        probabilities: Path probability of every node, the root's first.
        seconds: ``seconds[n - 1]`` is T(n).
        node_value: What each draft node brings besides (see ``choose_width``).

    >>> best_widths([1.0, 0.9, 0.5, 0.1], [1.0, 1.3, 1.4, 1.9])
    [1, 1, 2, 3, 3]
    """
    expected, best, best_rate = 1.0, 1, 1.0 / seconds[0]
    found = [1, 1]
    for width, (probability, time) in enumerate(zip(probabilities[1:], seconds[1:], strict=False), start=2):
        expected += probability + node_value
        rate = expected / time
        if rate > best_rate:
            best, best_rate = width, rate
        found.append(best)
    return found


class _Walk:
    """Settings that draft from the same sources, led along one output.

    Args:
        drafter: The tries of the session and of a corpus; its settings say what to draft from.
        sample: What is replayed.
    """

    def __init__(self, drafter: Drafter, sample: Sample) -> None:
        prompt_ids = plain_ids(sample.prompt_ids)
        self._output = output_of(sample)
        self._end = len(self._output) if sample.run is not None else len(self._output) - 1
        self._room = room_of(sample)
        self._rows = known_rows(sample)
        self._prompt_ids = prompt_ids
        self._own, shared = drafter.sources(prompt_ids, expected_of(sample))
        self._asked: list[Source] = [
            Remembered(source) if isinstance(source, ReadTrie) else source for source in (self._own, *shared)
        ]
        self._recycles = any(isinstance(source, RecycledLogits) for source in shared)
        self._waiting: dict[int, list[_Setting]] = {}

    def fits(self, bounds: LookaheadConfig) -> bool:
        """Whether the request's own trie, with these bounds, holds the output without a prune."""
        trie = self._own.trie
        trie.capacity = bounds.trie_capacity + len(trie) + trie.leaves
        trie.max_bytes = bounds.trie_bytes + trie.bytes()
        return trie.has_room(len(self._output))

    def go(self, settings: Iterable[_Setting]) -> None:
        """Take them from the first token of the output to the last."""
        output, nothing = self._output, Confidence()
        self._waiting[1] = list(settings)
        for setting in self._waiting[1]:
            setting.confidence = nothing
        # All know the same T(n), up to their own widths.
        self._seconds = max((setting.seconds or () for setting in self._waiting[1]), key=len)
        if self._recycles and self._rows is not None:
            for setting in self._waiting[1]:
                setting.recycled = self._recycled(self._rows)
        self._follow(output[0])
        for done in range(1, len(output)):
            if here := self._waiting.pop(done, None):
                self._pass(done, here)
            self._follow(output[done])

    def _follow(self, token_id: int) -> None:
        for source in self._asked:
            if not isinstance(source, RecycledLogits):  # each setting has its own
                source.follow((token_id,))

    def _sources(self, setting: _Setting) -> list[Source]:
        mine = [setting.recycled if isinstance(source, RecycledLogits) else source for source in self._asked]
        return [source for source in mine if source is not None]

    def _pass(self, done: int, settings: Iterable[_Setting]) -> None:
        """One pass of each setting that has one after so many tokens of the output."""
        room = None if self._room is None else self._room - done - 1
        frequent: dict[tuple[Strategy, RecycledLogits | None], list[_Drafting]] = {}
        probable: dict[_Alike, list[_Drafting]] = {}
        for setting in settings:
            width, longest = setting.width, setting.longest if room is None else min(room, setting.longest)
            if width < 2 or longest < 1:
                self._move(setting, done, 1, 0, None)
                continue
            cut = Cut(width, longest, setting.rule and setting.rule.fresh(setting.row_value))
            if setting.config.ranking == "frequency":
                frequent.setdefault((setting.config.strategy, setting.recycled), []).append((setting, cut))
                continue
            ruled = cut.rule is not None
            root = setting.confidence.correction if ruled else 1.0
            alike = _Alike(setting.config.strategy, setting.recycled, ruled, root, setting.confidence)
            probable.setdefault(alike, []).append((setting, cut))
        prospects: dict[RecycledLogits | None, Prospect] = {}
        longest = max((cut.longest for group in frequent.values() for _, cut in group), default=0)
        following = self._output[done : min(self._end, done + longest)]
        for (_, recycled), group in frequent.items():
            if recycled not in prospects:
                prospects[recycled] = Prospect(self._sources(group[0][0]), following)
            self._frequent(done, group, prospects[recycled])
        self._search(done, probable)

    def _search(self, done: int, groups: Mapping[_Alike, list[_Drafting]]) -> None:
        """The passes of settings that rank by probability, grouped by what their searches begin with."""
        owners = Counter(alike.confidence for alike in groups)
        longest = max((cut.longest for group in groups.values() for _, cut in group), default=0)
        root_id, following, sure_roots = self._output[done - 1], self._output[done : self._end], self._sure_roots()
        grounds: dict[RecycledLogits | None, Ground] = {}
        searches: dict[Hashable, list[JointSearch]] = {}
        for alike, group in groups.items():
            recycled = alike.recycled
            if recycled not in grounds:
                sources = self._sources(group[0][0])
                grounds[recycled] = Ground(sources, [source.locus() for source in sources])
            ground = grounds[recycled]
            values = [alike.confidence.of(source).values for source in ground.sources]
            waiting = [([cut for _, cut in group], longest if recycled is None else group[0][1].longest)]
            while waiting:
                cuts, depth = waiting.pop()
                known = searches.setdefault((*alike[:4], depth), [])
                search = next((one for one in known if one.fits(values)), None)
                if search is None:
                    # The rows of all nodes are recycled, so none of them only fills up a draft.
                    sure = sure_roots if recycled is None else 0
                    search = JointSearch(
                        ground, root_id, alike.strategy, alike.root, following, depth, sure, alike.ruled
                    )
                    known.append(search)
                left = search.serve(cuts, values)
                waiting += [
                    ([cut for cut in left if cut.limit == limit], limit) for limit in {one.limit for one in left}
                ]
            self._learn(done, group, owners[alike.confidence] == 1)

    def _sure_roots(self) -> int:
        """Tokens that a draft is sure to hold after the root, wide enough: those that the request's trie lists."""
        trie = self._own.trie
        if trie.only_token[ROOT] == SEVERAL:
            return len(list(listed(trie, ROOT)))
        return int(trie.only_token[ROOT] != NO_TOKEN)

    def _learn(self, done: int, group: list[_Drafting], owned: bool) -> None:
        """What settings that had learned the same learn from a pass; ``owned``: nobody else had."""
        confidence = group[0][0].confidence
        best: dict[Seen, list[int]] = {}
        told: dict[tuple[Lessons, float | None, int], list[tuple[_Setting, Cut, int, int]]] = {}
        for setting, cut in group:
            kept, expected = cut.nodes, None
            if cut.rule is not None:
                probabilities = cut.seen.probabilities
                if cut.seen not in best:
                    best[cut.seen] = best_widths(probabilities, self._seconds, group[0][0].row_value)
                kept = best[cut.seen][cut.nodes]
                expected = (1.0 + sum(probabilities[1:kept])) - 1.0
            accepted = cut.search.accepted(cut, kept)
            tokens = self._output[done : done + accepted + 1]
            lessons = cut.search.lessons(tokens, cut)
            told.setdefault((lessons, expected, len(tokens)), []).append((setting, cut, kept, accepted))
        owned = owned and len(told) == 1
        for (lessons, expected, emitted), members in told.items():
            learned = confidence if owned else confidence.copy()
            for source, number, held in lessons:
                learned.of(source).learn(number, held)
            if expected is not None:
                learned.settle(expected, emitted - 1)
            for setting, cut, kept, accepted in members:
                setting.confidence = learned
                self._move(setting, done, kept, accepted, cut.search.grown)

    def _frequent(self, done: int, group: list[_Drafting], prospect: Prospect) -> None:
        """Frequencies are not learned, so one growing tree serves every width and every branch length."""
        first = group[0][0]
        widths: dict[int, int] = {}
        for _, cut in group:
            if first.config.strategy == "single":
                cut.width = min(cut.width, cut.longest + 1)
            widths[cut.longest] = max(cut.width, widths.get(cut.longest, 0))
        # The rows of all nodes are recycled: none of them only fills up a draft.
        whole = first.recycled is not None or any(cut.rule is not None for _, cut in group)
        search = JointFrequency(prospect, self._output[done - 1], whole)
        grown, path = search.grow(widths, first.config.strategy), search.path
        for longest, members in groupby(sorted(group, key=_longest_of), _longest_of):
            nodes = [node for node, one in enumerate(grown.nodes) if one[2] <= longest]
            ranks = [bisect_left(nodes, node) for node in path[:longest]]
            best: list[int] = []
            for setting, cut in members:
                kept = cut.width if search.full else min(cut.width, len(nodes))
                if cut.rule is not None:
                    probabilities = [grown.probabilities[node] for node in nodes]
                    best = best or best_widths(probabilities, self._seconds, first.row_value)
                    kept = best[kept]
                self._move(setting, done, kept, bisect_left(ranks, kept), grown)

    def _move(self, setting: _Setting, done: int, kept: int, accepted: int, grown: GrowingTree | None) -> None:
        """Note a setting's pass, and let it wait where its next one begins."""
        emitted = min(accepted + 1, len(self._output) - done)
        setting.outcome.add(kept, accepted, emitted)
        if setting.recycled is not None and self._rows is not None:
            self._recycle(setting.recycled, self._rows, done, kept, emitted, grown)
        self._waiting.setdefault(done + emitted, []).append(setting)

    def _recycled(self, rows: RecordedRows) -> RecycledLogits:
        """The rows of the prompt and of the first token, as one setting begins with them."""
        recycled = RecycledLogits()
        recycled.bigrams = rows.bigrams
        recycled.follow(self._prompt_ids)
        if rows.prefill:
            recycled.read_prompt(self._prompt_ids, rows.prefill)
        recycled.follow(self._output[:1])
        return recycled

    def _recycle(
        self,
        recycled: RecycledLogits,
        rows: RecordedRows,
        done: int,
        kept: int,
        emitted: int,
        grown: GrowingTree | None,
    ) -> None:
        """Keep what the pass found likely, and go along with its tokens."""
        tree = DraftTree.root_only(self._output[done - 1]) if grown is None else grown.tree(kept, 0)
        if successors := rows.of(tree, done):
            recycled.read(tree.token_ids, tree.parents, successors)
        recycled.follow(self._output[done : done + emitted])


def _longest_of(pair: _Drafting) -> int:
    return pair[1].longest


class Jointly:
    """Replays one sample after the other, each with many settings.

    Args:
        earlier: Earlier outputs that every request knows, oldest first; ``know`` adds more.
        corpus: Tries to draft from.
    """

    def __init__(self, earlier: Sequence[Sequence[int]] = (), corpus: Sequence[Trie] = ()) -> None:
        self._earlier = list(earlier)
        self._corpus = tuple(corpus)
        self._drafters: dict[Hashable, Drafter] = {}
        self._known: tuple[Hashable, list[LookaheadConfig]] = (None, [])

    def know(self, output_ids: Sequence[int]) -> None:
        """Add an output to the earlier ones."""
        self._earlier.append(output_ids)
        for drafter in self._drafters.values():
            drafter.keep(output_ids)

    def outcomes(
        self, sample: Sample, configs: Sequence[LookaheadConfig], costs: PassCosts | None = None
    ) -> list[Outcome]:
        """What each of the settings does on a sample, in their order.

        Args:
            costs: T(n) for adaptive widths; without it every width is used in full.
        """
        by_setting: dict[LookaheadConfig, Outcome] = {}
        walks: dict[LookaheadConfig, list[_Setting]] = {}
        sames = self._sames(sample, configs, costs)
        for same in dict.fromkeys(sames):
            setting = _Setting(same, pass_seconds(same, costs))
            by_setting[same] = setting.outcome
            walks.setdefault(_default_in(same, _TOGETHER), []).append(setting)
        for sources, settings in walks.items():
            self._walk(sample, sources, settings, costs)
        return [by_setting[same] for same in sames]

    def _walk(
        self, sample: Sample, sources: LookaheadConfig, settings: list[_Setting], costs: PassCosts | None
    ) -> None:
        if len(output_of(sample)) < 2:
            return
        if not chain_of(sample) and _known(sources):
            walk = _Walk(self._drafter(sources), sample)
            if walk.fits(sources):
                walk.go(settings)
                return
        for setting in settings:
            request = drafter_of(setting.config, self._earlier, self._corpus).start(
                sample.prompt_ids, expected_of(sample)
            )
            for step in replay_of(sample, request, setting.config, costs):
                setting.outcome.add(len(step.draft), step.accepted, step.emitted)

    def _drafter(self, sources: LookaheadConfig) -> Drafter:
        """The tries of the session and of the corpus, asked as these settings say."""
        key = sources.trie_capacity, sources.trie_bytes
        if key not in self._drafters:
            self._drafters[key] = drafter_of(sources, self._earlier, self._corpus)
        self._drafters[key].config = sources
        return self._drafters[key]

    def _sames(
        self, sample: Sample, configs: Sequence[LookaheadConfig], costs: PassCosts | None
    ) -> list[LookaheadConfig]:
        """For each of the settings one that does the same on this sample, the same one for all such settings."""
        silent = set() if known_rows(sample) is not None else {"model"}
        silent |= set() if expected_of(sample) else {"expected"}
        silent |= set() if self._corpus else {"corpus"}
        key = tuple(configs), frozenset(silent), costs is None
        if self._known[0] != key:
            self._known = key, [_same(config, silent, costs is None) for config in configs]
        return self._known[1]


_TOGETHER = ("decoding_length", "branch_length", "strategy", "budget", "ranking")
"""Draft settings in which those of one ``_Walk`` may differ."""
_READ = ("sources", "prompt_weight", "trie_capacity", "trie_bytes")
"""Draft settings that say what a ``_Walk`` reads. One that is in neither list is replayed by itself."""


@lru_cache(4096)
def _default_in(config: LookaheadConfig, names: tuple[str, ...]) -> LookaheadConfig:
    """The settings with the defaults of those named."""
    default = LookaheadConfig()
    return replace(config, **{name: getattr(default, name) for name in names})


def _known(config: LookaheadConfig) -> bool:
    """Whether a ``_Walk`` knows all settings that are not the default."""
    return _default_in(config, (*_TOGETHER, *_READ)) == LookaheadConfig()


def _same(config: LookaheadConfig, silent: Collection[str], full: bool) -> LookaheadConfig:
    """A setting that does the same.

    Args:
        silent: Sources that have nothing to say.
        full: Whether adaptive widths are full ones.
    """
    if not _known(config):
        return config
    return replace(
        config,
        branch_length=config.longest_branch if config.longest_branch < config.decoding_length - 1 else None,
        strategy=config.strategy if config.decoding_length > 2 else "hierarchical",
        budget="fixed" if full else config.budget,
        sources=tuple(source for source in config.sources if source not in silent),
        prompt_weight=config.prompt_weight if "prompt" in config.sources else 1.0,
    )
