"""The modules of ``app/web`` and of the report, served unchanged so that the page's script can import them."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lookahead.report.report import FOLDER as REPORT

WEB = Path(__file__).resolve().parents[1] / "web"
PREFIX = "/gradio_api/lookahead"
"""Under Gradio's own prefix, which every proxy before the server lets through."""


def read(name: str) -> str:
    """The text of a file of ``app/web``."""
    return (WEB / name).read_text(encoding="utf-8")


def routes() -> list[Route]:
    """``PREFIX/web/NAME.js`` serves a module of the page, ``PREFIX/report/NAME.js`` one of the report.

    The browser asks each time whether it has changed. From one to the other, the paths are those of the files.

    The modules are kept in memory: read from the disk for each of two dozen requests, they cost four times the
    processor time, just when the page opens.
    """
    places = {"web": WEB, "report": REPORT}
    modules = {
        f"{place}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for place, folder in places.items()
        for path in folder.rglob("*.js")
    }
    tags = {name: f'"{hashlib.sha256(text).hexdigest()[:16]}"' for name, text in modules.items()}

    async def module(place: str, request: Request) -> Response:
        name = f"{place}/{request.path_params['name']}"
        if name not in modules:
            return Response(status_code=404)
        headers = {"Cache-Control": "no-cache", "ETag": tags[name]}
        if request.headers.get("if-none-match") == tags[name]:
            return Response(status_code=304, headers=headers)
        return Response(modules[name], headers=headers, media_type="text/javascript")

    return [Route(f"{PREFIX}/{place}/{{name:path}}", partial(module, place)) for place in places]
