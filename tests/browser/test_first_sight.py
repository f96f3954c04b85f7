"""What a visitor sees without a click."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

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


def test_the_chips_say_how_much_faster_or_slower_their_runs_were(open_page: Callable[..., Page]) -> None:
    page = open_page(reduced_motion="reduce")
    page.wait_for_selector("#preset label")
    said = page.evaluate(
        "[...document.querySelectorAll('#preset label')].map((e) => getComputedStyle(e, '::after').content)"
    )
    times = [float(text.strip('"').removesuffix("×")) for text in said]
    assert times[0] == max(times) > 2, "the first sight is a telling one"
    assert sum(value < 1 for value in times) >= 2, "those that lose say so"
    assert page.inner_text("#sentence").endswith("the same text.")


def test_tools_are_there_whenever_the_bar_was_drawn(open_page: Callable[..., Page]) -> None:
    page = open_page(reduced_motion="reduce")
    expect(page.locator("#copy-link")).to_be_visible()
    page.evaluate("document.querySelector('#page-tools').replaceChildren()")
    expect(page.locator("#copy-link")).to_be_visible()
    expect(page.locator("#present")).to_have_count(1)


def test_every_control_has_a_name(open_page: Callable[..., Page]) -> None:
    page = open_page()
    nameless = page.evaluate(
        "[...document.querySelectorAll('#stage button, #stage input, #stage select')].filter((e) =>"
        " !(e.getAttribute('aria-label') || e.textContent.trim() || e.closest('label') || e.labels?.length))"
        ".map((e) => e.outerHTML)"
    )
    assert nameless == []
