"""The files of ``app/web``, served unchanged so that the page's script can import its modules."""

from __future__ import annotations

import hashlib
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

WEB = Path(__file__).resolve().parents[1] / "web"
PREFIX = "/gradio_api/lookahead"
"""Under Gradio's own prefix, which every proxy before the server lets through."""


def read(name: str) -> str:
    """The text of a file of ``app/web``."""
    return (WEB / name).read_text(encoding="utf-8")


def route() -> Route:
    """``PREFIX/web/NAME.js`` serves a module; the browser asks each time whether it has changed.

    The modules are kept in memory: read from the disk for each of two dozen requests, they cost four times the
    processor time, just when the page opens.
    """
    modules = {path.relative_to(WEB).as_posix(): path.read_bytes() for path in WEB.rglob("*.js")}
    tags = {name: f'"{hashlib.sha256(text).hexdigest()[:16]}"' for name, text in modules.items()}

    async def module(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in modules:
            return Response(status_code=404)
        headers = {"Cache-Control": "no-cache", "ETag": tags[name]}
        if request.headers.get("if-none-match") == tags[name]:
            return Response(status_code=304, headers=headers)
        return Response(modules[name], headers=headers, media_type="text/javascript")

    return Route(f"{PREFIX}/web/{{name:path}}", module)
