"""Settings: a value that is written is read again; a wrong one is refused in one line that names setting and rule."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lookahead.config import MAX_DECODING_LENGTH, LookaheadConfig, RunSettings, Sampling, offered
from lookahead.setting import MAX_NUMBER, Kind, Setting, chosen, settings_of

CLASSES = (RunSettings, Sampling, LookaheadConfig)
ALL = settings_of(*CLASSES)
WORDS = ("wide", "narrow", "a word of two")
KINDS: tuple[Kind, ...] = ("whole", "number", "choice", "choices", "switch")


@st.composite
def _settings(draw: st.DrawFn) -> Setting:
    """Any setting: one of the library's own, or one that may be added."""
    if draw(st.booleans()):
        return draw(st.sampled_from(list(ALL.values())))
    kind = draw(st.sampled_from(KINDS))
    ends = st.integers(-MAX_NUMBER, MAX_NUMBER) if kind == "whole" else st.floats(-1e300, 1e300)
    low, high = sorted((draw(ends) + 0, draw(ends) + 0))  # no -0.0
    none = "no limit" if kind in ("whole", "number") and low > 0 and draw(st.booleans()) else ""
    return Setting("grain", kind, None, "Grain", "How fine.", (), low, high, WORDS, none)


def _values(described: Setting) -> st.SearchStrategy[Any]:
    """Every value of the setting."""
    none = st.none() if described.optional else st.nothing()
    match described.kind:
        case "whole":
            return none | st.integers(int(described.low), int(described.high))
        case "number":
            return none | st.floats(described.low, described.high)
        case "choice":
            return st.sampled_from(described.choices)
        case "choices":
            taken = st.sets(st.sampled_from(described.choices))
            return taken.map(lambda words: tuple(word for word in described.choices if word in words))
        case "switch":
            return st.booleans()


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(10**400), 2**53, 1e300, -0.0])
    | st.floats()
    | st.text()
    | st.just("9" * 100_000)
    | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=5,
)
TEXTS = (
    st.text()
    | st.integers().map(str)
    | st.floats().map(str)
    | st.sampled_from(["", " ", "nan", "-inf", "1_0", "٣", "1e999", "0x10", "True", "9" * 100_000, "a," * 10_000])
    | st.just("\ud800\n")
)


def _refusal(described: Setting, message: str) -> None:
    assert len(message.splitlines()) == 1
    assert message.startswith(f"{described.name}=")
    assert message.endswith((f"; {described.rule}", "; need 1 or 0"))
    assert len(message) < 300


@given(st.data())
def test_a_value_is_the_same_after_writing_and_reading(data: st.DataObject):
    described = data.draw(_settings())
    value = data.draw(_values(described))
    described.check(value)
    assert described.from_text(described.text(value)) == value
    assert described.from_plain(described.plain(value)) == value
    assert type(described.from_plain(described.plain(value))) is type(value)


@given(_settings(), ANYTHING)
def test_anything_is_a_value_or_refused_in_one_line(described: Setting, given_value: Any):
    try:
        value = described.from_plain(given_value)
    except ValueError as error:
        _refusal(described, str(error))
    else:
        described.check(value)
        assert described.from_plain(described.plain(value)) == value


@given(_settings(), TEXTS)
def test_any_text_is_a_value_or_refused_in_one_line(described: Setting, text: str):
    try:
        value = described.from_text(text)
    except ValueError as error:
        _refusal(described, str(error))
    else:
        described.check(value)
        assert described.from_text(described.text(value)) == value


@given(_settings())
def test_true_is_not_a_number_and_no_number_is_true(described: Setting):
    if described.kind == "switch":
        with pytest.raises(ValueError, match="need true or false"):
            described.from_plain(1)
    else:
        with pytest.raises(ValueError, match=described.name):
            described.from_plain(True)


def test_a_value_too_large_to_be_shown_is_refused_like_any_other():
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for described in ALL.values():
        for huge in (deep, 10**5000):
            with pytest.raises(ValueError, match=f"{described.name}=something huge; "):
                described.from_plain(huge)
    while deep:  # freed level by level: a list this deep exhausts the C stack of some interpreters
        deep = deep.pop()


def test_controls_and_javascript_write_whole_numbers_as_they_can():
    width, branch, sources = ALL["decoding_length"], ALL["branch_length"], ALL["sources"]
    assert [width.from_plain(8.0), width.from_text(" 8 ")] == [8, 8]
    assert [branch.from_plain(0), branch.from_plain(0.0), branch.from_text("0"), branch.plain(None)] == [None] * 3 + [0]
    assert sources.from_plain(["output", "prompt", "output"]) == ("prompt", "output")
    assert sources.from_text("corpus, prompt,") == ("prompt", "corpus")
    assert sources.from_text("") == ()


