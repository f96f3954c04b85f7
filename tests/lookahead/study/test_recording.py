"""Running prompts: kept as they come, continued by the same command, and no prompt's failure ends the study."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lookahead.atomic import write_whole
from lookahead.cli import options
from lookahead.cli.main import main
from lookahead.hf.backend import HFBackend
from lookahead.process import Ended
from lookahead.runs import runfile
from lookahead.study import folder
from lookahead.study.recording import PromptRunner

TEXTS = ["abcabc", "hello hello", "x y x y x", "no no no"]
TIMES = ("seconds", "plain_seconds", "speedup", "disturbed", "modelled_seconds", "modelled_speedup")


@pytest.fixture(scope="module")
def backend(tiny_model: Path) -> HFBackend:
    """Loaded once: its T(n) takes seconds to measure."""
    return HFBackend.from_pretrained(str(tiny_model))


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(json.dumps({"prompt": text, "kind": "chat"}) + "\n" for text in TEXTS))
    return path


@pytest.fixture
def study(
    backend: HFBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, dict[str, Any], str]]:
    """Runs the command; exit status, the JSON, and what it says on stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(options, "load_backend", lambda args: backend)

    def run(*arguments: str, model: bool = True) -> tuple[int, dict[str, Any], str]:
        more = ["--max-new-tokens", "8"] if model else []
        status = main(["study", *arguments, *more, "--grid", "none", "--json"])
        printed = capsys.readouterr()
        return status, json.loads(printed.out) if status == 0 else {}, printed.err

    return run


def _without_times(study: dict[str, Any]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name not in TIMES} for row in study["rows"]]


def _ends_at(monkeypatch: pytest.MonkeyPatch, text: str, error: BaseException) -> None:
    original = PromptRunner.run

    def run(self: PromptRunner, sample: Any, turn: int = 0) -> Any:
        if sample.text == text:
            raise error
        return original(self, sample, turn)

    monkeypatch.setattr(PromptRunner, "run", run)


def test_a_stopped_study_is_continued_by_the_same_command(study, prompts, monkeypatch):
    _, whole, _ = study("prompts.jsonl", "--budget", "fixed", "--out", "whole")
    with monkeypatch.context() as patched:
        _ends_at(patched, TEXTS[2], KeyboardInterrupt())
        ended, _, line = study("prompts.jsonl", "--budget", "fixed")
    assert ended == 130
    assert "2 of 4 prompts have run and are kept in prompts-study; the same command" in line
    before = {path.name: path.read_bytes() for path in Path("prompts-study/runs").iterdir()}
    assert sorted(before) == ["0001.json", "0002.json"]
    ended, resumed, line = study("prompts.jsonl", "--budget", "fixed")
    assert (ended, "2 of 4 prompts have run before" in line) == (0, True)
    assert {name: Path("prompts-study/runs", name).read_bytes() for name in before} == before
    assert _without_times(resumed) == _without_times(whole)
    _, again, _ = study("prompts-study", model=False)
    assert _without_times(again) == _without_times(whole)
    for row, known in zip(again["rows"], resumed["rows"], strict=True):
        assert row["speedup"] == pytest.approx(known["speedup"], rel=1e-4)
    assert [row["run"] for row in again["rows"]] == ["0001.json", "0002.json", "0003.json", "0004.json"]


def test_sigterm_keeps_what_is_done_too(study, prompts, monkeypatch):
    _ends_at(monkeypatch, TEXTS[1], Ended(15))
    ended, _, line = study("prompts.jsonl", "--no-plain")
    assert (ended, "1 of 4 prompts have run and are kept in prompts-study" in line) == (143, True)


