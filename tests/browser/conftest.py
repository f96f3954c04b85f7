"""One running app and one Chromium for all browser tests; a test fails when the page logs an error or calls out."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Page, Playwright, expect, sync_playwright

from app.model.host import ModelHost
from app.options import AppOptions
from app.page import presets
from app.views.first_sight import RUNS
from lookahead.hf.session import TreeSession
from lookahead.runs import runfile

collect_ignore = ["speed.py", "speed_sides.py"]
"""The measurement is a program of its own."""

PATIENCE = 60_000
"""Milliseconds that something on the page may take: more than any delay of a busy machine."""
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def host() -> ModelHost:
    """The embedded model."""
    return ModelHost.load(AppOptions())


@pytest.fixture(scope="session")
def app_url(host: ModelHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running app."""
    from app.page.layout import launch

    demo, url = launch(host, quiet=True)
    yield url
    demo.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium where it is installed, Playwright's own otherwise."""
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        found = _launch(playwright)
        yield found
        found.close()


def _launch(playwright: Playwright) -> Browser:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    try:
        return playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
    except Error as error:
        if path is None:
            pytest.skip("no Chromium: install Debian's 'chromium', or run 'playwright install chromium'")
        raise error


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, app_url: str) -> Iterator[OpenPage]:
    """Opens the app in a tab of its own; at the end no tab may have logged an error or asked another host."""
    wrong: list[str] = []
    contexts = []

    def note(request: Any) -> None:
        if not request.url.startswith((app_url, "data:", "blob:")):
            wrong.append(f"request to {request.url}")

    def opened(query: str = "", width: int = 1280, height: int = 800, **options: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: wrong.append(f"exception: {error}"))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("request", note)
        page.goto(app_url.rstrip("/") + query)
        page.wait_for_selector("#numbers [data-metric]")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not wrong


@pytest.fixture(scope="session")
def recorded_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the run that is shown first, without greedy decoding, which lies in ``NAME.greedy.json``."""
    folder, pair = tmp_path_factory.mktemp("recorded"), runfile.load_pair(RUNS / f"{presets.PRESETS[0].slug}.json")
    assert pair.greedy is not None
    runfile.save(pair.greedy, folder / "first.greedy.json")
    runfile.save(pair.run, folder / "first.json")
    return folder / "first.json"


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of passes so far, each of them slow enough to be watched."""
    count = [0]
    choose = TreeSession.choose

    def slow(self: TreeSession, tree: object) -> object:
        count[0] += 1
        time.sleep(0.01)
        return choose(self, tree)  # type: ignore[arg-type]

    monkeypatch.setattr(TreeSession, "choose", slow)
    return count
