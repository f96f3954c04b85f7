"""The head of Gradio's page: what a chat shows of a link to it, and a script that has to be there before Gradio's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from pathlib import Path

from gradio.route_utils import get_root_url
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.serve.modules import PREFIX, read
from app.serve.paths import path_of

ASSETS = Path(__file__).resolve().parents[2] / "assets"
ICON = ASSETS / "icon.svg"
PICTURES = {f"{PREFIX}/{name}.png": ASSETS / f"{name}.png" for name in ("watch", "learn")}
"""Pictures of the pages by their addresses."""
TITLE = "Lookahead"
LINE = "A Trie guesses the next tokens, the model checks them all in one forward pass. The same text, in fewer passes."
_TAG = re.compile(rb'[ \t]*<meta\s+(?:property="og:|name="twitter:)[^>]*>\s*')
_END = b"<script>window.gradio_config"
"""Where the part of Gradio's page ends that has such tags."""


def routes() -> list[Route]:
    """The addresses of ``PICTURES``."""

    async def picture(request: Request) -> FileResponse:
        return FileResponse(PICTURES[path_of(request.scope)])

    return [Route(path, picture) for path in PICTURES]


def root_of(request: Request, route_path: str) -> str:
    """The address of the app that serves this path, without a slash at its end."""
    return get_root_url(request, route_path, getattr(request.app, "root_path", ""))  # pyright: ignore[reportArgumentType]


def picture_tags(root: str, name: str) -> str:
    """Tags that show the picture of a page, large."""
    # Chats that know only these names take the texts from the others.
    card = '<meta name="twitter:card" content="summary_large_image" />'
    return f'<meta property="og:image" content="{escape(f"{root}{PREFIX}/{name}.png")}" />{card}'


def with_tags(page: bytes, root: str, example: str = "", line: str = "") -> bytes:
    """Gradio's page with our script, and our tags in place of its own, about the example of the address if any.

    Gradio adds the head that it is given after its own scripts have run.
    """
    head, end, rest = page.partition(_END)
    title, address = (f"{line} · {TITLE}", f"{root}/?example={example}") if line else (TITLE, f"{root}/")
    tags = {"og:title": title, "og:description": LINE, "og:type": "website", "og:url": address}
    lines = [f'<meta property="{name}" content="{escape(value)}" />' for name, value in tags.items()]
    lines += [picture_tags(root, "watch"), f"<title>{TITLE}</title>"]
    lines += [f'<meta name="description" content="{escape(LINE)}" />']
    ours = "".join(("<head>", f"<script>{read('frames.js')}</script>", *lines)).encode()
    return _TAG.sub(b"", head).replace(b"<head>", ours, 1) + end + rest


class PageHead:
    """ASGI middleware that puts our head into the page; ``examples``: the line about each, by its name."""

    def __init__(self, app: ASGIApp, examples: Mapping[str, str]) -> None:
        self.app = app
        self.examples = examples

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or path_of(scope) != "/":
            return await self.app(scope, receive, send)
        start: Message = {}
        parts: list[bytes] = []

        async def rewritten(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
                return
            parts.append(message.get("body", b""))
            if message.get("more_body"):
                return
            request = Request(scope)
            example = request.query_params.get("example", "")
            body = with_tags(b"".join(parts), root_of(request, "/"), example, self.examples.get(example, ""))
            kept = [(name, value) for name, value in start["headers"] if name != b"content-length"]
            await send({**start, "headers": [*kept, (b"content-length", str(len(body)).encode())]})
            await send({"type": "http.response.body", "body": body})

        await self.app(scope, receive, rewritten)
