"""Bad input of every kind: exit status 2, one line that says what is wrong, no traceback, nothing written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lookahead.cli.main import main

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., str]:
    """Runs a command line that must be refused; returns the one line."""

    def run(*arguments: str) -> str:
        before = sorted(tmp_path.rglob("*"))
        assert main(arguments) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        # A note about the model comes before the error where loading it found something.
        *notes, line = printed.err.splitlines()
        assert all(one.startswith("lookahead: note: ") for one in notes)
        assert len(notes) <= 1
        assert line.startswith("lookahead: error: ")
        assert sorted(tmp_path.rglob("*")) == before
        return line

    return run


def _file(folder: Path, content: str | bytes, name: str = "input.jsonl") -> str:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


NO_MODEL_NEEDED = {
    "no command": ([], "COMMAND"),
    "unknown command": (["train"], "train"),
    "unknown option": (
        ["generate", "--prompt", "a", "--fast"],
        "unrecognized arguments: --fast; see lookahead generate --help",
    ),
    "unknown option alone": (["generate", "--fast"], "see lookahead generate --help"),
    "no prompt": (["generate"], "--prompt"),
    "two prompts": (["generate", "--prompt", "a", "--prompt-file", "b"], "--prompt-file"),
    "empty prompt": (["generate", "--prompt", ""], "prompt is empty"),
    "broken bytes": (["generate", "--prompt", "a\udcff"], "not UTF-8"),
    "missing prompt file": (["generate", "--prompt-file", "no/such/file"], "no/such/file: cannot be read"),
    "no name of a prompt file": (["generate", "--prompt-file", ""], "name of a file to read is empty; name one"),
    "no name of a run file": (
        ["generate", "--prompt", "a", "--run-file", ""],
        "name of a file to write is empty; name one",
    ),
    "folder as prompt file": (["generate", "--prompt-file", "."], "cannot be read"),
    "many prompts as one": (
        ["generate", "--prompt-file", "assets/prompts/story.jsonl"],
        "run them with study assets/prompts/story.jsonl or bench --prompts assets/prompts/story.jsonl",
    ),
    "no temperature": (["generate", "--prompt", "a", "--temperature", "nan"], "--temperature: need a finite number"),
    "endless temperature": (["generate", "--prompt", "a", "--temperature", "inf"], "0 to 100, got 'inf'"),
    "negative temperature": (["generate", "--prompt", "a", "--temperature=-1"], "0 to 100, got '-1'"),
    "temperature too small": (["generate", "--prompt", "a", "--temperature", "1e-30"], "need 0 (greedy), or 0.001"),
    "top-p above 1": (["generate", "--prompt", "a", "--top-p", "1.5"], "--top-p: need a finite number, 1e-06 to 1"),
    "huge seed": (["generate", "--prompt", "a", "--seed", "9" * 401], "0 to 4294967295"),
    "top-k of words": (["bench", "--prompts", "f", "--top-k", "many"], "--top-k: need a whole number, 1 to"),
    "decoding length huge": (
        ["generate", "--prompt", "a", "--decoding-length", "5000"],
        "--decoding-length: need a whole number, 1 to 1024, got '5000'",
    ),
    "branch length 0": (["replay", "x", "--branch-length", "0"], "--branch-length: need a whole number, at least 1"),
    "branch length beyond all numbers": (
        ["generate", "--prompt", "a", "--branch-length", "9" * 20],
        "--branch-length: need a whole number, at least 1 and below 2^53, got '99999999999999999999'",
    ),
    "a number of any length": (
        ["trie", "--tokens", "9" * 100_000],
        "--tokens: need a whole number, 1 to 100000000, got '99",
    ),
    "no new tokens": (["generate", "--prompt", "a", "--max-new-tokens", "0"], "need a whole number, 1 to 1000000"),
    "negative limit": (["replay", "x", "--limit", "-1"], "--limit: need a whole number, at least 1"),
    "run file with a name that is too long": (
        ["generate", "--prompt", "a", "--run-file", "a" * 300],
        "cannot be written",
    ),
    "trie file with a name that is too long": (["make-trie", "README.md", "--save", "a" * 300], "cannot be written"),
    "model with a name that is too long": (["generate", "--prompt", "a", "--model", "/" + "a" * 300], "no such folder"),
    "unknown strategy": (["generate", "--prompt", "a", "--strategy", "wide"], "hierarchical"),
    "unknown dtype": (["generate", "--prompt", "a", "--dtype", "int8"], "bfloat16"),
    "empty stop": (["generate", "--prompt", "a", "--stop", ""], "--stop is empty"),
    "run file in no folder": (["generate", "--prompt", "a", "--run-file", "no/folder/r.json"], "make it first"),
    "run file to standard output": (["generate", "--prompt", "a", "--run-file", "-"], "to a file only"),
    "table to standard output": (["study", "x", "--csv", "-"], "to a file only"),
    "two results in one file": (["study", "x", "--csv", "one.txt", "--html", "./one.txt"], "name one for each"),
    "run file is a folder": (["generate", "--prompt", "a", "--run-file", "."], "is a folder"),
    "run longer than any run file takes": (
        ["generate", "--prompt", "a", "--max-new-tokens", "2000000"],
        "--max-new-tokens: need a whole number, 1 to 1000000, got '2000000'",
    ),
    "stop too long for a run file": (
        ["generate", "--prompt", "a", "--stop", "b" * 1001, "--run-file", "r.json"],
        "a stop string of 1001 characters",
    ),
    "too many stops for a run file": (
        ["generate", "--prompt", "a", *["--stop", "b"] * 65, "--run-file", "r.json"],
        "more than 64 stop strings",
    ),
    "bench without prompts": (["bench"], "--prompts is missing"),
    "unknown method": (["bench", "--prompts", "x", "--methods", "greedy,magic"], "'magic'"),
    "method twice": (
        ["bench", "--prompts", "x", "--methods", "greedy,greedy"],
        "greedy and greedy are the same method",
    ),
    "method by two words": (
        ["bench", "--prompts", "x", "--methods", "plain,lookahead,greedy"],
        "plain and greedy are the same method",
    ),
    "unknown method of generate": (["generate", "--prompt", "a", "--method", "hf-greedy"], "--method"),
    "unknown shape": (["bench", "--shape", "gpt-5"], "qwen2.5-0.5b"),
    "shape and model": (["bench", "--shape", "10m", "--model", "x"], "leave one of them out"),
    "missing trace": (["replay", "no-such-trace.jsonl"], "cannot be read"),
    "two hyphens as a value": (
        ["generate", "--prompt-file=--"],
        "argument --prompt-file: expected a value, got '--'; see lookahead generate --help",
    ),
    "two hyphens as a number": (["trie", "--tokens=--"], "argument --tokens: expected a value, got '--'"),
    "two hyphens to stop at": (["generate", "--prompt", "a", "--stop=--"], "argument --stop: expected a value"),
    "an option with a value it does not take": (["replay", "x", "--shared=1"], "see lookahead replay --help"),
    "more repeats than anybody waits for": (["bench", "--prompts", "x", "--repeat", "10001"], "1 to 10000"),
    "endless prompt": (["generate", "--prompt-file", "/dev/zero"], "/dev/zero: not a regular file"),
    "endless corpus": (["make-trie", "/dev/zero", "--save", "x"], "/dev/zero: not a regular file"),
    "endless trie": (["generate", "--prompt", "a", "--trie", "/dev/zero"], "/dev/zero: not a regular file"),
    "missing prompts": (["bench", "--prompts", "no-such-prompts.jsonl"], "cannot be read"),
}


@pytest.mark.parametrize("name", NO_MODEL_NEEDED)
def test_refused_before_any_model_is_loaded(name: str, refused: Callable[..., str]) -> None:
    arguments, message = NO_MODEL_NEEDED[name]
    assert message in refused(*arguments)


TRACES = {
    "negative id": ('{"prompt": [1, -2], "output": [1]}', "line 1: prompt[1]: need an integer >= 0"),
    "true": ('{"prompt": [1], "output": [true]}', "need an integer, got true/false"),
    "float": ('{"prompt": [1.0], "output": [1]}', "need an integer"),
    "id too large": ('{"prompt": [1], "output": [2147483647]}', "need an integer <= 16777215"),
    "id that no trie takes": (
        '{"prompt": [20000000, 1], "output": [1, 2, 3]}',
        "line 1: prompt[0]: need an integer <= 16777215",
    ),
    "id far too large": ('{"prompt": [1], "output": [' + "9" * 30 + "]}", "output[0]: need an integer <= 16777215"),
    "text": ('{"prompt": "abc", "output": "def"}', "need a list, got a string"),
    "no output": ('{"prompt": [1]}', "output: missing"),
    "empty prompt": ('{"prompt": [], "output": [1, 2]}', "line 1: prompt: is empty"),
    "second line": ('{"prompt": [1], "output": [2]}\n[1, 2]', "line 2"),
    "no JSON": ("prompt,output\n1,2\n", "need one JSON object per line"),
    "empty": ("", "has no row"),
    "blank": ("\n\n", "has no row"),
    "binary": (b"\xff\xfe\x00\x01", "not UTF-8"),
    "NaN": ('{"prompt": [NaN], "output": [1]}', "NaN"),
    "deep": ("[" * 50_000, "nested too deeply"),
}


@pytest.mark.parametrize("name", TRACES)
def test_traces_that_are_none(name: str, refused: Callable[..., str], tmp_path: Path) -> None:
    content, message = TRACES[name]
    assert message in refused("replay", _file(tmp_path, content))


PROMPTS = {
    "no JSONL": ("Once upon a time\n", "need one JSON object per line"),
    "no prompt field": ('{"text": "a"}', 'no field "prompt"; it has text'),
    "number": ('{"prompt": 3}', "need a string, got an integer"),
    "blank prompt": ('{"prompt": "a"}\n{"prompt": " "}', "line 2: prompt: is empty"),
    "half a surrogate": ('{"prompt": "\\ud800"}', "half a surrogate"),
    "empty": ("", "has no row"),
}


@pytest.mark.parametrize("name", PROMPTS)
def test_prompt_files_that_are_none(name: str, refused: Callable[..., str], tmp_path: Path) -> None:
    content, message = PROMPTS[name]
    assert message in refused("bench", "--prompts", _file(tmp_path, content))


def test_prompt_file_of_generate_that_is_no_text(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "not UTF-8" in refused("generate", "--prompt-file", _file(tmp_path, b"\xff\xfe"))
    assert "empty" in refused("generate", "--prompt-file", _file(tmp_path, ""))


def test_models_that_are_none(refused: Callable[..., str], tmp_path: Path) -> None:
    prompt = ("generate", "--prompt", "a", "--model")
    assert "no such folder" in refused(*prompt, str(tmp_path / "none"))
    assert "config.json" in refused(*prompt, str(tmp_path))
    broken = tmp_path / "broken"
    broken.mkdir()
    _file(broken, "{", "config.json")
    assert str(broken) in refused(*prompt, str(broken))
    assert "nobody/nothing-here" in refused(*prompt, "nobody/nothing-here")


def test_a_prompt_beyond_the_context(refused: Callable[..., str], tiny_model: Path, tmp_path: Path) -> None:
    model = ("--model", str(tiny_model))
    assert "128, output included" in refused("generate", "--prompt", "a" * 128, *model)
    prompts = _file(tmp_path, '{"prompt": "a"}\n\n{"prompt": "' + "a" * 200 + '"}')
    assert f"{prompts}, line 3: " in refused("bench", "--prompts", prompts, *model)


def test_a_device_that_is_not_there(refused: Callable[..., str], tiny_model: Path) -> None:
    model = ("generate", "--prompt", "a", "--model", str(tiny_model))
    assert "warp" in refused(*model, "--device", "warp")


def test_the_real_thing_in_its_own_process(tmp_path: Path) -> None:
    """No traceback, status 2, nothing on stdout: as a shell sees it (of a command that needs no torch)."""
    command = [sys.executable, "-m", "lookahead", "replay", str(tmp_path / "none")]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": ""}, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def test_a_reader_that_goes_away_is_no_error() -> None:
    """``lookahead --help | head -1``."""
    command = f"{sys.executable} -m lookahead bench --help | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stderr == ""


@pytest.fixture
def trace(tmp_path: Path) -> str:
    """A trace of one row."""
    return _file(tmp_path, '{"prompt": [1, 2, 1], "output": [2, 1, 2]}\n')


def test_a_limit_beyond_the_last_row_is_all_rows(trace: str, capsys: pytest.CaptureFixture[str]):
    assert main(["replay", trace, "--limit", "1" + "0" * 15, "--json"]) == 0
    assert '"steps": 1' in capsys.readouterr().out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize(
    ("redirected", "status", "said"), [(">/dev/full", 1, "No space"), (">&-", 0, ""), ("2>&-", 0, "")]
)
def test_output_that_cannot_be_written_is_no_traceback(trace: str, redirected: str, status: int, said: str):
    command = f"{sys.executable} -m lookahead replay {trace} --json {redirected}"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == status
    assert said in done.stderr
    assert len(done.stderr.splitlines()) <= 1


LONG = "\x1b[2J" + "wide " * 2000


@pytest.mark.parametrize(
    "arguments",
    [
        ["generate", "--prompt", "a", "--strategy", LONG],
        ["generate", "--prompt", "a", LONG],
        ["generate", "--prompt", "a", "--model", LONG],
        ["generate", "--prompt", "a", f"--dtype={LONG}"],
        ["generate", "--prompt", "a", "--device", LONG],
        ["generate", f"--prompt-file={LONG}"],
        ["bench", "--prompts", "x", "--methods", LONG],
        ["replay", LONG],
        [LONG],
        ["generate", "--prompt", "a", *["--fast"] * 500],
    ],
)
def test_a_refusal_repeats_little_and_nothing_that_moves_a_terminal(
    arguments: list[str], refused: Callable[..., str]
) -> None:
    line = refused(*arguments)
    assert "wide wide" * 20 not in line
    assert len(line) < 400
    assert line.isprintable()


def test_the_path_of_a_file_that_is_there_is_told_whole(refused: Callable[..., str], tmp_path: Path) -> None:
    path = _file(tmp_path, "", f"{'long' * 40}.jsonl")
    assert path in refused("replay", path)


def _copied(model: Path, folder: Path, name: str, content: str) -> str:
    shutil.copytree(model, folder / "copy")
    (folder / "copy" / name).write_text(content)
    return str(folder / "copy")


def test_a_chat_template_that_refuses_is_one_line(
    tiny_model: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    model = _copied(tiny_model, tmp_path, "chat_template.jinja", "{{ raise_exception('no \x1b' * 3000) }}")
    line = refused("generate", "--prompt", "a", "--model", model)
    assert "--raw" in line
    assert len(line) < 500
    prompts = _file(tmp_path, '{"prompt": "a"}')
    assert "--raw" in refused("bench", "--prompts", prompts, "--model", model)


@pytest.mark.parametrize("error", [ValueError("no"), TypeError("no"), KeyError("no"), RecursionError("no")])
def test_a_tokenizer_that_raises_anything_is_one_line(
    error: Exception, tiny_model: Path, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("lookahead.hf.text.Vocabulary.encode", fail)
    assert "the prompt cannot be encoded" in refused("generate", "--prompt", "a", "--model", str(tiny_model))


def test_a_token_that_the_model_does_not_have_is_bad_input(
    tiny_model: Path, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lookahead.hf.text.Vocabulary.encode", lambda *_: [1, 258])
    assert "token id 258" in refused("generate", "--prompt", "a", "--model", str(tiny_model))
