"""Verdicts and advice: what is surely so is said to be so, and a gain is told on prompts it was not chosen on."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lookahead
from lookahead.config import LookaheadConfig
from lookahead.costs import PassCosts
from lookahead.study.decisions import DECISIONS, Findings, decide
from lookahead.study.grid import Drafting
from lookahead.study.losses import Cause
from lookahead.study.material import Sample
from lookahead.study.result import CAUSE_NAMES, Loss, Machine, Row, Variant
from lookahead.study.rows import total_of
from lookahead.study.study import StudyOptions, make_study
from lookahead.study.verdict import SETTINGS_OF, advice, against, break_even, interval, verdict
from tests.lookahead.study.samples import FLAT, STEEP

BASE = LookaheadConfig()


def row(name: str = "a", modelled: float | None = 1.5, **changes) -> Row:
    """A row whose drafts are so many times as fast as plain decoding by T(n)."""
    values = {
        "name": name,
        "tokens": 41,
        "passes": 20,
        "tokens_per_pass": 2.0,
        "drafted": 60,
        "accepted": 20,
        "empty": 0,
        "wasted": 40,
        "modelled_seconds": None if modelled is None else 1.0,
        "modelled_speedup": modelled,
        **changes,
    }
    return Row(**values)


def variant(label: str, each, config=None, start: str = "cold", peer: bool = False) -> Variant:
    """A variant with these speedups."""
    return Variant(
        label=label, peer=peer, config=config or {}, start=start,
        tokens_per_pass=1.0, drafted_per_pass=1.0, modelled_speedup=1.0, each=tuple(each),
    )  # fmt: skip


# ------------------------------------------------------------------ does it pay


def test_it_pays_where_the_whole_interval_is_above_one():
    said = verdict([row(str(n), 1.4 + 0.1 * (n % 3)) for n in range(12)], BASE, FLAT)
    assert said.pays is True
    assert said.reason == "fine"
    assert said.prompts_that_pay == 12
    assert said.low is not None
    assert said.high is not None
    assert said.speedup is not None
    assert 1 < said.low <= said.speedup <= said.high
    assert said.text.startswith("It pays: 1.50 times as fast as plain decoding by T(n)")


def test_it_does_not_pay_where_the_whole_interval_is_below_one():
    said = verdict([row(str(n), 0.7, losses=(Loss("unseen", 10, 0),)) for n in range(12)], BASE, FLAT)
    assert (said.pays, said.reason, said.prompts_that_pay) == (False, "too few repeats", 0)
    assert "100 % of the passes ended at a token that no source had seen there" in said.text


@pytest.mark.parametrize("speedups", [[0.5, 2.0] * 4, [3.0]])
def test_it_is_not_sure_where_the_interval_holds_one_or_there_is_none(speedups):
    said = verdict([row(str(n), speedup) for n, speedup in enumerate(speedups)], BASE, FLAT)
    assert said.pays is None
    assert said.reason != "fine"


def test_measured_times_count_where_every_prompt_has_them():
    rows = [row(str(n), 3.0, seconds=2.0, plain_seconds=3.0) for n in range(4)]
    assert verdict(rows, BASE, FLAT).speedup == 1.5
    assert verdict([*rows, row("b", 3.0)], BASE, FLAT).speedup == 3.0


def test_what_was_measured_as_faster_than_its_tokens_per_pass_counts_as_modelled():
    rows = [row(str(n), 1.2, seconds=2.0, plain_seconds=3.0, speedup=1.5) for n in range(4)]
    disturbed = row("d", 0.9, seconds=2.0, plain_seconds=9.0, speedup=4.5, disturbed=True)
    said = verdict([*rows, disturbed], BASE, FLAT)
    assert said.speedup == pytest.approx((4 * 3.0 + 0.9 * 2.0) / 10.0)
    assert said.prompts_that_pay == 4
    assert total_of([*rows, disturbed]).speedup == pytest.approx(said.speedup)


@pytest.mark.parametrize(("disturbed", "said"), [(0, False), (2, False), (3, True), (10, True)])
def test_a_headline_by_disturbed_times_says_so(disturbed: int, said: bool):
    rows = [
        row(str(n), 1.2, seconds=2.0, plain_seconds=3.0, speedup=1.5, disturbed=n < disturbed, passes=20)
        for n in range(10)
    ]
    text = verdict([*rows, row("short", passes=0)], BASE, FLAT).text
    clause = f"{disturbed} of 10 prompts were disturbed by other work: measure again for a firm number."
    assert (clause in text) == said
    assert "disturbed" not in verdict([row(str(n)) for n in range(9)], BASE, FLAT).text


def test_without_times_it_says_so():
    said = verdict([row(modelled=None)], BASE)
    assert (said.pays, said.speedup, said.low) == (None, None, None)
    assert said.text.startswith("2.00 tokens per pass; without T(n)")
    assert verdict([row(passes=0, tokens_per_pass=None, modelled=None)], BASE).reason == "no passes"
    assert verdict([], BASE).reason == "no passes"


@given(st.lists(st.tuples(st.floats(0.1, 9), st.floats(0.1, 9)), min_size=2, max_size=30), st.integers(0, 3))
def test_an_interval_is_the_same_again_and_within_the_extremes(pairs, seed):
    before, after = [one for one, _ in pairs], [two for _, two in pairs]
    found = interval(before, after, seed)
    assert found is not None
    assert found == interval(before, after, seed)
    ratios = [one / two for one, two in pairs]
    assert min(ratios) - 1e-9 <= found[0] <= found[1] <= max(ratios) + 1e-9


# ------------------------------------------------------------------ the decision tree

HOLDING = {
    "no passes": Findings(passes=0, output_tokens=1),
    "fine": Findings(passes=9, output_tokens=99, pays=True, off=("output",)),
    "sources off": Findings(passes=9, output_tokens=9, off=("prompt", "output")),
    "short outputs": Findings(passes=9, output_tokens=9),
    "busy machine": Findings(passes=9, output_tokens=99, bent_at=2, empty=0.8, steep=4.0),
    "wide passes cost too much": Findings(passes=9, output_tokens=99, steep=1.9, empty=0.8),
    "chain model": Findings(passes=9, output_tokens=99, chain=True),
    "slow drafts": Findings(passes=9, output_tokens=99, drafting=0.4),
    "pruned": Findings(passes=9, output_tokens=99, shares={"pruned": 0.4, "unseen": 0.6}),
    "cut by the settings": Findings(passes=9, output_tokens=99, shares={"width": 0.2, "strategy": 0.3, "unseen": 0.5}),
    "too few repeats": Findings(passes=9, output_tokens=99, shares={"unseen": 0.6, "pays": 0.4}),
    "nothing pays": Findings(passes=9, output_tokens=99, shares={"unseen": 0.4, "pays": 0.6}),
    "another guess drafted": Findings(passes=9, output_tokens=99, shares={"unseen": 0.4, "outranked": 0.6}),
    "mixed": Findings(passes=9, output_tokens=99),
}


@pytest.mark.parametrize("branch", DECISIONS, ids=lambda branch: branch.reason)
def test_every_branch_can_be_reached_and_has_a_sentence(branch):
    findings = HOLDING[branch.reason]
    assert decide(findings) is branch
    sentence = branch.sentence(findings)
    assert sentence.endswith(".")
    assert "{" not in sentence
    assert branch.when
    assert branch.then


def test_a_cut_names_the_bound_that_cut_most():
    assert "most of them cut by the strategy" in decide(HOLDING["cut by the settings"]).sentence(
        HOLDING["cut by the settings"]
    )


def test_a_verdict_that_is_fine_says_what_ended_most_passes():
    losses = (Loss("unseen", 14, 0), Loss("outranked", 6, 9))
    rows = [row(str(n), 1.9, losses=losses) for n in range(4)]
    assert verdict(rows, BASE, FLAT).text.endswith('70 % of the passes ended as "never seen".')
    assert verdict([row(str(n), 1.9, losses=()) for n in range(4)], BASE, FLAT).text.endswith("tokens.")


def test_a_busy_machine_is_named_before_its_slow_passes():
    bent = PassCosts((1, 2, 4), (1.0, 9.0, 9.1))
    rows = [row(str(n), 0.9, empty=15, losses=(Loss("pays", 19, 19),)) for n in range(4)]
    said = verdict(rows, BASE, bent)
    assert said.reason == "busy machine"
    assert "T(2)" in said.text


@pytest.mark.parametrize(
    ("seconds", "why"),
    [
        ((1.0, 1.2, 1.6, 2.4), ""),
        ((1.0, 0.97, 1.6, 1.55), ""),
        ((1.0, 2.05, 2.2, 2.4), ""),
        ((1.0, 2.2, 2.8, 3.0), "T(2) is more than 2 times T(1)"),
        ((1.0, 1.05, 0.96, 1.1), ""),
        ((1.0, 0.76, 0.84, 0.93), ""),
        ((1.0, 1.2, 1.6, 1.1), "T(8) is much less than T(4)"),
    ],
)
def test_a_time_of_passes_that_falls_or_jumps_is_named_whatever_the_verdict(seconds, why):
    costs = PassCosts((1, 2, 4, 8), seconds)
    samples = [Sample(str(n), (n, 1, 2, 3, 4, 5, 6), tuple([1, 2, 3, 4, 5, 6, n] * 4)) for n in range(4)]
    said = make_study(samples, StudyOptions("t", LookaheadConfig(budget="fixed"), costs, jobs=1)).verdict
    assert said.reason != "busy machine"
    assert said.text.count("measure it again") == bool(why)
    assert why in said.text


def test_every_cause_has_settings_that_could_win_it_back():
    assert set(SETTINGS_OF) == set(CAUSE_NAMES) == set(get_args(Cause))


# ------------------------------------------------------------------ what would be better


def test_the_best_setting_is_told_on_the_other_half():
    count = 40
    generator = random.Random(3)
    own = variant("own", [1.0] * count)
    better = variant("better", [1.5 + 0.1 * generator.random() for _ in range(count)], {"decoding_length": 16})
    peer = variant("peer", [9.0] * count, peer=True)
    first = advice(own, [own, better, peer], [100] * count)[0]
    assert first.config == {"decoding_length": 16}
    assert first.gain is not None
    assert 1.5 < first.gain < 1.6
    assert first.low is not None
    assert first.high is not None
    assert first.low <= first.gain <= first.high
    assert "prompts that it was not chosen on" in first.text


def test_luck_on_one_half_is_not_told_as_a_gain():
    """Settings that are better by chance alone: the best of very many has nothing to show on the other half."""
    count = 40
    generator = random.Random(5)
    own = variant("own", [1.0] * count)
    lucky = [
        variant(str(n), [generator.choice((0.5, 2.0)) ** 0.5 for _ in range(count)], {"decoding_length": n + 1})
        for n in range(200)
    ]
    told = advice(own, lucky, [100] * count)[0]
    assert told.gain is None
    assert told.text.startswith(("Keep these settings", "Too close to tell"))


def test_each_cause_gets_the_setting_that_wins_it_back_or_hears_that_there_is_nothing():
    count = 20
    own = variant("own", [1.0] * count)
    tried = [
        variant("wide", [1.2] * count, {"decoding_length": 64}),
        variant("warm", [1.1] * count, start="warm"),
        variant("parallel", [0.9] * count, {"strategy": "parallel"}),
        variant("both", [1.3] * count, {"decoding_length": 64, "strategy": "parallel"}),
    ]
    lost = [Loss("unseen", 5, 0), Loss("width", 4, 8), Loss("strategy", 1, 3), Loss("pruned", 1, 1)]
    found = advice(own, tried, [100] * count, lost)
    assert [(one.cause, one.config, one.start) for one in found] == [
        ("", {"decoding_length": 64, "strategy": "parallel"}, "cold"),
        ("width", {"decoding_length": 64}, "cold"),
        ("unseen", {}, "warm"),
        ("strategy", {}, "cold"),
    ]
    assert found[-1].gain is None
    assert "nothing to win here" in found[-1].text
    assert "if the next prompts are like these" in found[2].text
    assert "like these" not in found[1].text


@given(st.lists(st.sampled_from([0.9, 1.0, 1.1, 1.3]), min_size=8, max_size=8), st.integers(0, 9))
def test_advice_names_no_change_that_brings_nothing(each, seed):
    """A change beside one that is as good without it within a hair is not named."""
    own = variant("own", [1.0] * 8)
    tried = [
        variant("more", [one * 1.001 for one in each], {"decoding_length": 32}, "warm"),
        variant("less", each, start="warm"),
        variant("nothing", [1.001] * 8, {"decoding_length": 32}),
    ]
    found = advice(own, tried, [50] * 8, [Loss("unseen", 5, 0), Loss("width", 5, 9)], seed=seed)
    assert all(one.config == {} for one in found)
    wins = [one for one in found if one.gain is not None]
    assert all((one.gain or 0) >= 1.01 for one in wins)
    assert len({(str(one.config), one.start) for one in wins}) == len(wins)


def test_a_gain_below_one_percent_is_not_advice():
    for gain in (1.001, 1.005, 1.0099):
        tried = [variant("wide", [gain] * 8, {"decoding_length": 24})]
        (told, again) = advice(variant("own", [1.0] * 8), tried, [50] * 8, [Loss("width", 4, 8)])
        assert told.gain is again.gain is None
        assert told.text.startswith("Nothing to win here")


def test_the_same_change_is_said_once():
    tried = [variant("warm", [1.4] * 8, start="warm"), variant("wide", [1.2] * 8, {"decoding_length": 64})]
    lost = [Loss("unseen", 5, 0), Loss("outranked", 3, 9), Loss("width", 2, 8)]
    found = advice(variant("own", [1.0] * 8), tried, [50] * 8, lost)
    assert [(one.cause, one.gain and round(one.gain, 1)) for one in found] == [
        ("", 1.4), ("outranked", 1.2), ("unseen", None), ("width", None),
    ]  # fmt: skip
    assert found[0].text.startswith("Keep the trie between prompts (--warm): 1.40 times the speed on prompts that")
    assert found[2].text == "Never seen, 50 % of the passes: the best change of all is the best against this, too."
    assert found[2].start == "warm"
    assert 'the change for "another guess drafted" is the best against this, too' in found[3].text
    assert found[3].config == {"decoding_length": 64}


def test_sentences_of_advice_are_plain():
    def said(gain: float, **changes) -> str:
        places = list(range(8))
        random.Random(0).shuffle(places)  # as advice draws its halves
        each = [1.3 if place in places[::2] else gain for place in range(8)]
        own = variant("own", [1.0] * 8)
        return advice(own, [variant("x", each, **changes)], [50] * 8)[0].text

    assert said(0.9, config={"decoding_length": 16}) == (
        "Keep these settings: the best other one, --decoding-length 16, is no faster on prompts that it was not chosen "
        "on (0.90 times, 90 %: 0.90 to 0.90)."
    )
    assert said(1.006, start="warm") == (
        "Nothing to win here: the best other one, the trie kept between prompts (--warm), is hardly faster on prompts "
        "that it was not chosen on (1.01 times, 90 %: 1.01 to 1.01)."
    )
    assert said(1.2, config={"decoding_length": 16}, start="warm") == (
        "Use --decoding-length 16 and keep the trie between prompts (--warm): 1.20 times the speed on prompts that it "
        "was not chosen on (90 %: 1.20 to 1.20), if the next prompts are like these."
    )


def test_what_does_not_pay_on_a_machine_is_said_to_be_right_there():
    own = variant("own", [1.0] * 8)
    tried = [variant("wide", [1.2] * 8, {"decoding_length": 64})]
    found = advice(own, tried, [50] * 8, [Loss("pays", 3, 9), Loss("unseen", 1, 0)])
    assert [one.cause for one in found] == ["", "pays"]
    assert found[1].text.startswith("Too improbable to pay, 75 % of the passes: nothing to win on this machine")


def test_what_is_slower_on_the_other_half_is_never_recommended():
    """The first half that is chosen on is drawn by the seed, so this is tried with several."""
    own = variant("own", [1.0] * 8)
    for seed in range(20):
        generator = random.Random(seed)
        others = [
            variant(str(n), [generator.uniform(0.3, 1.2) for _ in range(8)], {"branch_length": n}) for n in (2, 3)
        ]
        (told,) = advice(own, others, [50] * 8, seed=seed)
        assert (told.gain or 2.0) > 1.0
        assert told.text.startswith("Use ") == (told.gain is not None)


def test_what_the_best_of_all_says_is_not_said_again_for_a_cause():
    places = list(range(20))
    random.Random(0).shuffle(places)  # as advice draws its halves
    each = [1.3 if place in places[::2] else 0.9 for place in range(20)]
    tried = [variant("wide", each, {"decoding_length": 64})]
    (told,) = advice(variant("own", [1.0] * 20), tried, [100] * 20, [Loss("width", 4, 8)])
    assert told.text.startswith("Keep these settings")


def test_two_settings_that_were_given_are_compared_on_all_prompts():
    own = variant("own", [1.0, 1.1, 1.2, 1.0])
    for factor, said in ((1.5, "B is better"), (0.7, "A is better"), (1.0, "B is about as good as A")):
        other = variant("B", [factor * one for one in (1.0, 1.1, 1.2, 1.0)], {"decoding_length": 16})
        told = against(own, other, [40, 50, 60, 10])
        assert told.text.startswith(said)
        assert f"{factor:.2f} times" in told.text
        assert told.cause == "B"


def test_causes_have_one_name_each_in_tables_and_pictures():
    words = (Path(lookahead.__file__).parent / "report" / "words.js").read_text()
    assert dict(re.findall(r"^  (\w+): \['([^']+)'", words, re.M)) == CAUSE_NAMES


def test_advice_needs_prompts_and_something_to_choose_from():
    own = variant("own", [1.0] * 3)
    assert "at least 4 prompts" in advice(own, [variant("x", [2.0] * 3, {"budget": "fixed"})], [9] * 3)[0].text
    assert advice(variant("own", [1.0] * 9), [], [9] * 9)[0].gain is None
    assert "at least 4 prompts" in advice(variant("own", [None] * 9), [], [0] * 9)[0].text


# ------------------------------------------------------------------ on what machine


def test_machines_differ_in_what_is_best_there():
    samples = [Sample(str(n), (n, 1, 2, 3, 4, 5, 6), tuple([1, 2, 3, 4, 5, 6, n] * 4)) for n in range(2)]
    machines = [
        Machine(name="flat", lengths=FLAT.lengths, seconds=FLAT.seconds),
        Machine(name="steep", lengths=(1, 64), seconds=(1.0, 64.0)),
    ]
    axes = {"decoding_length": (1, 64), "budget": ("fixed", "adaptive")}
    flat, steep = make_study(samples, StudyOptions("t", BASE, axes=axes, machines=machines, jobs=1)).machines
    assert flat.modelled_speedup is not None
    assert flat.modelled_speedup > 1.5
    assert steep.best_speedup is not None
    assert steep.best_speedup <= 1.0 + 1e-9
    assert steep.break_even[-1] == pytest.approx(64, rel=0.01)
    assert flat.break_even[0] == pytest.approx(1.0, rel=0.01)


def test_the_same_settings_have_the_same_number_everywhere():
    samples = [Sample(str(n), (n, 1, 2, 3, 4, 5, 6), tuple([1, 2, 3, 4, 5, 6, n] * 4)) for n in range(4)]
    axes = {"decoding_length": (8, BASE.decoding_length)}
    study = make_study(samples, StudyOptions("t", BASE, FLAT, axes=axes, jobs=1))
    same = next(one for one in study.variants if not one.config)
    assert study.total.modelled_speedup == pytest.approx(same.modelled_speedup)
    assert study.machines[0].modelled_speedup == study.total.modelled_speedup == study.verdict.speedup
    assert [row.modelled_speedup for row in study.rows] == list(same.each)


def test_break_even_counts_the_time_of_the_draft():
    assert break_even(STEEP, Drafting(0.1, 0.01))[1] == pytest.approx(1.9 + 0.11)
