"""A source that the search has never heard of: a glossary, each of whose words is known by the one before it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookahead import replay
from lookahead.config import LookaheadConfig
from lookahead.drafter import Drafter
from lookahead.search.best_first import Search
from lookahead.search.confidence import Confidence
from lookahead.search.frequency import FrequencySearch
from lookahead.sources.source import Candidate, Level, Origin, Source
from lookahead.sources.tries import OwnTrie
from lookahead.study.joint import Jointly
from lookahead.study.material import Sample
from lookahead.study.replayed import replayed
from tests.lookahead.drafters import copied
from tests.lookahead.study.samples import recorded


class Glossary:
    """Goes on with a text after every token that occurs in it once; a place is an index of the text.

    Records know the names of the registry only, so it has one of those.
    """

    kind, trust, version = "expected", 0.9, 0

    def __init__(self, text: Sequence[int]) -> None:
        self._text, self._last = list(text), -1

    def follow(self, token_ids: Sequence[int]) -> None:
        for token_id in token_ids:
            self._last = self.advance(self._last, token_id)

    def locus(self) -> int:
        return self._last

    def advance(self, locus: int, token_id: int) -> int:
        return self._text.index(token_id) if self._text.count(token_id) == 1 else -1

    def levels(self, locus: int) -> Iterator[Level]:
        if 0 <= locus < len(self._text) - 1:
            yield 1, 1.0, True, locus + 1

    def after(self, place: int, length: int) -> Level | None:
        return (length, 1.0, True, place + 1) if place + 1 < len(self._text) else None

    def candidates(self, level: Level) -> Sequence[Candidate]:
        return ((1.0, self._text[level[3]], level[3]),)

    def holds(self, level: Level, token_id: int) -> bool:
        return self._text[level[3]] == token_id

    def origin(self, place: int) -> Origin:
        return Origin("expected", 1, 1.0)

    def match_length(self, locus: int) -> int:
        return int(0 <= locus < len(self._text) - 1)


texts = st.lists(st.integers(10, 99), min_size=2, max_size=30, unique=True)


@given(texts, st.integers(2, 40))
def test_alone_it_drafts_its_text(text, width):
    source: Source = Glossary(text)
    source.follow(text[:1])
    for search in (Search([source], Confidence(), text[0]), FrequencySearch([source], text[0])):
        tree = search.run(width, width, "hierarchical", None)
        tree.check()
        assert list(tree.token_ids) == text[:width]
        assert set(tree.sources[1:]) <= {"expected"}
        assert tree.match_length == 1


@given(texts, st.lists(st.integers(0, 99), min_size=1, max_size=30))
def test_beside_a_trie_both_are_drafted_and_both_learn(text, prompt):
    glossary = Glossary(text)
    own = OwnTrie([*prompt, *text[:1]], ("prompt", "output"), 2.0)
    glossary.follow(text[:1])
    confidence = Confidence()
    search = Search([own, glossary], confidence, text[0])
    tree = search.run(64, 63, "hierarchical", None)
    tree.check()
    assert text[1] in tree.token_ids
    before = list(confidence.of(glossary).values)
    search.learn([7, 7])
    search.learn(text[1:])
    assert confidence.of(glossary).values != before


class GlossaryDrafter(Drafter):
    """A drafter that asks the new source as well."""

    def sources(self, prompt_ids: Sequence[int], expected: Sequence[int] = ()) -> tuple[OwnTrie, list[Source]]:
        own, shared = super().sources(prompt_ids, expected)
        new = Glossary(range(10, 40))
        new.follow(prompt_ids)
        return own, [*shared, new]


def test_a_drafter_needs_one_line_for_it():
    request = GlossaryDrafter(LookaheadConfig(decoding_length=8)).start([1, 2, 10])
    for first in (11, 18):
        tree = request.draft(8, 7, None)
        tree.check()
        assert copied(tree)[:4] == [(token_id, "expected") for token_id in range(first, first + 4)]
        assert request.left_out() is not None
        request.commit(list(range(first, first + 7)))
        assert request.change().nodes == len(request.trie) + request.trie.leaves
    request.finish()


@settings(max_examples=15)
@given(st.lists(st.integers(5, 30), min_size=2, max_size=30), st.sampled_from([(), range(8, 30)]))
def test_a_study_replays_with_it_as_the_drafter_does(output, expected):
    run = recorded(expected=tuple(expected))
    samples = [Sample("trace", (1, 2, 10), tuple(output)), Sample("run", run.prompt_ids, run=run)]
    configs = [LookaheadConfig(decoding_length=width) for width in (4, 16)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(replay, "Drafter", GlossaryDrafter)
        for sample in samples:
            for outcome, config in zip(Jointly().outcomes(sample, configs), configs, strict=True):
                steps = list(replayed(sample, config))
                widths, tokens = Counter(len(step.draft) for step in steps), sum(step.emitted for step in steps)
                assert (outcome.widths, outcome.tokens) == (widths, tokens)
