"""Pass costs and the width they pay for."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookahead.costs import (
    CACHE_VARIABLE,
    CostCurve,
    PassCosts,
    choose_width,
    load_costs,
    measured_lengths,
    store_costs,
    stored_costs_path,
)

times = st.floats(1e-6, 1e3)


@st.composite
def pass_costs(draw):
    lengths = sorted(draw(st.sets(st.integers(2, 200), max_size=8)) | {1})
    return PassCosts(tuple(lengths), tuple(draw(times) for _ in lengths))


@given(pass_costs())
def test_measured_lengths_cost_what_was_measured(costs):
    for length, seconds in zip(costs.lengths, costs.seconds, strict=True):
        assert costs.at(length) == pytest.approx(seconds)


@given(pass_costs(), st.integers(1, 400))
def test_between_two_measurements_the_time_lies_between_theirs(costs, length):
    lower = max(index for index, known in enumerate(costs.lengths) if known <= length)
    if lower + 1 < len(costs.lengths):
        ends = costs.seconds[lower], costs.seconds[lower + 1]
        assert min(ends) * (1 - 1e-9) <= costs.at(length) <= max(ends) * (1 + 1e-9)
    else:
        assert costs.at(length) >= costs.seconds[-1] * (1 - 1e-9)
    assert costs.table(length)[-1] == costs.at(length)


@pytest.mark.parametrize(
    ("lengths", "seconds"),
    [((), ()), ((2,), (1.0,)), ((1, 1), (1.0, 1.0)), ((1, 2), (1.0,)), ((1,), (0.0,)), ((1,), (math.nan,))],
)
def test_what_is_no_measurement_is_refused(lengths, seconds):
    with pytest.raises(ValueError, match=r"need|lengths"):
        PassCosts(lengths, seconds)


def test_a_pass_has_a_token():
    with pytest.raises(ValueError, match="length=0"):
        PassCosts((1,), (1.0,)).at(0)


@given(st.lists(st.floats(0, 1), max_size=70), st.lists(times, min_size=1, max_size=70))
def test_the_chosen_width_is_the_best_and_the_narrowest_of_the_best(probabilities, seconds):
    width = choose_width(probabilities, seconds)
    rates = [
        (1 + sum(probabilities[: count - 1])) / seconds[count - 1]
        for count in range(1, min(len(probabilities) + 1, len(seconds)) + 1)
    ]
    assert rates[width - 1] >= max(rates) * (1 - 1e-9)
    assert all(rate < rates[width - 1] * (1 + 1e-9) for rate in rates[: width - 1])


@given(st.lists(st.floats(0, 1), max_size=70), st.lists(times, min_size=1, max_size=70), st.floats(0.01, 100))
def test_only_the_ratios_of_the_times_matter(probabilities, seconds, unit):
    scaled = [value * unit for value in seconds]
    first, second = choose_width(probabilities, seconds), choose_width(probabilities, scaled)

    def rate(width: int) -> float:
        return (1 + sum(probabilities[: width - 1])) / seconds[width - 1]

    assert rate(first) == pytest.approx(rate(second))


def test_widths_by_hand():
    assert choose_width([], [1.0]) == 1
    assert choose_width([1.0, 1.0], [1.0, 1.0, 1.0]) == 3
    assert choose_width([0.2, 0.2], [1.0, 1.5, 1.6]) == 1
    assert choose_width([0.5], [1.0, 1.5]) == 1, "a tie goes to the narrower pass"
    assert choose_width([0.1, 0.1, 0.9], [1.0, 2.0, 2.0, 1.2]) == 4, "T falls where another kernel takes over"
    with pytest.raises(ValueError, match="empty"):
        choose_width([0.5], [])


def test_lengths_to_measure():
    assert measured_lengths(64) == (1, 2, 4, 8, 16, 32, 64)
    assert measured_lengths(1) == (1,)
    assert measured_lengths(100) == (1, 2, 4, 8, 16, 32, 64, 100)


KEY = {"model": "tiny", "threads": 2}
COSTS = PassCosts((1, 2), (0.5, 0.75))


def test_what_is_stored_is_found_again(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert load_costs(KEY) is None
    store_costs(KEY, COSTS)
    assert load_costs(KEY) == COSTS
    assert load_costs({**KEY, "threads": 4}) is None
    assert [path.suffix for path in stored_costs_path(KEY).parent.iterdir()] == [".json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 1}', "\x00", '{"costs": {}}', "0.5:1" + "0" * 400])
def test_a_broken_file_is_ignored_and_replaced(tmp_path, monkeypatch, text):
    """``a:b``: the file as it was, with b instead of a in it."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    store_costs(KEY, COSTS)
    path = stored_costs_path(KEY)
    if text.startswith("0.5:"):
        text = path.read_text(encoding="utf-8").replace(*text.split(":"))
    path.write_text(text, encoding="utf-8")
    assert load_costs(KEY) is None
    store_costs(KEY, COSTS)
    assert load_costs(KEY) == COSTS


def test_a_file_of_another_setting_is_ignored(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    store_costs(KEY, COSTS)
    other = {**KEY, "threads": 4}
    stored_costs_path(KEY).rename(stored_costs_path(other))
    assert load_costs(other) is None


def test_a_folder_that_cannot_be_written_to_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "file"))
    store_costs(KEY, COSTS)
    assert load_costs(KEY) is None


class FakeTimer:
    """A machine whose passes take ``seconds`` times the number of tokens."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.measured: list[int] = []
        self.tried = 0

    def measure(self, longest: int) -> PassCosts:
        self.measured.append(longest)
        return PassCosts((1, longest), (self.seconds, longest * self.seconds))

    def try_out(self, width: int) -> tuple[float, float]:
        self.tried += 1
        return self.seconds, width * self.seconds


def test_a_curve_is_measured_once_and_tried_out_by_the_next_process(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    timer, curve = FakeTimer(0.25), CostCurve()
    costs = curve.up_to(16, KEY, timer)
    assert curve.up_to(64, KEY, timer) == costs
    assert (timer.measured, timer.tried) == ([64], 0)
    later = CostCurve()
    assert later.up_to(16, KEY, timer) == later.up_to(16, KEY, timer) == costs
    assert (timer.measured, timer.tried) == ([64], 1), "tried out once, then believed for a while"
    assert later.up_to(100, KEY, timer).lengths[-1] == 100
    assert later.up_to(16, {**KEY, "threads": 4}, timer) == costs
    assert timer.measured == [64, 100, 64]


@pytest.mark.parametrize(("slower", "again"), [(2.5, False), (3.5, True), (0.3, True), (0.5, False)])
def test_a_curve_that_is_far_off_is_measured_again(tmp_path, monkeypatch, slower, again):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    CostCurve().up_to(100, KEY, FakeTimer(0.25))
    timer = FakeTimer(0.25 * slower)
    costs = CostCurve().up_to(16, KEY, timer)
    assert timer.measured == ([100] if again else []), "never less far than before"
    assert costs.at(1) == (timer.seconds if again else 0.25)
    assert load_costs(KEY) == costs
