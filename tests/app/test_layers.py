"""The app's folders import in one direction: page, serve, views, run, model."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

APP = Path(__file__).resolve().parents[2] / "app"
ORDER = ("main", "page", "serve", "views", "run", "model", "options")
"""Each imports only what is right of it, or in the same folder."""


@pytest.mark.parametrize("path", sorted(APP.rglob("*.py")), ids=lambda path: str(path.relative_to(APP)))
def test_imports_point_to_the_right(path: Path) -> None:
    place = path.relative_to(APP).with_suffix("").parts[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "absolute imports only"
            names = [f"{node.module}.{name}" for name in names]
        for name in names:
            if name.startswith("app."):
                assert ORDER.index(name.split(".")[1]) >= ORDER.index(place), f"{path}: {name}"
