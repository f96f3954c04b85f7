"""The files of ``app/web``, served unchanged so that the page's script can import its modules."""

from __future__ import annotations

import os
from pathlib import Path

from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

WEB = Path(__file__).resolve().parents[1] / "web"
PREFIX = "/gradio_api/lookahead"
"""Under Gradio's own prefix, which every proxy before the server lets through."""


def read(name: str) -> str:
    """The text of a file of ``app/web``."""
    return (WEB / name).read_text(encoding="utf-8")


def route() -> Mount:
    """``PREFIX/web/PATH`` serves a file; the browser asks each time whether it has changed."""
    return Mount(f"{PREFIX}/web", _Modules(directory=WEB))


class _Modules(StaticFiles):
    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Cache-Control"] = "no-cache"
        return response
