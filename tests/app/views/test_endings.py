"""How a run ended, as the status line says it."""

from __future__ import annotations

import dataclasses
from typing import get_args

import pytest

from app.run.stored_run import from_record
from app.views.step_messages import how_it_ended
from lookahead.records import FinishReason, RunRecord


@pytest.mark.parametrize("reason", get_args(FinishReason))
def test_every_ending_is_said_in_words(reason: FinishReason, run: RunRecord) -> None:
    run = dataclasses.replace(run, finish_reason=reason)
    stored = from_record(run)
    stored.finish(run, problem="out of memory" if reason == "error" else "")
    line = how_it_ended(stored)
    assert line.startswith(f"Lookahead: {len(run.token_ids)} tokens in {len(run.steps)} forward passes, ")
    words = line.rpartition(" s, ")[2]
    assert words != f"{reason}."
    assert ("broke off: out of memory" in words) == (reason == "error")
