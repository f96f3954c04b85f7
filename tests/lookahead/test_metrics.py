"""The numbers: worked by hand on the golden run, and laws that hold for any run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookahead import metrics
from lookahead.records import Candidate, LeftOut, RunRecord, StepRecord
from lookahead.runs import runfile
from tests.lookahead.valid_runs import valid_runs


@pytest.fixture(scope="module")
def golden() -> RunRecord:
    """Prefill, then 8 (accepted) 9 (accepted) 5, then 6 from an empty draft, then 7 8 and EOS."""
    return runfile.load(Path(__file__).parent / "runs" / "golden_run.json")


def test_counts_by_hand(golden: RunRecord) -> None:
    steps = golden.steps
    assert metrics.forward_passes(steps) == 4
    assert golden.token_ids == (7, 8, 9, 5, 6, 7, 8, 2)
    assert metrics.mean_accepted_tokens(steps) == pytest.approx(7 / 3)
    assert metrics.acceptance_rate(steps) == pytest.approx(4 / 6)
    assert metrics.draft_tokens_per_step(steps) == pytest.approx(6 / 3)
    assert metrics.accepted_length_histogram(steps) == {0: 1, 2: 2}


def test_the_words_of_vllm_by_hand(golden: RunRecord) -> None:
    """Two passes with a draft (2 of 4 tokens accepted, 2 of 2), and one without, which vLLM does not count."""
    assert metrics.outcomes(golden.steps) == ((4, 2), (0, 0), (2, 2))
    assert metrics.in_vllm_words(metrics.outcomes(golden.steps)) == {
        "num_drafts": 2,
        "num_draft_tokens": 6,
        "num_accepted_tokens": 4,
        "num_accepted_tokens_per_pos": [2, 2],
        "mean_acceptance_length": 3.0,
        "draft_acceptance_rate": pytest.approx(4 / 6),
        "per_position_acceptance_rate": [1.0, 1.0],
    }
    nothing = metrics.in_vllm_words([(0, 0)])
    assert (nothing["mean_acceptance_length"], nothing["draft_acceptance_rate"]) == (None, None)
    assert nothing["per_position_acceptance_rate"] == []


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)).map(lambda pair: (max(pair), min(pair)))))
def test_the_words_of_vllm_say_the_same(outcomes: list[tuple[int, int]]) -> None:
    """The positions add up to the length, and the length of vLLM is ours where every pass has a draft."""
    words = metrics.in_vllm_words(outcomes)
    assert sum(words["num_accepted_tokens_per_pos"]) == words["num_accepted_tokens"]
    per_position = words["per_position_acceptance_rate"]
    assert per_position == sorted(per_position, reverse=True)
    if words["num_drafts"]:
        assert words["mean_acceptance_length"] == pytest.approx(1 + sum(per_position))
        assert words["mean_acceptance_length"] >= 1 + sum(accepted for _, accepted in outcomes) / len(outcomes)


def test_node_statuses_by_hand(golden: RunRecord) -> None:
    statuses = [metrics.node_statuses(step) for step in golden.steps]
    assert statuses[0] == ()
    assert statuses[1] == ("root", "accepted", "rejected", "accepted", "rejected")
    assert statuses[2] == ("root",)
    assert statuses[3] == ("root", "accepted", "accepted")


def test_acceptance_by_kind_by_hand(golden: RunRecord) -> None:
    by_source = metrics.acceptance_by_source(golden.steps)
    assert by_source == {
        "corpus": metrics.Acceptance(1, 1, 0),
        "output": metrics.Acceptance(1, 1, 0),
        "prompt": metrics.Acceptance(4, 4, 4),
    }
    assert by_source["prompt"].rate == 1.0
    assert metrics.acceptance_by_depth(golden.steps)[1] == metrics.Acceptance(3, 3, 2)
    assert metrics.acceptance_by_match_length(golden.steps)[3] == metrics.Acceptance(2, 2, 2)


def test_time_by_hand(golden: RunRecord) -> None:
    assert metrics.decode_seconds(golden) == pytest.approx(0.0101)
    assert metrics.tokens_per_second(golden) == pytest.approx(8 / 0.0142)
    assert metrics.mean_step_timings(golden.steps).forward_seconds == pytest.approx(0.0025)
    with pytest.raises(ValueError, match="not defined"):
        metrics.mean_step_timings(golden.steps[:1])
    assert metrics.tokens_per_second(replace(golden, seconds=0.0)) == 0.0


def test_calibration_by_hand(golden: RunRecord) -> None:
    bins = metrics.calibration(golden.steps, bins=2)
    low, high = bins
    assert (low.low, low.high, low.nodes, low.observed) == (0.0, 0.5, 2, 0.0)
    assert low.estimated == pytest.approx((0.1 + 0.123457) / 2)
    assert (high.nodes, high.observed) == (4, 1.0)


def _with_accounts(run: RunRecord, *accounts: LeftOut | None) -> tuple[StepRecord, ...]:
    """The run's steps with these accounts of what was left out."""
    return tuple(replace(step, left_out=account) for step, account in zip(run.steps, accounts, strict=True))


def _guess(probability: float) -> Candidate:
    return Candidate(token_id=7, parent=0, probability=probability, source="prompt", reason="pays")


