"""A trie as a source, against what was really read."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from lookahead.sources.source import Level
from lookahead.sources.tries import OwnTrie, ReadTrie, Successors
from lookahead.trie import NO_TOKEN, Trie
from tests.lookahead.ngrams import many_sequences, sequences, trie_of

wide = st.lists(st.lists(st.integers(0, 60), max_size=60), max_size=4)


def read_trie(read: list[list[int]]) -> ReadTrie:
    return ReadTrie(Successors(trie_of(read, 12)), "corpus", "corpus")


def followers(trie: Trie, suffix: list[int]) -> set[int]:
    """What ever came after a suffix in what a trie has read."""
    log, size = trie.log.tolist(), len(suffix)
    found = {log[end] for end in range(size, len(log)) if log[end - size : end] == suffix}
    return found - {NO_TOKEN}


def check_levels(source: ReadTrie, context: list[int], slack: float = 0.0) -> list[Level]:
    """Assert what the search takes for granted of a source's levels; returns them.

    Args:
        slack: By how much the weights may sum to more than the total.
    """
    levels = list(source.levels(source.locus()))
    lengths = [length for length, _, _, _ in levels]
    assert lengths == sorted(lengths, reverse=True)
    for level in levels:
        length, total, only, _ = level
        candidates = source.candidates(level)
        tokens = [token_id for _, token_id, _ in candidates]
        weights = [weight for weight, _, _ in candidates]
        assert weights == sorted(weights, reverse=True)
        assert 0 < sum(weights) <= total * (1 + 1e-9) + slack
        assert len(set(tokens)) == len(tokens)
        seen = followers(source.trie, context[len(context) - length :])
        assert set(tokens) <= seen
        assert {token_id for token_id in range(64) if source.holds(level, token_id)} >= set(tokens)
        if only:
            assert len(tokens) == 1
    return levels


@settings(max_examples=150)
@given(many_sequences | wide, sequences)
def test_levels_say_what_followed_the_suffixes_of_the_context(read, context):
    source = read_trie(read)
    source.follow(context)
    levels = check_levels(source, context)
    assert bool(levels) == any(read)
    if levels:
        assert levels[0][0] == source.match_length(source.locus())


@settings(max_examples=150)
@given(many_sequences | wide, sequences, st.lists(st.integers(0, 3), max_size=8))
def test_advancing_a_locus_is_following_the_longer_context(read, context, more):
    ahead, behind = read_trie(read), read_trie(read)
    ahead.follow([*context, *more])
    behind.follow(context)
    locus = behind.locus()
    for token_id in more:
        locus = behind.advance(locus, token_id)
    assert list(behind.levels(locus)) == list(ahead.levels(ahead.locus()))


@settings(max_examples=150)
@given(many_sequences | wide, sequences)
def test_after_a_candidate_comes_the_longest_level_of_the_longer_context(read, context):
    source = read_trie(read)
    source.follow(context)
    locus = source.locus()
    known: set[int] = set()
    for level in source.levels(locus):
        for _, token_id, place in source.candidates(level):
            if token_id in known:
                continue
            known.add(token_id)
            after = source.after(place, level[0] + 1)
            longest = next(source.levels(source.advance(locus, token_id)), None)
            if after is not None:
                assert longest is not None
                assert longest[0] >= min(after[0], source.trie.max_depth - 1)
                tokens = {candidate[1] for candidate in source.candidates(after)}
                suffix = [*context, token_id][-min(after[0], source.trie.max_depth - 1) :]
                assert tokens <= followers(source.trie, suffix)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), sequences, st.floats(0.5, 4))
def test_a_request_names_prompt_or_output_by_what_weighs_more(prompt, output, weight):
    source = OwnTrie(prompt, ("prompt", "output"), weight)
    source.follow(output)
    # The last token of the prompt weighs as the prompt does, what followed it as the output does.
    for level in check_levels(source, [*prompt, *output], abs(weight - 1.0)):
        for _, _, place in source.candidates(level):
            name, times, heavy = source.origin(place)
            assert times >= 1
            in_prompt = source.trie.prompt_counts[place] if place > 0 else int(~place < source.trie.border)
            rest = (source.trie.counts[place] if place > 0 else 1) - in_prompt
            assert name == ("prompt" if in_prompt and in_prompt * weight >= rest else "output")
            assert heavy == max(in_prompt * weight, rest if name == "output" else 0)
