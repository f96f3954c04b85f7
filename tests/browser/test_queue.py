"""Several visitors and one model: the queue, Stop while waiting, a tab that is closed."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.passes import Passes

pytestmark = pytest.mark.browser

LONG = "/?max_new_tokens=500&decoding_length=1"


def _start(page: Page) -> None:
    page.fill("#document textarea", "")
    page.fill("#prompt textarea", "abc abc abc")
    page.wait_for_selector("#run:enabled")
    page.click("#run")


def _watch(page: Page) -> None:
    page.wait_for_function("document.querySelector('#stage [data-state]').dataset.state === 'running'")
    page.wait_for_function("document.querySelectorAll('#ribbon .group').length > 3")


def test_a_waiting_visitor_sees_their_place_and_can_leave(open_page: Callable[..., Page], passes: Passes) -> None:
    first, second = open_page(LONG), open_page(LONG)
    passes.hold(20)
    _start(first)
    _watch(first)
    _start(second)
    expect(second.locator("#status")).to_contain_text("queue: 1/1")
    second.click("#stop")
    second.wait_for_function("document.querySelector('#status').textContent.includes('Stopped before it began')")
    second.wait_for_selector("#run:enabled")
    assert second.get_attribute("#stage [data-state]", "data-state") == "recorded"
    assert first.get_attribute("#stage [data-state]", "data-state") == "running"
    first.click("#stop")
    passes.go_on()
    first.wait_for_function("document.querySelector('#stage [data-state]').dataset.state === 'finished'")
    passes.hold(20)
    _start(second)
    _watch(second)
    second.click("#stop")
    passes.go_on()
    second.wait_for_function("document.querySelector('#stage [data-state]').dataset.state === 'finished'")


def test_a_closed_tab_ends_its_run(open_page: Callable[..., Page], passes: Passes) -> None:
    page = open_page(LONG)
    passes.hold(20)
    _start(page)
    _watch(page)
    passes.seconds = 0.03
    passes.go_on()
    page.context.close()
    assert _at_its_end(passes) < 400


def _at_its_end(passes: Passes) -> int:
    """The number of passes that it stays at."""
    before = -1
    while passes.made != before:
        before = passes.made
        time.sleep(0.5)
    return before


@pytest.mark.parametrize("leave", ["about:blank", "reload", "close"])
def test_a_page_that_is_left_says_so(
    leave: str, open_page: Callable[..., Page], passes: Passes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.serve.steps.UNREAD_SECONDS", 3600)
    page = open_page(LONG)
    passes.hold(20)
    _start(page)
    _watch(page)
    passes.seconds = 0.03
    passes.go_on()
    if leave == "reload":
        page.reload()
    elif leave == "close":
        page.close(run_before_unload=True)
    else:
        page.goto(leave)
    assert _at_its_end(passes) < 400


def test_no_step_is_lost_at_full_speed(open_page: Callable[..., Page]) -> None:
    page = open_page("/?max_new_tokens=120&decoding_length=1")
    _start(page)
    page.wait_for_function("document.querySelector('#stage [data-state]').dataset.state === 'finished'")
    shown = page.evaluate("[...document.querySelectorAll('#ribbon .group > [data-step]')].map((e) => +e.dataset.step)")
    assert sorted(set(shown)) == list(range(120))
    assert page.get_attribute("#stage [data-steps]", "data-steps") == "120"