def test_narrower_bounds_take_the_default_along():
    width, sources = ALL["decoding_length"], ALL["sources"]
    narrow = width.within(high=32)
    assert (narrow.low, narrow.high, narrow.default) == (1, 32, 32)
    with pytest.raises(ValueError, match="decoding_length=33; need a whole number, 1 to 32"):
        narrow.from_plain(33)
    assert width.within(high=10**6).high == MAX_DECODING_LENGTH
    assert sources.within(choices=("output", "prompt")).default == ("prompt", "output")
    assert ALL["branch_length"].within(high=8).default is None


def test_the_help_says_what_0_means_and_the_summary_does_not():
    branch = ALL["branch_length"]
    assert branch.help == "Most draft tokens in one branch. 0: as many as the width allows."
    assert branch.summary == "Most draft tokens in one branch."
    assert branch.to_json()["help"] == branch.help
    assert branch.to_json()["default"] == 0
    assert branch.to_json()["optional"] is True
    assert ALL["strategy"].help == ALL["strategy"].summary


def test_every_default_is_a_value_and_every_setting_is_described():
    for name, described in ALL.items():
        assert described.name == name
        described.check(described.default)
        assert described.label
        assert described.summary.endswith(".")
    assert set(ALL) == {name for kind in CLASSES for name in kind.__dataclass_fields__}


def test_settings_are_chosen_by_name_and_offered_by_place():
    values = {"decoding_length": 8, "max_new_tokens": 5, "prompt": "is not a setting"}
    assert chosen(LookaheadConfig, values) == LookaheadConfig(decoding_length=8)
    assert chosen(RunSettings, values) == RunSettings(5)
    with pytest.raises(ValueError, match="max_new_tokens=0; need a whole number, 1 to 1000000"):
        chosen(RunSettings, {"max_new_tokens": 0})
    assert {"decoding_length", "branch_length", "strategy", "ranking"} <= set(offered("replay"))
    assert "budget" not in offered("replay"), "a replay of a trace has no T(n)"
    assert list(offered("replay", settings_of(RunSettings))) == []


@pytest.mark.parametrize("name", ["decoding_length", "branch_length", "trie_capacity", "trie_bytes"])
@pytest.mark.parametrize("value", [6.5, True, "8", math.nan])
def test_counts_are_whole_numbers(name: str, value: Any):
    with pytest.raises(ValueError, match=f"{name}=.*whole number"):
        LookaheadConfig(**{name: value})


NUMBERS = [name for name, one in ALL.items() if one.kind in ("whole", "number")]
NOT_NUMBERS = [2**64, -(2**64), 10**400, math.inf, -math.inf, math.nan, True, np.int64(2**62), np.bool_(True)]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [*NOT_NUMBERS, np.float32("nan"), torch.tensor(2**60), torch.tensor([1, 2]), "8", 8j])
def test_every_number_is_bounded_where_it_enters(name: str, value: Any):
    """And what is let in fits into a run file, which holds whole numbers below 2^53."""
    kind = next(kind for kind in CLASSES if name in settings_of(kind))
    with pytest.raises(ValueError, match=f"^{name}=") as caught:
        kind(**{name: value})
    message = str(caught.value)
    assert message.endswith(f"; {ALL[name].rule}")
    assert len(message) < 150
    assert message.isprintable()
    assert ALL[name].high <= MAX_NUMBER


def test_a_word_is_named_once():
    with pytest.raises(ValueError, match=r"^sources="):
        LookaheadConfig(sources=("prompt",) * 10_000)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"decoding_length": 0}, "decoding_length=0; need a whole number, 1 to 1024"),
        ({"decoding_length": MAX_DECODING_LENGTH + 1}, "decoding_length"),
        ({"branch_length": 0}, "branch_length=0; need a whole number, at least 1"),
        ({"branch_length": 2**53}, "at least 1 and below 2.53"),
        ({"strategy": "wide"}, "choose one of hierarchical, parallel, single"),
        ({"budget": "none"}, "adaptive, fixed"),
        ({"ranking": "random"}, "probability, frequency"),
        ({"sources": ("magic",)}, "prompt, output, corpus, model, expected"),
        ({"prompt_weight": 0.0}, "prompt_weight=0.0; need a finite number"),
        ({"prompt_weight": math.inf}, "finite"),
        ({"prompt_weight": math.nan}, "finite"),
        ({"trie_capacity": 1}, "trie_capacity=1"),
        ({"trie_bytes": 1}, "trie_bytes=1"),
    ],
)
def test_what_is_out_of_range_is_refused_by_name_and_rule(settings: dict[str, Any], says: str):
    with pytest.raises(ValueError, match=says):
        LookaheadConfig(**settings)


def test_a_list_of_words_is_kept_as_a_tuple():
    words: Any = ["output", "prompt"]
    assert LookaheadConfig(sources=words) == LookaheadConfig(sources=("output", "prompt"))


def test_the_longest_branch_is_no_longer_than_the_draft():
    longest = [LookaheadConfig(decoding_length=8, branch_length=most).longest_branch for most in (None, 3, 50)]
    assert longest == [7, 3, 7]
    assert LookaheadConfig(decoding_length=1).longest_branch == 0
