"""Files of the page, compressed once: Gradio reads and compresses each of the sixty anew for every visitor."""

from __future__ import annotations

import re

from gradio.brotli_middleware import BrotliMiddleware
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.serve.modules import PREFIX

_FILE = re.compile(rf"(?:/assets|{PREFIX}(?:/[\w-]+)*)/[\w.-]+\.(?:js|css)")
"""A file has one such path, so that no more is kept than there are files."""
_OWN = ("if-none-match", "range")
"""Headers of questions that only the app itself answers."""


class KeptFiles:
    """ASGI middleware that keeps the app's compressed answers with scripts and style sheets."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._compressed = BrotliMiddleware(app)
        self._kept: dict[str, tuple[Message, Message]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _asks_for_file(scope):
            return await self.app(scope, receive, send)
        path = _path(scope)
        answer = self._kept.get(path) or await self._ask(scope, receive)
        if answer[0]["status"] == 200:
            self._kept[path] = answer
        for message in answer:
            await send(dict(message))

    async def _ask(self, scope: Scope, receive: Receive) -> tuple[Message, Message]:
        """The whole answer of the app."""
        start: Message = {}
        parts: list[bytes] = []

        async def take(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                parts.append(message.get("body", b""))

        await self._compressed(scope, receive, take)
        body = b"".join(parts)
        sent = [(name, value) for name, value in start["headers"] if name != b"content-length"]
        headers = (*sent, (b"content-length", str(len(body)).encode()))
        return {**start, "headers": headers}, {"type": "http.response.body", "body": body}


def _path(scope: Scope) -> str:
    return scope["path"].removeprefix(scope.get("root_path", ""))


def _asks_for_file(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] != "GET" or not _FILE.fullmatch(_path(scope)):
        return False
    headers = Headers(scope=scope)
    return "br" in headers.get("accept-encoding", "") and not any(name in headers for name in _OWN)
