"""``trie``: the numbers it prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lookahead import trie_bench
from lookahead.cli.main import main


@pytest.fixture(autouse=True)
def _few_drafts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trie_bench, "_ASKED_TOKENS", 300)


def _json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    assert main(["trie", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_synthetic_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    result = _json(capsys, "--tokens", "3000", "--decoding-length", "16")
    assert result["corpus"] == "synthetic"
    assert result["tokens"] == 3000
    assert result["mean_accepted_tokens"] >= 1
    assert 0 < result["retrieve_us_mean"] <= result["retrieve_us_p99"] * 10
    assert result["bytes_per_token"] > 0


def test_tokens_of_a_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "trace.jsonl"
    row = json.dumps({"prompt": list(range(20)), "output": list(range(30))})
    path.write_text(f"{row}\n" * 4)
    result = _json(capsys, str(path), "--tokens", "60")
    assert (result["corpus"], result["tokens"]) == (str(path), 60)
    assert main(["trie", str(path), "--tokens", "100000"]) == 2
    assert "only 200 tokens" in capsys.readouterr().err


def test_as_a_share_of_a_forward_pass(capsys: pytest.CaptureFixture[str]) -> None:
    result = _json(capsys, "--tokens", "2000", "--shape", "10m", "--device", "cpu")
    assert result["retrieve_share_of_forward"] == pytest.approx(result["retrieve_us_mean"] / result["forward_us"])
    assert main(["trie", "--shape", "none"]) == 2


def test_a_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trie", "--tokens", "1000"]) == 0
    assert "retrieve_us_p99" in capsys.readouterr().out
