"""The fields beside the stage: what is wrong in them is said, and what is in them survives a reload."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from app.page import presets
from tests.browser.passes import Passes
from tests.browser.visitors import at_rest, filled, open_settings

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
    open_settings(page)
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
    chosen = page.locator("#preset input:checked")
    expect(chosen).to_have_count(0)  # it is no example any more
    page.reload()
    expect(prompt).to_have_value(re.compile("^Tell.* And a cat.$"))
    expect(chosen).to_have_count(0)
    page.click("#preset label >> text=Maths")
    expect(prompt).to_have_value(re.compile("^Maria"))
    expect(page).to_have_url(re.compile("preset=Word"))
    page.reload()
    expect(prompt).to_have_value(re.compile("^Maria"))


def test_nothing_on_a_narrow_page_loads_it_again(open_page: Callable[..., Page]) -> None:
    page = open_page("/?preset=Story&max_new_tokens=40", width=390)
    page.evaluate("window.here = true")
    # With Gradio's <base href>, a link to a place of the page is one to another document.
    assert page.evaluate("[...document.links].map((link) => link.href).filter((href) => href.includes('#'))") == []
    page.click("#gear")
    expect(page.locator("#decoding-length input[type=number]")).to_be_visible()
    page.fill("#prompt textarea", "kept")
    page.keyboard.press("Escape")
    for tab in page.locator("[data-tab]:visible").all():
        tab.click()
    assert page.evaluate("window.here")
    expect(page.locator("#prompt textarea")).to_have_value("kept")


def test_what_came_in_one_piece_is_there_again_after_a_reload(open_page: Callable[..., Page]) -> None:
    page = open_page("/?max_new_tokens=40")
    page.wait_for_selector("#run:enabled")
    prompt, document = page.locator("#prompt textarea"), page.locator("#document textarea")
    for text, put in (
        ("pasted", page.keyboard.insert_text),
        (
            "of another program",
            lambda text: page.evaluate("(text) => document.execCommand('insertText', false, text)", text),
        ),
        ("", lambda _: page.keyboard.press("Delete")),
    ):
        for field in (document, prompt):
            field.focus()
            page.keyboard.press("Control+A")
            put(text)
        page.reload()
        filled(page)
        for field in (document, prompt):
            expect(field).to_have_value(text)


def test_enter_with_a_second_key_runs(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.wait_for_selector("#run:enabled")
    page.evaluate(
        """() => {
          window.clicks = 0;
          const count = (event) => { window.clicks += 1; event.stopImmediatePropagation(); };
          document.querySelector('#run').addEventListener('click', count, true);
        }"""
    )
    prompt, document = page.locator("#prompt textarea"), page.locator("#document textarea")
    prompt.fill("abc")
    presses = [(prompt, "Control"), (prompt, "Shift"), (prompt, "Meta"), (document, "Control"), (document, "Shift")]
    for count, (field, key) in enumerate(presses, 1):
        field.press(f"{key}+Enter")
        assert page.evaluate("window.clicks") == count
    assert prompt.input_value() == "abc"
    prompt.press("Enter")
    assert prompt.input_value() == "abc\n"
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Shift+Enter")
    assert page.evaluate("window.clicks") == len(presses)
    page.keyboard.press("Control+Enter")  # wherever the focus is
    assert page.evaluate("window.clicks") == len(presses) + 1


RING = """async (field) => {
  await Promise.all(field.getAnimations().map(({ finished }) => finished));
  const seen = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = (colour) => {
    const parts = seen(colour).slice(0, 3).map((value) => value / 255);
    const [red, green, blue] = parts.map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const style = getComputedStyle(field), reach = parseFloat(style.outlineWidth) + parseFloat(style.outlineOffset);
  let ground = 'rgba(0, 0, 0, 0)', whole = true;
  for (let box = field; box; box = box.parentElement) {
    const found = getComputedStyle(box);
    if (box !== field || reach <= 0) ground = seen(ground)[3] === 0 ? found.backgroundColor : ground;
    const clips = found.overflowX !== 'visible' || found.contentVisibility === 'auto';
    if (box === field || !clips || box === document.body || box === document.documentElement) continue;
    const [inner, outer] = [field, box].map((one) => one.getBoundingClientRect());
    whole &&= inner.left - reach >= outer.left && inner.right + reach <= outer.right;
    whole &&= inner.top - reach >= outer.top && inner.bottom + reach <= outer.bottom;
  }
  const [low, high] = [luminance(style.outlineColor), luminance(ground)].sort((a, b) => a - b);
  return [style.outlineStyle, parseFloat(style.outlineWidth) >= 2, (high + 0.05) / (low + 0.05) >= 3, whole];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_has_the_focus_has_a_whole_ring_that_is_seen(open_page: Callable[..., Page], scheme: Any) -> None:
    page = open_page(color_scheme=scheme, reduced_motion="reduce")
    open_settings(page)
    fields = ("#prompt textarea", "#document textarea", "#max-new-tokens input[type=number]", "#run")
    panes = ("[data-search] input", "[data-search] button", "[data-mask-box]", "#play", "#scrubber")
    for name in (*fields, *panes, "#what-if [data-knob]"):
        if name == panes[0]:
            page.keyboard.press("Escape")
        if name.startswith("#what-if"):
            page.click(".side [data-tab=what-if]")
        field = page.locator(name).first
        field.focus()
        page.keyboard.press("Shift")  # as by keyboard
        assert field.evaluate(RING) == ["solid", True, True, True], name


def test_a_lane_that_was_stopped_says_so(open_page: Callable[..., Page], passes: Passes) -> None:
    page = open_page("/?max_new_tokens=500&decoding_length=1")
    page.fill("#document textarea", "")
    page.fill("#prompt textarea", "abc abc abc")
    page.wait_for_selector("#run:enabled")
    passes.hold(20)
    page.click("#run")
    stage = "document.querySelector('#stage [data-state]').dataset"
    page.wait_for_function(f"{stage}.state === 'running' && +{stage}.steps > 3")
    page.click("#stop")
    passes.go_on()
    page.wait_for_selector("#run:enabled")
    lane = page.locator("#race [data-lane=lookahead]")
    expect(lane.locator(".count")).to_have_text(re.compile("passes, stopped$"))
    at_rest(page)
    share = lane.locator("i").evaluate(
        "(bar) => bar.getBoundingClientRect().right - bar.parentElement.getBoundingClientRect().right"
    )
    assert share < -5, "the bar does not reach the end"


def test_a_pasted_prompt_is_no_example_and_the_example_is_one_click_away(open_page: Callable[..., Page]) -> None:
    page = open_page()
    chosen = page.locator("#preset input:checked")
    expect(chosen).to_have_count(1)
    page.fill("#document textarea", "")  # as a paste does: Gradio's own event comes with keys only
    page.fill("#prompt textarea", "abc abc abc abc")
    expect(chosen).to_have_count(0)
    page.locator("#preset label", has_text="Code").click()
    page.wait_for_function("document.querySelector('#stage [data-run]').dataset.run === 'example-edit-code'")
    expect(page.locator("#prompt textarea")).to_have_value(presets.by_name("Edit code").prompt)
