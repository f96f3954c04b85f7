"""A setting is one entry: in a copy of the program with one more, it is found in every place where settings are."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Python = Callable[..., tuple[Any, str, str]]
ROOT = Path(__file__).resolve().parents[1]
BEFORE = "    trie_bytes: int = setting("
ENTRY = """\
    patience: int = setting(
        3, "Patience", "How long it waits.",
        "generate", "replay", "page", "endpoint", "what-if", low=1, high=9,
    )  # fmt: skip
"""
USED = "        rule = self._stop_rule(pass_seconds, chain)\n"
USE = """\
        if config.patience < 3:
            longest_branch = min(longest_branch, config.patience)
"""
RULE = "need a whole number, 1 to 9"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program with one more setting."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("lookahead", "app"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "app.py", folder)
    (folder / "assets").symlink_to(ROOT / "assets")
    config = folder / "lookahead" / "config.py"
    text = config.read_text(encoding="utf-8")
    assert text.count(BEFORE) == 1
    config.write_text(text.replace(BEFORE, ENTRY + BEFORE), encoding="utf-8")
    drafter = folder / "lookahead" / "drafter.py"
    text = drafter.read_text(encoding="utf-8")
    assert text.count(USED) == 1
    drafter.write_text(text.replace(USED, USE + USED), encoding="utf-8")
    return folder


SERVER = """
import json, sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

for line in sys.stdin:
    code, *sys.argv[1:] = json.loads(line)
    status, out, err = 0, StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            exec(code, {"__name__": "__main__"})
        except SystemExit as end:
            status = end.code
        except BaseException as error:
            status = repr(error)
    print(json.dumps([status, out.getvalue(), err.getvalue()]), flush=True)
"""
"""Runs some lines of code after others, as imports take longer than all of them together."""


@pytest.fixture(scope="module")
def python(copy: Path) -> Iterator[Python]:
    """The copy's Python, which is asked to run lines of code with arguments; gives status, stdout and stderr."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy)},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    source, sink = process.stdout, process.stdin

    def run(code: str, *arguments: str) -> tuple[Any, str, str]:
        print(json.dumps([code, *arguments]), file=sink, flush=True)
        return tuple(json.loads(source.readline()))

    yield run
    sink.close()
    assert process.wait(60) == 0


def _json(python: Python, code: str, *arguments: str) -> Any:
    status, out, err = python(code, *arguments)
    assert status == 0, (status, err)
    return json.loads(out.splitlines()[-1])


COMMAND = "import sys; from lookahead.cli.main import main; sys.exit(main(sys.argv[1:]))"


@pytest.mark.parametrize("command", ["generate", "bench", "replay", "trie", "study"])
def test_it_is_a_flag_of_every_command_that_drafts(python: Python, command: str):
    _, shown, _ = python(COMMAND, command, "--help")
    assert "--patience N" in shown
    assert "how long it waits" in shown
    needed = {"generate": ["--prompt", "a"], "replay": ["no-trace"], "study": ["no-material"]}.get(command, [])
    *refused, err = python(COMMAND, command, *needed, "--patience", "10")
    assert refused == [2, ""]
    (line,) = err.splitlines()
    assert f"--patience: {RULE}, got '10'" in line


def test_the_flag_reaches_the_engine_and_the_run_file(python: Python, tiny_model: Path, tmp_path: Path):
    path = tmp_path / "run.json"
    run = ("generate", "--prompt", "abc", "--model", str(tiny_model), "--max-new-tokens", "2", "--patience", "7")
    status, _, err = python(COMMAND, *run, "--run-file", str(path))
    assert status == 0, err
    assert json.loads(path.read_text())["config"]["patience"] == 7


def test_a_study_tries_it_as_the_drafter_uses_it(python: Python, tmp_path: Path):
    trace = tmp_path / "trace.jsonl"
    trace.write_text(json.dumps({"prompt": [1, 2, 3, 4, 5, 6, 7, 8], "output": [1, 2, 3, 4, 5, 6, 7, 8] * 3}))
    study = ("study", str(trace), "--json")

    def passes(*options: str) -> list[float]:
        status, out, err = python(COMMAND, *study, *options)
        assert status == 0, err
        found = json.loads(out)
        return [found["total"]["tokens_per_pass"], *(one["tokens_per_pass"] for one in found["variants"])]

    usual, *tried = passes("--grid", "patience=1,2,3")
    assert tried == [passes("--grid", "none", "--patience", value)[0] for value in ("1", "2")] + [usual]
    assert len(set(tried)) == 3


