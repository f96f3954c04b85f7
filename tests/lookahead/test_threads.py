"""Fewer threads while other programs hold up the passes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lookahead import HFBackend, LookaheadConfig, LookaheadEngine
from lookahead.hf import threads
from lookahead.hf.threads import BETTER, LONGEST_PATIENCE, LONGEST_TRIAL, PAIRS, PATIENCE, ThreadChoice
from tests.lookahead.tiny_models import hf_greedy, tiny_model

LONG = PATIENCE + LONGEST_TRIAL


class Machine:
    """Passes of some widths, which take so many times longer with each number of threads."""

    def __init__(self, most: int = 2) -> None:
        self.choice = ThreadChoice(most)
        self.used: list[int] = []

    def passes(self, number: int, factor: dict[int, float], widths: tuple[int, ...] = (1, 7, 32)) -> None:
        for index in range(number):
            width = widths[index % len(widths)]
            count = self.choice.next(width)
            self.used.append(count)
            self.choice.observe(width, count, factor[count] * (3 + width))


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@given(st.floats(BETTER + 0.01, 3), st.integers(2, 64))
def test_where_fewer_do_not_help_all_threads_are_used_and_trials_become_rare(factor, most):
    machine = Machine(most)
    machine.passes(2000, {most: 1.0, most // 2: factor})
    assert set(machine.used[:PATIENCE]) == {most}
    assert machine.choice.now == most
    assert 0 < machine.used.count(most // 2) <= (3 + 2000 // LONGEST_PATIENCE) * (PAIRS + 1)


@given(st.floats(0.1, BETTER - 0.01))
def test_fewer_threads_are_kept_while_they_are_faster_and_left_afterwards(factor):
    machine = Machine()
    machine.passes(LONG, {2: 1.0, 1: factor})
    assert machine.choice.now == 1
    machine.passes(LONG, {2: 1.0, 1: 1.3})
    assert machine.choice.now == 2


def test_only_passes_of_one_width_are_compared():
    widths = (64, 1, 1, 64, 1, 64, 64)
    for factor, chosen in ((1.3, 2), (0.9, 1)):
        machine = Machine()
        machine.passes(LONG, {2: 1.0, 1: factor}, widths)
        assert machine.choice.now == chosen


def test_a_trial_without_two_passes_of_one_width_ends_with_all_threads():
    machine = Machine()
    machine.passes(LONG, {2: 1.0, 1: 0.1}, tuple(range(1, LONG + 1)))
    assert machine.choice.next(1) == 2
    assert machine.choice.now == 2


@pytest.mark.parametrize("width", [1, 8])
def test_a_run_that_tries_both_gives_the_same_tokens_and_gives_the_threads_back(width, two_threads, monkeypatch):
    monkeypatch.setattr(threads, "PATIENCE", 0)
    backend = HFBackend(tiny_model("llama"))
    prompt = [5, 6, 7, 5, 6, 7, 5, 6]
    wanted = hf_greedy(backend.model, prompt, 100)
    backend.spare_threads()
    engine = LookaheadEngine(backend, LookaheadConfig(decoding_length=width))
    seen: set[int] = set()
    backend.model.register_forward_pre_hook(lambda *_: seen.add(torch.get_num_threads()))
    found = [token for step in engine.generate(prompt, max_new_tokens=100) for token in step.emitted_ids]
    assert found == wanted
    assert seen == {1, 2}
    assert torch.get_num_threads() == 2


def test_with_one_thread_there_is_nothing_to_choose(monkeypatch):
    monkeypatch.setattr(torch, "set_num_threads", lambda _: pytest.fail("there is nothing to set"))
    with ThreadChoice(1).one_pass(4):
        pass


def test_a_pass_that_fails_gives_the_threads_back(two_threads):
    choice = ThreadChoice(2)
    choice.now = 1
    with pytest.raises(ValueError, match="failed on 1"), choice.one_pass(1):
        raise ValueError(f"failed on {torch.get_num_threads()}")
    assert torch.get_num_threads() == 2
