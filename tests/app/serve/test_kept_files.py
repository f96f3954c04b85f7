"""Scripts and style sheets are read and compressed once, whoever asks for them."""

from __future__ import annotations

from collections import Counter

import pytest
from gradio.brotli_middleware import BrotliMiddleware
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

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


def test_what_is_missing_is_not_kept(served: Served) -> None:
    path = "/assets/missing.js"
    assert [served.client.get(path, headers=BR).status_code for _ in range(2)] == [404, 404]
    assert served.asked[path] == 2


def test_who_knows_the_file_or_cannot_unpack_it_is_answered_by_the_app(served: Served) -> None:
    path = "/assets/b.js"
    served.client.get(path, headers=BR)
    assert served.client.get(path, headers={**BR, "if-none-match": '"1"'}).status_code == 304
    plain = served.client.get(path, headers={"accept-encoding": "identity"})
    assert plain.text == TEXT
    assert "content-encoding" not in plain.headers
    assert served.client.head(path, headers=BR).status_code == 200
    assert served.asked[path] == 4
