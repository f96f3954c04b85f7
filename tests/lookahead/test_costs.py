"""Pass costs and the width they pay for."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from statistics import fmean, median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookahead import costs as costs_module
from lookahead.costs import (
    CACHE_VARIABLE,
    CostCurve,
    KnownCosts,
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


def test_the_break_even_of_a_width_is_what_must_be_accepted_to_be_as_fast_as_plain_decoding():
    costs = PassCosts((1, 2, 4), (1.0, 1.5, 0.9))
    assert [costs.break_even(n) for n in (1, 2, 4)] == pytest.approx([0.0, 0.5, -0.1])
    assert choose_width([0.51], costs.table(2)) == 2
    assert choose_width([0.49], costs.table(2)) == 1


@pytest.mark.parametrize(
    ("seconds", "bent"),
    [
        ((1.0, 4.0, 4.5, 5.0), 2),
        ((1.0, 1.5, 4.6, 5.0), 4),
        ((1.0, 0.4, 0.5, 0.6), 2),
        ((1.0, 1.5, 2.0, 0.9), 8),
        ((1.0, 2.2, 4.4, 8.8), None),
        ((1.3, 0.9, 1.8, 1.0), None),
    ],
)
def test_a_curve_that_can_hardly_be_is_told_from_a_steep_or_uneven_one(seconds, bent):
    assert PassCosts((1, 2, 4, 8), seconds).bent_at() == bent


# ------------------------------------------------------------------ what passes of runs teach

TRUE = PassCosts((1, 2, 4, 8, 16, 32, 64), (0.006, 0.009, 0.010, 0.011, 0.014, 0.020, 0.033))


def passes_of(costs: PassCosts, widths: Sequence[int], factor: float = 1.0) -> list[tuple[int, float]]:
    return [(width, factor * costs.at(width)) for width in widths]


def ratios(costs: PassCosts) -> list[float]:
    return [seconds / costs.seconds[0] for seconds in costs.seconds]


def test_without_passes_the_curve_is_the_measured_one():
    assert TRUE.corrected([]) == TRUE


@given(st.lists(st.integers(1, 64), min_size=1, max_size=80), st.floats(0.1, 10))
def test_a_machine_that_changed_as_a_whole_moves_the_whole_curve(widths, factor):
    """Whatever widths ran: what is learned of some does not bend the curve between them and the others."""
    moved = TRUE.corrected(passes_of(TRUE, widths, factor))
    assert moved.seconds == pytest.approx([factor * seconds for seconds in TRUE.seconds])


@given(st.lists(st.tuples(st.integers(1, 300), times), max_size=60))
def test_a_corrected_curve_lies_within_what_the_passes_showed(passes):
    shown = [1.0, *(seconds / TRUE.at(width) for width, seconds in passes)]
    for now, measured in zip(TRUE.corrected(passes).seconds, TRUE.seconds, strict=True):
        assert min(shown) * (1 - 1e-9) <= now / measured <= max(shown) * (1 + 1e-9)


def test_each_width_is_learned_from_its_own_passes():
    """Of a measurement that had T(2) and T(4) three times too long."""
    wrong = PassCosts(TRUE.lengths, (0.006, 0.027, 0.030, *TRUE.seconds[3:]))
    learned = wrong.corrected(passes_of(TRUE, [1, 2, 4, 8, 16, 32, 64] * 30))
    assert ratios(learned) == pytest.approx(ratios(TRUE), rel=0.3)
    assert choose_width([0.9], wrong.table(2)) == 1
    assert choose_width([0.9], learned.table(2)) == 2


def test_passes_that_were_interrupted_count_for_nothing_while_a_quarter_is_undisturbed():
    disturbed = [(width, (1.0 if place % 3 == 0 else 20.0) * TRUE.at(width)) for place, width in enumerate([1, 8] * 60)]
    assert TRUE.corrected(disturbed).seconds == pytest.approx(TRUE.seconds)


def test_recent_passes_count_more():
    slow, fast = passes_of(TRUE, [1, 8] * 100, 3.0), passes_of(TRUE, [1, 8] * 20)
    assert TRUE.corrected(slow + fast).seconds == pytest.approx(TRUE.seconds), "a busy time is forgotten quickly"
    assert TRUE.corrected(fast + slow).at(1) == pytest.approx(3.0 * TRUE.at(1)), "and a slow machine is learned"


def test_old_passes_of_one_width_give_way_to_recent_ones_of_its_neighbours():
    busy_wide, narrow = passes_of(TRUE, [16] * 20, 4.0), passes_of(TRUE, [1] * 250)
    fresh, aged = TRUE.corrected(busy_wide), TRUE.corrected(busy_wide + narrow)
    assert fresh.at(16) == pytest.approx(4.0 * TRUE.at(16))
    assert aged.at(16) / aged.at(1) < 1.8 * TRUE.at(16) / TRUE.at(1)


# ------------------------------------------------------------------ noise, and what is really bent


def noisy_passes(seed: int, least: int, most: int, wide: float = 1.0) -> list[tuple[int, float]]:
    """So many passes of each length, in any order; those of 16 tokens and more take ``wide`` times as long."""
    drawn = random.Random(seed)
    widths = [width for width in TRUE.lengths for _ in range(drawn.randint(least, most))]
    drawn.shuffle(widths)
    factors = [drawn.lognormvariate(0.0, 0.08) * (wide if width >= 16 else 1.0) for width in widths]
    return [(width, factor * TRUE.at(width)) for width, factor in zip(widths, factors, strict=True)]


def moves(costs: PassCosts) -> list[float]:
    """How far each length moved, as logarithms."""
    return [math.log(now / before) for now, before in zip(costs.seconds, TRUE.seconds, strict=True)]


def test_noise_hardly_bends_the_curve():
    """Passes that differ by 8 %: by their lower quartiles alone the shape would be 3 % off, of 20 to 40 of a length."""
    for weighed in ({}, {"half_life": math.inf}):
        curves = [moves(TRUE.corrected(noisy_passes(seed, 20, 40), **weighed)) for seed in range(200)]
        off = sorted(max(abs(move - fmean(curve)) for move in curve) for curve in curves)
        assert off[100] < 0.005
        assert off[150] < 0.015
        assert off[190] < 0.035


@pytest.mark.parametrize("most", [1, 3])
def test_a_few_passes_mostly_move_the_curve_as_a_whole(most):
    curves = [moves(TRUE.corrected(noisy_passes(seed, 1, most))) for seed in range(200)]
    assert median(max(curve) - min(curve) for curve in curves) < 0.02


def test_a_curve_that_is_really_bent_is_followed():
    curves = [moves(TRUE.corrected(noisy_passes(seed, 60, 60, wide=1.2), math.inf)) for seed in range(100)]
    off = sorted(abs(fmean(curve[4:]) - fmean(curve[:4]) - math.log(1.2)) for curve in curves)
    assert off[95] < 0.04


def test_a_length_without_passes_moves_as_those_beside_it():
    """A machine on which wide passes became slower does not leave the widest behind."""
    passes = passes_of(TRUE, [1, 2] * 40) + passes_of(TRUE, [16] * 40, 2.0)
    factors = [math.exp(move) for move in moves(TRUE.corrected(passes, half_life=math.inf))]
    assert factors == pytest.approx([1, 1, 2 ** (1 / 3), 2 ** (2 / 3), 2, 2, 2])


def test_all_passes_weigh_alike_where_that_is_asked_for():
    slow, fast = passes_of(TRUE, [1, 8] * 90, 3.0), passes_of(TRUE, [1, 8] * 20)
    assert TRUE.corrected(slow + fast, math.inf).seconds == pytest.approx([3.0 * seconds for seconds in TRUE.seconds])


@pytest.mark.parametrize("passes", [[(1, 0.012)], [(16, 0.028)] * 2, [(1, 0.012), (16, 0.014)] * 3])
@pytest.mark.filterwarnings("error")
def test_passes_without_any_spread_are_believed(passes):
    """One alone, equal ones of one length and of two: none divides by zero."""
    moved = TRUE.corrected(passes)
    for width, seconds in passes:
        assert moved.at(width) == pytest.approx(seconds, rel=0.05)


# ------------------------------------------------------------------ remembering

KEY = {"model": "tiny", "threads": 2}
COSTS = KnownCosts(PassCosts((1, 2), (0.5, 0.75)), 1.8e9, [(1, 0.25), (2, 0.375)], 700, 1.9e9)


def test_what_is_stored_is_found_again(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert load_costs(KEY) is None
    store_costs(KEY, COSTS)
    assert load_costs(KEY) == COSTS
    assert load_costs({**KEY, "threads": 4}) is None
    assert [path.suffix for path in stored_costs_path(KEY).parent.iterdir()] == [".json"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"format": 1}', "\x00", '{"known": {}}', "0.5:1" + "0" * 400, "0.25:-1", "2,0.375:0,1"],
)
def test_a_broken_file_is_ignored_and_replaced(tmp_path, monkeypatch, text):
    """``a:b``: the file as it was, with b instead of a in it."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    store_costs(KEY, COSTS)
    path = stored_costs_path(KEY)
    if ":" in text and "{" not in text:
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


