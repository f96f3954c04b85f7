"""A recorded output becomes a run whose file is valid and whose steps are those of the replay."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lookahead.config import LookaheadConfig
from lookahead.costs import PassCosts
from lookahead.runs import runfile
from lookahead.study.as_run import as_run
from lookahead.study.material import Sample
from lookahead.study.rows import decode_steps_of

TOKENS = st.lists(st.integers(0, 3), min_size=1, max_size=40).map(tuple)
COSTS = PassCosts((1, 64), (1.0, 2.0))


@given(TOKENS, TOKENS, st.sampled_from([2, 8, 64]), st.sampled_from([None, COSTS]))
def test_the_run_of_a_trace_is_valid_and_has_its_output(
    prompt: tuple[int, ...], output: tuple[int, ...], width: int, costs: PassCosts | None
) -> None:
    config = LookaheadConfig(decoding_length=width)
    sample = Sample("a", prompt, output, text="hello")
    steps = decode_steps_of(sample, config, costs)
    run = as_run(sample, steps, config, costs)
    if len(output) < 2:
        assert run is None
        return
    assert run is not None
    again = runfile.from_json(runfile.to_json(run))
    assert again.token_ids == output
    assert len(again.steps) == len(steps) + 1
    drafts = [[step.draft and step.draft.token_ids for step in found] for found in (again.steps[1:], steps)]
    assert drafts[0] == drafts[1]
    if costs is not None:
        assert again.seconds >= len(steps) * costs.at(1)
