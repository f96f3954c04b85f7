"""A text that the caller expects: followed while it agrees, found again where the output departs from it."""

from __future__ import annotations

import inspect
import re
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookahead.config import LookaheadConfig
from lookahead.drafter import Drafter
from lookahead.replay import Replay
from lookahead.sources.expected import ExpectedText

ONLY = LookaheadConfig(sources=("expected",), budget="fixed")


def file_of(lines: int) -> list[list[str]]:
    """The words, spaces and signs of the first lines of a program."""
    return [re.findall(r"\s+|\w+|[^\w\s]", line + "\n") for line in inspect.getsource(textwrap).splitlines()[:lines]]


def edited(lines: list[list[str]]) -> list[list[str]]:
    """Three changed lines: a word replaced, two arguments put in, a line written anew and another after it."""
    lines = [list(line) for line in lines]
    words = [place for place, line in enumerate(lines) if sum(word.isidentifier() for word in line) > 3]
    first, second, third = words[10], words[len(words) // 2], words[-12]
    lines[first][next(at for at, word in enumerate(lines[first]) if word.isidentifier())] = "renamed"
    lines[second][3:3] = ["(", "limit", ",", " ", "other", ")"]
    lines[third] = [
        "    ",
        "return",
        " ",
        "written",
        " ",
        "anew",
        "(",
        "x",
        ")",
        "\n",
        "    ",
        "more",
        " ",
        "=",
        " ",
        "1",
        "\n",
    ]
    return lines


def ids_of(*files: list[list[str]]) -> list[list[int]]:
    """The files as token ids, one per word."""
    known: dict[str, int] = {}
    return [[known.setdefault(word, len(known)) for line in lines for word in line] for lines in files]


def counts(output: list[int], expected: list[int], config: LookaheadConfig) -> tuple[int, int, int]:
    """Draft tokens, accepted ones and passes of an output that is known."""
    request = Drafter(config).start([99_999], expected)
    steps = list(Replay(request, output, config, accept_last=True))
    return sum(len(step.draft) - 1 for step in steps), sum(step.accepted for step in steps), len(steps)


def test_an_edit_of_three_lines_in_two_hundred_is_drafted_almost_whole():
    before = file_of(200)
    expected, output = ids_of(before, edited(before))
    for width, share in ((8, 0.95), (16, 0.95), (64, 0.9)):
        config = LookaheadConfig(decoding_length=width, budget="fixed", sources=("expected",))
        drafted, accepted, passes = counts(output, expected, config)
        assert accepted / drafted > share
        assert passes < len(output) / width + 35


@pytest.mark.parametrize("put_in", [[], [70], [70, 71, 72, 73, 74]])
@pytest.mark.parametrize("left_out", [0, 1, 9])
def test_it_goes_on_soon_after_a_change(put_in, left_out):
    text = list(range(60))
    source = ExpectedText(text)
    output = [*text[:20], *put_in, *text[20 + left_out :]]
    right = []
    for token_id in output:
        level = next(source.levels(source.locus()), None)
        right.append(level is not None and source.candidates(level)[0][1] == token_id)
        source.follow([token_id])
    wrong = [place for place, one in enumerate(right) if not one]
    assert all(20 <= place <= 20 + len(put_in) for place in wrong)
    assert len(wrong) <= len(put_in) + 1


def test_of_several_places_the_one_after_the_longest_agreement_and_then_the_nearest():
    source = ExpectedText([1, 2, 3, 4, 5, 3, 6, 7, 5, 3, 8])
    source.follow([9])
    source.follow([5, 3])
    assert [source.candidates(level)[0][1] for level in source.levels(source.locus())] == [6]


@given(st.lists(st.integers(0, 5), max_size=40), st.lists(st.integers(0, 5), max_size=40))
def test_a_level_is_the_token_after_a_piece_of_the_text_that_the_output_ends_with(text, output):
    source = ExpectedText(text)
    for place, token_id in enumerate(output, start=1):
        source.follow([token_id])
        for length, weight, only, at in source.levels(source.locus()):
            known = min(length, place, at[0])
            if length <= place:
                assert known == 0 or text[at[0] - known : at[0]] == output[place - known : place]
            assert (weight, only) == (1.0, True)
            assert source.holds((length, weight, only, at), text[at[0]])


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.integers(2, 40))
def test_alone_it_drafts_its_text_from_the_beginning(text, width):
    tree = Drafter(ONLY).start([0], text).draft(width, 63, None)
    tree.check(width)
    assert list(tree.token_ids[1:]) == text[: width - 1]
    assert set(tree.sources[1:]) <= {"expected"}
    assert tree.match_length == 0


def test_without_a_text_or_switched_off_there_is_no_such_source():
    assert all(source.kind != "expected" for source in Drafter(LookaheadConfig()).start([1]).sources)
    config = LookaheadConfig(sources=("prompt", "output"))
    assert all(source.kind != "expected" for source in Drafter(config).start([1], [2, 3]).sources)
