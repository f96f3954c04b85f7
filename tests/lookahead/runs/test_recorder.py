"""The recorder: a run file takes the record of any run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from lookahead.costs import PassCosts
from lookahead.records import RunRecord
from lookahead.runs import runfile
from lookahead.runs.recorder import RunRecorder
from tests.lookahead.valid_runs import valid_runs


@given(valid_runs())
def test_steps_in_a_valid_record_out(run: RunRecord) -> None:
    recorder = RunRecorder(run.prompt_ids, run.config, run.model, run.method, run.max_new_tokens, run.stop)
    for step in run.steps:
        recorder.add(step)
    record = recorder.record(broken_off=run.finish_reason, texts=run.texts)
    assert record.steps == run.steps
    assert record.finish_reason == run.finish_reason
    assert (record.first_token_seconds is None) == (not run.steps)
    loaded = runfile.from_json(runfile.to_json(record))
    assert loaded.token_ids == run.token_ids
    assert loaded.texts == run.texts


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model": {"name": "m" * 1001}}, "model.name: need a string of length <= 1000"),
        ({"model": {"device": "d" * 41}}, "model.device"),
        ({"model": {"parameters": 2**64}}, "model.parameters"),
        ({"prompt_ids": [1, 512]}, r"prompt_ids\[1\]: need 0 to 511"),
        ({"prompt_ids": []}, "prompt_ids: need at least one token"),
        ({"max_new_tokens": 2**64}, "max_new_tokens=18446744073709551616; need"),
        ({"stop": ["a"] * 65}, "more than 64 stop strings"),
        ({"pass_costs": PassCosts((1, 5000), (1.0, 2.0))}, r"pass_costs.lengths"),
    ],
)
def test_what_a_file_cannot_hold_is_refused_before_it_runs(changes: dict[str, Any], says: str) -> None:
    run = runfile.load(Path(__file__).with_name("golden_run.json"))
    known = {name: getattr(run, name) for name in ("prompt_ids", "config", "method", "max_new_tokens", "stop")}
    model = replace(run.model, **changes.pop("model", {}))
    assert RunRecorder(**known, model=run.model).record().steps == ()
    given: dict[str, Any] = known | {"model": model} | changes
    with pytest.raises(ValueError, match=says) as caught:
        RunRecorder(**given)
    assert len(str(caught.value).splitlines()) == 1
