"""Rows: the definitions of ``metrics`` for recorded runs, those of ``replay`` for traces; sums that add up."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookahead import metrics
from lookahead.config import LookaheadConfig
from lookahead.costs import PassCosts
from lookahead.engine import LookaheadEngine
from lookahead.records import ModelInfo, RunRecord
from lookahead.replay import replay_rows
from lookahead.runs.recorder import RecordedRun
from lookahead.runs.runfile import RunPair
from lookahead.study.grid import FINALISTS
from lookahead.study.material import Sample, sample_of, to_trace
from lookahead.study.reading import read_material
from lookahead.study.result import Row, Study
from lookahead.study.rows import row_of, total_of
from lookahead.study.study import StudyOptions, base_config, make_study, shown_costs
from lookahead.study.table import flat, table, to_csv
from tests.lookahead.fake_backend import VOCAB_SIZE, FakeBackend
from tests.lookahead.study.samples import recorded
from tests.lookahead.valid_runs import VOCAB, valid_runs

ids = st.integers(0, VOCAB - 1)
rows_of_traces = st.lists(st.tuples(st.lists(ids, min_size=1, max_size=20), st.lists(ids, max_size=25)), max_size=4)
configs = st.builds(
    LookaheadConfig,
    decoding_length=st.integers(1, 20),
    branch_length=st.sampled_from([None, 2]),
    strategy=st.sampled_from(["hierarchical", "parallel", "single"]),
    budget=st.just("fixed"),
)
COSTS = PassCosts((1, 64), (0.01, 0.04))
COUNTS = ("tokens", "passes", "drafted", "accepted", "empty", "wasted")


def _sample(run: RunRecord, name: str = "run") -> Sample:
    return sample_of(Sample(name, ()), RunPair(run))


@settings(max_examples=30)
@given(valid_runs())
def test_a_recorded_run_has_the_numbers_of_metrics(run: RunRecord):
    row, steps = row_of(_sample(run), run.config, COSTS), run.steps
    if run.method == "plain":
        return
    assert row.tokens == len(run.token_ids)
    assert row.passes == max(0, metrics.forward_passes(steps) - 1)
    assert row.tokens_per_pass == metrics.or_none(metrics.mean_accepted_tokens, steps)
    assert row.seconds == metrics.decode_seconds(run)
    if row.drafted:
        assert row.accepted / row.drafted == metrics.acceptance_rate(steps)
    for kinds in (row.by_source, row.by_depth, row.by_match_length):
        assert sum(kind.drafted for kind in kinds.values()) == row.drafted
        assert sum(kind.accepted for kind in kinds.values()) == row.accepted
    assert row.wasted == row.drafted - row.accepted
    assert (row.modelled_seconds or 0) >= row.passes * COSTS.at(1)


@settings(max_examples=40)
@given(rows_of_traces, configs)
def test_a_trace_has_the_numbers_of_replay(traces, config: LookaheadConfig):
    samples = [Sample(f"{place}", tuple(prompt), tuple(output)) for place, (prompt, output) in enumerate(traces)]
    study = make_study(samples, StudyOptions("trace", config))
    summary = replay_rows(traces, config)
    assert study.total.passes == summary["steps"]
    assert sum(max(0, row.tokens - 1) for row in study.rows) == summary["tokens"]
    assert study.total.tokens_per_pass == summary["mean_accepted_tokens"]
    if summary["steps"]:
        assert study.total.drafted == pytest.approx((summary["draft_tokens_per_step"] or 0) * summary["steps"])
    assert study.total.seconds is None
    for row in study.rows:
        assert sum(kind.accepted for kind in row.by_depth.values()) == row.accepted


@settings(max_examples=40)
@given(
    prompt=st.lists(st.integers(0, VOCAB_SIZE - 1), min_size=1, max_size=20),
    period=st.integers(1, 9),
    most=st.integers(1, 30),
    width=st.integers(1, 20),
    limit=st.sampled_from([None, 30]),
)
def test_a_replay_of_a_run_with_its_own_settings_has_the_row_of_the_run(prompt, period, most, width, limit):
    """All of the row but times; the replay is forced by a setting that changes nothing."""
    backend = FakeBackend(lambda context: len(context) % period, context_limit=limit)
    config = LookaheadConfig(decoding_length=width)
    info = ModelInfo("fake", "cpu", "float32", 1, VOCAB_SIZE)
    run = RecordedRun(LookaheadEngine(backend, config), prompt, info, max_new_tokens=most).whole()
    sample = _sample(run)
    recorded = row_of(sample, config, run.pass_costs)
    same = LookaheadConfig(decoding_length=width, trie_capacity=config.trie_capacity + 1)
    replayed = row_of(sample, same, run.pass_costs)
    assert recorded.seconds is not None
    assert replayed.seconds is None
    for name in (*COUNTS, "tokens_per_pass", "by_source", "by_depth", "by_match_length"):
        assert getattr(recorded, name) == getattr(replayed, name), name


def test_the_first_runs_of_a_study_weigh_as_much_as_the_last_in_its_pass_costs():
    run, samples = recorded(), []
    for factor in [3.0] * 9 + [1.0] * 2:
        times = [factor * COSTS.at(1 if step.draft is None else len(step.draft)) for step in run.steps]
        steps = [
            replace(step, timings=replace(step.timings, forward_seconds=seconds))
            for step, seconds in zip(run.steps, times, strict=True)
        ]
        samples.append(_sample(replace(run, steps=tuple(steps), pass_costs=COSTS)))
    shown = shown_costs(samples, COSTS)
    assert shown is not None
    assert shown.seconds == pytest.approx([3.0 * seconds for seconds in COSTS.seconds])


def test_a_run_that_is_faster_than_its_tokens_per_pass_was_disturbed():
    run = recorded()
    for factor, disturbed in ((0.5, False), (1.04, False), (1.1, True)):
        quick = metrics.decode_seconds(run)
        seconds = factor * quick * (metrics.or_none(metrics.mean_accepted_tokens, run.steps) or 0.0)
        sample = replace(_sample(run), plain=replace(run, method="plain", seconds=seconds, first_token_seconds=0.0))
        row = row_of(sample, run.config, COSTS)
        assert row.disturbed == disturbed
        assert row.speedup == pytest.approx(seconds / quick, rel=1e-3)
        study = make_study([sample], StudyOptions("t", run.config, COSTS))
        assert any("timing disturbed: 1 of 1 prompts" in note for note in study.notes) == disturbed
        assert flat(row)["disturbed"] is disturbed


@settings(max_examples=20)
@given(st.lists(valid_runs(), max_size=3))
def test_sums_are_those_of_all_steps_together(runs: list[RunRecord]):
    runs = [run for run in runs if run.method == "lookahead"]
    total = total_of([row_of(_sample(run), run.config, COSTS) for run in runs])
    steps = [step for run in runs for step in run.steps]
    assert total.tokens_per_pass == pytest.approx(metrics.or_none(metrics.mean_accepted_tokens, steps))
    if total.drafted:
        assert total.accepted / total.drafted == pytest.approx(metrics.acceptance_rate(steps))
    found = {name: (one.drafted, one.checked, one.accepted) for name, one in total.by_source.items()}
    whole = metrics.acceptance_by_source(steps)
    assert found == {name: (one.drafted, one.checked, one.accepted) for name, one in whole.items()}
    assert list(total.by_depth) == list(metrics.in_ranges(metrics.acceptance_by_depth(steps)))


@settings(max_examples=20)
@given(runs=st.lists(valid_runs(), min_size=1, max_size=3))
def test_a_trace_that_a_study_wrote_is_replayed_as_replay_does(runs: list[RunRecord], tmp_path_factory):
    samples = [_sample(run, f"run {place}") for place, run in enumerate(runs) if run.steps]
    if not samples:
        return
    path = tmp_path_factory.mktemp("trace") / "trace.jsonl"
    path.write_bytes(to_trace(samples))
    again = read_material(path)
    assert [(one.name, one.prompt_ids, one.output_ids) for one in again] == [
        (one.name, one.prompt_ids, one.output_ids) for one in samples
    ]
    config = LookaheadConfig(decoding_length=8, budget="fixed")
    summary = replay_rows([(one.prompt_ids, one.output_ids or ()) for one in samples], config)
    assert make_study(again, StudyOptions("trace", config)).total.tokens_per_pass == summary["mean_accepted_tokens"]


@settings(max_examples=20)
@given(st.lists(valid_runs(), max_size=3))
def test_settings_are_those_given_and_then_those_of_most_runs(runs: list[RunRecord]):
    samples = [_sample(run) for run in runs]
    config = base_config(samples, {"decoding_length": 7}, timed=False)
    assert config.decoding_length == 7
    if not runs:
        assert config == LookaheadConfig(decoding_length=7, budget="fixed")
    elif all(run == runs[0] for run in runs):
        assert config.strategy == runs[0].config.strategy
        assert base_config(samples, {}, timed=False) == runs[0].config


def test_a_table_has_a_column_for_every_number_and_no_formulas():
    run = {"tokens": 3, "passes": 1, "tokens_per_pass": 2.0, "drafted": 0, "accepted": 0, "empty": 1, "wasted": 0}
    rows = [Row(name="=1+1", text="-x\n", **run), Row(name="b", category="@kind", **run)]
    names, lines = table(rows)
    assert set(names) == set(flat(rows[0]))
    assert lines[1]["category"] == "@kind"
    text = to_csv(rows)
    assert "'=1+1" in text
    assert "'@kind" in text
    assert "\n=" not in text


def test_a_study_is_json_both_ways():
    samples = [Sample("a", (1, 2, 3, 1, 2), (3, 1, 2, 3, 1, 2), category="x")]
    study = make_study(samples, StudyOptions("t", LookaheadConfig(), COSTS))
    assert msgspec.json.decode(msgspec.json.encode(study), type=Study) == study


def test_a_limit_on_replays_is_told():
    samples = [Sample(str(place), (1, 2, 3, 1, 2), (3, 1, 2, 3, 1, 2 + place)) for place in range(8)]
    axes = {"decoding_length": tuple(range(2, 4 + FINALISTS))}
    options = StudyOptions("t", LookaheadConfig(budget="fixed"), axes=axes)
    assert make_study(samples, options).notes == ()
    (note,) = make_study(samples, replace(options, most_replayed=(3 + FINALISTS) * 6 * 3)).notes
    assert "replayed on 3 of 8 prompts" in note


def test_a_note_says_that_the_prefill_is_left_out_and_what_it_makes_of_the_speedup():
    run = replace(recorded(), seconds=6.0, first_token_seconds=2.0)
    plain = replace(run, method="plain", seconds=6.4, first_token_seconds=2.0)
    options = StudyOptions("t", run.config, COSTS, jobs=1)

    def notes(*samples: Sample, options: StudyOptions = options) -> list[str]:
        return [note for note in make_study(samples, options).notes if "after the first token" in note]

    both, alone = replace(_sample(run), plain=plain), _sample(run)
    row = row_of(both, run.config, COSTS)
    assert row.speedup is not None
    whole = (row.speedup * 4.0 + 2.0) / (4.0 + 2.0)
    assert not row.disturbed
    assert f"with the prompts' passes it is {whole:.2f} times" in notes(both)[0]
    assert notes(alone) == ["speedups are counted after the first token"]
    assert notes(replace(alone, run=None), options=replace(options, costs=None)) == []
