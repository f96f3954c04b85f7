"""The modules of ``app/web`` and of the report, served unchanged so that the page's script can import them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
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


SHARED = ("report/dom.js", "report/words.js")
"""Modules of the report that every page uses."""


def preloads(names: Iterable[str], root: str = ".") -> str:
    """Links that have the browser load modules at once, by their names in ``routes``."""
    return "".join(f'<link rel="modulepreload" href="{root}{PREFIX}/{name}">' for name in names)


def unless_known(request: Request, content: bytes, kind: str) -> Response:
    """The content, or ``Not modified`` if the browser has it already, which it asks each time."""
    headers = {"Cache-Control": "no-cache", "ETag": f'"{hashlib.sha256(content).hexdigest()[:16]}"'}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=kind)


def routes() -> list[Route]:
    """``PREFIX/web/NAME.js`` serves a module of the page, ``PREFIX/report/NAME.js`` one of the report.

    From one to the other, the paths are those of the files.

    The modules are kept in memory: read from the disk for each of two dozen requests, they cost four times the
    processor time, just when the page opens.
    """
    places = {"web": WEB, "report": REPORT}
    modules = {
        f"{place}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for place, folder in places.items()
        for path in folder.rglob("*.js")
    }

    async def module(place: str, request: Request) -> Response:
        name = f"{place}/{request.path_params['name']}"
        if name not in modules:
            return Response(status_code=404)
        return unless_known(request, modules[name], "text/javascript")

    return [Route(f"{PREFIX}/{place}/{{name:path}}", partial(module, place)) for place in places]
