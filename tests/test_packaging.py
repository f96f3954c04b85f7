"""``pip install .`` brings the library and its command line; the app and the embedded model stay in the repository."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_package_needs_what_the_app_needs_less_the_user_interface() -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    required = {line for line in lines if line and not line.startswith("#")}
    needed = set(PROJECT["project"]["dependencies"])
    assert needed <= required
    assert {re.split("[=<>]", line)[0] for line in required - needed} == {"gradio", "orjson", "plotly", "networkx"}


def test_only_the_library_is_packaged_and_all_of_it() -> None:
    assert PROJECT["tool"]["setuptools"]["packages"]["find"]["include"] == ["lookahead*"]
    folders = {path.parent for path in (ROOT / "lookahead").rglob("*.py")}
    assert all((folder / "__init__.py").is_file() for folder in folders)
    others = {path.name for path in (ROOT / "lookahead").rglob("*") if path.is_file() and path.suffix != ".py"}
    assert {name for name in others if not name.endswith(".pyc")} == set(
        PROJECT["tool"]["setuptools"]["package-data"]["lookahead"]
    )
