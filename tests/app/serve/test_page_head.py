"""What a chat shows of a link to the page, and what is there before Gradio's scripts."""

from __future__ import annotations

import re
from pathlib import Path

import gradio
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from app.serve.page_head import ICON, PICTURES, PageHead, with_tags

TEMPLATE = Path(gradio.__file__).parent / "templates" / "frontend" / "index.html"


def test_our_tags_take_the_place_of_gradios() -> None:
    page = with_tags(TEMPLATE.read_bytes(), 'https://my.site/a"b')
    text = page.decode()
    tags = dict(re.findall(r'<meta (?:property|name)="((?:og|twitter):[^"]+)" content="([^"]*)"', text))
    assert tags["og:title"] == "Lookahead"
    assert tags["og:image"] == "https://my.site/a&quot;b/gradio_api/lookahead/watch.png"
    assert text.count("og:title") == text.count("twitter:card") == text.count("<title>") == 1
    assert "header-image" not in text
    assert "@Gradio" not in text
    assert text.endswith(TEMPLATE.read_text(encoding="utf-8")[-500:])


def test_our_script_is_there_before_gradios() -> None:
    page = with_tags(TEMPLATE.read_bytes(), "https://my.site").decode()
    assert 0 < page.index("requestAnimationFrame") < page.index('<script type="module"')


@pytest.mark.parametrize(("path", "ours"), [("/", True), ("/look/", True), ("/look/other", False)])
def test_the_page_has_them_behind_a_proxy_that_leaves_its_path(path: str, ours: bool) -> None:
    async def page(_: Request) -> HTMLResponse:
        return HTMLResponse(TEMPLATE.read_bytes())

    app = Starlette(routes=[Route("/{path:path}", page)], middleware=[Middleware(PageHead, {})])
    answer = TestClient(app, root_path="/look").get(path)
    assert ("requestAnimationFrame" in answer.text) == ours


def test_a_link_to_an_example_says_which() -> None:
    page = with_tags(TEMPLATE.read_bytes(), "https://my.site", "json", "JSON: 9 tokens in 3 forward passes").decode()
    assert 'og:title" content="JSON: 9 tokens in 3 forward passes · Lookahead"' in page
    assert 'og:url" content="https://my.site/?example=json"' in page


def test_picture_and_icon_are_there() -> None:
    assert all(path.is_file() for path in PICTURES.values())
    assert ICON.read_bytes().startswith(b"<svg")
