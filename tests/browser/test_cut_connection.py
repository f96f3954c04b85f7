"""A connection that is cut: the page comes back by itself, and the finished run with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser: Browser, app_url: str) -> Iterator[Page]:
    """The page; not by open_page, since the browser logs a cut connection as an error."""
    wrong: list[str] = []
    context = browser.new_context()
    page = context.new_page()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(f"{app_url.rstrip('/')}/?max_new_tokens=100&decoding_length=1")
    page.wait_for_selector("#numbers [data-metric]")
    page.fill("#document textarea", "")
    page.fill("#prompt textarea", "abc abc abc")
    yield page
    context.close()
    # What Gradio's page itself says where it loads a part of itself through the cut connection.
    assert not [text for text in wrong if not text.startswith("Failed to fetch dynamically imported module")]


def _run(page: Page) -> None:
    page.wait_for_selector("#run:enabled")
    page.click("#run")
    _state(page, "running")


def _state(page: Page, state: str) -> None:
    page.wait_for_function(f"document.querySelector('#stage [data-state]').dataset.state === '{state}'", timeout=60_000)


def _restored(page: Page, run: str | None) -> None:
    expect(page.locator("[data-about]")).to_contain_text("restored after a reload", timeout=30_000)
    _state(page, "finished")
    assert page.get_attribute("#stage [data-run]", "data-run") == run
    assert page.get_attribute("#stage [data-steps]", "data-steps") == "100"
    page.wait_for_selector("#run:enabled")


def test_a_run_that_ends_while_the_page_is_offline_is_there_afterwards(page: Page, passes: list[int]) -> None:
    _run(page)
    page.context.set_offline(True)  # what is connected stays so, what is asked now gets no answer
    _state(page, "finished")
    run = page.get_attribute("#stage [data-run]", "data-run")
    expect(page.get_by_text("Connection to the server was lost")).to_be_visible()
    page.context.set_offline(False)
    _restored(page, run)
