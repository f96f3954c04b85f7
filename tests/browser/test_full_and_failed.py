"""What a visitor sees when the queue is full, and when the model fails in mid-run: one line, and the buttons back."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from app.model.host import ModelHost
from app.options import AppOptions
from app.page.layout import launch
from lookahead.hf.session import TreeSession
from tests.browser.passes import Passes
from tests.browser.visitors import PATIENCE, filled, slow_down

pytestmark = pytest.mark.browser

LONG = "/?max_new_tokens=500&decoding_length=1"


@pytest.fixture(scope="module")
def app_url() -> Iterator[str]:
    """An app in whose queue one run may wait."""
    host = ModelHost.load(AppOptions(max_waiting=1))
    demo, url = launch(host, quiet=True)
    yield url
    demo.close()
    host.close()


def _start(page: Page) -> None:
    page.fill("#document textarea", "")
    page.fill("#prompt textarea", "abc abc abc")
    page.wait_for_selector("#run:enabled")
    page.click("#run")


def _state(page: Page, state: str) -> None:
    page.wait_for_function(f"document.querySelector('#stage [data-state]').dataset.state === '{state}'")


def test_a_full_queue(open_page: Callable[..., Page], browser: Browser, app_url: str, passes: Passes) -> None:
    first, second = open_page(LONG), open_page(LONG)
    third = browser.new_page()  # not by open_page: the browser logs the refusal as an error
    slow_down(third)
    third.set_default_timeout(PATIENCE)
    third.goto(app_url.rstrip("/") + LONG)
    filled(third)
    passes.hold(20)
    _start(first)
    _state(first, "running")
    _start(second)
    second.wait_for_function("/queue: \\d/.test(document.querySelector('#status').innerText)")
    _start(third)
    expect(third.get_by_text("This application is currently busy. Please try again.")).to_be_visible()
    expect(third.locator("#run")).to_be_enabled()
    expect(third.locator("#compare")).to_be_enabled()
    expect(third.locator("#stop")).to_be_disabled()
    assert third.get_attribute("#stage [data-state]", "data-state") == "recorded"
    second.click("#stop")
    first.click("#stop")
    passes.go_on()
    _state(first, "finished")
    passes.hold(20)
    third.click("#run")
    _state(third, "running")
    third.click("#stop")
    passes.go_on()
    _state(third, "finished")
    third.context.close()


def test_a_model_that_fails(open_page: Callable[..., Page], passes: Passes, monkeypatch: pytest.MonkeyPatch) -> None:
    choose = TreeSession.choose

    def failing(self: TreeSession, tree: object) -> object:
        if passes.made == 19:
            passes.made += 1
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return choose(self, tree)  # type: ignore[arg-type]

    page = open_page(LONG)
    monkeypatch.setattr(TreeSession, "choose", failing)
    _start(page)
    _state(page, "finished")
    page.wait_for_selector("#run:enabled")
    page.wait_for_selector("#save-run:enabled")
    expect(page.locator("#stop")).to_be_disabled()
    assert page.get_attribute("#stage [data-steps]", "data-steps") == "20"
    expect(page.locator("#status")).to_contain_text("broke off: out of memory; a smaller decoding_length")
    expect(page.locator("#stage [data-about]")).to_contain_text("broke off: out of memory")
    passes.hold(20)
    _start(page)
    _state(page, "running")
    page.click("#stop")
    passes.go_on()
    _state(page, "finished")


def test_a_prompt_that_is_too_much(open_page: Callable[..., Page], monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(self: TreeSession, prompt_ids: object) -> int:
        raise RuntimeError("MPS backend out of memory")

    page = open_page(LONG)
    monkeypatch.setattr(TreeSession, "prefill", failing)
    _start(page)
    _state(page, "finished")
    page.wait_for_selector("#run:enabled")
    expect(page.locator("#sentence")).to_contain_text("The run broke off: out of memory; a smaller decoding_length")
    page.wait_for_function("sessionStorage.getItem('lookahead-run')")
    page.reload()
    expect(page.locator("#sentence")).to_contain_text("The run broke off: out of memory")
    page.wait_for_function("sessionStorage.getItem('lookahead-run')")  # kept again
    page.evaluate("sessionStorage.setItem('lookahead-run-ids', '[]')")
    page.reload()  # its file alone does not say why
    expect(page.locator("#sentence")).to_have_text("The run broke off.")
