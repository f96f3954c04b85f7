"""A recorded output as a run, drafted again by replay: so that the page can show its steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import lookahead
from lookahead.config import LookaheadConfig
from lookahead.costs import PassCosts
from lookahead.records import ModelInfo, RunRecord, RunTexts, StepRecord, StepTimings, TrieChange
from lookahead.study.material import Sample
from lookahead.verify import verify

MODEL = ModelInfo("a recorded output", "replayed", "no model", 1, 2**31)
"""What such a run says of its model: nobody knows it."""


def as_run(
    sample: Sample, steps: Sequence[StepRecord], config: LookaheadConfig, costs: PassCosts | None
) -> RunRecord | None:
    """The run; None if the output is shorter than two tokens, which makes no step.

    Its passes take the times of T(n), or none.

    Args:
        steps: The decode steps of the replay (``decode_steps_of``).
        costs: T(n) by which it chose its widths; None if it drafted the full width.
    """
    output_ids = sample.output_ids or ()
    if len(output_ids) < 2 or not steps:
        return None
    first = output_ids[:1]
    timed = [replace(step, timings=_timed(step, costs)) for step in steps]
    last = timed[-1]
    assert last.draft is not None
    # A trace counts its last token as the model's own, a run takes it from the draft if it is there.
    accepted = verify(last.draft, last.target_ids).accepted_nodes[: len(last.emitted_ids)]
    timed[-1] = replace(last, accepted_nodes=accepted, finish_reason="length")
    prefill = StepRecord(0, len(sample.prompt_ids), 0, None, first, (), first, StepTimings(), TrieChange())
    return RunRecord(
        prompt_ids=sample.prompt_ids,
        steps=(prefill, *timed),
        config=config,
        model=MODEL,
        method="lookahead",
        finish_reason="length",
        seconds=sum(step.timings.total_seconds for step in timed),
        first_token_seconds=0.0,
        max_new_tokens=len(output_ids),
        pass_costs=costs,
        texts=RunTexts(sample.text, "") if sample.text else None,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        version=lookahead.__version__,
    )


def _timed(step: StepRecord, costs: PassCosts | None) -> StepTimings:
    width = len(step.draft or ())
    return replace(step.timings, forward_seconds=costs.at(width)) if costs and width else step.timings
