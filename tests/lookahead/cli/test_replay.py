"""``replay``: the JSON of the contract, on a trace small enough to count by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lookahead.cli.main import main

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


def test_a_table_for_people(trace: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", trace]) == 0
    assert "mean_accepted_tokens" in capsys.readouterr().out
