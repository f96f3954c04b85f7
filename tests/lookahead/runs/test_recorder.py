"""The recorder: a run file takes the record of any run."""

from __future__ import annotations

from hypothesis import given

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