class Machine:
    """A machine with a clock, whose passes take the times of ``costs``, scaled where other programs are busy.

    Attributes:
        busy: Factor of a pass of one token and of wider ones.
        measured: Lengths of the measurements.
        tried: Checks.
        now: Seconds that have passed.
    """

    def __init__(self, costs: PassCosts = TRUE) -> None:
        self.costs = costs
        self.busy = (1.0, 1.0)
        self.measured: list[int] = []
        self.tried = 0
        self.now = 1000.0

    def seconds(self, width: int) -> float:
        self.now += (seconds := self.costs.at(width) * self.busy[width > 1])
        return seconds

    def measure(self, longest: int) -> PassCosts:
        self.measured.append(longest)
        lengths = measured_lengths(longest)
        return PassCosts(lengths, tuple(map(self.seconds, lengths)))

    def try_out(self, width: int) -> tuple[float, float]:
        self.tried += 1
        return self.seconds(1), self.seconds(width)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    machine = Machine()
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setattr(costs_module, "monotonic", lambda: machine.now)
    return machine


def test_a_curve_is_measured_once_and_tried_out_by_the_next_process(machine):
    curve = CostCurve()
    costs = curve.known(16, KEY, machine).costs
    assert curve.known(64, KEY, machine).costs == costs == TRUE
    assert (machine.measured, machine.tried) == ([64], 0)
    later = CostCurve()
    assert later.known(16, KEY, machine).costs == later.known(16, KEY, machine).costs == costs
    assert (machine.measured, machine.tried) == ([64], 1), "tried out once, then believed for a while"
    assert later.known(100, KEY, machine).costs.lengths[-1] == 100
    assert later.known(16, {**KEY, "threads": 4}, machine).costs == costs
    assert machine.measured == [64, 100, 64]
    assert curve.known(16, KEY, machine, again=True).costs == costs
    assert machine.measured == [64, 100, 64, 64], "asked for"


