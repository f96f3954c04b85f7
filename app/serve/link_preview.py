"""What a chat shows of a link to the page: our title, line and picture in place of Gradio's."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

from gradio.route_utils import get_root_url
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.serve.modules import PREFIX

ASSETS = Path(__file__).resolve().parents[2] / "assets"
ICON = ASSETS / "icon.svg"
PICTURE = f"{PREFIX}/picture.png"
TITLE = "Lookahead"
LINE = "A Trie guesses the next tokens, the model checks them all in one forward pass. The same text, in fewer passes."
_TAG = re.compile(rb'[ \t]*<meta\s+(?:property="og:|name="twitter:)[^>]*>\s*')
_END = b"<script>window.gradio_config"
"""Where the part of Gradio's page ends that has such tags."""


def route() -> Route:
    """``PICTURE`` serves the picture."""

    async def picture(_: Request) -> FileResponse:
        return FileResponse(ASSETS / "watch.png")

    return Route(PICTURE, picture)


def with_tags(page: bytes, root: str) -> bytes:
    """Gradio's page with our tags in place of its own.

    Args:
        root: The address of the app, without a slash at its end.
    """
    head, end, rest = page.partition(_END)
    picture = f"{root}{PICTURE}"
    tags = {"og:title": TITLE, "og:description": LINE, "og:type": "website", "og:url": f"{root}/", "og:image": picture}
    lines = [f'<meta property="{name}" content="{escape(value)}" />' for name, value in tags.items()]
    # Chats that know only these names take the texts from the others.
    lines += ['<meta name="twitter:card" content="summary_large_image" />', f"<title>{TITLE}</title>"]
    lines += [f'<meta name="description" content="{escape(LINE)}" />']
    ours = b"<head>" + "".join(lines).encode()
    return _TAG.sub(b"", head).replace(b"<head>", ours, 1) + end + rest


class LinkPreview:
    """ASGI middleware that puts our tags into the page."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] != "/":
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
            root = get_root_url(Request(scope), "/", scope["app"].root_path)  # pyright: ignore[reportArgumentType]
            body = with_tags(b"".join(parts), root)
            kept = [(name, value) for name, value in start["headers"] if name != b"content-length"]
            await send({**start, "headers": [*kept, (b"content-length", str(len(body)).encode())]})
            await send({"type": "http.response.body", "body": body})

        await self.app(scope, receive, rewritten)
