"""``generate``: the JSON of the contract, streamed text, run files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lookahead import metrics
from lookahead.cli.main import main
from lookahead.runs import runfile

KEYS = [
    "text",
    "token_ids",
    "forward_passes",
    "mean_accepted_tokens",
    "acceptance_rate",
    "seconds",
    "decode_seconds",
    "tokens_per_second",
    "finish_reason",
    "details",
]


def _json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_json_is_the_contract_and_greedy_gives_the_same_tokens(
    tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["generate", "--prompt", "abcabcabc", "--model", str(tiny_model), "--max-new-tokens", "40"]
    result = _json(capsys, *common, "--budget", "fixed", "--decoding-length", "8")
    assert list(result) == KEYS
    assert result["finish_reason"] in ("length", "eos")
    assert len(result["token_ids"]) <= 40
    assert 0 < result["decode_seconds"] <= result["seconds"]
    greedy = _json(capsys, *common, "--method", "greedy")
    assert sum(kind["accepted"] for kind in result["details"]["by_depth"].values()) > 0
    assert result["details"]["undrafted"]["steps"] >= 0
    assert greedy["details"]["by_source"] == {}
    assert greedy["token_ids"] == result["token_ids"]
    assert greedy["text"] == result["text"]
    assert greedy["mean_accepted_tokens"] == 1.0
    assert greedy["acceptance_rate"] is None
    assert greedy["forward_passes"] == len(greedy["token_ids"])
    assert result["forward_passes"] < greedy["forward_passes"]


def test_a_temperature_draws_the_same_tokens_with_and_without_drafts(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.json"
    common = ["generate", "--prompt", "abcabcabc", "--model", str(tiny_model), "--max-new-tokens", "30"]
    drawn = [*common, "--temperature", "0.7", "--top-k", "40", "--seed", "4"]
    result = _json(capsys, *drawn, "--budget", "fixed", "--decoding-length", "8", "--run-file", str(path))
    assert _json(capsys, *drawn, "--method", "plain")["token_ids"] == result["token_ids"]
    assert _json(capsys, *common)["token_ids"] != result["token_ids"]
    assert _json(capsys, *drawn[:-1], "5")["token_ids"] != result["token_ids"]
    kept = runfile.load(path).sampling
    assert (kept.temperature, kept.top_k, kept.top_p, kept.seed) == (0.7, 40, None, 4)


def test_settings_that_greedy_decoding_ignores_are_noted(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["generate", "--prompt", "a", "--model", str(tiny_model), "--max-new-tokens", "1", "--top-p", "0.9"]
    assert main(arguments) == 0
    assert "decoding is greedy and --top-p changes nothing" in capsys.readouterr().err


def test_one_token_has_no_decode_step(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = _json(capsys, "generate", "--prompt", "a", "--model", str(tiny_model), "--max-new-tokens", "1")
    assert result["mean_accepted_tokens"] is None
    assert result["decode_seconds"] == 0.0
    assert result["forward_passes"] == 1


def test_the_run_file_holds_the_run(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prompt, path = tmp_path / "prompt.txt", tmp_path / "run.json"
    prompt.write_text("é…é…é…", encoding="utf-8")
    options = ["--model", str(tiny_model), "--max-new-tokens", "30", "--decoding-length", "8"]
    result = _json(capsys, "generate", "--prompt-file", str(prompt), *options, "--run-file", str(path))
    run = runfile.load(path)
    assert list(run.token_ids) == result["token_ids"]
    assert metrics.forward_passes(run.steps) == result["forward_passes"]
    assert run.model.name == tiny_model.name
    assert run.pass_costs is not None
    assert run.texts is not None
    assert run.texts.prompt == "é…é…é…"
    assert "".join(run.texts.prompt_pieces) == "é…é…é…"
    assert run.texts.output == result["text"]
    assert run.texts.prompt_pieces[0] == ""
    assert run.texts.prompt_pieces[1] == "é"


def test_text_streams_to_stdout_and_the_rest_to_stderr(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["generate", "--prompt", "abc", "--model", str(tiny_model), "--max-new-tokens", "20"]
    text = _json(capsys, *common)["text"]
    assert main(common) == 0
    printed = capsys.readouterr()
    assert printed.out == text + "\n"
    assert "forward passes" in printed.err
    assert len(printed.err.splitlines()) == 1


def test_text_ends_before_the_stop_string(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["generate", "--prompt", "abc", "--model", str(tiny_model), "--max-new-tokens", "20"]
    whole = _json(capsys, *common)
    stop = next(character for character in whole["text"][3:] if character not in whole["text"][:3] + "\ufffd")
    result = _json(capsys, *common, "--stop", stop)
    assert result["finish_reason"] == "stop"
    assert result["text"] == whole["text"][: whole["text"].index(stop)]
    assert result["token_ids"] == whole["token_ids"][: len(result["token_ids"])]


def test_ctrl_c_is_one_line_and_130(
    tiny_model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lookahead.engine.LookaheadEngine.generate", interrupt)
    assert main(["generate", "--prompt", "abc", "--model", str(tiny_model)]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "lookahead: interrupted"


def test_an_expected_text_is_drafted_and_changes_no_token(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["generate", "--prompt", "abcabcabc", "--model", str(tiny_model), "--max-new-tokens", "30"]
    without = _json(capsys, *common, "--budget", "fixed")
    text, path = tmp_path / "before.txt", tmp_path / "run.json"
    text.write_text(without["text"] or "x", encoding="utf-8")
    found = _json(capsys, *common, "--budget", "fixed", "--expected", str(text), "--run-file", str(path))
    assert found["token_ids"] == without["token_ids"]
    run = runfile.load(path)
    assert run.expected_ids
    assert any(step.draft and "expected" in step.draft.sources for step in run.steps)
    assert main([*common, "--expected", str(tmp_path / "none.txt")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "none.txt: cannot be read" in line
