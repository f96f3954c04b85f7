"""Runs whose forward pass fails, and run files that get too large: one line, and nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lookahead.cli.main import main
from lookahead.hf.backend import HFBackend
from lookahead.hf.session import TreeSession
from lookahead.runs import runfile


@pytest.fixture
def fail_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Makes this pass (0: the prefill) of every run fail; the trial of the model works."""
    new_session, choose, prefill = HFBackend.new_session, TreeSession.choose, TreeSession.prefill

    def arrange(number: int) -> None:
        passes: dict[object, int] = {}

        def begun(self: HFBackend, capacity: int, prompt_length: int = 0) -> object:
            session = new_session(self, capacity, prompt_length)
            passes[session] = 0
            return session

        def failing(original: Callable[..., object]) -> Callable[..., object]:
            def run(self: TreeSession, given: object) -> object:
                if passes.get(self) == number:
                    raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 20.00 GiB.")
                if self in passes:
                    passes[self] += 1
                return original(self, given)

            return run

        monkeypatch.setattr(HFBackend, "new_session", begun)
        monkeypatch.setattr(TreeSession, "prefill", failing(prefill))
        monkeypatch.setattr(TreeSession, "choose", failing(choose))

    return arrange


def _line(error_output: str) -> str:
    line = error_output.splitlines()[-1]
    assert line.startswith("lookahead: error: ")
    assert "Traceback" not in error_output
    return line


@pytest.mark.parametrize("number", [0, 1, 5])
def test_the_steps_before_it_are_kept(
    number: int,
    fail_at: Callable[[int], None],
    tiny_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fail_at(number)
    path = tmp_path / "run.json"
    common = ["generate", "--prompt", "abcabc", "--model", str(tiny_model), "--max-new-tokens", "30", "--details"]
    assert main([*common, "--decoding-length", "1", "--json", "--run-file", str(path)]) == 1
    printed = capsys.readouterr()
    assert "out of memory; a smaller decoding_length" in _line(printed.err)
    result = json.loads(printed.out.splitlines()[-1])
    assert result["finish_reason"] == "error"
    assert result["forward_passes"] == number
    saved = runfile.load(path)
    assert saved.finish_reason == "error"
    assert list(saved.token_ids) == result["token_ids"]


def test_a_bench_that_fails_says_so_in_one_line(
    fail_at: Callable[[int], None], tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_at(4)
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text('{"prompt": "abcabc"}\n')
    common = ["bench", "--prompts", str(prompts), "--model", str(tiny_model), "--max-new-tokens", "20", "--json"]
    assert main([*common, "--methods", "greedy", "--repeat", "1"]) == 1
    printed = capsys.readouterr()
    assert "out of memory" in _line(printed.err)
    assert printed.out == ""


def test_a_mistake_of_the_program_stays_visible(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(TreeSession, "choose", lambda *_: {}["a mistake"])
    with pytest.raises(KeyError, match="a mistake"):
        main(["generate", "--prompt", "abcabc", "--model", str(tiny_model)])


def test_the_result_is_printed_though_its_run_file_is_too_large(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runfile, "MAX_FILE_BYTES", 1000)
    path = tmp_path / "run.json"
    arguments = ["--prompt", "abcabc", "--model", str(tiny_model), "--max-new-tokens", "30", "--run-file", str(path)]
    assert main(["generate", *arguments, "--json"]) == 2
    printed = capsys.readouterr()
    assert f"{path}: not written" in _line(printed.err)
    assert "a run file has at most 1000" in printed.err
    assert json.loads(printed.out.splitlines()[-1])["finish_reason"] in ("length", "eos")
    assert not list(tmp_path.iterdir())
