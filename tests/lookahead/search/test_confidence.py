"""Confidence: numbered classes, priors, and learning from what was observed."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from lookahead.search.confidence import CLASSES, LENGTHS, PRIORS, TOTALS, Table, level_class

classes = st.integers(0, CLASSES - 1)


def test_every_class_has_one_number():
    lengths, totals, flags = (0, 1, 2, 3, 4, 5, 7, 10, 16, 32), (1, 2, 3, 6, 16), (False, True)
    assert (len(lengths), len(totals)) == (LENGTHS, TOTALS)
    numbers = [level_class(*level) for level in product(lengths, totals, flags, flags)]
    assert sorted(numbers) == list(range(CLASSES))


@given(st.integers(0, 5000), st.integers(0, 10**6), st.booleans(), st.booleans())
def test_every_level_has_a_class(length, total, single, escaped):
    assert 0 <= level_class(length, total, single, escaped) < CLASSES


def test_classes_widen_with_length_and_total():
    def of(length: int, total: int) -> int:
        return level_class(length, total, True, False)

    assert of(5, 1) == of(6, 1) != of(7, 1) == of(9, 1) != of(10, 1) == of(15, 1) != of(16, 1) == of(31, 1)
    assert of(31, 1) != of(32, 1) == of(900, 1)
    assert of(0, 2) != of(0, 3) == of(0, 5) != of(0, 6) == of(0, 15) != of(0, 16) == of(0, 900)


def test_priors_are_probabilities_and_an_escape_is_less_sure():
    assert all(0 < prior < 1 for prior in PRIORS)
    assert all(PRIORS[number + 1] < PRIORS[number] for number in range(0, CLASSES, 2))
    assert Table(1.0).values == list(PRIORS)
    assert Table(0.75).values == [0.75 * prior for prior in PRIORS]


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=200))
def test_every_observation_moves_its_class_towards_itself_and_no_other(observed):
    confidence = Table(1.0)
    for number, hit in observed:
        before = list(confidence.values)
        confidence.learn(number, hit)
        after = confidence.values[number]
        assert 0 < after < 1
        assert after >= before[number] if hit else after <= before[number]
        before[number] = after
        assert confidence.values == before


@given(classes, st.booleans(), st.integers(300, 2000))
def test_it_stays_inside_0_and_1_and_gets_near_what_always_happens(number, hit, times):
    confidence = Table(1.0)
    for _ in range(times):
        confidence.learn(number, hit)
    assert 0 < confidence.values[number] < 1
    assert abs(confidence.values[number] - hit) < 0.05


@given(classes, st.integers(1, 9))
def test_it_settles_where_the_observed_share_is(number, of_ten):
    confidence = Table(1.0)
    for place in range(1000):
        confidence.learn(number, place * of_ten % 10 < of_ten)
    assert abs(confidence.values[number] - of_ten / 10) < 0.12