@pytest.mark.parametrize(("slower", "again"), [(2.5, False), (3.5, True), (0.3, True), (0.5, False)])
def test_a_curve_that_is_far_off_is_measured_again(machine, slower, again):
    before = CostCurve().known(100, KEY, machine).costs
    machine.busy = (slower, slower)
    costs = CostCurve().known(16, KEY, machine).costs
    assert machine.measured == [100, 100][: 1 + again], "never less far than before"
    assert costs.at(1) == before.at(1) * (slower if again else 1)
    known = load_costs(KEY)
    assert known is not None
    assert known.costs == costs


def test_a_measurement_that_can_hardly_be_is_taken_twice_and_checked_where_it_is_bent(machine):
    """The faster time of each length counts."""
    turns = iter([(1.0, 4.0), (1.0, 1.0)])
    measure = machine.measure

    def disturbed(longest: int) -> PassCosts:
        machine.busy = next(turns, machine.busy)
        return measure(longest)

    machine.measure = disturbed
    curve = CostCurve()
    assert curve.known(64, KEY, machine).costs == TRUE
    assert (machine.measured, machine.tried) == ([64, 64], 0)
    turns = iter([(1.0, 4.0), (1.0, 4.0), (1.0, 1.0)])
    assert curve.known(64, KEY, machine, again=True).costs.at(2) == 4 * TRUE.at(2)
    machine.now += costs_module.CHECK_SECONDS
    machine.busy, turns = (1.0, 1.0), iter([])
    tried = machine.now
    assert curve.known(64, KEY, machine).costs == TRUE
    assert machine.tried == 1
    assert machine.now - tried == pytest.approx(TRUE.at(1) + TRUE.at(2) + sum(TRUE.seconds))


