"""``pip install .`` brings the library and its command line; the app and the embedded model stay in the repository."""

from __future__ import annotations

import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_app_pins_what_the_package_admits() -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    required = [Requirement(line) for line in lines if line and not line.startswith("#")]
    needed = {(need := Requirement(line)).name: need.specifier for line in PROJECT["project"]["dependencies"]}
    assert {line.name for line in required} - needed.keys() == {"click", "gradio", "networkx", "orjson", "plotly"}
    shared = {line.name: line.specifier for line in required if line.name in needed}
    assert shared.keys() == needed.keys()
    (pin,) = shared.pop("transformers")
    assert pin.operator == "=="
    assert pin.version in needed.pop("transformers")
    assert shared == needed


def test_only_the_library_is_packaged_and_all_of_it() -> None:
    assert PROJECT["tool"]["setuptools"]["packages"]["find"]["include"] == ["lookahead*"]
    folders = {path.parent for path in (ROOT / "lookahead").rglob("*.py")}
    assert all((folder / "__init__.py").is_file() for folder in folders)
    others = {path.relative_to(ROOT / "lookahead") for path in (ROOT / "lookahead").rglob("*") if path.is_file()}
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["lookahead"]
    left_out = {path for path in others if not any(path.match(pattern) for pattern in (*patterns, "*.py", "*.pyc"))}
    assert left_out == {Path("report/study.d.ts")}, "types only"
