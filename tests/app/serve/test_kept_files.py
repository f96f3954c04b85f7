"""Scripts and style sheets are read and compressed once, whoever asks for them."""

from __future__ import annotations

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import brotli
import pytest
from gradio.brotli_middleware import BrotliMiddleware
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from app.serve import kept_files
from app.serve.kept_files import KeptFiles
from app.serve.modules import PREFIX

TEXT = "let it = 'be long enough to be compressed';\n" * 40
BR = {"accept-encoding": "gzip, br"}


class Served:
    """An app with the middleware inside Gradio's own, and how often each of its paths was asked for."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

        async def answer(request: Request) -> Response:
            self.asked[request.url.path] += 1
            headers = {"etag": '"1"'}
            if request.headers.get("if-none-match") == '"1"':
                return Response(status_code=304, headers=headers)
            if "cookie" in request.url.path:
                headers["set-cookie"] = "whose=1"
            missing = "missing" in request.url.path
            return Response(TEXT, 404 if missing else 200, headers=headers, media_type="text/javascript")

        stack = [Middleware(BrotliMiddleware), Middleware(KeptFiles)]
        self.client = TestClient(Starlette(routes=[Route("/{path:path}", answer)], middleware=stack))


@pytest.fixture
def served() -> Served:
    return Served()


@pytest.mark.parametrize("path", ["/assets/index-DphvyggB.js", "/assets/a_b-1.css", f"{PREFIX}/web/lib/dom.js"])
def test_a_file_is_asked_for_once(served: Served, path: str) -> None:
    answers = [served.client.get(path, headers=BR) for _ in range(3)]
    assert served.asked[path] == 1
    for answer in answers:
        assert (answer.status_code, answer.text) == (200, TEXT)
        assert answer.headers["content-encoding"] == "br"
        assert int(answer.headers["content-length"]) < len(TEXT) / 5
        assert answer.headers["etag"] == '"1"'
        assert answer.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    "path",
    ["/", "/assets/a/b.js", "/assets//b.js", "/assets/b.png", f"{PREFIX}/steps", "/file=b.js", "/x/assets/b.js"],
)
def test_nothing_else_is_kept(served: Served, path: str) -> None:
    for _ in range(2):
        served.client.get(path, headers=BR)
    assert set(served.asked.values()) == {2}


@pytest.mark.parametrize(("path", "status"), [("/assets/missing.js", 404), ("/assets/cookie.js", 200)])
def test_what_is_missing_or_for_one_visitor_is_not_kept(served: Served, path: str, status: int) -> None:
    assert [served.client.get(path, headers=BR).status_code for _ in range(2)] == [status, status]
    assert served.asked[path] == 2


def test_no_more_than_so_many_bytes_are_kept(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a disk takes INDEX.js for index.js, a file has many paths."""
    size = int(served.client.get("/assets/a.js", headers=BR).headers["content-length"])
    monkeypatch.setattr(kept_files, "MOST_BYTES", 2 * size)
    for path, times in (("/assets/b.js", 1), ("/assets/c.js", 2)):
        answers = [served.client.get(path, headers=BR).text for _ in range(2)]
        assert answers == [TEXT, TEXT]
        assert served.asked[path] == times


def test_who_knows_the_file_or_cannot_unpack_it_is_answered_by_the_app(served: Served) -> None:
    path = "/assets/b.js"
    served.client.get(path, headers=BR)
    assert served.client.get(path, headers={**BR, "if-none-match": '"1"'}).status_code == 304
    plain = served.client.get(path, headers={"accept-encoding": "identity"})
    assert plain.text == TEXT
    assert "content-encoding" not in plain.headers
    assert served.client.head(path, headers=BR).status_code == 200
    assert served.asked[path] == 4


def test_a_visitor_that_leaves_leaves_no_part_of_a_file() -> None:
    """Starlette stops reading a file in the middle when its visitor is gone."""
    gone = True

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": TEXT.encode(), "more_body": True})
        if not gone:
            await send({"type": "http.response.body", "body": b"// end", "more_body": False})

    kept = KeptFiles(app)

    def ask() -> list[Message]:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            return {"type": "http.disconnect"}

        headers = [(b"accept-encoding", b"br")]
        scope = {"type": "http", "method": "GET", "path": "/assets/b.js", "headers": headers}
        with ThreadPoolExecutor(1) as own:  # a browser test before may have left a running loop in this thread
            own.submit(lambda: asyncio.run(kept(scope, receive, send))).result()
        return sent

    assert ask() == []
    gone = False
    for _ in range(2):
        start, body = ask()
        assert start["status"] == 200
        assert brotli.decompress(body["body"]) == f"{TEXT}// end".encode()
