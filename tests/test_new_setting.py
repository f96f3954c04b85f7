"""A setting is one entry: in a copy of the program with one more, it is found in every place where settings are."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

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


def _python(folder: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What the copy's Python says to some lines of code."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        check=False,
    )


def _json(folder: Path, code: str, *arguments: str) -> Any:
    done = _python(folder, code, *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


COMMAND = "import sys; from lookahead.cli.main import main; sys.exit(main(sys.argv[1:]))"


@pytest.mark.parametrize("command", ["generate", "bench", "replay", "trie", "study"])
def test_it_is_a_flag_of_every_command_that_drafts(copy: Path, command: str):
    shown = _python(copy, COMMAND, command, "--help").stdout
    assert "--patience N" in shown
    assert "how long it waits" in shown
    needed = {"generate": ["--prompt", "a"], "replay": ["no-trace"], "study": ["no-material"]}.get(command, [])
    refused = _python(copy, COMMAND, command, *needed, "--patience", "10")
    assert (refused.returncode, refused.stdout) == (2, "")
    (line,) = refused.stderr.splitlines()
    assert f"--patience: {RULE}, got '10'" in line


def test_the_flag_reaches_the_engine_and_the_run_file(copy: Path, tiny_model: Path, tmp_path: Path):
    path = tmp_path / "run.json"
    run = ("generate", "--prompt", "abc", "--model", str(tiny_model), "--max-new-tokens", "2", "--patience", "7")
    done = _python(copy, COMMAND, *run, "--run-file", str(path))
    assert done.returncode == 0, done.stderr
    assert json.loads(path.read_text())["config"]["patience"] == 7


def test_a_study_tries_it_as_the_drafter_uses_it(copy: Path, tmp_path: Path):
    trace = tmp_path / "trace.jsonl"
    trace.write_text(json.dumps({"prompt": [1, 2, 3, 4, 5, 6, 7, 8], "output": [1, 2, 3, 4, 5, 6, 7, 8] * 3}))
    study = ("study", str(trace), "--json")

    def passes(*options: str) -> list[float]:
        done = _python(copy, COMMAND, *study, *options)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
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


def test_it_is_kept_in_run_files_and_checked_there(copy: Path):
    golden = ROOT / "tests" / "lookahead" / "runs" / "golden_run.json"
    missing, kept, in_file, in_config = _json(copy, RUN_FILES, str(golden))
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


def test_it_is_on_the_page_in_its_url_and_in_its_endpoints(copy: Path, tiny_model: Path):
    found = _json(copy, APP, str(tiny_model))
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
