"""Runs whose forward pass fails, and run files that get too large: one line, and nothing is lost."""

from __future__ import annotations

import builtins
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from lookahead.bench import Bench
from lookahead.cli import console
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

        def begun(self: HFBackend, capacity: int, prompt_length: int = 0, *more: object) -> object:
            session = new_session(self, capacity, prompt_length, *more)  # type: ignore[arg-type]
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


@pytest.mark.parametrize(
    ("runs", "kept"),
    [(0, None), (1, None), (2, (1, 1)), (5, (2, 1)), (6, (3, 1)), (7, (3, 1)), (11, (3, 1)), (12, (3, 2))],
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_bench_that_is_stopped_tells_what_every_method_has_finished(
    runs: int,
    kept: tuple[int, int] | None,
    number: signal.Signals,
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    once, calls = Bench._once, 0

    def stopped(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2 + runs + 1:  # each method's untimed first run comes before
            signal.raise_signal(number)
        return once(*arguments)

    monkeypatch.setattr(Bench, "_once", stopped)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text("".join(f'{{"prompt": "abcabc{n}"}}\n' for n in range(3)))
    common = ["bench", "--prompts", str(prompts), "--model", str(tiny_model), "--max-new-tokens", "4", "--json"]
    try:
        status = main([*common, "--methods", "greedy,lookahead", "--repeat", "3", "--rows"])
    finally:
        signal.signal(signal.SIGINT, before)
    assert status == 128 + number
    printed = capsys.readouterr()
    if kept is None:
        assert printed.out == ""
        return
    assert f"of the {kept[0]} of 3 prompts that ran with all methods, {kept[1]} of 3 times" in printed.err
    result = json.loads(printed.out)
    assert (result["environment"]["prompts"], result["environment"]["repeat"]) == kept
    assert len(result["rows"]) == 2 * kept[0]
    assert result["methods"]["lookahead"]["identical_to_reference"] is True


def test_a_bench_says_how_far_it_is_where_there_is_no_terminal(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "SECONDS_PER_LINE", 0.0)
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text('{"prompt": "abcabc"}\n')
    common = ["bench", "--prompts", str(prompts), "--model", str(tiny_model), "--max-new-tokens", "4"]
    assert main([*common, "--methods", "greedy", "--repeat", "3"]) == 0
    assert "runs: 2 of 3, about " in capsys.readouterr().err


@pytest.mark.parametrize("error", [KeyError("a key"), TypeError("a type"), AssertionError(), ValueError("a value")])
def test_a_pass_that_raises_anything_is_one_line_and_the_run_is_kept(
    error: Exception,
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> None:
        raise error

    path = tmp_path / "run.json"
    monkeypatch.setattr(TreeSession, "keep", fail)
    arguments = ["generate", "--prompt", "abcabc", "--model", str(tiny_model), "--run-file", str(path)]
    assert main([*arguments, "--decoding-length", "1"]) == 1
    assert type(error).__name__ in _line(capsys.readouterr().err)
    assert runfile.load(path).finish_reason == "error"
    assert len(runfile.load(path).steps) >= 1


def test_a_reader_that_goes_away_leaves_the_run_file(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(*_: object) -> None:
        raise BrokenPipeError

    path = tmp_path / "run.json"
    monkeypatch.setattr("lookahead.cli.generate._emit", closed)
    assert main(["generate", "--prompt", "abc", "--model", str(tiny_model), "--run-file", str(path)]) == 141
    assert len(runfile.load(path).steps) == 1


def test_a_signal_keeps_the_steps_so_far(tiny_model: Path, tmp_path: Path) -> None:
    """A real process, told to end twice at once while it streams, as a terminal and a wrapper around it may do."""
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import lookahead.engine as engine; engine._Run._cut = lambda *_: (1, None)  # endless\n"
        "from lookahead.cli.main import main\n"
        "for path in sys.argv[1:3]:  # a run per signal, as imports take longest\n"
        "    sys.stdout.buffer.write(b'\\xff'); sys.stdout.flush()  # no part of a text\n"
        "    status = main([*sys.argv[3:], '--run-file', path])\n"
        "    print(status, file=sys.stderr)\n"
        "sys.exit(status)"
    )
    paths = [tmp_path / "SIGINT.json", tmp_path / "SIGTERM.json"]
    command = ["generate", "--prompt", "abcabc", "--model", str(tiny_model), "--method", "plain"]
    run = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, paths), *command, "--max-new-tokens", "1000000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).resolve().parents[3],
    )
    assert run.stdout is not None
    for path in paths:
        while run.stdout.read(1) not in (b"\xff", b""):
            pass
        run.stdout.read(3)
        run.send_signal(getattr(signal, path.stem))
        run.send_signal(getattr(signal, path.stem))
    _, errors = run.communicate(timeout=60)
    said = [line for line in errors.decode().splitlines() if not line.endswith("ended by cancelled")]
    assert said == ["lookahead: interrupted", "130", "lookahead: terminated", "143"]
    assert run.returncode == 143
    for path in paths:
        saved = runfile.load(path)
        assert saved.finish_reason == "cancelled"
        assert len(saved.steps) >= 1


def test_ctrl_c_while_the_program_is_imported_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from lookahead.__main__ import main as started

    real = builtins.__import__

    def interrupted(name: str, *rest: Any, **more: Any) -> Any:
        if name == "lookahead.cli.main":
            raise KeyboardInterrupt
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", interrupted)
    assert started() == 130
    assert capsys.readouterr().err == "lookahead: interrupted\n"


def test_a_hangup_keeps_the_steps_so_far(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, keep = tmp_path / "run.json", TreeSession.keep

    def hung_up(self: TreeSession, accepted: Sequence[int]) -> None:
        keep(self, accepted)
        signal.raise_signal(signal.SIGHUP)

    monkeypatch.setattr(TreeSession, "keep", hung_up)
    before = signal.signal(signal.SIGHUP, signal.default_int_handler)  # nohup has it ignored
    try:
        run = ["generate", "--prompt", "abcabc", "--model", str(tiny_model), "--decoding-length", "1"]
        assert main([*run, "--run-file", str(path)]) == 129
    finally:
        signal.signal(signal.SIGHUP, before)
    assert runfile.load(path).finish_reason == "cancelled"
    assert len(runfile.load(path).steps) >= 1


def test_the_result_is_printed_though_its_run_file_is_too_large(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runfile, "MAX_FILE_BYTES", 1000)
    path = tmp_path / "run.json"
    arguments = ["--prompt", "abcabc", "--model", str(tiny_model), "--max-new-tokens", "30", "--run-file", str(path)]
    assert main(["generate", *arguments, "--json"]) == 2
    printed = capsys.readouterr()
    assert "run.json: not written" in _line(printed.err)
    assert "a run file has at most 1000" in printed.err
    assert json.loads(printed.out.splitlines()[-1])["finish_reason"] in ("length", "eos")
    assert not list(tmp_path.iterdir())
