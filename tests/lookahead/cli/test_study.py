"""``study``: a trace without a model, the files it writes, and its answers to bad input."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lookahead.cli.main import main
from lookahead.costs import PassCosts
from lookahead.study.machine_file import machine_json, read_machine

COSTS = PassCosts((1, 2, 8, 64), (0.010, 0.011, 0.012, 0.020))
QUICK = ("--grid", "decoding_length=4,8")


@pytest.fixture
def trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Rows that copy their prompts more or less, one that is too short for a step."""
    monkeypatch.chdir(tmp_path)
    outputs = [list(range(12, 22)), [12, 13, 14, 40, 15, 16, 17], [1], [7, 8, 9, 7, 8, 9, 7, 8], [40, 41, 42, 43]]
    rows = [
        {"prompt": list(range(10, 30)), "output": output, "category": f"={place}"}
        for place, output in enumerate(outputs)
    ]
    Path("trace.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return "trace.jsonl"


def _json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["study", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_a_trace_is_what_replay_says(trace, capsys):
    found = _json(capsys, trace, *QUICK, "--decoding-length", "16")
    assert main(["replay", trace, "--decoding-length", "16", "--json"]) == 0
    replayed = json.loads(capsys.readouterr().out)
    assert found["total"]["tokens_per_pass"] == replayed["mean_accepted_tokens"]
    assert found["total"]["passes"] == replayed["steps"]
    assert found["config"]["budget"] == "fixed"
    assert [one["config"] for one in found["variants"]] == [{"decoding_length": 4}, {"decoding_length": 8}]
    assert found["machines"] == []
    assert found["verdict"]["pays"] is None
    assert "no T(n) is known" in found["notes"][-1]


def test_every_file_that_it_writes(trace, capsys):
    found = _json(capsys, trace, *QUICK, "--csv", "rows.csv", "--write-trace", "again.jsonl", "--html", "report.html")
    rows = list(csv.DictReader(Path("rows.csv").read_text().splitlines()))
    assert [row["name"] for row in rows] == [row["name"] for row in found["rows"]]
    assert [int(row["passes"]) for row in rows] == [row["passes"] for row in found["rows"]]
    assert rows[1]["category"] == "'=1"
    assert [float(row["acceptance_rate"] or 0) for row in rows] == [
        pytest.approx(row["accepted"] / row["drafted"] if row["drafted"] else 0.0) for row in found["rows"]
    ]
    again = _json(capsys, "again.jsonl", *QUICK)
    for name in ("passes", "tokens_per_pass", "by_source", "losses", "category"):
        assert [row[name] for row in again["rows"]] == [row[name] for row in found["rows"]]
    assert "<html" in Path("report.html").read_text()


def test_text_answers_first(trace, capsys):
    assert main(["study", trace, *QUICK, "--peers", "--limit", "4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "tokens per pass" in lines[0]
    assert lines[1].startswith("Reason: ")
    text = "\n".join(lines)
    for part in (
        "trace.jsonl: 4 prompts",
        "where passes ended",
        "best settings",
        "other methods",
        "prompt lookup",
        "  rate",
    ):
        assert part in text
    assert "trace.jsonl:5" not in text
    assert main(["study", trace, "--grid", "none", "--limit", "1"]) == 0
    assert "trace.jsonl: 1 prompt," in capsys.readouterr().out


def test_machines_are_told_apart(trace, capsys):
    Path("a.json").write_bytes(machine_json("machine a", COSTS))
    Path("b.json").write_bytes(machine_json("machine b", PassCosts((1, 64), (0.01, 0.5))))
    found = _json(capsys, trace, *QUICK, "--machine", "a.json", "--machine", "b.json")
    assert [one["name"] for one in found["machines"]] == ["machine a", "machine b"]
    assert found["config"]["budget"] == "adaptive"
    assert found["machines"][0]["modelled_speedup"] > found["machines"][1]["modelled_speedup"]
    assert all(row["modelled_seconds"] for row in found["rows"] if row["passes"])


def test_a_machine_file_is_read_as_it_was_written(tmp_path):
    (tmp_path / "m.json").write_bytes(machine_json("x", COSTS))
    found = read_machine(tmp_path / "m.json")
    assert (found.name, found.lengths, found.seconds) == ("x", COSTS.lengths, COSTS.seconds)


MACHINE = {"format": "lookahead-machine", "version": 1, "name": "x", "lengths": [1, 2], "seconds": [1.0, 2.0]}
BAD = {
    "no file": (["missing.jsonl"], "missing.jsonl: cannot be read"),
    "no axis": (["trace.jsonl", "--grid", "width=3"], "--grid: 'width=3'; need NAME=VALUE"),
    "no value": (["trace.jsonl", "--grid", "strategy"], "--grid: 'strategy'; need NAME=VALUE"),
    "bad value": (["trace.jsonl", "--grid", "decoding_length=0"], "--grid: decoding_length=0"),
    "twice": (["trace.jsonl", "--grid", "strategy=all strategy=single"], "given twice"),
    "no corpus": (["trace.jsonl", "--grid", "start=corpus"], "start=corpus needs a trie file"),
    "too many": (["trace.jsonl", "--grid", "decoding_length=" + ",".join(map(str, range(1, 999))) + " branch_length="
                  + ",".join(map(str, range(1, 99)))], "settings; need at most 10000"),
    "nothing runs": (["trace.jsonl", "--out", "x"], "--out keeps the runs of prompts"),
    "machine": (["trace.jsonl", "--machine", "trace.jsonl"], "trace.jsonl: not JSON"),
    "falling lengths": (["trace.jsonl", "--machine", "falling.json"], "need increasing lengths from 1"),
    "no folder": (["trace.jsonl", "--csv", "no/rows.csv"], "the folder"),
    "trie": (["trace.jsonl", "--trie", "trace.jsonl"], "trace.jsonl: not a trie file"),
    "stop": (["trace.jsonl", "--stop", ""], "--stop is empty"),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_one_line(trace, capsys, arguments, message):
    Path("falling.json").write_text(json.dumps(MACHINE | {"lengths": [2, 1]}))
    assert main(["study", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("lookahead: error: ")
    assert message in error
    assert error.count("\n") == 1


def test_a_trace_needs_no_torch(trace):
    code = (
        "import sys; from lookahead.cli.main import main; "
        f"status = main(['study', {trace!r}, '--grid', 'decoding_length=4', '--peers', '--csv', 'x.csv']); "
        "sys.exit(status or ('torch' in sys.modules) * 99)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=Path.cwd(),
                          env={"PYTHONPATH": str(Path(__file__).parents[3])}, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_costs_writes_a_machine(tiny_model, tmp_path, capsys):
    path = tmp_path / "machine.json"
    assert main(["costs", "--model", str(tiny_model), "--write", str(path), "--json"]) == 0
    passes = json.loads(capsys.readouterr().out)["passes"]
    found = read_machine(path)
    assert list(found.lengths) == [one["tokens"] for one in passes]
    assert list(found.seconds) == [one["seconds"] for one in passes]
    assert "float32" in found.name
