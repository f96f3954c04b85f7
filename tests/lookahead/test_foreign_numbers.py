"""Numbers of numpy and torch are numbers wherever a caller may give one, and every run with them can be saved."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from lookahead.config import LookaheadConfig, RunSettings
from lookahead.drafter import Drafter
from lookahead.engine import LookaheadEngine
from lookahead.records import ModelInfo, RunRecord, StepTimings
from lookahead.runs import runfile
from lookahead.runs.recorder import RecordedRun
from lookahead.trie import Trie
from tests.lookahead.fake_backend import VOCAB_SIZE, FakeBackend

PROMPT = [1, 2, 3, 4, 5, 1, 2]
INFO = ModelInfo("fake", "cpu", "float32", 1, VOCAB_SIZE)
CONFIG = LookaheadConfig(decoding_length=8, budget="fixed")
KINDS: list[Callable[[list[int]], Any]] = [
    np.array,
    torch.tensor,
    lambda ids: array("i", ids),
    lambda ids: [np.int64(one) for one in ids],
    lambda ids: [torch.tensor(one) for one in ids],
    iter,
]


def _recorded(prompt: Any, backend: FakeBackend | None = None, **arguments: Any) -> RunRecord:
    engine = LookaheadEngine(backend or FakeBackend(lambda context: 1 + len(context) % 5), CONFIG)
    given: dict[str, Any] = {"max_new_tokens": 12} | arguments
    run = RecordedRun(engine, prompt, INFO, **given)
    list(run)
    return run.record()


def _without_times(run: RunRecord) -> RunRecord:
    steps = tuple(replace(step, timings=StepTimings()) for step in run.steps)
    return replace(run, steps=steps, seconds=1.0, first_token_seconds=1.0, created="2026-11-29T09:00:00+00:00")


@pytest.mark.parametrize("kind", KINDS[:-1])
def test_a_prompt_of_any_numbers_runs_and_is_saved_as_one_of_ints(kind: Callable[[list[int]], Any]):
    run = _without_times(_recorded(kind(PROMPT), max_new_tokens=np.int64(12)))
    assert run == _without_times(_recorded(PROMPT))
    assert set(map(type, run.prompt_ids)) == {int}
    assert runfile.from_json(runfile.to_json(run)).token_ids == run.token_ids


@pytest.mark.parametrize("number", [np.int64, np.int32, torch.tensor])
def test_a_model_may_choose_tokens_of_any_numbers(number: Callable[[int], Any]):
    run = _recorded(PROMPT, FakeBackend(lambda context: number(1 + len(context) % 5)))
    assert _without_times(run) == _without_times(_recorded(PROMPT))
    assert {type(token_id) for step in run.steps for token_id in step.target_ids + step.emitted_ids} == {int}


@pytest.mark.parametrize("kind", KINDS)
def test_drafter_and_trie_read_ids_of_any_numbers(kind: Callable[[list[int]], Any]):
    found = []
    for given in (kind, list):
        drafter, trie = Drafter(CONFIG), Trie(8)
        drafter.keep(given([7, 8, 9]))
        request = drafter.start(given(PROMPT))
        request.commit(given([3, 7]))
        tree = request.draft(8, 7, None)
        trie.insert(given(PROMPT))
        request.finish()
        found.append((tree, list(drafter.session.log), trie.stats(), list(trie.log)))
        assert set(map(type, tree.token_ids)) == {int}
    assert found[0] == found[1]


@pytest.mark.parametrize("prompt", [torch.tensor([PROMPT]), np.array([0.5]), "abc", [None], [[1, 2]], 5, None, [1.0]])
def test_what_is_not_a_list_of_ids_is_refused_in_one_line(prompt: Any):
    backend = FakeBackend()
    for start in (
        lambda: LookaheadEngine(backend).generate(prompt, max_new_tokens=3),
        lambda: Drafter(CONFIG).start(prompt),
    ):
        with pytest.raises(ValueError, match="token ids: need whole numbers in one flat list") as caught:
            start()
        assert len(str(caught.value).splitlines()) == 1
    assert not backend.sessions


def test_a_record_put_together_from_foreign_numbers_is_saved():
    run = _recorded(PROMPT)
    last = run.steps[-1]
    foreign = replace(
        last,
        emitted_ids=tuple(np.array(last.emitted_ids)),
        target_ids=tuple(torch.tensor(last.target_ids)),
        trie=replace(last.trie, nodes=np.int64(last.trie.nodes)),
        timings=replace(last.timings, forward_seconds=np.float32(0.5), commit_seconds=torch.tensor(0.25)),
    )
    own = replace(last, timings=replace(last.timings, forward_seconds=0.5, commit_seconds=0.25))
    loaded = runfile.from_json(runfile.to_json(replace(run, steps=(*run.steps[:-1], foreign))))
    assert runfile.to_json(loaded) == runfile.to_json(replace(run, steps=(*run.steps[:-1], own)))


@pytest.mark.parametrize("value", [object(), torch.tensor([1.0, 2.0]), math.nan, math.inf, 2**64, None, "1"])
def test_a_record_with_a_value_that_a_file_does_not_have_is_refused_in_one_line(value: Any):
    run = _recorded(PROMPT)
    for broken in (replace(run, seconds=value), replace(run, model=replace(run.model, parameters=value))):
        with pytest.raises(runfile.RunFileError) as caught:
            runfile.to_json(broken)
        assert len(str(caught.value).splitlines()) == 1


def test_settings_take_foreign_numbers_and_hold_ints():
    config = LookaheadConfig(decoding_length=np.int16(8), branch_length=torch.tensor(3), prompt_weight=np.float64(2))  # pyright: ignore[reportArgumentType]
    assert config == LookaheadConfig(decoding_length=8, branch_length=3, prompt_weight=2.0)
    assert [type(one) for one in (config.decoding_length, config.branch_length, config.prompt_weight)] == [
        int,
        int,
        float,
    ]
    assert type(RunSettings(np.int64(5)).max_new_tokens) is int  # pyright: ignore[reportArgumentType]
