"""The note on stderr when a run decodes one token at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from lookahead.cli.main import main


@pytest.mark.parametrize(
    ("method", "new_tokens", "said"), [("lookahead", 60, True), ("lookahead", 8, False), ("greedy", 60, False)]
)
def test_a_run_that_may_cross_a_change_of_positions(
    switching_model: Path, capsys: pytest.CaptureFixture[str], method: str, new_tokens: int, said: bool
) -> None:
    common = ["--model", str(switching_model), "--max-new-tokens", str(new_tokens), "--method", method]
    assert main(["generate", "--prompt", "abcabc", *common]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 + said
    assert ("one token at a time" in lines[0]) == said


def test_bench_says_of_how_many_prompts(
    switching_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text('{"prompt": "abc"}\n{"prompt": "abcdefghijklmnopqrstuvwxyz"}\n')
    common = ["--model", str(switching_model), "--max-new-tokens", "10", "--repeat", "1"]
    assert main(["bench", "--prompts", str(prompts), *common, "--methods", "hf-greedy,lookahead"]) == 0
    assert "one token at a time (1 of 2 prompts)" in capsys.readouterr().err
    assert main(["bench", "--prompts", str(prompts), *common, "--methods", "hf-greedy,greedy"]) == 0
    assert "one token at a time" not in capsys.readouterr().err
