"""Files of the page, compressed once: Gradio reads and compresses each of the sixty anew for every visitor."""

from __future__ import annotations

import re

from gradio.brotli_middleware import BrotliMiddleware
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.serve.modules import PREFIX
from app.serve.paths import path_of

MOST_BYTES = 32_000_000
"""Most that is kept; all files of Gradio together have 18 MB before they are compressed. Where a disk takes INDEX.js
for index.js, a file has many paths."""
_FILE = re.compile(rf"(?:/assets|{PREFIX}(?:/[\w-]+)*)/[\w.-]+\.(?:js|css)")
_OWN = ("if-none-match", "range")
"""Headers of questions that only the app itself answers."""


class KeptFiles:
    """ASGI middleware that keeps the app's compressed answers with scripts and style sheets."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._compressed = BrotliMiddleware(app)
        self._kept: dict[str, tuple[Message, Message]] = {}
        self._bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _asks_for_file(scope):
            return await self.app(scope, receive, send)
        path = path_of(scope)
        answer = self._kept.get(path)
        if answer is None:
            answer = await self._ask(scope, receive)
            if answer is None:
                return
            self._keep(path, answer)
        for message in answer:
            await send(dict(message))

    def _keep(self, path: str, answer: tuple[Message, Message]) -> None:
        start, body = answer
        if start["status"] != 200 or b"set-cookie" in dict(start["headers"]) or path in self._kept:
            return
        more = len(body["body"])
        if self._bytes + more <= MOST_BYTES:
            self._kept[path] = answer
            self._bytes += more

    async def _ask(self, scope: Scope, receive: Receive) -> tuple[Message, Message] | None:
        """The whole answer of the app; None if it is cut, as it is when the visitor leaves."""
        start: Message = {}
        parts: list[bytes] = []
        whole = False

        async def take(message: Message) -> None:
            nonlocal whole
            if message["type"] == "http.response.start":
                start.update(message)
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))
                whole = not message.get("more_body")

        await self._compressed(scope, receive, take)
        if not whole:
            return None
        body = b"".join(parts)
        sent = [(name, value) for name, value in start["headers"] if name != b"content-length"]
        headers = (*sent, (b"content-length", str(len(body)).encode()))
        return {**start, "headers": headers}, {"type": "http.response.body", "body": body}


def _asks_for_file(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] != "GET" or not _FILE.fullmatch(path_of(scope)):
        return False
    headers = Headers(scope=scope)
    return "br" in headers.get("accept-encoding", "") and not any(name in headers for name in _OWN)