def test_a_full_disk_ends_it_and_keeps_what_is_done(study, prompts, monkeypatch):
    written = []

    def write(path: Path, data: bytes) -> None:
        if written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(path)
        write_whole(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(folder, "write_whole", write)
        status, _, line = study("prompts.jsonl", "--no-plain", "--budget", "fixed")
    assert (status, "1 of 4 prompts have run and are kept in prompts-study; the same command" in line) == (1, True)
    assert f"0002.json: cannot be written ({os.strerror(errno.ENOSPC)})" in line
    status, found, _ = study("prompts.jsonl", "--no-plain", "--budget", "fixed")
    assert (status, len(found["rows"]), found["notes"]) == (0, 4, ["speedups are counted after the first token"])


def test_runs_before_and_after_a_stop_choose_their_widths_by_one_curve(study, prompts):
    assert study("prompts.jsonl", "--limit", "2")[0] == 0
    assert study("prompts.jsonl")[0] == 0
    curves = {runfile.load(path).pass_costs for path in Path("prompts-study/runs").iterdir()}
    assert len(curves) == 1
    assert None not in curves


def test_rows_and_run_files_say_the_same(study, prompts):
    _, found, _ = study("prompts.jsonl")
    with sqlite3.connect("prompts-study/study.sqlite") as table:
        rows = table.execute(
            "SELECT name, category, text, tokens, passes, speedup FROM prompts ORDER BY place"
        ).fetchall()
    for row, (name, category, text, tokens, passes, speedup) in zip(found["rows"], rows, strict=True):
        assert (row["name"], row["category"], row["text"]) == (name, category, text)
        assert (row["tokens"], row["passes"], row["speedup"]) == (tokens, passes, speedup)
        pair = runfile.load_pair(Path("prompts-study/runs", row["run"]))
        assert pair.greedy is not None
        assert pair.run.texts is not None
        assert pair.run.texts.prompt == text
        assert len(pair.run.token_ids) == tokens
        assert row["near_ties"] is not None


def test_drawn_tokens_are_the_same_plainly_and_with_drafts(study, prompts):
    _, found, _ = study("prompts.jsonl", "--limit", "2", "--temperature", "0.9", "--seed", "3")
    pairs = [runfile.load_pair(path) for path in Path("prompts-study/runs").iterdir()]
    assert len(pairs) == 2
    assert all(pair.greedy and pair.greedy.token_ids == pair.run.token_ids for pair in pairs)
    assert found["sampling"]["seed"] == 3
    assert [row["near_ties"] for row in found["rows"]] == [0, 0]  # no two runs parted


def test_another_study_does_not_continue_it(study, prompts):
    assert study("prompts.jsonl", "--limit", "1", "--no-plain")[0] == 0
    status, _, line = study("prompts.jsonl", "--no-plain", "--decoding-length", "8")
    assert status == 2
    assert "its study has decoding_length=64, now it is 8; use the same settings, or another folder (--out)" in line
    prompts.write_text('{"prompt": "other"}\n')
    status, _, line = study("prompts.jsonl", "--no-plain")
    assert status == 2
    assert "its prompt 1 is another one than prompts.jsonl:1" in line
    Path("used").mkdir()
    Path("used", "notes.txt").write_text("mine")
    status, _, line = study("prompts.jsonl", "--out", "used")
    assert (status, "used: holds other things" in line) == (2, True)


def test_a_mistake_of_the_program_is_not_a_note(study, prompts, monkeypatch):
    _ends_at(monkeypatch, TEXTS[1], RuntimeError("a mistake of the program"))
    with pytest.raises(RuntimeError):  # only what a prompt can cause is a note
        study("prompts.jsonl", "--no-plain")


def test_a_long_prompt_is_a_note(study, prompts):
    prompts.write_text(prompts.read_text() + json.dumps({"prompt": "long " * 100}) + "\n")
    status, found, _ = study("prompts.jsonl")
    assert status == 0
    assert [row["name"] for row in found["rows"]] == [f"prompts.jsonl:{place}" for place in (1, 2, 3, 4)]
    assert "prompts.jsonl:5 did not run: a prompt of 500 tokens; the model's context holds 128" in found["notes"][-1]
    again = study("prompts-study", model=False)[1]["notes"]
    assert again[-1] == found["notes"][-1]  # those before it quote times, which run files round
    prompts.write_text(json.dumps({"prompt": "long " * 100}) + "\n")
    status, _, line = study("prompts.jsonl", "--out", "third")
    assert (status, "no prompt could run; prompts.jsonl:1 did not run: a prompt of 500" in line) == (2, True)


def test_a_failing_pass_is_a_note(study, prompts, monkeypatch):
    from lookahead.backend import PassError
    from lookahead.hf.session import TreeSession

    prefill = TreeSession.prefill

    def failing(self: TreeSession, prompt_ids: Any) -> Any:
        if len(prompt_ids) == len(TEXTS[1]):
            raise PassError("the logits are not numbers")
        return prefill(self, prompt_ids)

    monkeypatch.setattr(TreeSession, "prefill", failing)
    status, found, _ = study("prompts.jsonl")
    assert (status, len(found["rows"])) == (0, 3)
    assert found["notes"][-1] == "prompts.jsonl:2 did not run: the logits are not numbers"  # T(n) may be off before it


def test_a_damaged_run_runs_again(study, prompts):
    _, whole, _ = study("prompts.jsonl", "--budget", "fixed", "--no-plain")
    Path("prompts-study/runs/0002.json").write_text("{")
    Path("prompts-study/runs/0003.json").unlink()
    status, _, line = study("prompts-study", model=False)
    assert (status, "0002.json: not a run file" in line) == (2, True)
    _, again, _ = study("prompts.jsonl", "--budget", "fixed", "--no-plain")
    assert _without_times(again) == _without_times(whole)


@pytest.mark.parametrize("content", [b"", b"not a table", b"SQLite format 3\0" + bytes(200)])
def test_a_damaged_table_is_one_line(study, content):
    Path("folder").mkdir()
    Path("folder/study.sqlite").write_bytes(content)
    status, _, line = study("folder", model=False)
    assert (status, line.count("\n"), "folder/study.sqlite: " in line) == (2, 1, True)
