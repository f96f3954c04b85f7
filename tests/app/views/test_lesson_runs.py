"""Recorded runs drafted again, planted branches, and what a width costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.views.first_sight import RUNS
from app.views.lesson_runs import (
    DRAFTS,
    MOST_PLANTED,
    MOST_WALKS,
    Recording,
    drafted_again,
    pays,
    planted,
    recordings,
    start,
    telling,
)
from lookahead.costs import PassCosts
from lookahead.records import RunRecord
from lookahead.runs import runfile
from lookahead.verify import verify

FREE = "Nobody had seen the old boat for years, and then one morning it was back in the harbour, painted green."
COSTS = PassCosts((1, 8, 64), (1.0, 2.0, 6.0))


@pytest.fixture(scope="module")
def found() -> list[Recording]:
    return recordings(RUNS)


@pytest.fixture(scope="module")
def told(found: list[Recording]) -> tuple[Recording, int]:
    place = telling(found)
    assert place is not None
    return place


def test_a_run_drafted_again_says_the_same(run: RunRecord) -> None:
    again = drafted_again(run)
    assert again.token_ids == run.token_ids
    for step in again.steps[1:]:
        assert step.draft is not None
        step.draft.check(DRAFTS.decoding_length, DRAFTS.branch_length)
        assert verify(step.draft, step.target_ids).accepted_nodes == step.accepted_nodes
        assert len(step.emitted_ids) in (len(step.accepted_nodes), len(step.accepted_nodes) + 1)


def test_the_step_that_teaches_has_branches_and_verdicts_of_all_kinds(told: tuple[Recording, int]) -> None:
    recording, index = told
    step = start(recording, index)["message"]["steps"][index]
    assert {"a", "x"} <= set(step["draft"]["status"])
    assert len(step["path"]) >= 2
    assert len(set(range(1, len(step["draft"]["parent"]))) - set(step["draft"]["parent"])) >= 2
    # The page walks down by what the model chose at the nodes of the path.
    assert all(step["draft"]["wants"][node] is not None for node in (0, *step["path"]))


def test_the_right_branch_is_accepted_and_a_wrong_one_is_not(told: tuple[Recording, int]) -> None:
    recording, index = told
    before = len(recording.again.steps[index].emitted_ids)
    right = planted(recording.again, index, None)
    assert right["accepted"] == len(right["nodes"]) == MOST_PLANTED
    assert right["emitted"] == before + MOST_PLANTED
    wrong = planted(recording.again, index, "purple elephants")
    assert (wrong["accepted"], wrong["emitted"]) == (0, before)
    letters = [wrong["step"]["draft"]["status"][node] for node in wrong["nodes"]]
    assert letters == ["x", "u"]
    assert [wrong["step"]["draft"]["text"][node].strip() for node in wrong["nodes"]] == ["purple", "elephants"]
    assert right["same"]
    assert wrong["same"]


def test_the_right_text_is_known_when_it_is_typed(told: tuple[Recording, int]) -> None:
    recording, index = told
    right = planted(recording.again, index, None)
    texts = [right["step"]["draft"]["text"][node] for node in right["nodes"]]
    visible = next(place for place, text in enumerate(texts) if text.strip())
    typed = planted(recording.again, index, "".join(texts[: visible + 1]))
    assert typed["accepted"] == len(typed["nodes"]) == visible + 1
    assert typed["emitted"] == right["emitted"] - len(texts) + visible + 1
    assert planted(recording.again, index, f"zebra {texts[visible]}")["accepted"] == 0


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=40).filter(str.strip), step=st.integers(1, 5))
def test_no_branch_changes_the_text(text: str, step: int, told: tuple[Recording, int]) -> None:
    run = told[0].again
    answer = planted(run, min(step, len(run.steps) - 1), text)
    assert answer["same"]
    whole = "".join(piece for one in run.shown for _, piece, _ in one["emitted"])
    assert whole.endswith(answer["texts"]["past"] + answer["texts"]["now"] + answer["texts"]["rest"])


def test_more_than_is_used_is_said(told: tuple[Recording, int]) -> None:
    recording, index = told
    long = planted(recording.again, index, "one two three four five")
    assert long["cut"]
    assert len(long["nodes"]) == MOST_PLANTED
    assert not planted(recording.again, index, "one two three four")["cut"]
    assert not planted(recording.again, index, None)["cut"]


def test_what_the_draft_held_already_is_said(told: tuple[Recording, int]) -> None:
    recording, index = told
    step = recording.again.steps[index]
    assert step.draft is not None
    tip = step.accepted_nodes[-1]
    child = step.draft.parents.index(tip)
    text = recording.again.texts.token_text(step.draft.token_ids[child])
    answer = planted(recording.again, index, text + " zebra")
    assert (answer["nodes"][0], answer["known"]) == (child, 1)
    assert planted(recording.again, index, "zebra")["known"] == 0


def test_the_place_of_a_branch_is_the_end_of_the_accepted_text(told: tuple[Recording, int]) -> None:
    recording, index = told
    answer = planted(recording.again, index, "zebra")
    accepted = [piece for _, piece, how in answer["step"]["emitted"] if how == "accepted"]
    assert answer["texts"]["after"] == (answer["texts"]["past"] + "".join(accepted))[-30:]


def test_the_recorded_text_is_that_of_plain_decoding(told: tuple[Recording, int]) -> None:
    pair = runfile.load_pair(RUNS / f"{told[0].name.replace(' ', '-')}.json")
    assert pair.greedy is not None
    assert pair.greedy.token_ids == told[0].run.token_ids


def test_the_walks_begin_with_the_step_that_teaches_and_one_where_all_is_wrong(told: tuple[Recording, int]) -> None:
    recording, index = told
    first, wrong, *rest = start(recording, index)["walks"]
    steps = recording.again.steps
    assert first == index
    assert steps[wrong].accepted_nodes == ()
    assert len(steps[wrong].emitted_ids) == 1
    assert rest
    assert len({first, wrong, *rest}) <= MOST_WALKS
    assert all(steps[place].accepted_nodes for place in rest)


def test_no_token_of_the_step_that_teaches_is_drafted_twice(told: tuple[Recording, int]) -> None:
    draft = told[0].again.steps[told[1]].draft
    assert draft is not None
    assert len(set(draft.token_ids)) == len(draft)


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_a_blank_branch_is_refused(text: str, told: tuple[Recording, int]) -> None:
    with pytest.raises(ValueError, match="Type something first"):
        planted(told[0].again, told[1], text)


@pytest.mark.parametrize(("step", "text"), [(0, "a"), (-1, "a"), (10_000, "a"), (1, 5), (1, "a" * 81)])
def test_what_cannot_be_planted_is_refused(step: int, text: Any, told: tuple[Recording, int]) -> None:
    with pytest.raises(ValueError, match=r"no draft|at most 80"):
        planted(told[0].again, step, text)


def test_free_text_loses_at_a_fixed_width_and_not_at_an_adaptive_one(found: list[Recording]) -> None:
    def row(**more: Any) -> dict[str, Any]:
        return pays(found, COSTS, {"width": 64, "text": FREE, **more})["rows"][0]

    fixed, adaptive, warm = row(), row(adaptive=True), row(warm=True)
    assert fixed["width"] > 40
    assert fixed["per_pass"] < 1.2
    assert fixed["times_faster"] == pytest.approx(fixed["per_pass"] / fixed["needed"])
    assert fixed["times_faster"] < 0.5
    assert adaptive["times_faster"] > 0.95
    assert warm["passes"] < fixed["passes"] / 2


def test_recordings_are_beside_the_typed_text(found: list[Recording]) -> None:
    names = [row["name"] for row in pays(found, COSTS, {"width": 8, "text": FREE})["rows"]]
    assert names[0] == "Your text"
    assert names[1:] == [one.name for one in found[:4]]
    assert len(pays(found, COSTS, {"width": 8, "text": ""})["rows"]) == len(names) - 1


@pytest.mark.parametrize(
    "question", [{"width": 1, "text": ""}, {"width": 65, "text": ""}, {"width": 8}, {"width": 8, "text": "a" * 1501}]
)
def test_a_bad_width_or_text_is_refused(question: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"need 2 to 64|at most 1500"):
        pays([], COSTS, question)


def test_no_recordings_are_no_error(tmp_path: Path) -> None:
    assert telling(recordings(tmp_path)) is None
