"""Who may import whom: the library knows no user interface, only ``lookahead/hf`` knows torch, the app neither."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
USER_INTERFACE = {"gradio", "plotly", "networkx"}
TORCH = {"torch", "transformers", "safetensors", "tokenizers"}
BY_NAME = {"lookahead/notebook.py": {"app"}}
"""The one exception: ``lookahead.lab`` opens the app's page where the app is there, beside the library."""
FILES = sorted([*(ROOT / "lookahead").rglob("*.py"), *(ROOT / "app").rglob("*.py")])


def _imported(path: Path) -> set[str]:
    """Top-level packages that a file imports anywhere, inside functions too, and by name with ``importlib``."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            found.update(str(word.value).split(".")[0] for word in node.args[:1] if isinstance(word, ast.Constant))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_upward_only(path: Path) -> None:
    place = path.relative_to(ROOT).parts
    imported = _imported(path) - BY_NAME.get(path.relative_to(ROOT).as_posix(), set())
    if place[0] == "app":
        assert not imported & TORCH
        return
    assert not imported & (USER_INTERFACE | {"app"})
    if place[1] != "hf":
        assert not imported & {"torch", "transformers", "tokenizers"}


def test_import_and_help_are_quick_because_torch_is_not_loaded() -> None:
    code = (
        "import sys, lookahead, lookahead.cli.main as cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        f"print(sorted({TORCH | USER_INTERFACE!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
