"""What a chat shows of a link to the page, and what is there before Gradio's scripts."""

from __future__ import annotations

import re
from pathlib import Path

import gradio

from app.serve.page_head import ICON, PICTURES, with_tags

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


def test_a_link_to_an_example_says_which() -> None:
    page = with_tags(TEMPLATE.read_bytes(), "https://my.site", "json", "JSON: 9 tokens in 3 forward passes").decode()
    assert 'og:title" content="JSON: 9 tokens in 3 forward passes · Lookahead"' in page
    assert 'og:url" content="https://my.site/?example=json"' in page


def test_picture_and_icon_are_there() -> None:
    assert all(path.is_file() for path in PICTURES.values())
    assert ICON.read_bytes().startswith(b"<svg")
