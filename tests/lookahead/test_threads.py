"""Fewer threads while other programs hold up the passes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lookahead import HFBackend, LookaheadConfig, LookaheadEngine
from lookahead.costs import PassCosts
from lookahead.hf.threads import LONGEST_PATIENCE, PATIENCE, RECENT, SLOW, TRIAL, ThreadChoice
from tests.lookahead.tiny_models import hf_greedy, tiny_model

COSTS = PassCosts((1, 64), (0.003, 0.012))


class Machine:
    """Passes take their T(n), times what this number of threads makes of it at the moment."""

    def __init__(self, most: int = 2) -> None:
        self.choice = ThreadChoice(most, COSTS)
        self.used: list[int] = []

    def passes(self, number: int, factor: dict[int, float], widths: tuple[int, ...] = (1, 7, 32)) -> None:
        for index in range(number):
            width = widths[index % len(widths)]
            self.used.append(self.choice.now)
            self.choice.observe(width, factor[self.choice.now] * COSTS.at(width))


@given(st.floats(0.5, SLOW), st.integers(2, 64))
def test_nothing_is_tried_while_passes_take_their_time(factor, most):
    machine = Machine(most)
    machine.passes(300, {most: factor, most // 2: 0.1})
    assert set(machine.used) == {most}


def test_fewer_threads_are_kept_while_they_are_faster_and_left_afterwards():
    machine = Machine()
    machine.passes(60, {2: 1.0, 1: 1.3})
    machine.passes(60, {2: 4.0, 1: 1.5})
    assert machine.used[-1] == 1
    machine.passes(RECENT + 3 * PATIENCE + TRIAL, {2: 1.0, 1: 1.3})
    assert machine.used[-1] == 2


def test_where_fewer_do_not_help_trials_become_rare():
    machine = Machine()
    machine.passes(4 * LONGEST_PATIENCE, {2: 3.0, 1: 3.0})
    assert machine.used[-1] == 2
    assert machine.used.count(1) <= TRIAL * (LONGEST_PATIENCE.bit_length() - PATIENCE.bit_length() + 4)


def test_without_times_to_compare_with_and_with_one_thread_nothing_changes():
    for choice in (ThreadChoice(2), ThreadChoice(1, COSTS)):
        assert {choice.observe(1, 10.0) for _ in range(200)} == {choice.most}


def test_a_run_that_is_held_up_gives_the_same_tokens_and_gives_the_threads_back():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        backend = HFBackend(tiny_model("llama"))
        prompt = [5, 6, 7, 5, 6, 7, 5, 6]
        wanted = hf_greedy(backend.model, prompt, 100)
        backend.spare_threads()
        engine = LookaheadEngine(backend, LookaheadConfig(decoding_length=8))
        engine.prepare()
        assert backend._threads is not None
        backend._threads.costs = PassCosts((1,), (1e-9,))  # every pass is slow beside this
        found, seen = [], set()
        for step in engine.generate(prompt, max_new_tokens=100):
            found += step.emitted_ids
            seen.add(torch.get_num_threads())
        assert found == wanted
        assert seen == {1, 2}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("most", [1, 2, 3, 8])
def test_half_of_the_threads_is_at_least_one(most):
    assert 1 <= ThreadChoice(most).fewer <= most
