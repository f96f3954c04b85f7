"""What the engine refuses: arguments before anything runs, drafts that do not fit the run."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from lookahead.config import LookaheadConfig
from lookahead.draft import DraftTree
from lookahead.drafter import DraftRequest
from lookahead.engine import LookaheadEngine
from tests.lookahead.drafters import tree_of
from tests.lookahead.fake_backend import VOCAB_SIZE, FakeBackend


@pytest.mark.parametrize(
    ("prompt", "arguments", "message"),
    [
        ([], {"max_new_tokens": 5}, "empty"),
        ([1] * 12, {"max_new_tokens": 5}, "12 tokens; the model's context holds 12"),
        ([1, VOCAB_SIZE], {"max_new_tokens": 5}, f"token id {VOCAB_SIZE} in the prompt"),
        ([-1], {"max_new_tokens": 5}, "token id -1"),
        ([1], {"max_new_tokens": 0}, "max_new_tokens=0"),
        ([1], {"max_new_tokens": 5, "method": "beam"}, "method='beam'"),
        ([1], {"max_new_tokens": 5, "stop": [""]}, "empty stop string"),
        ([1], {"max_new_tokens": 5, "stop": ["a"] * 65}, "more than 64 stop strings"),
        ([1], {"max_new_tokens": 5, "stop": "a" * 1001}, "a stop string of 1001 characters"),
        ([1], {"max_new_tokens": 5, "stop": ["\ud800"]}, "need text"),
        ([1], {"max_new_tokens": 5, "stop": [b"a"]}, "need text"),
        *[([1], {"max_new_tokens": most}, "max_new_tokens=") for most in (True, 2.0, 10**6 + 1, 2**64, 10**400)],
        *[([1], {"max_new_tokens": most}, "max_new_tokens=") for most in (math.inf, math.nan, "5", None)],
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_runs(prompt, arguments, message):
    backend = FakeBackend(context_limit=12)
    engine = LookaheadEngine(backend, None, Forger(None))
    with pytest.raises(ValueError, match=message):
        engine.generate(prompt, **arguments)
    assert not backend.sessions


def test_a_prompt_longer_than_a_run_file_holds_is_refused(monkeypatch):
    monkeypatch.setattr("lookahead.draft.MAX_TOKENS", 10)
    backend = FakeBackend()
    assert list(LookaheadEngine(backend).generate([1] * 10, max_new_tokens=1))
    many: Any
    for many in ([1] * 11, itertools.repeat(1), np.ones(11, dtype=int)):
        with pytest.raises(ValueError, match="token ids: need at most 10"):
            LookaheadEngine(backend).generate(many, max_new_tokens=1)
        with pytest.raises(ValueError, match="token ids: need at most 10"):
            LookaheadEngine(backend).generate([1], max_new_tokens=1, expected=many)
    stop: Any = itertools.repeat("a")
    with pytest.raises(ValueError, match="more than 64 stop strings"):
        LookaheadEngine(backend).generate([1], max_new_tokens=1, stop=stop)
    assert len(backend.sessions) == 1


class Forger:
    """A drafter that proposes the same tree every time."""

    def __init__(self, tree):
        self.tree = tree

    def start(self, prompt_ids):
        """A request that does so."""
        request = Forged(prompt_ids)
        request.tree = self.tree
        return request


class Forged(DraftRequest):
    tree: DraftTree

    def draft(self, width, longest_branch, pass_seconds, chain=None):
        return self.tree


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (tree_of([9], [-1]), "root"),
        (tree_of([5, 6, 6], [-1, 0, 0]), "twice"),
        (tree_of([5, 6, 7], [-1, 2, 0]), "precedes"),
        (tree_of([5, VOCAB_SIZE], [-1, 0]), "vocabulary"),
        (tree_of([5, *range(6, 14)], range(-1, 8)), "at most 8"),
        (tree_of([5, 6, 7, 8, 9], range(-1, 4)), "branch of 4"),
        (DraftTree((), (), (), (), ()), "root"),
    ],
)
def test_a_malformed_draft_is_refused(tree, message):
    config = LookaheadConfig(decoding_length=8, branch_length=3, budget="fixed")
    backend = FakeBackend()
    with pytest.raises(ValueError, match=message):
        list(LookaheadEngine(backend, config, Forger(tree)).generate([4], max_new_tokens=20))
    assert backend.sessions[0].closed
