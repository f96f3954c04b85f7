"""What a visitor sees without a click."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def test_a_recorded_run_plays_by_itself(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.wait_for_function("document.querySelector('#stage [data-state]').dataset.state === 'recorded'")
    page.wait_for_function("document.querySelector('#sentence').textContent.startsWith('The Trie guessed')")
    page.wait_for_function("document.querySelectorAll('#draft-tree [data-status=accepted]').length > 0")
    before = page.input_value("#scrubber")
    page.wait_for_function(f"document.querySelector('#scrubber').value !== '{before}'")
    assert page.locator("#race [data-lane=plain]").inner_text()
    assert page.inner_text("[data-badge]") == "same tokens ✓"
    assert "a recorded run" in page.inner_text("[data-about]")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")])
def test_nothing_overflows_light_or_dark(open_page: Callable[..., Page], width: int, scheme: Any) -> None:
    page = open_page(width=width, color_scheme=scheme)
    page.wait_for_function("document.querySelectorAll('#draft-tree [data-node]').length > 0")
    assert page.evaluate("document.body.classList.contains('dark')") == (scheme == "dark")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    outside = page.evaluate(
        "[...document.querySelectorAll('body *')].filter((e) => !e.closest('svg') &&"
        " e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML.slice(0, 80))"
    )
    assert outside == []


def test_reduced_motion_plays_nothing(open_page: Callable[..., Page]) -> None:
    page = open_page(reduced_motion="reduce")
    page.wait_for_function("document.querySelector('#stage [data-state]').dataset.state === 'recorded'")
    position = page.input_value("#scrubber")
    page.wait_for_timeout(800)
    assert page.input_value("#scrubber") == position
    assert "the same text" in page.inner_text("#sentence")  # the end sums it up


def test_every_control_has_a_name(open_page: Callable[..., Page]) -> None:
    page = open_page()
    nameless = page.evaluate(
        "[...document.querySelectorAll('#stage button, #stage input, #stage select')].filter((e) =>"
        " !(e.getAttribute('aria-label') || e.textContent.trim() || e.closest('label') || e.labels?.length))"
        ".map((e) => e.outerHTML)"
    )
    assert nameless == []
