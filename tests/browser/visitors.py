"""Visitors of the app in the browser tests: each has cookies and a storage of its own, empty when a test begins."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

PATIENCE = 60_000
"""Milliseconds that something on the page may take: more than any delay of a busy machine."""

SLOW = int(os.environ.get("LOOKAHEAD_TEST_SLOW", "0"))
"""Milliseconds by which all that a page waits for comes late, as on a slow machine: 300 shows tests that race."""
TIMES_SLOWER = 4 if SLOW else 1
"""The processor of the page, besides."""

OpenPage = Callable[..., Page]


def filled(page: Page) -> None:
    """Wait until the fields hold what the address asks for, or what was typed before a reload."""
    expect(page.locator("#ask[data-filled]")).to_have_count(1)


def two_frames(page: Page) -> None:
    """Let the page lay itself out, and what hears of that answer."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))")


def open_settings(page: Page) -> None:
    """Open the drawer with the settings, and wait until what is typed there stays.

    Gradio mounts the fields of a closed pane when it is opened, and sets them once more a frame after that.
    """
    page.click("#gear")
    expect(page.locator("#decoding-length input[type=number]")).to_be_visible()
    page.wait_for_timeout(500)
    two_frames(page)


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
            slow_down(page)
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


def slow_down(page: Page) -> None:
    """Makes a new page as slow as :data:`SLOW` says."""
    if SLOW:
        page.add_init_script(f"({(Path(__file__).parent / 'slow.js').read_text()})({SLOW})")
        page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": TIMES_SLOWER})


def drawn(page: Page, step: int | None = None) -> None:
    """Wait until every pane of the stage shows what was asked for by hand before: that step, or any."""
    shown = "[data-drawn]" if step is None else f"[data-drawn='{step}']"
    expect(page.locator(f"#stage {shown}")).to_have_count(1)


def go_to(page: Page, step: int) -> None:
    """Look at a step of the run on the stage, and wait until every pane shows it."""
    page.locator("#scrubber").fill(str(step))
    drawn(page, step)


def last_step(page: Page) -> int:
    """The last step of the run on the stage."""
    return int(page.get_attribute("#scrubber", "max") or 0)


def trie_of(page: Page, step: int) -> None:
    """Wait until the Trie of that step, for which the server is asked, is shown."""
    expect(page.locator("[data-trie-box]")).to_have_attribute("data-of", str(step))


def at_rest(page: Page) -> None:
    """Wait until nothing on the page moves or fades any more."""
    page.evaluate("Promise.allSettled(document.getAnimations().map(({ finished }) => finished))")


def _note(page: Page, url: str, wrong: list[str]) -> None:
    def asked(request: Request) -> None:
        if not request.url.startswith((url, "data:", "blob:", "file:")):
            wrong.append(f"request to {request.url}")

    page.set_default_timeout(PATIENCE)
    page.on("pageerror", lambda error: wrong.append(f"exception: {error}"))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("request", asked)
