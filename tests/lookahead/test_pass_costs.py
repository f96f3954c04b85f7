"""T(n) of a real model: measured once, kept, corrected by runs, checked again, within the model's positions."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lookahead import costs as costs_module
from lookahead.backend import UnsupportedCacheError
from lookahead.config import LookaheadConfig
from lookahead.costs import CACHE_VARIABLE, KnownCosts, PassCosts, load_costs, store_costs
from lookahead.engine import LookaheadEngine
from lookahead.hf import HFBackend, measure
from lookahead.hf.describe import model_info
from lookahead.hf.measure import measured_setting, trial_tree
from lookahead.replay import recorded_steps, replay_run
from lookahead.runs.recorder import RecordedRun
from tests.lookahead.tiny_models import tiny_minimax, tiny_model, tiny_recurrent

LIMITS = ("STALE", "BENT", "STEEP", "FALL")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))


def accept_any_times(monkeypatch):
    """A tiny model's pass on a busy machine may take any time."""
    for limit in LIMITS:
        monkeypatch.setattr(costs_module, limit, 1e9)


def check_always(monkeypatch):
    """Check a measurement whenever it is asked for."""
    monkeypatch.setattr(costs_module, "CHECK_SECONDS", 0.0)
    monkeypatch.setattr(costs_module, "CHECK_SHARE", 1e9)


def passes_of(model) -> list[int]:
    """A list that grows by the length of every forward pass from now on."""
    passes: list[int] = []
    model.register_forward_pre_hook(
        lambda module, arguments, named: passes.append(named["input_ids"].shape[1]), with_kwargs=True
    )
    return passes


def test_pass_costs_are_measured_once_per_setting(tmp_path, monkeypatch):
    accept_any_times(monkeypatch)
    model = tiny_model("llama", dtype=torch.float32)
    costs = HFBackend(model).pass_costs(16)
    assert costs.lengths == (1, 2, 4, 8, 16, 32, 64), "one measurement serves the usual widths"
    assert all(0 < seconds < 1 for seconds in costs.seconds)
    assert HFBackend(model).pass_costs(64) == costs, "remembered"
    wider = HFBackend(model).pass_costs(100)
    assert wider.lengths[-1] == 100
    assert HFBackend(model).pass_costs(16) == wider
    assert len(list((tmp_path / "pass_costs").iterdir())) == 1
    assert HFBackend(tiny_model("llama")).pass_costs(16) != wider, "another dtype is another setting"


@pytest.mark.parametrize("factors", [(1e-4, 1e-4), (1e4, 1e4), (1.0, 30.0)])
def test_remembered_pass_costs_that_are_far_off_are_measured_again(factors):
    """As a whole, or in how much longer a wide pass takes."""
    model = tiny_model("llama", dtype=torch.float32)
    costs = HFBackend(model).pass_costs(16)
    one, wide = factors
    wrong = PassCosts(costs.lengths, (costs.seconds[0] * one, *(seconds * wide for seconds in costs.seconds[1:])))
    store_costs(measured_setting(model), KnownCosts(wrong, 0.0))
    again = HFBackend(model).pass_costs(16)
    assert all(0.01 < now / then < 100 for now, then in zip(again.seconds, costs.seconds, strict=True))
    known = load_costs(measured_setting(model))
    assert known is not None
    assert known.costs == again, "and remembered"


@pytest.mark.parametrize("writable", [True, False])
def test_runs_after_the_first_make_no_passes_but_their_own(tmp_path, monkeypatch, writable):
    if not writable:
        (tmp_path / "file").write_text("", encoding="utf-8")
        monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "file"))
    accept_any_times(monkeypatch)
    model = tiny_model("llama", dtype=torch.float32)
    backend = HFBackend(model)
    measured = backend.known_costs(64).measured
    passes = passes_of(model)
    learned = 0
    for width in (64, 16, 5):
        engine = LookaheadEngine(backend, LookaheadConfig(decoding_length=width))
        records = list(engine.generate([1, 2, 3], max_new_tokens=8))
        assert len(passes) == len(records)
        passes.clear()
        learned += len(records) - 2  # neither the prefill nor the last step
        known = backend.known_costs(64)
        assert (known.measured, known.learned) == (measured, learned)
        assert [width for width, _ in known.passes[2 - len(records) :]] == [
            len(step.draft) for step in records[1:-1] if step.draft
        ]


def test_a_run_keeps_the_curve_of_its_start_and_its_record_has_it(monkeypatch):
    """Whatever other runs teach meanwhile, and however long the engine lives: the run's replay is exact."""
    accept_any_times(monkeypatch)
    backend = HFBackend(tiny_model("llama", dtype=torch.float32))
    engine = LookaheadEngine(backend, LookaheadConfig(decoding_length=16))
    found = []
    for _ in range(2):
        run = RecordedRun(engine, [1, 2, 3, 1, 2, 3], model_info(backend, "tiny"), max_new_tokens=40)
        for place, _ in enumerate(run):
            if place % 3 == 0:
                backend.learn_costs([(1, 1e-3), (16, 1e-3 * (1 + place))] * 30)
        found.append(run.record())
    first, second = found
    assert first.pass_costs != second.pass_costs, "the second run knows what the first one saw"
    for record in found:
        earlier = [first.token_ids] if record is second else []
        assert replay_run(record, record.config, earlier) == recorded_steps(record)


