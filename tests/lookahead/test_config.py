"""Settings are checked when they are made."""

from __future__ import annotations

import math
from typing import Any

import pytest

from lookahead.config import MAX_DECODING_LENGTH, LookaheadConfig


@pytest.mark.parametrize("name", ["decoding_length", "branch_length", "trie_capacity", "trie_bytes"])
@pytest.mark.parametrize("value", [6.5, True, "8", math.nan])
def test_counts_are_whole_numbers(name: str, value: Any):
    with pytest.raises(ValueError, match=f"{name}=.*whole number"):
        LookaheadConfig(**{name: value})


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"decoding_length": 0}, "decoding_length=0; need a whole number, 1 to 1024"),
        ({"decoding_length": MAX_DECODING_LENGTH + 1}, "decoding_length"),
        ({"branch_length": 0}, "branch_length=0; need a whole number, at least 1"),
        ({"strategy": "wide"}, "choose one of hierarchical, parallel, single"),
        ({"budget": "none"}, "adaptive, fixed"),
        ({"ranking": "random"}, "probability, frequency"),
        ({"sources": ("model",)}, "prompt, output, corpus"),
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


def test_the_longest_branch_is_no_longer_than_the_draft():
    assert [LookaheadConfig(decoding_length=8, branch_length=most).longest_branch for most in (None, 3, 50)] == [
        7,
        3,
        7,
    ]
    assert LookaheadConfig(decoding_length=1).longest_branch == 0
