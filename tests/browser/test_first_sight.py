"""What a visitor sees without a click."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.visitors import PATIENCE, at_rest, drawn

pytestmark = pytest.mark.browser


STEPS = """window.steps = new Set();
new MutationObserver(() => {
  const { drawn } = document.querySelector('#stage [data-drawn]')?.dataset || {};
  if (drawn) window.steps.add(drawn);
}).observe(document, { subtree: true, attributeFilter: ['data-drawn'] });"""
"""Notes which steps are shown."""


def test_a_recorded_run_plays_by_itself(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.add_init_script(STEPS)
    page.reload()
    page.wait_for_function("window.steps.size > 2")
    expect(page.locator("#stage [data-state]")).to_have_attribute("data-state", "recorded")
    page.wait_for_function("document.querySelector('#sentence b.s-guess')")
    page.wait_for_function("document.querySelectorAll('#draft-tree [data-status=accepted]').length > 0")
    assert page.locator("#race [data-lane=plain]").inner_text()
    assert page.inner_text("[data-badge]") == "same tokens ✓"
    assert "recorded, mistakes included" in page.inner_text("[data-about]")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")])
def test_nothing_overflows_light_or_dark(open_page: Callable[..., Page], width: int, scheme: Any) -> None:
    page = open_page(width=width, color_scheme=scheme)
    page.wait_for_function("document.querySelectorAll('#draft-tree [data-node]').length > 0")
    assert page.evaluate("document.body.classList.contains('dark')") == (scheme == "dark")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    outside = page.evaluate(
        "[...document.querySelectorAll('body *')].filter((e) => !e.closest('svg, #preset .wrap') &&"
        " e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML.slice(0, 80))"
    )
    assert outside == []


def test_reduced_motion_plays_nothing(open_page: Callable[..., Page]) -> None:
    page = open_page(reduced_motion="reduce")
    expect(page.locator("#stage [data-state]")).to_have_attribute("data-state", "recorded")
    expect(page.locator("#play")).to_have_attribute("aria-label", "Play")
    position = page.input_value("#scrubber")
    expect(page.locator("#sentence")).to_contain_text("the same text")  # the end sums it up
    page.wait_for_timeout(800)
    assert page.input_value("#scrubber") == position


def test_a_page_at_rest_asks_for_no_frames(open_page: Callable[..., Page]) -> None:
    page = open_page(reduced_motion="reduce")
    page.add_init_script(
        "window.asked = 0; const frame = requestAnimationFrame.bind(window);"
        "window.requestAnimationFrame = (callback) => { window.asked++; return frame(callback); };"
    )
    page.reload()
    page.wait_for_selector("#stage [data-state=recorded]")
    rests = page.evaluate(
        """async (patience) => {
          const end = performance.now() + patience;
          while (performance.now() < end) {
            const before = window.asked;
            await new Promise((done) => setTimeout(done, 500));
            if (window.asked === before) return true;
          }
          return false;
        }""",
        PATIENCE,
    )
    assert rests, "something asks for frame after frame, as the clock of Gradio's loading screen does"


@pytest.mark.parametrize("width", [1280, 390])
def test_a_stage_that_is_there_before_the_bar_has_its_place(open_page: Callable[..., Page], width: int) -> None:
    """Gradio shows each component when it has what draws it."""
    page = open_page(width=width, reduced_motion="reduce")
    page.wait_for_selector("#preset label")
    drawn(page)
    place = "JSON.stringify(document.querySelector('#stage').getBoundingClientRect())"
    with_bar = page.evaluate(place)
    page.evaluate("document.querySelectorAll('#bar, #ask').forEach((bar) => bar.remove())")
    assert page.evaluate(place) == with_bar


def test_a_phone_keeps_the_place_of_the_row_of_examples(open_page: Callable[..., Page]) -> None:
    page = open_page(width=390, reduced_motion="reduce")
    page.wait_for_selector("#preset label")
    place = "['#ask', '#buttons'].map((name) => JSON.stringify(document.querySelector(name).getBoundingClientRect()))"
    with_row = page.evaluate(place)
    page.evaluate("document.querySelector('#ask > .form:has(#preset), #ask > #preset').remove()")
    assert page.evaluate(place) == with_row


@pytest.mark.parametrize("beside", ["#preset", "#buttons"])
def test_fields_wait_for_what_stands_beside_them(open_page: Callable[..., Page], beside: str) -> None:
    """They would be drawn wider, and move."""
    page = open_page(reduced_motion="reduce")
    expect(page.locator("#fields")).to_be_visible()
    page.evaluate(f"document.querySelector('{beside}').remove()")
    expect(page.locator("#fields")).to_be_hidden()


def test_the_chips_say_how_much_faster_or_slower_their_runs_were(open_page: Callable[..., Page]) -> None:
    page = open_page(reduced_motion="reduce")
    page.wait_for_selector("#preset label")
    said = page.evaluate(
        "[...document.querySelectorAll('#preset label')].map((e) => getComputedStyle(e, '::after').content)"
    )
    times = [float(text.strip('"').removesuffix("×")) for text in said]
    assert times[0] == max(times) > 2, "the first sight is a telling one"
    assert times[-1] == min(times) < 1, "the one that loses says so"
    assert page.inner_text("#sentence").endswith("the same text.")


def test_what_stands_side_by_side_agrees(open_page: Callable[..., Page]) -> None:
    page = open_page(reduced_motion="reduce")
    page.wait_for_function("document.querySelector('#stage [data-state]').dataset.state === 'recorded'")
    for key in ("", "ArrowLeft"):  # at the end, and in the middle of the run
        if key:
            page.evaluate("document.activeElement.blur()")
            page.keyboard.press(key)
            drawn(page)
        rate, passes, tokens, lane, step = page.evaluate(
            "['[data-metric=mean_accepted_tokens] dd', '[data-metric=decode_steps] dd', '.beside small',"
            " '[data-lane=lookahead] .count', '[data-step-count]'].map((name) =>"
            " document.querySelector('#stage ' + name).textContent)"
        )
        written = int(tokens.removeprefix("not "))
        assert float(rate) == pytest.approx(written / int(passes), abs=0.051)
        now, last = map(int, step.removeprefix("step ").split(" / "))
        assert lane.endswith(f" tokens, {now} of {last} passes")  # of the step that is looked at
        if key:
            assert lane.startswith(f"{written} tokens")
            assert int(passes) == now
            guessed = page.inner_text("#sentence b.s-guess")
            assert page.inner_text("[data-tree-fact]").startswith(f"{guessed} guessed ")
        else:
            assert f"{written} tokens in {passes} passes" in page.inner_text("#sentence")
            assert int(passes) == last


@pytest.mark.parametrize("width", [1280, 390])
def test_the_first_sight_says_what_it_is_about(open_page: Callable[..., Page], width: int) -> None:
    page = open_page(width=width, height=800 if width == 1280 else 844, reduced_motion="reduce")
    page.wait_for_selector("#run:enabled")
    lead = page.locator(".lead")
    expect(lead).to_be_in_viewport(ratio=1)
    for words in ("Fewer passes, often faster, same text", "the Trie (seen n-grams)"):
        expect(lead).to_contain_text(words)
    expect(page.locator("[data-metric=speedup] dt")).to_have_text("whole run faster")
    expect(page.locator("#document [data-testid=block-info]")).to_be_visible()  # document and request are told apart
    assert page.locator("#draft-tree [data-node]").count() > 8
    sides = page.evaluate(
        "() => { const { right } = document.querySelector('[data-tree-box]').getBoundingClientRect();"
        " return [...document.querySelectorAll('#draft-tree [data-node]')].filter((node) =>"
        " node.getBoundingClientRect().right <= right).length; }"
    )
    assert sides >= 6, "several whole nodes, of several branches"
    assert page.evaluate("document.querySelectorAll('#draft-tree [data-status=accepted]').length") >= 2


def test_a_phone_shows_the_examples_and_nothing_cut_off(open_page: Callable[..., Page]) -> None:
    page = open_page(width=390, height=844, reduced_motion="reduce", has_touch=True)
    page.wait_for_selector("#run:enabled")
    for name in ("Code", "Question", "JSON"):
        expect(page.locator("#preset label", has_text=name)).to_be_in_viewport(ratio=1)
    expect(page.locator("#status p")).to_be_hidden()  # "Ready." has no room
    page.locator("#preset label", has_text="JSON").tap()
    page.wait_for_function("document.querySelector('#stage [data-run]').dataset.run === 'example-json'")


def test_a_tree_that_is_too_wide_says_so_and_shows_its_end(open_page: Callable[..., Page]) -> None:
    page = open_page("/?example=edit-code&step=1", reduced_motion="reduce")
    more = page.locator("[data-more]")
    expect(more).to_have_text("more ›")
    last = page.locator("#draft-tree .n-bonus")
    expect(last).not_to_be_in_viewport()
    more.click()
    expect(last).to_be_in_viewport(ratio=0.9)
    expect(more).to_have_text("‹ root")
    more.click()
    expect(page.locator("#draft-tree .n-root")).to_be_in_viewport(ratio=0.9)
    page.keyboard.press("Home")
    expect(more).to_be_hidden()


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


def ended(open_page: Callable[..., Page], example: str) -> Page:
    """The end of an example, where the sentence sums it up."""
    page = open_page(reduced_motion="reduce")
    page.wait_for_selector("#run:enabled")
    page.locator("#preset label", has_text=example).click()
    name = {"Code": "edit-code", "Story": "story", "Free text": "free-text"}[example]
    expect(page.locator("#stage [data-run]")).to_have_attribute("data-run", f"example-{name}")
    drawn(page)
    expect(page.locator("#sentence .s-wrong" if example == "Free text" else "#sentence .s-right")).to_contain_text(
        "times"
    )
    at_rest(page)
    return page


def test_a_run_that_is_slower_is_called_slower(open_page: Callable[..., Page]) -> None:
    """The tile's words and colour are the sentence's, and it keeps its place."""
    places = []
    for example, word, kind in (("Code", "faster", "s-right"), ("Free text", "slower", "s-wrong")):
        page = ended(open_page, example)
        tile = page.locator("[data-metric=speedup]")
        expect(tile.locator("dt")).to_have_text(f"whole run {word}")
        said, shown = (
            place.evaluate("(box) => getComputedStyle(box).color")
            for place in (page.locator(f"#sentence .{kind}"), tile.locator("dd"))
        )
        assert said == shown
        places.append([page.locator(f".four [data-metric={name}]").bounding_box() for name in ("speedup", "same")])
    assert places[0] == places[1]


def test_the_links_keep_their_row_and_the_figures_their_place(open_page: Callable[..., Page]) -> None:
    places = []
    for example in ("Code", "Free text"):  # a sentence of two lines, and of three
        page = ended(open_page, example)
        for _ in range(2):
            boxes = [page.locator(name).bounding_box() for name in (".side", ".all > summary", ".four")]
            places.append([(box["x"], box["y"]) for box in boxes if box])
            page.click(".side [data-tab=what-if]")
    assert all(place == places[0] for place in places)
    (_, side), (_, numbers), _ = places[0]
    assert side == pytest.approx(numbers, abs=1)
