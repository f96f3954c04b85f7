"""A grid: every setting does what a replay of it alone does, whatever else is replayed beside it."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookahead.config import LookaheadConfig
from lookahead.draft import Chain
from lookahead.replay import recorded_steps, replay_rows
from lookahead.study.grid import AXES, FINALISTS, Drafting, Point, Work, differences, explore, explored, grid, label
from lookahead.study.joint import Jointly, Outcome
from lookahead.study.material import Sample
from lookahead.study.reading import read_material
from lookahead.study.replayed import output_of, replayed
from tests.lookahead.study.samples import FLAT, STEEP, configs, corpus, recorded, text_of, traces

ROOT = Path(__file__).resolve().parents[3]

BASE = LookaheadConfig()


def alone(sample, config, costs=None, earlier=(), tries=()) -> Outcome:
    """What a setting does by itself, by ``lookahead.replay``."""
    outcome = Outcome()
    for step in replayed(sample, config, costs, earlier, tries):
        outcome.add(len(step.draft), step.accepted, step.emitted)
    return outcome


@settings(max_examples=40)
@given(
    traces,
    st.lists(st.builds(Point, configs, st.sampled_from(["cold", "warm", "corpus"])), min_size=1, max_size=12),
    st.sampled_from([None, FLAT, STEEP]),
)
def test_settings_replayed_together_do_what_each_does_alone(samples, points, costs):
    tries = (corpus(),)
    found = Work(samples, points, costs, tries).outcomes(0, len(samples))
    for place, sample in enumerate(samples):
        for point, outcome in zip(points, found[place], strict=True):
            earlier = [output_of(one) for one in samples[:place]] if point.start == "warm" else ()
            known = tries if point.start == "corpus" else ()
            assert outcome == alone(sample, point.config, costs, earlier, known)


@pytest.mark.parametrize("costs", [None, FLAT, STEEP])
@pytest.mark.parametrize("vocabulary", [12, 40, 300])
def test_settings_drawn_from_the_grid_on_text_with_many_ways_to_go_on(costs, vocabulary):
    text = text_of(vocabulary, vocabulary, 12, 90)
    sample = Sample("text", tuple(text[:250]), tuple(text[250:290]))
    points = [point.config for point in grid({**AXES, "start": ("cold",), "budget": ("fixed", "adaptive")})]
    generator = random.Random(vocabulary)
    points = generator.sample(points, 120)
    found = Jointly([text[330:420]]).outcomes(sample, points, costs)
    for number in generator.sample(range(len(points)), 20):
        assert found[number] == alone(sample, points[number], costs, [text[330:420]]), points[number]


@settings(max_examples=15)
@given(
    st.lists(configs, min_size=1, max_size=6),
    st.sampled_from([None, STEEP]),
    st.sampled_from([None, Chain(), Chain(rereads=False)]),
    st.sampled_from([(), (1, 6, 2, 3)]),
)
def test_on_a_recorded_run_too(points, costs, chain, expected):
    run = recorded(chain, expected=expected)
    sample = Sample("run", run.prompt_ids, run=run)
    found = Jointly().outcomes(sample, points, costs)
    assert found == [alone(sample, config, costs) for config in points]


def test_a_runs_own_settings_are_what_it_did():
    run = recorded()
    steps = recorded_steps(run)
    own = Jointly().outcomes(Sample("run", run.prompt_ids, run=run), [run.config], run.pass_costs)[0]
    assert (sorted(own.widths.elements()), own.accepted) == (sorted(steps.widths), sum(steps.accepted))
    assert own.tokens == sum(steps.emitted)


@pytest.mark.parametrize("name", ["word-problem", "story", "question"])
def test_full_drafts_of_a_real_model_whose_rows_are_recycled(name):
    """Every node of a draft leaves a row, so a search for full drafts may not end before its last node."""
    (sample,) = read_material(ROOT / "assets" / "runs" / f"{name}.json")
    run = sample.run
    assert run is not None
    configs = [replace(run.config, decoding_length=width, budget="fixed") for width in (8, 16, 32)]
    for found, config in zip(Jointly().outcomes(sample, configs, run.pass_costs), configs, strict=True):
        alone = list(replayed(sample, config, run.pass_costs))
        assert (found.passes, found.tokens) == (len(alone), sum(step.emitted for step in alone)), config


def test_a_bounded_trie_that_is_pruned_while_the_output_grows():
    sample = Sample("long", (1, 2, 3), tuple((7 * n * n + n // 3) % 97 for n in range(250)))
    config = LookaheadConfig(trie_capacity=2_000, decoding_length=8)
    points = [config, replace(config, decoding_length=16), replace(config, trie_capacity=100_000)]
    found = Jointly().outcomes(sample, points)
    assert found == [alone(sample, point) for point in points]


def test_a_study_of_a_trace_equals_the_command_replay():
    samples = [Sample(f"{n}", (n, 1, 2, 3), tuple([n, 4, 1, 2, 3, 5] * 4)) for n in range(3)]
    rows = [(sample.prompt_ids, output_of(sample)) for sample in samples]
    for start in ("cold", "warm"):
        variant = explore(samples, [Point(BASE, start)], BASE, None, jobs=1)[0]
        summary = replay_rows(rows, BASE, shared=start == "warm")
        assert variant.tokens_per_pass == summary["mean_accepted_tokens"]
        assert variant.drafted_per_pass == summary["draft_tokens_per_step"]


def test_several_processes_find_the_same_in_the_same_order():
    samples = [Sample(f"{n}", (n, 1, 2, 3), tuple([n, 4, 1, 2, 3, n + 1] * 3)) for n in range(5)]
    work = Work(samples, grid({"decoding_length": (2, 8), "start": ("cold", "warm")}), FLAT)
    seen: list[tuple[int, int]] = []
    assert explored(work, 2, lambda done, of: seen.append((done, of))) == explored(work, 1)
    assert seen == [(done, 5) for done in range(1, 6)]


def test_a_limit_replays_all_settings_on_some_samples_and_the_best_on_all():
    samples = [Sample(f"{n}", (n, 1, 2, 3), tuple([n, 4, 1, 2, 3, n + 1] * 3)) for n in range(6)]
    points = [Point(LookaheadConfig(decoding_length=1)), *grid({"decoding_length": tuple(range(2, 18))})]
    seen: list[tuple[int, int]] = []
    full = explore(samples, points, BASE, FLAT, jobs=1, drafting=Drafting())
    some = explore(
        samples, points, BASE, FLAT, jobs=1, tick=lambda *done: seen.append(done), drafting=Drafting(),
        most=2 * 18 * len(points),
    )  # fmt: skip
    counts = [sum(value is not None for value in one.each) for one in some]
    assert counts[0] == 6
    assert sorted(counts)[:4] == [2] * 4
    assert counts.count(6) == 1 + FINALISTS
    assert seen == [(done, 6) for done in range(1, 7)]
    for one, other in zip(some, full, strict=True):
        assert all(value in (None, exact) for value, exact in zip(one.each, other.each, strict=True))
    assert explore(samples, points, BASE, FLAT, jobs=1, drafting=Drafting(), most=10**9) == full


def test_what_a_variant_says():
    samples = [Sample("a", (1, 2), (3, 3, 3, 3, 3, 3)), Sample("b", (1, 2), (4,))]
    own, narrow = explore(
        samples, [Point(BASE), Point(LookaheadConfig(decoding_length=1))], BASE, FLAT, jobs=1, drafting=Drafting()
    )
    assert own.config == {}
    assert narrow.config == {"decoding_length": 1}
    assert (narrow.tokens_per_pass, narrow.drafted_per_pass, narrow.modelled_speedup) == (1.0, 0.0, 1.0)
    assert narrow.each == (1.0, None)
    assert own.modelled_speedup is not None
    assert own.modelled_speedup > 1
    slow = explore(samples, [Point(BASE)], BASE, FLAT, jobs=1, drafting=Drafting(1.0))[0]
    assert slow.modelled_speedup is not None
    assert slow.modelled_speedup < own.modelled_speedup


def test_a_grid_has_every_combination_once_and_refuses_what_is_no_setting():
    assert len(grid()) == 384 == len(set(grid()))
    assert len(grid({"branch_length": (4, 4, None)})) == 2
    with pytest.raises(ValueError, match="width is not a draft setting"):
        grid({"width": (4,)})
    with pytest.raises(ValueError, match="start=hot; choose one of cold, warm, corpus"):
        grid({"start": ("hot",)})
    with pytest.raises(ValueError, match="decoding_length=0"):
        grid({"decoding_length": (0,)})


def test_labels_tell_all_points_of_a_grid_apart():
    points = grid()
    assert len({label(point, BASE) for point in points}) == len(points)
    assert differences(LookaheadConfig(branch_length=4), BASE) == {"branch_length": 4}


def test_a_sample_without_an_output_is_refused():
    with pytest.raises(ValueError, match="no output"):
        explore([Sample("a", (1,))], [Point(BASE)], BASE, None, jobs=1)