RUN_FILES = """
import json, sys
from dataclasses import replace
from lookahead.config import LookaheadConfig
from lookahead.runs import runfile

run = runfile.load(sys.argv[1])
written = runfile.to_json(replace(run, config=LookaheadConfig(patience=5)))
data = json.loads(written)
data["config"]["patience"] = 10
refused = []
for make in (lambda: runfile.from_json(json.dumps(data)), lambda: LookaheadConfig(patience=0)):
    try:
        make()
    except ValueError as error:
        refused.append(str(error))
print(json.dumps([run.config.patience, runfile.from_json(written).config.patience, *refused]))
"""


def test_it_is_kept_in_run_files_and_checked_there(python: Python):
    golden = ROOT / "tests" / "lookahead" / "runs" / "golden_run.json"
    missing, kept, in_file, in_config = _json(python, RUN_FILES, str(golden))
    assert (missing, kept) == (3, 5), "a file made before the setting existed has its default"
    assert in_config == f"patience=0; {RULE}"
    assert "config" in in_file
    assert "patience" in in_file
    assert "1 to 9" in in_file


APP = """
import asyncio, inspect, json, sys
import gradio as gr
from starlette.applications import Starlette
from starlette.testclient import TestClient
from app.model.host import ModelHost
from app.options import AppOptions
from app.page.layout import build_demo
from app.run.settings import from_controls, from_query, offered_here
from app.run.store import RunStore
from app.serve import lab_page

host = ModelHost.load(AppOptions(model=(sys.argv[1],), max_new_tokens=4))
demo = build_demo(host, RunStore())
described = offered_here(host, "page")
defaults = {name: one.plain(one.default) for name, one in described.items()}
components = {one["props"].get("elem_id"): one["props"] for one in demo.config["components"]}
endpoints = demo.get_api_info()["named_endpoints"]
functions = {one.api_name: one.fn for one in demo.fns.values()}

def call(name, **given):
    parameters = {one["parameter_name"]: one.get("parameter_default") for one in endpoints["/" + name]["parameters"]}
    try:
        answer = functions[name](*(parameters | given).values())
        if inspect.iscoroutine(answer):
            answer = asyncio.run(answer)
        return answer if isinstance(answer, dict) else json.loads(list(answer)[-1])
    except gr.Error as error:
        return str(error)

def controls(value):
    try:
        return from_controls({**defaults, "patience": value}, described)["patience"]
    except ValueError as error:
        return str(error)

control = components["patience"]
last = call("generate", prompt="abc", patience=7)
result = {
    "control": [control[name] for name in ("label", "info", "minimum", "maximum", "value")],
    "controls": [controls(7), controls(10)],
    "from URL": [from_query(query, described)["patience"] for query in ({}, {"patience": "7"}, {"patience": "x"})],
    "to URL": sum('"patience"' in str(one.get("js")) for one in demo.config["dependencies"]),
    "knobs": [one["name"] for one in json.loads(components["stage"]["value"])["page"]["knobs"]],
    "lab": TestClient(Starlette(routes=lab_page.routes(host))).get("/lab").text.count("name&quot;:&quot;patience"),
    "run": json.loads(last["run_file"])["config"]["patience"],
    "refused": call("generate", prompt="abc", patience=10),
    "replayed": sorted(call("replay", run_file=last["run_file"], patience=9)),
    "replay refused": call("replay", run_file=last["run_file"], patience=10),
}
host.close()
print(json.dumps(result))
"""


def test_it_is_on_the_page_in_its_url_and_in_its_endpoints(python: Python, tiny_model: Path):
    found = _json(python, APP, str(tiny_model))
    assert found["control"] == ["Patience", "How long it waits.", 1, 9, 3]
    assert found["controls"] == [7, f"patience=10; {RULE}"]
    assert found["from URL"] == [3, 7, 3]
    assert found["to URL"] > 0
    assert "patience" in found["knobs"]
    assert found["lab"] == 1
    assert found["run"] == 7
    assert f"patience=10; {RULE}" in found["refused"]
    assert {"real", "estimate"} <= set(found["replayed"])
    assert f"patience=10; {RULE}" in found["replay refused"]
