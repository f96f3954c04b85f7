"""One running app and one Chromium for all browser tests; a test fails when the page logs an error or calls out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Page, Playwright, expect, sync_playwright

from app.model.host import ModelHost
from app.options import AppOptions
from app.page import presets
from app.views.first_sight import RUNS
from lookahead.runs import runfile
from tests.browser.passes import Passes
from tests.browser.visitors import PATIENCE, OpenPage, Visitors, drawn, filled

collect_ignore = ["speed.py", "speed_sides.py"]
"""The measurement is a program of its own."""

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The one without a window takes half of the others' processor time."""
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
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    try:
        return playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
    except Error as error:
        if path is None:
            pytest.skip("no Chromium: install Debian's 'chromium', or run 'playwright install chromium'")
        raise error


@pytest.fixture(scope="session")
def visitors(browser: Browser) -> Visitors:
    """Those who open the app's pages."""
    return Visitors(browser)


@pytest.fixture
def open_page(visitors: Visitors, app_url: str) -> Iterator[OpenPage]:
    """Opens the app in a tab of its own; at the end no tab may have logged an error or asked another host."""
    wrong: list[str] = []
    with visitors.tabs(app_url, wrong) as new_tab:

        def opened(query: str = "", **options: Any) -> Page:
            page = new_tab(**options)
            page.goto(app_url.rstrip("/") + query)
            drawn(page)
            filled(page)
            return page

        yield opened
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
def passes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Passes]:
    """The passes of the model, each of them slow enough to be watched."""
    found = Passes(monkeypatch)
    yield found
    found.go_on()
