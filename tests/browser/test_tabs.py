"""Two visitors at the same time: one waits while the other's run goes, and neither learns of the other's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def _start(page: Page, prompt: str) -> None:
    page.fill("#document textarea", "")
    page.fill("#prompt textarea", prompt)
    page.wait_for_selector("#run:enabled")
    page.click("#run")


def _state(page: Page, state: str) -> None:
    page.wait_for_function(
        f"document.querySelector('#stage [data-state]').dataset.state === '{state}'", timeout=120_000
    )


def test_a_run_that_waits_does_not_say_that_it_runs(open_page: Callable[..., Page], passes: list[int]) -> None:
    first, second = (open_page("/?max_new_tokens=500&decoding_length=1") for _ in range(2))
    _start(first, "abc abc abc")
    _state(first, "running")
    expect(first.locator("#status [role=status]")).to_have_text("Running …")
    _start(second, "abc abc abc")
    second.wait_for_function("/queue: 1/.test(document.querySelector('#status').innerText)")
    expect(second.locator("#status [role=status]")).to_have_text("Waiting …")
    first.click("#stop")
    _state(second, "running")
    expect(second.locator("#status [role=status]")).to_have_text("Running …")
    second.click("#stop")
    expect(second.locator("#status [role=status]")).to_contain_text("stopped")
    _start(second, "abc abc abc")
    _state(second, "running")
    expect(second.locator("#status [role=status]")).to_have_text("Running …")
    second.click("#stop")
    _state(second, "finished")
