"""What a visitor sees without a click."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def test_a_recorded_run_plays_by_itself(open_page: Callable[..., Page]) -> None:
    page = open_page()
    assert "forward" in page.inner_text("#title").lower()
    page.wait_for_function("document.querySelector('#stage [data-state]').dataset.state === 'recorded'")
    page.wait_for_function("document.querySelector('#sentence').textContent.startsWith('The Trie guessed')")
    page.wait_for_function("document.querySelectorAll('#draft-tree [data-status=accepted]').length > 0")
    before = page.input_value("#scrubber")
    page.wait_for_function(f"document.querySelector('#scrubber').value !== '{before}'")
    assert page.locator("#race [data-lane=plain]").inner_text()
    assert page.inner_text("[data-badge]") == "same tokens ✓"
    assert "recorded with SmolLM2" in page.inner_text("[data-about]")


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


@pytest.mark.parametrize(("width", "one_column"), [(390, True), (800, True), (960, True), (1280, False)])
def test_where_the_page_is_one_column_a_link_leads_to_the_controls(
    open_page: Callable[..., Page], width: int, one_column: bool
) -> None:
    page = open_page(width=width, reduced_motion="reduce")
    stage, controls = (
        page.evaluate(f"document.querySelector('{name}').getBoundingClientRect().toJSON()")
        for name in ("#stage", "#controls")
    )
    assert (controls["top"] > stage["bottom"]) == one_column
    link = page.locator(".jump")
    assert link.is_visible() == one_column
    if one_column:
        link.click()
        page.wait_for_function(
            "Math.abs(document.querySelector('#controls').getBoundingClientRect().top) < innerHeight / 2"
        )


def test_the_link_to_the_controls_does_not_load_the_page_again(open_page: Callable[..., Page]) -> None:
    page = open_page("/?preset=Story&max_new_tokens=40", width=390, reduced_motion="reduce")
    prompt, link = page.locator("#prompt textarea"), page.locator(".jump")
    expect(prompt).to_have_value(re.compile("^Tell"))
    prompt.fill("My own prompt")
    page.evaluate("window.same = true")
    for press in (link.click, lambda: link.press("Enter"), lambda: link.dispatch_event("click")):
        page.evaluate("scrollTo(0, 0)")
        press()
        page.wait_for_function("document.querySelector('#controls').getBoundingClientRect().top < innerHeight / 2")
        expect(page.locator("#controls")).to_be_focused()
        page.evaluate("history.replaceState(null, '', location.pathname + location.search + '#controls')")
    assert page.evaluate("window.same")
    expect(prompt).to_have_value("My own prompt")
    expect(page).to_have_url(re.compile(r"preset=Story&max_new_tokens=40"))


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
