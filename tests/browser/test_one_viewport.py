"""The page in one viewport: what is where, what holds still, and what a phone shows of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.passes import Passes
from tests.browser.visitors import at_rest, drawn

pytestmark = pytest.mark.browser

PANES = ("#ribbon", "#draft-tree", "#trie", "#mask", "#race", "#numbers", "#sentence", "#scrubber", "#run", "#prompt")

PLACES = """(names) => names.map((name) => {
  const box = document.querySelector(name), seen = name === '#draft-tree' ? box.closest('.pane') : box;
  const { left, top, right, bottom } = seen.getBoundingClientRect();
  const inside = left >= 0 && top >= 0 && right <= innerWidth + 0.5 && bottom <= innerHeight + 0.5;
  return [name, inside, right > left && bottom > top];
})"""

SHIFTS = """() => {
  window.shift = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
  }).observe({ type: 'layout-shift' });
}"""

BEGUN = """async () => {  // nothing has moved for a while: the page's own beginning is over
  for (let before = -1; before !== window.shift; ) {
    before = window.shift;
    await new Promise((done) => setTimeout(done, 600));
  }
  window.shift = 0;
}"""

WORDS = """() => {
  const walker = document.createTreeWalker(document.querySelector('.gradio-container'), NodeFilter.SHOW_TEXT);
  let count = 0;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const box = node.parentElement, { width, height, top } = box.getBoundingClientRect();
    if (box.closest('#ribbon, svg, .chip, option, script, style') || !box.checkVisibility()) continue;
    if (width > 1 && height > 1 && top < innerHeight) count += (node.data.match(/\\p{L}[\\p{L}’-]*/gu) || []).length;
  }
  return count;
}"""
"""The words in sight, but for the prompt, its answer and the tokens in the pictures."""

SIZES = [(1280, 800), (1440, 900), (1920, 1080), (390, 844)]


def recorded(page: Page) -> None:
    """The recorded run is there, and Gradio has rendered the bar."""
    page.wait_for_selector("#run:enabled")
    expect(page.locator("#stage [data-state]")).to_have_attribute("data-state", "recorded")
    drawn(page)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_everything_is_in_one_viewport(open_page: Callable[..., Page], width: int, height: int) -> None:
    page = open_page(width=width, height=height, reduced_motion="reduce")
    recorded(page)
    phone = width < 1000
    hidden = {"#trie", "#mask", "#race"} if phone else set()
    for name, inside, there in page.evaluate(PLACES, list(PANES)):
        assert there == (name not in hidden), name
        assert inside, name
    size = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
    assert size == [width, height], "nothing scrolls but panes"
    assert page.evaluate(WORDS) <= 200
    if width == 1280:
        text, tree = (page.locator(f".{name}").bounding_box() for name in ("written-text", "draft-tree"))
        assert text
        assert tree
        assert text["width"] / tree["width"] == pytest.approx(5 / 7, abs=0.02)


def test_type_grows_with_the_screen(open_page: Callable[..., Page]) -> None:
    heights = []
    for width, height in SIZES[:3]:
        page = open_page(width=width, height=height, reduced_motion="reduce")
        page.wait_for_selector("#draft-tree [data-node='0']")
        heights.append(page.evaluate("document.querySelector('#draft-tree rect').getBoundingClientRect().height"))
    assert heights == sorted(set(heights))


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_jumps_while_a_run_streams(open_page: Callable[..., Page], width: int, passes: Passes) -> None:
    page = open_page("/?max_new_tokens=60&preset=Story", width=width)
    page.wait_for_function("document.querySelector('#prompt textarea')?.value.startsWith('Tell')")
    page.evaluate(SHIFTS)
    page.evaluate(BEGUN)
    page.evaluate("document.querySelector('#compare').click()")  # what follows a hand's press would not count
    page.wait_for_function("document.querySelector('#stage [data-state]').dataset.state === 'finished'")
    page.wait_for_selector("#run:enabled")
    assert page.evaluate("window.shift") < 0.02


def test_the_prompt_is_a_line_that_opens_a_drawer(open_page: Callable[..., Page]) -> None:
    page = open_page(reduced_motion="reduce")
    page.wait_for_selector("#run:enabled")
    document, prompt = page.locator("#document textarea"), page.locator("#prompt textarea")
    line = prompt.bounding_box()
    assert line
    assert line["height"] < 40
    stage = page.locator("#stage").bounding_box()
    prompt.click()
    expect(page.locator("#settings")).to_be_visible()
    for name in ("#document", "#prompt"):
        page.wait_for_function(f"document.querySelector('{name} textarea').getBoundingClientRect().height > 60")
    assert page.locator("#stage").bounding_box() == stage, "the drawer lies over the stage"
    page.keyboard.press("Escape")
    expect(page.locator("#settings")).to_be_hidden()
    page.wait_for_function(
        "({ x, y, width, height }) => { const box = document.querySelector('#prompt textarea').getBoundingClientRect();"
        " return box.x === x && box.y === y && box.width === width && box.height === height; }",
        arg=line,
    )
    page.click("#gear")
    expect(page.locator("#strategy")).to_be_visible()
    page.click("#sentence", position={"x": 5, "y": 5})
    expect(page.locator("#strategy")).to_be_hidden()
    document.focus()
    expect(page.locator("#settings")).to_be_visible()
    page.evaluate("document.querySelector('#run').addEventListener('click', (e) => e.stopImmediatePropagation(), true)")
    prompt.press("Control+Enter")
    expect(page.locator("#settings")).to_be_hidden()
    assert page.evaluate("document.activeElement === document.body"), "the keys belong to the stage again"


@pytest.mark.parametrize("width", [1280, 390])
def test_of_a_prompt_of_many_lines_the_line_shows_the_first(open_page: Callable[..., Page], width: int) -> None:
    page = open_page(width=width, reduced_motion="reduce")
    page.wait_for_selector("#run:enabled")
    for name in ("#prompt", "#document"):
        field = page.locator(f"{name} textarea")
        field.fill("def f():\n    return 1\n" * 9)
        field.press("Control+End")
        page.keyboard.press("Escape")
        second, height, top = field.evaluate(
            "(field) => { const style = getComputedStyle(field); return [parseFloat(style.paddingTop) +"
            " parseFloat(style.lineHeight), field.clientHeight, field.scrollTop]; }"
        )
        assert second >= height
        assert top == 0


def test_figures_and_what_if_lie_over_the_panes(open_page: Callable[..., Page]) -> None:
    page = open_page(reduced_motion="reduce")
    recorded(page)
    what_if, side = page.locator("#what-if"), page.locator(".side [data-tab=what-if]")
    expect(what_if).to_be_hidden()
    side.click()
    expect(what_if).to_be_visible()
    expect(page.locator("#ribbon")).to_be_visible()
    side.click()
    expect(what_if).to_be_hidden()
    page.click(".all summary")
    expect(page.locator("[data-metric=forward_ms]")).to_be_visible()
    page.click("#figures button")
    page.wait_for_selector("#figures .js-plotly-plot")
    assert page.evaluate("document.documentElement.scrollHeight") == 800


def test_a_phone_shows_one_pane_by_tabs(open_page: Callable[..., Page]) -> None:
    page = open_page(width=390, height=844, reduced_motion="reduce", has_touch=True)
    recorded(page)
    panes = {"tree": ".draft-tree", "trie": "#trie", "mask": "#mask", "race": "#race", "what-if": "#what-if"}
    for name, shown in panes.items():
        page.locator(f".tabs [data-tab={name}]").tap()
        for pane in panes.values():
            expect(page.locator(pane)).to_be_visible(visible=pane == shown)
        expect(page.locator("#ribbon")).to_be_in_viewport(ratio=1)
        expect(page.locator("#scrubber")).to_be_in_viewport(ratio=1)
    expect(page.locator("#figures button")).to_be_in_viewport()
    expect(page.locator("#save-run")).to_be_in_viewport()
    page.locator(".tabs [data-tab=mask]").tap()
    expect(page.locator("#mask [data-row]").first).to_be_attached()  # drawn when it came in sight
    page.locator("#gear").tap()
    expect(page.locator("#ask[data-open]")).to_have_count(1)
    at_rest(page)
    sheet = page.locator("#fields").bounding_box()
    assert sheet
    assert sheet["y"] + sheet["height"] == pytest.approx(844, abs=1)
    expect(page.locator("#run")).to_be_in_viewport(ratio=1)


def test_targets_of_a_phone_are_44_pixels(open_page: Callable[..., Page]) -> None:
    page = open_page(width=390, height=844, reduced_motion="reduce")
    recorded(page)
    small = page.evaluate(
        """[...document.querySelectorAll('.tabs *, .dock :is(button, select), #run, #gear, #scrubber, nav a')]
          .map((e) => [e.textContent, e.getBoundingClientRect()])
          .filter(([, { height }]) => height > 0 && height < 43.5).map(([text, { height }]) => [text, height])"""
    )
    assert small == []