def test_what_was_left_out_by_hand(golden: RunRecord) -> None:
    """The golden run drafts at its first and last decode step, and nothing at the one between."""
    steps = _with_accounts(
        golden,
        None,
        LeftOut(unseen=2, width=3, best=_guess(0.9)),
        LeftOut(unseen=1, pays=4, best=_guess(0.12)),
        LeftOut(branch_length=1, strategy=2),
    )
    assert metrics.left_out_by_reason(steps) == {"unseen": 3, "pays": 4, "branch_length": 1, "width": 3, "strategy": 2}
    assert metrics.undrafted(steps) == {"steps": 1, "median_probability": 0.12}
    assert metrics.left_out_by_reason(golden.steps) == {}
    assert metrics.undrafted(golden.steps) == {"steps": 0, "median_probability": None}
    empty = steps[2]
    several = [replace(empty, left_out=LeftOut(best=_guess(p))) for p in (0.3, 0.1, 0.2)]
    nothing = replace(empty, left_out=LeftOut(unseen=1))
    assert metrics.undrafted([*several, nothing]) == {"steps": 4, "median_probability": 0.2}
    assert metrics.undrafted([nothing]) == {"steps": 1, "median_probability": None}


_accounts = st.none() | st.builds(
    LeftOut,
    *[st.integers(0, 50)] * 5,
    best=st.none() | st.floats(0, 1).map(_guess),
)


@given(valid_runs(), st.data())
def test_laws_of_what_was_left_out(run: RunRecord, data: st.DataObject) -> None:
    """Sums over two parts of a run add up to those of the whole, and the median is among the guesses."""
    steps = _with_accounts(run, *(data.draw(_accounts) for _ in run.steps))
    cut = data.draw(st.integers(0, len(steps)))
    parts = [metrics.left_out_by_reason(part) for part in (steps[:cut], steps[cut:])]
    whole = metrics.left_out_by_reason(steps)
    assert whole == {reason: sum(part.get(reason, 0) for part in parts) for reason in whole}
    assert bool(whole) == any(step.left_out is not None for step in steps)
    empty = metrics.undrafted(steps)
    assert empty["steps"] == sum(metrics.undrafted(part)["steps"] for part in (steps[:cut], steps[cut:]))
    guesses = [step.left_out.best.probability for step in steps if step.left_out and step.left_out.best]
    guess = empty["median_probability"]
    assert guess is None or min(guesses) <= guess <= max(guesses)


def test_where_tokens_part() -> None:
    assert metrics.first_difference([1, 2], [1, 2]) is None
    assert metrics.first_difference([1, 2], [1, 3]) == 1
    assert metrics.first_difference([1, 2], [1]) == 1
    assert metrics.first_difference([], []) is None


def test_what_is_not_defined_raises_and_is_null_in_json(golden: RunRecord) -> None:
    prefill = golden.steps[:1]
    for ratio in (metrics.mean_accepted_tokens, metrics.acceptance_rate, metrics.draft_tokens_per_step):
        with pytest.raises(ValueError, match="not defined"):
            ratio(prefill)
        assert metrics.or_none(ratio, prefill) is None
    assert metrics.or_none(metrics.acceptance_rate, golden.steps[2:3]) is None
    assert metrics.mean_accepted_tokens(golden.steps[2:3]) == 1.0


@given(valid_runs())
def test_laws_of_any_run(run: RunRecord) -> None:
    steps = run.steps
    decoded = len(list(metrics.decode_steps(steps)))
    assert metrics.forward_passes(steps) == decoded + bool(steps)
    if decoded:
        assert metrics.mean_accepted_tokens(steps) >= 1.0
        assert sum(metrics.accepted_length_histogram(steps).values()) == decoded
    rate = metrics.or_none(metrics.acceptance_rate, steps)
    assert rate is None or 0 <= rate <= 1
    assert 0 <= metrics.decode_seconds(run) <= run.seconds


@given(valid_runs(), st.integers(1, 20))
def test_every_draft_node_is_counted_once_by_every_kind(run: RunRecord, bins: int) -> None:
    drafted = sum(len(draft) - 1 for _, draft in metrics.decode_steps(run.steps))
    accepted = sum(len(step.accepted_nodes) for step in run.steps)
    for by_kind in (
        metrics.acceptance_by_source,
        metrics.acceptance_by_depth,
        metrics.acceptance_by_match_length,
    ):
        kinds = by_kind(run.steps).values()
        assert sum(kind.drafted for kind in kinds) == drafted
        assert sum(kind.accepted for kind in kinds) == accepted
        assert all(kind.accepted <= kind.checked <= kind.drafted for kind in kinds)
    for entry in metrics.calibration(run.steps, bins):
        assert entry.low - 1e-9 <= entry.estimated <= entry.high + 1e-9


@given(valid_runs())
def test_a_status_says_what_the_model_said(run: RunRecord) -> None:
    for step, draft in metrics.decode_steps(run.steps):
        statuses = metrics.node_statuses(step)
        for node in range(1, len(draft)):
            parent = draft.parents[node]
            agrees = step.target_ids[parent] == draft.token_ids[node]
            if statuses[node] == "accepted":
                assert agrees
                assert statuses[parent] in ("root", "accepted")
            if statuses[node] == "rejected":
                assert not agrees
                assert statuses[parent] in ("root", "accepted")
