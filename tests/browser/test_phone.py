"""A phone: what lies over the page can be closed without a keyboard, no text is tiny, and every control can be hit."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from playwright.sync_api import Page, expect

from tests.browser.visitors import at_rest, drawn

pytestmark = pytest.mark.browser

SMALL = """() => {
  const found = [];
  for (const box of document.querySelectorAll('.gradio-container :not(script, style)')) {
    const words = [...box.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const { width, height } = box.getBoundingClientRect(), size = parseFloat(getComputedStyle(box).fontSize);
    if (words && width > 1 && height > 1 && size > 0 && size < 12 && !box.matches('.icon') && box.checkVisibility()) {
      found.push(size + ' ' + box.outerHTML.slice(0, 90));
    }
  }
  return found;
}"""
HIT = """(least) => [...document.querySelectorAll('#stage :is(button, select, summary, label)')].filter((box) => {
  const { left, top, width, height } = box.getBoundingClientRect();
  if (!width || !box.checkVisibility() || top < 0 || top > innerHeight) return false;
  const more = parseFloat(getComputedStyle(box, '::after').height) || 0;
  return Math.max(height, more) < least;
}).map((box) => box.outerHTML.slice(0, 90))"""


PLACES = """(names) => names.map((name) => {
  const { left, top, width, height } = document.querySelector(name).getBoundingClientRect();
  return [left, top, width, height];
})"""


@pytest.fixture
def phone(open_page: Callable[..., Page]) -> Page:
    page = open_page(width=390, height=844, reduced_motion="reduce", has_touch=True)
    page.wait_for_selector("#run:enabled")
    expect(page.locator("#stage [data-state]")).to_have_attribute("data-state", "recorded")
    return page


def to_tab(phone: Page, name: str) -> None:
    phone.locator(f".tabs [data-tab={name}]").tap()
    expect(phone.locator("#stage [data-tab-now]")).to_have_attribute("data-tab-now", name)
    drawn(phone)


def test_the_sheet_closes_by_a_press_beside_it(phone: Page) -> None:
    for place in ((200, 25), (200, 190)):  # over the bar, over the stage
        phone.locator("#prompt textarea").tap()
        expect(phone.locator("#ask[data-open]")).to_have_count(1)
        at_rest(phone)
        phone.touchscreen.tap(*place)
        expect(phone.locator("#ask[data-open]")).to_have_count(0)
    assert phone.evaluate("location.pathname") == "/", "the press does not reach what the shade lies over"


def test_what_lies_behind_the_sheet_stays_in_its_place_and_in_the_shade(phone: Page) -> None:
    names = ["#ask", "#drawer", "#run", "#preset label", ".lead", "#sentence", ".tabs"]
    before = phone.evaluate(PLACES, names)
    phone.locator("#prompt textarea").tap()
    expect(phone.locator("#ask[data-open]")).to_have_count(1)
    at_rest(phone)
    assert phone.evaluate(PLACES, names) == before
    _, top, _, height = before[names.index("#preset label")]
    assert phone.evaluate("(y) => document.elementFromPoint(60, y).id", top + height / 2) == "ask", "the shade is above"


@pytest.mark.parametrize(("width", "height"), [(390, 844), (360, 740)])
def test_from_tab_to_tab_nothing_above_the_tabs_moves(phone: Page, width: int, height: int) -> None:
    phone.set_viewport_size({"width": width, "height": height})
    phone.wait_for_function("(width) => innerWidth === width", arg=width)
    names, places = ["#sentence", ".about", ".four", ".written-text", ".tabs"], []
    for tab in ("tree", "trie", "mask", "race", "what-if"):
        to_tab(phone, tab)
        expect(phone.locator("[data-about]")).to_contain_text("recorded, mistakes")
        places.append(phone.evaluate(PLACES, names))
        assert phone.evaluate("[document.documentElement.scrollWidth, scrollY]") == [width, 0]
    assert all(place == places[0] for place in places)
    assert places[0][names.index(".about")][3] < 20, "one line"
    lefts = [phone.locator(name).bounding_box() for name in (".all > summary", "[data-keep]", "#figures button")]
    assert len({round(box["y"] + box["height"] / 2) for box in lefts if box}) == 1, "what More has besides is one row"
    for one, next_one in pairwise(lefts):
        assert one
        assert next_one
        assert one["x"] + one["width"] <= next_one["x"]


@pytest.mark.parametrize("example", ["Code", "Free text"])
def test_the_verdict_of_the_race_is_in_sight(phone: Page, example: str) -> None:
    phone.locator("#preset label", has_text=example).tap()
    expect(phone.locator("#sentence")).to_contain_text(
        "only" if example == "Free text" else "faster"
    )  # the longest there is
    to_tab(phone, "race")
    hint = phone.locator("[data-race-hint]")
    expect(hint).to_contain_text("Same")
    bottom, end = hint.evaluate(
        "(box) => [box.getBoundingClientRect().bottom, box.closest('.pane').getBoundingClientRect().bottom]"
    )
    assert bottom <= end


def test_figures_and_all_numbers_lie_over_the_page_and_can_be_closed(phone: Page) -> None:
    to_tab(phone, "what-if")
    phone.locator(".all > summary").tap()
    expect(phone.locator(".all .card")).to_be_in_viewport(ratio=1)
    phone.locator("#sentence").tap()
    expect(phone.locator(".all[open]")).to_have_count(0)
    label = phone.locator("#figures > .label-wrap")
    for opened in (1, 0):
        expect(label).to_be_in_viewport(ratio=1)
        label.tap()  # fails where anything lies over it
        expect(phone.locator("#figures > .label-wrap.open")).to_have_count(opened)


def test_no_text_is_tiny_and_every_control_of_the_stage_can_be_hit(phone: Page) -> None:
    for tab in ("tree", "trie", "mask", "race", "what-if"):
        to_tab(phone, tab)
        assert phone.evaluate(SMALL) == [], tab
        assert phone.evaluate(HIT, 42) == [], tab
        assert phone.evaluate("document.documentElement.scrollWidth") == 390
