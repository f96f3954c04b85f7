"""One sample replayed with many settings at once, each exactly as by itself.

What a setting drafts at a position depends on what was read up to there, which is the same for all settings that draft
from the same sources, and on what it learned from its own drafts. So the settings go along the output together: the
tries read every token once, settings that have learned the same search once, and a search of the widest serves the
narrower ones, because a search finds the nodes of a wider draft in the same order. Settings that have learned different
things part, for good.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from lookahead.config import LookaheadConfig
from lookahead.costs import PassCosts
from lookahead.draft import DraftTree, plain_ids
from lookahead.drafter import Drafter
from lookahead.replay import RecordedRows
from lookahead.search.confidence import Confidence
from lookahead.search.frequency import FrequencySearch
from lookahead.search.growing import GrowingTree
from lookahead.search.width import StopRule
from lookahead.sources.expected import ExpectedText
from lookahead.sources.model import RecycledLogits, RowTable
from lookahead.sources.source import Source
from lookahead.sources.tries import FOLLOWED, OwnTrie, listed
from lookahead.study.joint_search import Cut, JointSearch
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
        outcome: What it did so far.
        rule: Its stop rule, made once; None for the full width.
        confidence: What it has learned.
        recycled: What its passes found likely; None where nothing is recycled.
    """

    __slots__ = ("confidence", "config", "outcome", "recycled", "rule")

    def __init__(self, config: LookaheadConfig, seconds: Sequence[float] | None, confidence: Confidence) -> None:
        self.config, self.confidence = config, confidence
        self.outcome = Outcome()
        self.rule = None if seconds is None else StopRule(seconds)
        self.recycled: RecycledLogits | None = None

    def cut(self, room: int) -> Cut:
        """The bounds of its next draft.

        Args:
            room: Most draft tokens in one branch that the output has room for.
        """
        return Cut(
            self.config.decoding_length,
            min(room, self.config.longest_branch),
            None if self.rule is None else self.rule.fresh(),
        )


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
        self._recycles = "model" in drafter.config.sources
        own, shared = drafter.sources(prompt_ids)
        self._own: OwnTrie = own
        self._shared = [source for source in shared if not isinstance(source, RecycledLogits)]
        self._remembered = [Remembered(source) for source in (own, *self._shared)]
        for source in self._shared:
            source.follow(prompt_ids[-FOLLOWED:])
        self._expected: list[Source] = []
        if expected_of(sample) and "expected" in drafter.config.sources:
            self._expected.append(ExpectedText(expected_of(sample)))
        self._waiting: dict[int, list[_Setting]] = {}

    def fits(self, bounds: LookaheadConfig) -> bool:
        """Whether the request's own trie, with these bounds, holds the output without a prune."""
        trie = self._own.trie
        trie.capacity = bounds.trie_capacity + len(trie) + trie.leaves
        trie.max_bytes = bounds.trie_bytes + trie.bytes()
        return trie.has_room(len(self._output))

    def go(self, settings: Iterable[_Setting]) -> None:
        """Take them from the first token of the output to the last."""
        output = self._output
        self._waiting[1] = list(settings)
        if self._recycles and self._rows is not None:
            for setting in self._waiting[1]:
                setting.recycled = self._recycled(self._rows)
        self._follow(output[0])
        for done in range(1, len(output)):
            if here := self._waiting.pop(done, None):
                self._pass(done, here)
            self._follow(output[done])

    def _follow(self, token_id: int) -> None:
        for source in (*self._remembered, *self._expected):
            source.follow((token_id,))

    def _sources(self, setting: _Setting) -> list[Source]:
        recycled = [setting.recycled] if setting.recycled is not None else []
        return [*self._remembered, *recycled, *self._expected]

    def _pass(self, done: int, settings: Iterable[_Setting]) -> None:
        """One pass of each setting that has one after so many tokens of the output."""
        longest = max(setting.config.longest_branch for setting in settings)
        room = longest if self._room is None else self._room - done - 1
        groups: dict[Hashable, list[tuple[_Setting, Cut]]] = {}
        for setting in settings:
            cut = setting.cut(room)
            if cut.width < 2 or cut.longest < 1:
                self._move(setting, done, 1, 0, None)
                continue
            # A branch of the whole width is cut by the width alone, so it may be searched further for a wider draft.
            key = (setting.config.ranking, setting.config.strategy, setting.recycled)
            if setting.config.ranking == "probability":
                branch = cut.longest if cut.longest < cut.width - 1 else 0
                root = 1.0 if cut.rule is None else setting.confidence.correction
                key += (branch, setting.confidence, root)
            groups.setdefault(key, []).append((setting, cut))
        for group in groups.values():
            if group[0][0].config.ranking == "probability":
                self._probable(done, group)
            else:
                self._frequent(done, group)

    def _sure_roots(self) -> int:
        """Tokens that a draft is sure to hold after the root, wide enough: those that the request's trie lists."""
        trie = self._own.trie
        if trie.only_token[ROOT] == SEVERAL:
            return len(list(listed(trie, ROOT)))
        return int(trie.only_token[ROOT] != NO_TOKEN)

    def _probable(self, done: int, group: list[tuple[_Setting, Cut]]) -> None:
        setting, cut = group[0]
        confidence = setting.confidence
        search = JointSearch(self._sources(setting), confidence, self._output[done - 1])
        root = 1.0 if cut.rule is None else confidence.correction
        following = self._output[done : self._end]
        # The rows of all nodes are recycled, so none of them only fills up a draft.
        sure_roots = self._sure_roots() if setting.recycled is None else 0
        search.serve([cut for _, cut in group], setting.config.strategy, root, following, sure_roots)
        probabilities = search.grown.probabilities
        learned: dict[Hashable, Confidence] = {}
        for setting, cut in group:
            kept = cut.kept(probabilities)
            accepted = self._accepted(search.grown, kept, done)
            tokens = self._output[done : done + accepted + 1]
            lessons = search.lessons(tokens, cut)
            expected = None if cut.rule is None else (1.0 + sum(probabilities[1:kept])) - 1.0
            key = (lessons, expected, len(tokens))
            if key not in learned:
                learned[key] = new = confidence.copy()
                for source, number, held in lessons:
                    new.of(source).learn(number, held)
                if expected is not None:
                    new.settle(expected, len(tokens) - 1)
            setting.confidence = learned[key]
            self._move(setting, done, kept, accepted, search.grown)

    def _frequent(self, done: int, group: list[tuple[_Setting, Cut]]) -> None:
        """Frequencies are not learned, so one tree serves every width, and every branch length that it keeps to."""
        setting = group[0][0]
        sources = self._sources(setting)
        group.sort(key=lambda pair: -pair[1].longest)
        grown, depths = None, [0]
        for setting, cut in group:
            if grown is None or max(depths[: cut.width]) > cut.longest:
                search = FrequencySearch(sources, self._output[done - 1])
                widest = max(other.width for _, other in group if other.longest <= cut.longest)
                grown = search.grow(widest, cut.longest, setting.config.strategy)
                depths = [node[2] for node in grown.nodes]
            cut.nodes = min(cut.width, len(grown))
            kept = cut.kept(grown.probabilities)
            self._move(setting, done, kept, self._accepted(grown, kept, done), grown)

    def _accepted(self, grown: GrowingTree, kept: int, done: int) -> int:
        """How many tokens of the output the first ``kept`` nodes hold."""
        node, place = 0, done
        while place < self._end:
            child = grown.child(node, self._output[place])
            if child is None or child >= kept:
                break
            node, place = child, place + 1
        return place - done

    def _move(self, setting: _Setting, done: int, kept: int, accepted: int, grown: GrowingTree | None) -> None:
        """Note a setting's pass, and let it wait where its next one begins."""
        emitted = min(accepted + 1, len(self._output) - done)
        setting.outcome.add(kept, accepted, emitted)
        if setting.recycled is not None and self._rows is not None:
            self._recycle(setting.recycled, self._rows, done, kept, emitted, grown)
        self._waiting.setdefault(done + emitted, []).append(setting)

    def _recycled(self, rows: RecordedRows) -> RecycledLogits:
        """The rows of the prompt and of the first token, as one setting begins with them."""
        recycled = RecycledLogits(RowTable())
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
        nothing = Confidence()
        by_setting: dict[LookaheadConfig, Outcome] = {}
        walks: dict[LookaheadConfig, list[_Setting]] = {}
        sames = self._sames(sample, configs, costs)
        for same in dict.fromkeys(sames):
            setting = _Setting(same, pass_seconds(same, costs), nothing)
            by_setting[same] = setting.outcome
            walks.setdefault(_sources_only(same), []).append(setting)
        for sources, settings in walks.items():
            self._walk(sample, sources, settings, costs)
        return [by_setting[same] for same in sames]

    def _walk(
        self, sample: Sample, sources: LookaheadConfig, settings: list[_Setting], costs: PassCosts | None
    ) -> None:
        if len(output_of(sample)) < 2:
            return
        drafter = self._drafter(sources)
        walk = None if chain_of(sample) else _Walk(drafter, sample)
        if walk is not None and walk.fits(sources):
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


def _same(config: LookaheadConfig, silent: Collection[str], full: bool) -> LookaheadConfig:
    """A setting that does the same.

    Args:
        silent: Sources that have nothing to say.
        full: Whether adaptive widths are full ones.
    """
    return replace(
        config,
        branch_length=config.longest_branch if config.longest_branch < config.decoding_length - 1 else None,
        strategy=config.strategy if config.decoding_length > 2 else "hierarchical",
        budget="fixed" if full else config.budget,
        sources=tuple(source for source in config.sources if source not in silent),
        prompt_weight=config.prompt_weight if "prompt" in config.sources else 1.0,
    )


def _sources_only(config: LookaheadConfig) -> LookaheadConfig:
    """The settings that decide what is read; the others are the default."""
    return LookaheadConfig(
        sources=config.sources,
        prompt_weight=config.prompt_weight,
        trie_capacity=config.trie_capacity,
        trie_bytes=config.trie_bytes,
    )