def test_plain_runs_teach_the_time_of_a_pass_of_one_token():
    backend = HFBackend(tiny_model("llama", dtype=torch.float32))
    engine = LookaheadEngine(backend)
    list(engine.generate([1, 2, 3], max_new_tokens=8, method="plain"))
    assert backend.known_costs(64).learned == 0, "nothing was measured before"
    list(engine.generate([1, 2, 3], max_new_tokens=8, method="plain"))
    assert [width for width, _ in backend.known_costs(64).passes] == [1] * 6


def test_a_measurement_from_a_busy_moment_does_not_stay(monkeypatch):
    model = tiny_model("llama", dtype=torch.float32)
    right = HFBackend(model).pass_costs(16)
    busy = PassCosts(right.lengths, tuple(1e4 * seconds for seconds in right.seconds))
    store_costs(measured_setting(model), KnownCosts(busy, 0.0))
    backend = HFBackend(model)
    with monkeypatch.context() as then:
        accept_any_times(then)
        assert backend.pass_costs(16) == busy
    passes = passes_of(model)
    assert backend.pass_costs(16) == busy
    assert not passes, "tried a moment ago"
    check_always(monkeypatch)
    assert backend.pass_costs(16).at(1) < busy.at(1) / 100
    assert passes


def test_a_second_measurement_is_as_wide_as_the_first(monkeypatch):
    backend = HFBackend(tiny_model("llama", dtype=torch.float32))
    backend.pass_costs(100)
    check_always(monkeypatch)
    monkeypatch.setattr(costs_module, "BENT", 1.0)  # nothing is within that
    assert backend.pass_costs(16).lengths[-1] == 100


def test_another_number_of_threads_is_another_setting(monkeypatch):
    accept_any_times(monkeypatch)
    backend = HFBackend(tiny_model("llama", dtype=torch.float32))
    threads = torch.get_num_threads()
    first = backend.pass_costs(16)
    try:
        torch.set_num_threads(threads + 1)
        assert backend.pass_costs(16) != first
    finally:
        torch.set_num_threads(threads)
    assert backend.pass_costs(16) == first, "from the cache folder"


def test_a_model_without_drafts_has_no_pass_costs():
    backend = HFBackend(tiny_minimax())
    with pytest.raises(UnsupportedCacheError, match="one token at a time"):
        backend.pass_costs(16)


def test_a_model_that_takes_chains_is_timed_with_chains():
    backend = HFBackend(tiny_recurrent("lfm2", max_position_embeddings=70))
    assert backend.pass_costs(16).lengths[-1] == 64
    assert HFBackend(backend.model).known_costs(128, again=True).measured.lengths[-1] == 128


@pytest.mark.parametrize(("positions", "longest"), [(160, 64), (64, 256), (65, 128), (16, 64), (6, 64)])
def test_a_short_context_is_measured_within_its_limit(positions, longest):
    model = tiny_model("gpt2", n_positions=positions)  # positions end at a table's end
    backend = HFBackend(model)
    assert backend.draft_shape == "tree"
    assert backend.pass_costs(longest).lengths[-1] == longest
    assert HFBackend(model).pass_costs(longest).lengths[-1] == longest, "and tried within it"


@given(st.integers(1, 200), st.integers(1, 200))
def test_a_trial_tree_is_well_formed_and_no_deeper_than_asked(count, deepest):
    tree = trial_tree(count, 2000, deepest)
    tree.check()
    assert len(tree) == count
    assert max(tree.depths()) == min(count // 2, deepest)


def test_devices_that_run_ahead_are_waited_for_before_each_look_at_the_clock(monkeypatch):
    events, clock = [], iter(range(10_000))
    monkeypatch.setattr(measure, "wait_for", lambda device: events.append("wait"))
    monkeypatch.setattr(measure, "perf_counter", lambda: events.append("clock") or next(clock))
    backend = HFBackend(tiny_model("llama", dtype=torch.float32))
    backend.known_costs()
    steps = "".join(event[0] for event in events)
    assert "wcwc" * 7 in steps
    assert "cc" not in steps.strip("c").replace("cwcwc", "wcw")
    waited = []
    monkeypatch.undo()
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    monkeypatch.setattr(torch.mps, "synchronize", lambda: waited.append("mps"))
    for name in ("cpu", "cuda:1", "mps"):
        measure.wait_for(torch.device(name))
    assert waited == [torch.device("cuda:1"), "mps"]