def test_a_curve_that_is_really_bent_is_believed(machine):
    machine.costs = PassCosts(TRUE.lengths, (TRUE.seconds[0] / 3, *TRUE.seconds[1:]))
    assert CostCurve().known(64, KEY, machine).costs == CostCurve().known(64, KEY, machine).costs == machine.costs
    assert (machine.measured, machine.tried) == ([64, 64], 1)


def test_what_runs_showed_is_there_for_later_runs_and_processes(machine):
    curve = CostCurve()
    curve.learn([(1, 1.0)], KEY)
    assert load_costs(KEY) is None, "nothing to correct yet"
    curve.known(64, KEY, machine)
    curve.learn(passes_of(TRUE, [1, 8] * 20, 1.5), {**KEY, "threads": 4})
    assert curve.known(64, KEY, machine).costs == TRUE, "another setting's passes"
    curve.learn([*passes_of(TRUE, [1, 8] * 20, 1.5), (1, 0.0)], KEY)
    slower = curve.known(64, KEY, machine).costs
    assert slower.seconds == pytest.approx([1.5 * seconds for seconds in TRUE.seconds])
    later = CostCurve()
    assert later.known(64, KEY, machine).costs == slower
    known = later.known(64, KEY, machine)
    assert (known.learned, len(known.passes)) == (40, 40)
    later.learn(passes_of(TRUE, [1] * 1000), KEY)
    known = later.known(64, KEY, machine)
    assert (known.learned, len(known.passes)) == (1040, costs_module.RECENT_PASSES)
    assert machine.measured == [64]


def test_runs_that_draft_need_no_checks(machine):
    """Where runs make no wide passes, a few trial passes show what they would take."""
    curve = CostCurve()
    curve.known(64, KEY, machine)
    for widths, checks in (([1, 8] * 20, 0), ([1] * 40, 1), ([1, 8] * 20, 1)):
        curve.learn(passes_of(TRUE, widths), KEY)
        machine.now += costs_module.CHECK_SECONDS + 1e4
        curve.known(64, KEY, machine)
        assert machine.tried == checks


def test_checks_take_a_small_share_of_the_time(machine):
    """Where no run drafts, on a machine so slow that a check takes minutes."""
    machine.costs = PassCosts((1, 16), (10.0, 40.0))
    curve = CostCurve()
    curve.known(64, KEY, machine)
    started = machine.now
    for _ in range(1000):
        curve.learn([(1, machine.seconds(1)) for _ in range(10)], KEY)
        curve.known(64, KEY, machine)
    assert machine.tried >= 2
    assert machine.tried * 50.0 < 0.03 * (machine.now - started)


@pytest.mark.parametrize("busy", [(1.0, 2.0), (1.0, 6.7), (2.0, 6.7), (1.5, 30.0), (5.0, 5.0)])
@pytest.mark.parametrize("from_start", [True, False])
def test_busy_programs_beside_the_runs_do_not_make_drafts_empty_for_good(machine, busy, from_start):
    """Their passes take ``busy`` times as long, from the first measurement on or only later; then the machine is quiet.

    Every step could draft 15 tokens, and on the quiet machine nearly all of that pays.
    """
    probabilities = [0.9**depth for depth in range(1, 16)]
    curve, quiet = CostCurve(), choose_width(probabilities, TRUE.table(64))

    def runs(seconds: float) -> int:
        """The width of the last of runs that take so long together; 100 steps each, and a run keeps its curve."""
        width, ended = 0, machine.now + seconds
        while machine.now < ended:
            width = choose_width(probabilities, curve.known(64, KEY, machine).costs.table(64))
            curve.learn([(width, machine.seconds(width)) for _ in range(100)], KEY)
        return width

    if not from_start:
        assert runs(10.0) == quiet
    machine.busy = busy
    runs(300.0)
    machine.busy = (1.0, 1.0)
    assert runs(1.2 * costs_module.CHECK_SECONDS) == quiet
    later = CostCurve().known(64, KEY, machine).costs
    assert choose_width(probabilities, later.table(64)) == quiet, "nor in the next process"
