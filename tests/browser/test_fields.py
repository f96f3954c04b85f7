"""The fields beside the stage: what is wrong in them is said, and what is in them survives a reload."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def test_an_empty_prompt_is_a_message(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.fill("#document textarea", "")
    page.fill("#prompt textarea", "  ")
    page.click("#run")
    page.wait_for_selector("text=The prompt is empty")
    page.wait_for_selector("#run:enabled")
    expect(page.locator("#status [role=status]")).to_contain_text("The prompt is empty")  # stays without the toast


def test_only_what_differs_from_its_default_is_in_the_url(open_page: Callable[..., Page]) -> None:
    page = open_page("/?decoding_length=16&preset=Story")
    page.wait_for_function("document.querySelector('#prompt textarea')?.value.startsWith('Tell')")
    page.click("#settings button")
    page.wait_for_timeout(500)  # Gradio sets the fields of a pane that opens once more, some 30 ms later
    width = page.locator("#decoding-length input[type=number]")
    width.fill("8")
    width.press("Tab")
    page.wait_for_function("new URLSearchParams(location.search).get('decoding_length') === '8'")
    assert set(page.evaluate("[...new URLSearchParams(location.search).keys()]")) == {"decoding_length", "preset"}
    width.fill("64")
    width.press("Tab")
    page.wait_for_function("location.search === '?preset=Story'")


def test_preset_and_settings_are_in_the_url_together(open_page: Callable[..., Page]) -> None:
    page = open_page("/?decoding_length=48&preset=Word+problem&max_new_tokens=9999&strategy=none")
    expect(page.locator("#prompt textarea")).to_have_value(re.compile("^Maria"))
    page.wait_for_function("!location.search.includes('none')")
    query = page.evaluate("Object.fromEntries(new URLSearchParams(location.search))")
    assert query == {"decoding_length": "48", "preset": "Word problem", "max_new_tokens": "512"}


def test_what_was_typed_is_there_again_after_a_reload(open_page: Callable[..., Page]) -> None:
    page = open_page("/?preset=Story")
    prompt = page.locator("#prompt textarea")
    expect(prompt).to_have_value(re.compile("^Tell"))
    prompt.click()
    page.keyboard.press("Control+End")
    page.keyboard.type(" And a cat.")
    page.wait_for_function("(sessionStorage.getItem('lookahead-typed') || '').includes('a cat.')")
    page.reload()
    expect(prompt).to_have_value(re.compile("^Tell.* And a cat.$"))
    page.click("#preset input")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(prompt).to_have_value(re.compile("^Maria"))
    expect(page).to_have_url(re.compile("preset=Word"))
    page.reload()
    expect(prompt).to_have_value(re.compile("^Maria"))


def test_a_lane_that_was_stopped_says_so(open_page: Callable[..., Page], passes: list[int]) -> None:
    page = open_page("/?max_new_tokens=500&decoding_length=1")
    page.fill("#document textarea", "")
    page.fill("#prompt textarea", "abc abc abc")
    page.wait_for_selector("#run:enabled")
    page.click("#run")
    stage = "document.querySelector('#stage [data-state]').dataset"
    page.wait_for_function(f"{stage}.state === 'running' && +{stage}.steps > 3")
    page.click("#stop")
    page.wait_for_selector("#run:enabled")
    lane = page.locator("#race [data-lane=lookahead]")
    expect(lane.locator(".count")).to_have_text(re.compile("passes, stopped$"))
    share = lane.locator("i").evaluate(
        "(bar) => bar.getBoundingClientRect().right - bar.parentElement.getBoundingClientRect().right"
    )
    assert share < -5, "the bar does not reach the end"
