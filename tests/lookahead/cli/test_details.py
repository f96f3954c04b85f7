"""``generate --details``: where draft tokens were accepted, what was not drafted, and where the time of a step went."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lookahead import metrics
from lookahead.cli.details import details
from lookahead.cli.main import main
from lookahead.records import Candidate, LeftOut
from lookahead.runs import runfile

GOLDEN = Path(__file__).resolve().parents[1] / "runs" / "golden_run.json"


def test_every_kind_adds_up_to_what_was_drafted() -> None:
    run = runfile.load(GOLDEN)
    table, time = details(run).split("\n\n")
    rows = [line.split() for line in table.splitlines()[1:]]
    for kind in ("source", "depth", "match_length"):
        of_kind = [[int(cell) for cell in row[2:5]] for row in rows if row[0] == kind]
        assert [sum(column) for column in zip(*of_kind, strict=True)] == [6, 6, 4]
    assert ["source", "prompt", "4", "4", "4", "1.000"] in rows
    assert ["source", "corpus", "1", "1", "0", "0.000"] in rows
    assert "forward 2.50 ms" in time
    assert table.splitlines()[-1] == (
        "as vLLM counts: 2 drafts, mean acceptance length 3.000, draft acceptance rate 0.667, per position 1.000 1.000"
    )


def test_as_json_they_are_the_same_numbers() -> None:
    run = runfile.load(GOLDEN)
    numbers = json.loads(json.dumps(metrics.details(run.steps), allow_nan=False))
    assert numbers["by_source"]["prompt"] == {"drafted": 4, "checked": 4, "accepted": 4, "rate": 1.0}
    assert (numbers["not_drafted"], numbers["undrafted"]) == ({}, None)
    assert numbers["mean_step"]["forward_seconds"] == pytest.approx(0.0025)
    assert numbers["vllm"]["num_drafts"] == 2
    nothing = metrics.details(run.steps[:1])
    assert (nothing["by_depth"], nothing["mean_step"]) == ({}, None)


def test_why_tokens_were_not_drafted_where_the_steps_say_it() -> None:
    run = runfile.load(GOLDEN)
    account = LeftOut(unseen=1, pays=20, best=Candidate(7, 0, 0.125, "output", "pays"))
    accounts = [None, account, account, account]
    steps = tuple(replace(step, left_out=one) for step, one in zip(run.steps, accounts, strict=True))
    accepted, left_out, time = details(replace(run, steps=steps)).split("\n\n")
    assert details(run) == f"{accepted}\n\n{time}"
    header, *rows, line = left_out.splitlines()
    assert header.split() == ["not", "drafted", "because", "times"]
    counts = {row.rsplit(maxsplit=1)[0]: int(row.split()[-1]) for row in rows}
    assert list(counts.values()) == [3, 60, 0, 0, 0]
    assert counts["nothing more was seen there"] == 3
    assert line == "steps without a draft: 1; median probability of their best guess: 0.125"


def test_they_go_to_stderr_and_only_when_asked_for(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["generate", "--prompt", "abcabc", "--model", str(tiny_model), "--max-new-tokens", "30"]
    assert main(common) == 0
    plain = capsys.readouterr()
    assert main([*common, "--budget", "fixed", "--details"]) == 0
    asked = capsys.readouterr()
    assert asked.out == plain.out
    assert "source prompt" not in plain.err
    assert "source prompt" in asked.err
    assert main([*common, "--method", "greedy", "--details"]) == 0
    assert "nothing was drafted" in capsys.readouterr().err
