"""Visitors of the app in the browser tests: each has cookies and a storage of its own, empty when a test begins."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

PATIENCE = 60_000
"""Milliseconds that something on the page may take: more than any delay of a busy machine."""

OpenPage = Callable[..., Page]


def open_settings(page: Page) -> None:
    """Open the drawer with the settings, and wait until what is typed there stays.

    Gradio mounts the fields of a closed pane when it is opened, and sets them once more a frame after that.
    """
    page.click("#gear")
    expect(page.locator("#decoding-length input[type=number]")).to_be_visible()
    page.wait_for_timeout(500)
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))")


class Visitors:
    """Browser contexts that test after test uses, as their caches then hold what the pages consist of."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._away: defaultdict[str, list[BrowserContext]] = defaultdict(list)

    @contextmanager
    def tabs(self, url: str, wrong: list[str]) -> Iterator[OpenPage]:
        """Opens tabs, each of another visitor; what goes wrong in them is noted: errors, and requests to others."""
        here: list[tuple[str, BrowserContext]] = []

        def opened(width: int = 1280, height: int = 800, **options: Any) -> Page:
            media = {name: options.pop(name) for name in ("color_scheme", "reduced_motion") if name in options}
            kind = repr(sorted(options.items()))
            away = self._away[kind]
            context = away.pop() if away else self._browser.new_context(**options)
            here.append((kind, context))
            page = context.new_page()
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(**media)
            _note(page, url, wrong)
            return page

        yield opened
        for kind, context in here:
            if context.is_closed():
                continue
            for page in context.pages:
                page.close()
            context.set_storage_state({"cookies": [], "origins": []})
            self._away[kind].append(context)


def _note(page: Page, url: str, wrong: list[str]) -> None:
    def asked(request: Request) -> None:
        if not request.url.startswith((url, "data:", "blob:", "file:")):
            wrong.append(f"request to {request.url}")

    page.set_default_timeout(PATIENCE)
    page.on("pageerror", lambda error: wrong.append(f"exception: {error}"))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("request", asked)
