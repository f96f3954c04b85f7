"""What if: with a run's own settings it is the run itself, however the run ended; where it is not, it says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.run.stored_run import from_record
from app.views import what_if
from lookahead.config import LookaheadConfig
from lookahead.drafter import Drafter
from lookahead.engine import LookaheadEngine
from lookahead.hf.backend import HFBackend
from lookahead.records import RunRecord
from lookahead.runs import runfile
from lookahead.runs.recorder import RunRecorder
from tests.app.making import INFO, asked
from tests.lookahead.fake_backend import VOCAB_SIZE, FakeBackend

EXACT = ("forward_passes", "mean_accepted_tokens", "acceptance_rate", "draft_tokens_per_step")


def recorded(backend, prompt, config, most=40, stop=(), drafter=None) -> RunRecord:
    """A real run of this backend."""
    engine = LookaheadEngine(backend, config, drafter)
    costs = engine.pass_costs
    recorder = RunRecorder(prompt, config, INFO, "lookahead", most, stop, costs)
    for step in engine.generate(prompt, max_new_tokens=most, stop=stop):
        recorder.add(step)
    return recorder.record()


def numbers(found: dict) -> list:
    """What is exact."""
    return [found[name] for name in EXACT]


def test_this_version_drafts_the_recorded_run_again(run: RunRecord):
    """Otherwise its what-if says "not exact": record ``assets/runs`` again when drafts change."""
    answer = what_if.answer(run, run.config)
    assert answer["exact"]
    assert numbers(answer["estimate"]) == pytest.approx(numbers(answer["real"]))


@settings(max_examples=60)
@given(
    prompt=st.lists(st.integers(0, VOCAB_SIZE - 1), min_size=1, max_size=20),
    period=st.integers(1, 9),
    eos=st.lists(st.integers(0, 12), max_size=2),
    stop=st.sampled_from([(), ("<3>",), ("<4><5>", "<8>")]),
    limit=st.sampled_from([None, 30]),
    most=st.integers(1, 30),
    width=st.integers(1, 20),
    branch=st.sampled_from([None, 3]),
    budget=st.sampled_from(["fixed", "adaptive"]),
)
def test_the_same_settings_are_the_run_itself(prompt, period, eos, stop, limit, most, width, branch, budget):
    prompt += range(period)  # so that all of the output can be drafted, its end, too
    backend = FakeBackend(lambda context: (context[-1] + 1) % period, eos_ids=eos, context_limit=limit)
    config = LookaheadConfig(decoding_length=width, branch_length=branch, budget=budget)
    run = recorded(backend, prompt, config, most, stop)
    answer = what_if.answer(run, config)
    # The file does not say where a model's context ends, so a run that stopped just before may have had less room.
    known = limit is None or run.finish_reason == "context" or len(prompt) + most <= limit
    assert answer["exact"] or not known
    assert numbers(answer["estimate"]) == numbers(answer["real"]) or not answer["exact"]


def test_runs_of_a_real_model_that_stop_inside_an_accepted_path(tiny_model: Path):
    backend = HFBackend.from_pretrained(str(tiny_model))
    prompt = backend.encode("abcabcabc")
    config = LookaheadConfig(decoding_length=16, budget="fixed")
    whole = recorded(backend, prompt, config, 60)
    cut = 0
    for length in range(5, 60, 6):
        stop = backend.decode(whole.token_ids[length - 2 : length])
        for drafter in (None, drafter_that_knows(config, whole.token_ids)):
            run = recorded(backend, prompt, config, 60, (stop,) if stop else (), drafter)
            earlier = (whole.token_ids,) if drafter else ()
            answer = what_if.answer(run, config, earlier)
            assert numbers(answer["estimate"]) == numbers(answer["real"])
            assert answer["exact"]
            cut += len(run.steps[-1].emitted_ids) == len(run.steps[-1].accepted_nodes)
    assert cut > 3


def drafter_that_knows(config: LookaheadConfig, output: tuple[int, ...]) -> Drafter:
    """A drafter with one earlier output."""
    drafter = Drafter(config)
    drafter.keep(output)
    return drafter


@pytest.fixture(scope="module")
def second() -> RunRecord:
    """A run that repeats an earlier output, which its prompt does not hold."""
    config = LookaheadConfig(decoding_length=16, budget="fixed")
    first = recorded(FakeBackend(), [3], config)
    return recorded(FakeBackend(), [3], config, drafter=drafter_that_knows(config, first.token_ids))


def test_without_the_sources_that_it_had_a_run_takes_more_passes():
    backend = FakeBackend(lambda context: (3 * context[-1] + 1 + (len(context) // 11) % 2) % 50, recycles=True)
    run = recorded(backend, [1, 2, 3], LookaheadConfig(budget="fixed", decoding_length=16), most=100)
    run = runfile.from_json(runfile.to_json(run))
    answer = what_if.answer(run, what_if.changed(run.config, {"sources": ["prompt", "output"]}))
    assert answer["exact"]
    assert answer["estimate"]["forward_passes"] > answer["real"]["forward_passes"]


def test_a_run_whose_earlier_outputs_are_not_known_is_not_called_exact(second: RunRecord):
    answer = what_if.answer(second, second.config)
    assert not answer["exact"]
    assert answer["again"] == answer["estimate"]["forward_passes"] > answer["real"]["forward_passes"]
    known = what_if.answer(second, second.config, (second.token_ids,))
    assert known["exact"]
    assert known["again"] == known["real"]["forward_passes"]


def test_an_opened_run_says_so_for_any_settings(second: RunRecord):
    ask = asked(from_record(runfile.from_json(runfile.to_json(second))))
    for config in ({}, {"decoding_length": 4}, {"strategy": "single"}):
        answer = ask("what_if", 0, config=config)
        assert answer["exact"] is False
        assert answer["again"] > answer["real"]["forward_passes"]
