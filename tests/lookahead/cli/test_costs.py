"""``costs`` and ``check``: the numbers they print, and what they say of a model that takes no drafts."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from lookahead import check as check_module
from lookahead import costs as costs_module
from lookahead.backend import UnsupportedCacheError
from lookahead.check import PROMPTS, Check
from lookahead.cli.main import main
from lookahead.costs import CACHE_VARIABLE
from lookahead.hf import backend as backend_module
from lookahead.hf import bandwidth
from lookahead.hf.backend import HFBackend
from lookahead.hf.bandwidth import weight_bytes
from tests.lookahead.tiny_models import tiny_model as tiny

DEVICE = os.environ.get("LOOKAHEAD_TEST_DEVICE", "cpu")


@pytest.fixture(autouse=True)
def _small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(bandwidth, "_SIDE", 256)
    monkeypatch.setattr(check_module, "MOST_NEW_TOKENS", 8)
    for limit in ("STALE", "BENT", "STEEP", "FALL"):  # a tiny model's pass on a busy machine may take any time
        monkeypatch.setattr(costs_module, limit, 1e9)


@pytest.fixture
def no_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise UnsupportedCacheError("it has a state instead of a cache")

    monkeypatch.setattr(backend_module, "find_plan", refuse)
    monkeypatch.setattr(backend_module, "find_chain_plan", refuse)


def _json(capsys: pytest.CaptureFixture[str], command: str, model: Path, *more: str) -> dict[str, Any]:
    assert main([command, "--model", str(model), "--device", DEVICE, *more, "--json"]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_costs_break_even_and_share_of_bandwidth(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = _json(capsys, "costs", tiny_model)
    one, *wider = result["passes"]
    assert [entry["tokens"] for entry in result["passes"]] == [1, 2, 4, 8, 16, 32, 64]
    assert (one["ratio"], one["break_even"], one["break_even_rate"]) == (1.0, 0.0, None)
    for entry in wider:
        assert entry["ratio"] == pytest.approx(entry["seconds"] / one["seconds"])
        assert entry["break_even"] == pytest.approx(entry["ratio"] - 1)
        assert entry["break_even_rate"] == pytest.approx(entry["break_even"] / (entry["tokens"] - 1))
        read = entry["bandwidth_share"] * entry["seconds"] * result["read_bytes_per_second"]
        assert read == pytest.approx(result["weight_bytes"])
    assert 0 <= result["measured_seconds_ago"] < 600
    assert (result["learned_passes"], result["learned_seconds_ago"]) == (0, None)


def test_runs_correct_the_costs_until_they_are_measured_again(
    tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _json(capsys, "generate", tiny_model, "--prompt", "abcabc", "--max-new-tokens", "12", "--method", "plain")
    assert _json(capsys, "costs", tiny_model)["learned_passes"] == 0, "nothing was known to be corrected"
    steps = _json(capsys, "generate", tiny_model, "--prompt", "abcabc", "--max-new-tokens", "12")["forward_passes"]
    result = _json(capsys, "costs", tiny_model)
    assert 0 < result["learned_passes"] <= steps
    assert result["learned_seconds_ago"] >= 0
    assert _json(capsys, "costs", tiny_model, "--measure")["learned_passes"] == 0


def test_costs_as_a_table(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["costs", "--model", str(tiny_model), "--device", DEVICE]) == 0
    out = capsys.readouterr().out
    assert "break-even" in out
    assert "corrected by 0 passes of runs" in out
    assert "MB of weights" in out


@pytest.mark.usefixtures("no_trees")
def test_a_model_without_drafts_has_no_costs_but_can_be_checked(
    tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["costs", "--model", str(tiny_model)]) == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert "one token at a time" in line
    result = _json(capsys, "check", tiny_model)
    assert (result["trees"], result["exactness"], result["costs"]) == (False, None, None)
    assert "a state instead of a cache" in result["notice"]
    assert {row["mean_accepted_tokens"] for row in result["prompts"]} == {1.0}


@pytest.mark.parametrize("command", ["costs", "check"])
@pytest.mark.parametrize(
    "arguments", [["--model", "/no/such/folder"], ["--device", "abacus"], ["--dtype", "int3"], ["--measures"]]
)
def test_bad_input_is_one_line(command: str, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, *arguments]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_check_tells_what_the_model_does(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = _json(capsys, "check", tiny_model)
    assert (result["trees"], result["notice"], result["architecture"]) == (True, None, "LlamaForCausalLM")
    assert result["exactness"]
    assert len(result["costs"]["passes"]) == 7
    assert [row["prompt"] for row in result["prompts"]] == list(PROMPTS)
    for row in result["prompts"]:
        assert row["same"] == "yes"
        assert 0 < row["tokens"] <= 8
        assert row["prompt_tokens"] + 8 <= 128
        ratio = row["tokens_per_second"] / row["plain_tokens_per_second"]
        assert row["speedup"] == pytest.approx(ratio)
    assert result["seconds"] > 0


def test_check_as_text(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--model", str(tiny_model), "--device", DEVICE]) == 0
    out = capsys.readouterr().out
    for text in ("drafts   yes", "break-even", "plain tokens/s", "code edit", "times as fast as plain decoding"):
        assert text in out


def test_a_slow_model_writes_fewer_tokens(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_module, "MOST_NEW_TOKENS", 64)
    check = Check(HFBackend.from_pretrained(str(tiny_model), device=DEVICE))
    for seconds, most in ((0.001, 64), (0.1, 60), (0.5, 12), (5.0, 8)):
        check.result["costs"]["passes"][0]["seconds"] = seconds
        assert check._most_new_tokens() == most


def test_a_difference_that_rounding_does_not_explain_is_not_the_same() -> None:
    backend = HFBackend(tiny("llama"))
    check = Check(backend)
    choice = backend.new_session(4).prefill([1, 2, 3])
    other = (choice + 1) % backend.vocab_size
    assert check._same([1, 2, 3], (choice, 4), (choice, 4)) == "yes"
    assert check._same([1, 2, 3], (choice, 4), (choice,)) == "no"
    assert check._same([1, 2, 3], (choice, 4), (other, 4)) == "no"


@pytest.mark.parametrize(
    ("family", "settings", "unread"),
    [
        ("llama", {"tie_word_embeddings": False}, 61 * 32),
        ("llama", {"tie_word_embeddings": True}, 0),
        ("gpt2", {}, 0),
        ("mixtral", {}, None),
        ("qwen3-moe", {}, None),
    ],
)
def test_weights_that_a_pass_reads(family: str, settings: dict[str, Any], unread: int | None) -> None:
    model = tiny(family, **settings)
    assert weight_bytes(model) == (None if unread is None else 8 * (model.num_parameters() - unread))


def test_packed_weights_are_read_too() -> None:
    model = tiny("llama", tie_word_embeddings=False)
    before, layer = weight_bytes(model), model.model.layers[0].mlp.down_proj
    layer.packed_weight = layer.weight.detach()
    del layer._parameters["weight"]
    assert weight_bytes(model) == before
