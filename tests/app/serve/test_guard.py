"""Requests of other web pages and for other hosts are refused, large bodies too; what breaks is one line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from app.serve import guard
from app.serve.guard import Guard, Hosts, Place
from tests.app.making import in_loop

PAGE = "127.0.0.1:7860"


async def _answer(request: Request) -> Response:
    try:
        await request.body()
    except ValueError:
        return JSONResponse({}, 400)  # as Gradio does, whatever is wrong with it
    if "fail" in request.query_params:
        raise KeyError("two\nlines \ud800")
    return JSONResponse({})


def _app(hosts: Hosts, place: Place = Place()) -> TestClient:  # noqa: B008
    routes = [Route("/{path:path}", _answer, methods=["GET", "POST", "DELETE"])]
    app = Starlette(routes=routes, middleware=[Middleware(Guard, hosts, lambda: place)])
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture(autouse=True)
def no_space(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SPACE_ID", "SPACE_HOST"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        (PAGE, None, 200),
        (PAGE, "http://127.0.0.1:7860", 200),
        ("localhost:7860", "http://localhost:7860", 200),
        ("[::1]:7860", "http://[::1]:7860", 200),
        (PAGE, "http://evil.example", 403),
        (PAGE, "http://evil.example:7860", 403),
        (PAGE, "http://127.0.0.1:3000", 403),
        (PAGE, "http://localhost:7860", 403),
        (PAGE, "http://127.0.0.1", 403),
        (PAGE, "http://127.0.0.1.evil.example:7860", 403),
        (PAGE, "null", 403),
        (PAGE, "", 403),
        (PAGE, "http://[", 403),
        ("evil.example:7860", "http://evil.example:7860", 403),
        ("evil.example", None, 403),
        ("192.168.0.7:7860", None, 403),
        ("127.0.0.1.evil.example", None, 403),
        ("", None, 403),
        ("127.0.0.1:x", None, 403),
        ("evil.example\\@127.0.0.1:7860", None, 403),
        ("127.0.0.1/evil", None, 403),
        (PAGE, "http://127.0.0.1:7860/page", 403),
        (PAGE, "http://127.0.0.1:7860@evil.example", 403),
    ],
)
def test_who_may_post(host: str, origin: str | None, status: int) -> None:
    headers = {"host": host} | ({} if origin is None else {"origin": origin})
    for path in ("/gradio_api/component_server", "/gradio_api/upload", "/gradio_api/queue/join", "/any"):
        assert _app(Hosts()).post(path, headers=headers).status_code == status
    assert _app(Hosts()).delete("/any", headers=headers).status_code == status
    known = host in (PAGE, "localhost:7860", "[::1]:7860")
    assert _app(Hosts()).get("/", headers=headers).status_code == (200 if known else 403)


def test_a_page_elsewhere_that_hides_its_origin_is_refused() -> None:
    page = _app(Hosts())
    assert page.post("/", headers={"host": PAGE, "sec-fetch-site": "cross-site"}).status_code == 403
    assert page.post("/", headers={"host": PAGE, "sec-fetch-site": "same-origin"}).status_code == 200


@pytest.mark.parametrize(
    ("hosts", "place", "host", "origin", "forwarded", "status"),
    [
        (Hosts(None, ["my.site"]), Place(), "my.site", "https://my.site", None, 200),
        (Hosts(None, ["my.site"]), Place(), "my.site", "https://other.site", None, 403),
        (Hosts(None, ["My.Site"]), Place(), PAGE, "https://my.site:8443", None, 200),
        (Hosts(None, ["*.my.site"]), Place(), "a.my.site", "https://a.my.site", None, 200),
        (Hosts(None, ["*.my.site"]), Place(), "a.my.site", "https://b.my.site", None, 403),
        (Hosts(None, ["*.my.site"]), Place(), "my.site.evil.example", None, None, 403),
        (Hosts(), Place(), PAGE, "https://my.site", "my.site", 200),
        (Hosts(), Place(), PAGE, "https://my.site", "other.site", 403),
        (Hosts(), Place(), "evil.example", "http://evil.example", "127.0.0.1", 403),
        (Hosts("0.0.0.0"), Place(), "192.168.0.7:7860", "http://192.168.0.7:7860", None, 200),
        (Hosts("0.0.0.0"), Place(), "192.168.0.7:7860", "http://evil.example", "evil.example", 403),
        (Hosts("0.0.0.0"), Place(), "evil.example", None, None, 403),
        (Hosts("10.1.2.3"), Place(), "10.1.2.3:7860", "http://10.1.2.3:7860", None, 200),
        (
            Hosts(),
            Place(share_url="https://ab12.gradio.live"),
            "ab12.gradio.live",
            "https://ab12.gradio.live",
            None,
            200,
        ),
        (Hosts(), Place(share_url="https://ab12.gradio.live"), "cd34.gradio.live", None, None, 403),
        (Hosts(), Place(root_path="/app"), "my.site", "https://my.site", None, 200),
        (Hosts(), Place(root_path="/app"), "inner:80", "https://my.site", "my.site", 200),
        (Hosts(), Place(root_path="/app"), "my.site", "https://evil.example", None, 403),
        (Hosts(), Place(root_path="https://my.site/app"), "inner", "https://my.site", None, 200),
    ],
)
def test_proxies_tunnels_and_other_addresses(
    hosts: Hosts, place: Place, host: str, origin: str | None, forwarded: str | None, status: int
) -> None:
    headers = {"host": host, "origin": origin, "x-forwarded-host": forwarded}
    given = {name: value for name, value in headers.items() if value is not None}
    assert _app(hosts, place).post("/", headers=given).status_code == status


def test_a_space_answers_for_its_name_and_may_be_framed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_ID", "me/space")
    monkeypatch.setenv("SPACE_HOST", "me-space.hf.space")
    page = _app(Hosts("0.0.0.0"))
    own = {"host": "me-space.hf.space"}
    assert page.post("/", headers=own | {"origin": "https://me-space.hf.space"}).status_code == 200
    assert page.post("/", headers=own | {"origin": "https://evil.hf.space"}).status_code == 403
    answer = page.get("/", headers=own)
    assert "https://huggingface.co" in answer.headers["content-security-policy"].split("frame-ancestors")[1]
    assert "x-frame-options" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/monitoring", "/any?fail"])
def test_every_answer_has_the_security_headers(path: str) -> None:
    for host in (PAGE, "evil.example"):
        headers = _app(Hosts()).get(path, headers={"host": host}).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "SAMEORIGIN"
        assert headers["content-security-policy"].endswith("frame-ancestors 'self'")
        assert headers["referrer-policy"]


@pytest.mark.parametrize(
    "path",
    [
        *("/monitoring", "/monitoring/summary", "/monitoring/abc", "/gradio_api/deep_link?session_hash=a"),
        *("/gradio_api/dev/reload", "/gradio_api/proxy=https://a.hf.space/x", "/gradio_api/vibe-code", "/pwa_icon/9"),
    ],
)
def test_routes_that_the_page_does_not_use_are_closed(path: str) -> None:
    assert _app(Hosts()).get(path, headers={"host": PAGE}).status_code == 404
    behind = TestClient(_app(Hosts()).app, root_path="/look")
    for root in ("", "/look"):  # a proxy may leave it in the path
        assert behind.get(f"{root}{path}", headers={"host": PAGE}).status_code == 404


def test_what_breaks_is_one_line() -> None:
    answer = _app(Hosts()).post("/?fail", headers={"host": PAGE})
    assert (answer.status_code, answer.json()) == (500, {"error": "KeyError: 'two\\nlines \\ud800'"})


def test_a_request_that_does_not_fit_leaves_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    answer = _app(Hosts()).post("/gradio_api/run/x?fail", headers={"host": PAGE})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("This request does not fit the page (KeyError: ")
    assert not any(record.exc_info for record in caplog.records)
    for path in ("/lab/studies?fail", "/gradio_api/lookahead/learn/ask/trie?fail"):
        assert _app(Hosts()).post(path, headers={"host": PAGE}).status_code == 500
    assert sum(bool(record.exc_info) for record in caplog.records) == 2


def test_bodies_are_bounded_each_and_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MOST_BODY", 100)

    def chunks() -> Iterator[bytes]:
        for _ in range(30):
            yield b"12345"

    page, headers = _app(Hosts()), {"host": PAGE}
    assert page.post("/", headers=headers, content=b"1" * 100).status_code == 200
    body: Any
    for body in (b"1" * 101, chunks()):
        assert page.post("/", headers=headers, content=body).status_code == 413
    monkeypatch.setattr(guard, "MOST_BODIES", 50)
    for _ in range(3):  # what was taken is given back
        assert page.post("/", headers=headers, content=b"1" * 50).status_code == 200
        assert page.post("/", headers=headers, content=b"1" * 60).status_code == 413


def test_pages_of_other_ports_may_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(_: Request) -> Response:
        return Response(headers={"access-control-allow-origin": "whoever asks"})

    app = Starlette(routes=[Route("/", answer)], middleware=[Middleware(Guard, Hosts(), Place)])
    for origin, readable in (("http://127.0.0.1:3000", False), ("null", False), (f"http://{PAGE}", True)):
        headers = TestClient(app).get("/", headers={"host": PAGE, "origin": origin}).headers
        assert ("access-control-allow-origin" in headers) == readable


@pytest.mark.parametrize("part", [1, 7, 10**6])
def test_values_are_counted_but_not_what_a_text_holds(monkeypatch: pytest.MonkeyPatch, part: int) -> None:
    monkeypatch.setattr(guard, "MOST_VALUES", 10)
    page, headers = _app(Hosts()), {"host": PAGE}

    def status(body: str, path: str = "/") -> int:
        data = body.encode()
        parts = (data[start : start + part] for start in range(0, len(data), part))
        return page.post(path, headers=headers, content=parts).status_code

    text = json.dumps({"text": r'[[{"a\": \\", \\\" : {[,,,,,,,,,,,,,,,\\', "more": [1, 2]})
    assert status(text) == 200
    for body in ("{}," * 11, '"",' * 11, "[" * 11, '{"' + '":{"' * 11, text.replace("[1, 2]", "[1,2,3,4,5,6,7,8]")):
        assert status(body) == 413
    assert status("[" * 11, "/gradio_api/upload") == 200, "not JSON: Gradio bounds it"


class _Posts:
    """Requests of several addresses to one guard; ``status`` has their answers in order of arrival."""

    def __init__(self) -> None:
        self.guard = Guard(self._app, Hosts(), Place)
        self.status: list[int] = []

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()
        await receive()  # as a stream does that waits for the end of the connection
        await Response()(scope, receive, send)

    async def post(self, client: str, body: bytes, end: float = 0.0, gone: float = 0.0) -> None:
        """One request: after its body, how long the end of it takes and then that of the connection, in seconds."""
        parts = [(0.0, {"body": body, "more_body": True}), (end, {"body": b""}), (gone, {"type": "http.disconnect"})]

        async def receive() -> Message:
            seconds, part = parts.pop(0)
            await asyncio.sleep(seconds)
            return {"type": "http.request", **part}

        async def send(message: Message) -> None:
            self.status += [message["status"]] if "status" in message else []

        headers = [(b"host", PAGE.encode())]
        scope: Any = {"type": "http", "method": "POST", "path": "/", "headers": headers, "client": (client, 1)}
        await self.guard({**scope, "query_string": b""}, receive, send)


def test_one_address_cannot_hold_the_memory_for_all_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MOST_BODIES", 40)
    monkeypatch.setattr(guard, "MOST_OF_ONE", 20)

    async def work() -> None:
        posts = _Posts()
        slow = [asyncio.create_task(posts.post("10.0.0.1", b"1" * 10, 0.2)) for _ in range(2)]
        await asyncio.sleep(0.05)
        await posts.post("10.0.0.1", b"1")
        await posts.post("10.0.0.2", b"1" * 20)
        assert posts.status == [413, 200]
        await asyncio.gather(*slow)
        await posts.post("10.0.0.1", b"1" * 20)
        assert posts.status == [413, 200, 200, 200, 200]
        assert not posts.guard._held, "no address is remembered"

    in_loop(work())


def test_a_body_that_does_not_arrive_is_given_up_but_not_a_long_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.05)

    async def work() -> None:
        posts = _Posts()
        await posts.post("10.0.0.1", b"1", end=10)
        await posts.post("10.0.0.1", b"1", gone=0.1)
        assert (posts.status, posts.guard._held) == ([408, 200], {})

    in_loop(work())
