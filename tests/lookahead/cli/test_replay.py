"""``replay``: the JSON of the contract, on a trace small enough to count by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lookahead import metrics
from lookahead.cli.main import main
from lookahead.runs import runfile

KEYS = [
    "steps",
    "tokens",
    "mean_accepted_tokens",
    "draft_tokens_per_step",
    "retrieve_us_mean",
    "retrieve_us_p99",
    "insert_us_per_token",
    "trie_nodes",
    "trie_bytes",
]


@pytest.fixture
def trace(tmp_path: Path) -> str:
    """Two rows that copy their prompts, and one that is too short for a step."""
    rows = [
        {"prompt": list(range(10, 30)), "output": list(range(12, 22)), "task": "copy"},
        {"prompt": [0], "output": list(range(12, 22))},
        {"prompt": [5], "output": [1]},
    ]
    path = tmp_path / "trace.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    return str(path)


def _json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    assert main(["replay", *arguments, "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return json.loads(printed.out.splitlines()[-1])


def test_json_is_the_contract(trace: str, capsys: pytest.CaptureFixture[str]) -> None:
    result = _json(capsys, trace, "--decoding-length", "16")
    assert list(result) == KEYS
    assert result["tokens"] == 18
    assert result["mean_accepted_tokens"] == pytest.approx(18 / result["steps"])
    assert _json(capsys, trace, "--limit", "1")["tokens"] == 9
    assert _json(capsys, trace, "--decoding-length", "1")["mean_accepted_tokens"] == 1.0


def test_shared_keeps_the_outputs_of_earlier_rows(trace: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The second row repeats the first one's output, which its own prompt does not contain."""
    assert _json(capsys, trace, "--shared")["steps"] < _json(capsys, trace)["steps"]


def test_a_row_without_a_step_has_no_mean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "short.jsonl"
    path.write_text('{"prompt": [5], "output": [1]}')
    result = _json(capsys, str(path))
    assert (result["steps"], result["tokens"], result["mean_accepted_tokens"]) == (0, 0, None)


EDIT = Path(__file__).resolve().parents[3] / "assets" / "runs" / "edit-code.json"


def test_a_run_file_is_replayed_as_it_was_and_with_other_settings(capsys: pytest.CaptureFixture[str]) -> None:
    run = runfile.load(EDIT)
    result = _json(capsys, str(EDIT))
    assert result["exact"] is True
    assert result["config"] == {}
    counts = ("mean_accepted_tokens", "acceptance_rate", "draft_tokens_per_step", "forward_passes", "decode_seconds")
    assert tuple(result["recorded"]) == counts
    assert result["recorded"]["mean_accepted_tokens"] == metrics.mean_accepted_tokens(run.steps)
    assert {name: result["replayed"][name] for name in counts[:4]} == {
        name: result["recorded"][name] for name in counts[:4]
    }
    changes = [other["config"] for other in result["others"]]
    assert all(len(change) == 1 for change in changes)
    assert {"decoding_length": 16} not in changes  # its own
    assert {"decoding_length": 32} in changes
    assert {"budget": "adaptive"} in changes
    assert {"sources": ["prompt", "output", "model", "expected"]} in changes
    (narrow,) = (other for other in result["others"] if other["config"] == {"decoding_length": 4})
    assert narrow["forward_passes"] > result["recorded"]["forward_passes"]


def test_flags_change_the_run_s_own_settings(capsys: pytest.CaptureFixture[str]) -> None:
    result = _json(capsys, str(EDIT), "--decoding-length", "64")  # the default, and not the run's
    assert result["config"] == {"decoding_length": 64}
    assert result["replayed"]["draft_tokens_per_step"] > result["recorded"]["draft_tokens_per_step"]
    assert main(["replay", str(EDIT), "--decoding-length", "64"]) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split()[:3] == ["replay", "passes", "tokens/pass"]
    assert [row.split()[0] for row in rows[:2]] == ["as", "decoding_length=64"]
    assert any(row.startswith("strategy=single ") for row in rows)


def test_a_run_that_drafted_from_more_than_its_file_holds_is_noted(capsys: pytest.CaptureFixture[str]) -> None:
    golden = Path(__file__).resolve().parents[1] / "runs" / "golden_run.json"
    assert main(["replay", str(golden), "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["exact"] is False
    (line,) = printed.err.splitlines()
    assert "the run drafted from more than its file holds" in line


def test_what_a_run_file_cannot_have_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cut = tmp_path / "cut.json"
    cut.write_text(EDIT.read_text()[:1000])
    for arguments, words in (
        ([str(EDIT), "--shared"], "--shared and --limit are about the rows of a trace"),
        ([str(EDIT), "--limit", "3"], "--shared and --limit are about the rows of a trace"),
        ([str(cut)], "not a run file"),
    ):
        assert main(["replay", *arguments]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line


def test_a_table_for_people(trace: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", trace]) == 0
    assert "mean_accepted_tokens" in capsys.readouterr().out
