"""Run files that hold greedy decoding beside the run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lookahead.records import RunRecord, TokenGap
from lookahead.runs import runfile
from lookahead.runs.runfile import RunFileError

RUNS = Path(__file__).resolve().parents[3] / "assets" / "runs"


@pytest.fixture(scope="module")
def pair() -> tuple[RunRecord, RunRecord]:
    """A recorded run and greedy decoding of the same prompt."""
    found = runfile.load_pair(RUNS / "edit-code.json")
    assert found.greedy is not None
    return found.run, found.greedy


def test_both_come_back(pair: tuple[RunRecord, RunRecord]) -> None:
    text = runfile.to_json(*pair)
    assert runfile.pair_from_json(text) == runfile.RunPair(*pair)
    assert runfile.from_json(text) == pair[0]


def test_a_file_without_greedy_is_what_it_was(pair: tuple[RunRecord, RunRecord]) -> None:
    text = runfile.to_json(pair[0])
    assert "greedy" not in json.loads(text)
    assert runfile.pair_from_json(text) == runfile.RunPair(pair[0])


def test_how_close_the_parting_was_comes_back(pair: tuple[RunRecord, RunRecord]) -> None:
    run, greedy = pair
    short = replace(greedy, steps=greedy.steps[:-2], finish_reason="cancelled", texts=None)
    gap = TokenGap(0.5, 0.125)
    assert runfile.pair_from_json(runfile.to_json(run, short, gap)).parted == gap
    assert gap.near_tie
    assert not TokenGap(0.5, 0.01).near_tie


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"greedy": 7}, "greedy: need an object"),
        ({"greedy": {}}, "greedy.format: missing"),
        ({"parted": {"gap": 0.1, "spacing": 0.1}}, "parted: the two runs have the same tokens"),
        ({"greedy": None, "parted": {"gap": 0.1, "spacing": 0.1}}, "parted: there is no greedy run"),
    ],
)
def test_what_does_not_fit_is_refused(pair: tuple[RunRecord, RunRecord], change: dict[str, Any], message: str) -> None:
    data = json.loads(runfile.to_json(*pair)) | change
    with pytest.raises(RunFileError, match=message):
        runfile.pair_from_json(json.dumps(data))


def test_another_prompt_or_method_is_refused(pair: tuple[RunRecord, RunRecord]) -> None:
    run, greedy = pair
    with pytest.raises(RunFileError, match="only a plain run beside a lookahead run"):
        runfile.to_json(run, run)
    with pytest.raises(RunFileError, match=r"greedy\.model: not the same"):
        runfile.to_json(run, replace(greedy, model=replace(greedy.model, name="another")))


def test_a_refusal_inside_the_greedy_run_says_so(pair: tuple[RunRecord, RunRecord]) -> None:
    data = json.loads(runfile.to_json(*pair))
    data["greedy"]["steps"][2]["context_length"] += 1
    with pytest.raises(RunFileError, match=r"not a run file: greedy\.steps\[2\]\.context_length: "):
        runfile.pair_from_json(json.dumps(data))
    data["greedy"]["greedy"] = None
    with pytest.raises(RunFileError, match=r"not a run file: greedy\.greedy: unknown field"):
        runfile.pair_from_json(json.dumps(data))
