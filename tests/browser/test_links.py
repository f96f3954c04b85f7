"""Links to a step, pictures of panes, presenting, and the sentence at the end of a run."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Page, expect

from app.page import presets
from tests.browser.passes import Passes
from tests.browser.visitors import drawn, go_to, open_settings, trie_of

pytestmark = pytest.mark.browser


FINISHED = "document.querySelector('#stage [data-run]').dataset.state === 'finished'"


def _stage(page: Page, name: str) -> str:
    return page.evaluate(f"document.querySelector('#stage [data-run]').dataset.{name}")


def test_a_link_opens_its_step_without_a_model(open_page: Callable[..., Page], passes: Passes) -> None:
    page = open_page("/?example=json&step=4&pane=tree&decoding_length=32")
    drawn(page, 4)
    expect(page.locator("#prompt textarea")).to_have_value(presets.by_name("JSON").prompt)
    assert _stage(page, "run") == "example-json"
    expect(page.locator("#play")).to_have_attribute("aria-label", "Play")  # it does not play
    expect(page.locator("#scrubber")).to_have_value("4")
    expect(page.locator("[data-pane=draft_tree]")).to_be_in_viewport()
    assert "SmolLM2" in page.inner_text("[data-about]")
    assert passes.made == 0


def test_copy_link_names_the_example_and_its_step(open_page: Callable[..., Page]) -> None:
    page = open_page("/?decoding_length=16", reduced_motion="reduce")
    page.locator("#preset label", has_text="Story").click()
    page.wait_for_function("document.querySelector('#stage [data-run]').dataset.run === 'example-story'")
    go_to(page, 3)
    page.click("#copy-link")
    page.wait_for_url(re.compile("example=story"))
    query = parse_qs(urlsplit(page.url).query)
    assert query == {"decoding_length": ["16"], "example": ["story"], "step": ["3"]}
    page.reload()
    drawn(page, 3)


def test_a_typed_prompt_travels(open_page: Callable[..., Page]) -> None:
    page = open_page(
        "/?example=unknown&max_new_tokens=8", reduced_motion="reduce"
    )  # no such example: the first one is shown
    page.locator("#prompt textarea").fill("What is 1 < 2 & 3?")
    page.locator("#expected textarea").fill("1 < 2\n2 < 3")
    page.keyboard.press("Control+Enter")
    page.wait_for_function("document.querySelector('#stage [data-run]').dataset.state === 'finished'")
    page.click("#copy-link")
    page.wait_for_url(re.compile("prompt="))
    other = open_page("/?" + urlsplit(page.url).query, reduced_motion="reduce")
    expect(other.locator("#prompt textarea")).to_have_value("What is 1 < 2 & 3?")
    expect(other.locator("#expected textarea")).to_have_value("1 < 2\n2 < 3")
    page.reload()
    expect(page.locator("#expected textarea")).to_have_value("1 < 2\n2 < 3")
    page.locator("#preset label", has_text="Story").click()
    expect(page.locator("#expected textarea")).to_have_value("")


def test_the_end_of_a_run_sums_it_up(open_page: Callable[..., Page]) -> None:
    page = open_page("/?max_new_tokens=40", reduced_motion="reduce")
    expect(page.locator("#sentence")).to_contain_text(re.compile(r"tokens in \d+ passes: .*the same text"))
    page.click("#compare")
    page.wait_for_function("document.querySelector('#stage [data-run]').dataset.state === 'finished'", timeout=60_000)
    expect(page.locator("#sentence")).to_contain_text(
        re.compile(r"\d+ tokens in \d+ passes: .* greedy here.*the same text\.")
    )
    assert re.search("cold|warm", page.inner_text("[data-about]"))
    assert "not the model of the examples" in page.inner_text("[data-about]")
    page.keyboard.press("Home")
    expect(page.locator("#sentence")).to_contain_text("read the prompt")


def test_a_pane_is_saved_as_a_picture_in_light_colours(open_page: Callable[..., Page], tmp_path: Path) -> None:
    page = open_page("/?example=question&step=3", color_scheme="dark")
    drawn(page, 3)
    trie_of(page, 3)
    for pane in ("draft_tree", "written_text", "live_trie", "attention_mask", "race"):
        for kind in ("png", "svg"):
            page.locator(f"[data-pane={pane}] .pictures summary").click()
            with page.expect_download() as download:
                page.locator(f"[data-pane={pane}] [data-picture={kind}]").first.click()
            path = tmp_path / download.value.suggested_filename
            download.value.save_as(path)
            assert re.fullmatch(rf"who-built-.*-smollm2-135m-instruct-[\w-]+-step-3\.{kind}", path.name)
            content = path.read_bytes()
            if kind == "png":
                width, height = struct.unpack(">II", content[16:24])
                assert content.startswith(b"\x89PNG")
                assert min(width, 5 * height) > 300
                assert len(content) > 3000  # something is drawn
            else:
                text = "".join(ElementTree.fromstring(content).itertext())
                assert len(text) > 10
                assert b"var(--" not in content
                assert b"rgb(15, 17, 21)" not in content  # the dark page's ground


def test_presenting_hides_controls_and_one_pane_is_alone(open_page: Callable[..., Page]) -> None:
    page = open_page("/?example=question&step=2&hide=race,examples,nothing")
    drawn(page, 2)
    for part in ("#race", "#preset"):
        expect(page.locator(part)).to_be_hidden()
    page.click("#present")
    expect(page.locator("#ask")).to_be_hidden()
    expect(page.locator("#draft-tree")).to_be_visible()
    page.keyboard.press("ArrowRight")
    drawn(page, 3)
    assert page.evaluate("getComputedStyle(document.querySelector('.gradio-container')).zoom") == "2"
    page.keyboard.press("Escape")
    expect(page.locator("#ask")).to_be_visible()
    page.locator("[data-pane=live_trie] .pictures summary").click()
    page.locator("[data-pane=live_trie] [data-present]").click()
    expect(page.locator("#trie")).to_be_visible()
    expect(page.locator("#draft-tree")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.keyboard.press("Escape")
    page.locator(".side [data-tab=what-if]").click()
    page.click("#figures button")
    expect(page.locator("#what-if")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#what-if")).to_be_hidden()
    expect(page.locator("#figures .label-wrap.open")).to_have_count(0)


def test_runs_that_draw_are_never_called_greedy_and_share_the_trie(open_page: Callable[..., Page]) -> None:
    page = open_page("/?preset=Story&temperature=0.8&seed=1&max_new_tokens=24", reduced_motion="reduce")
    expect(page.locator("#prompt textarea")).to_have_value(presets.by_name("Story").prompt)
    page.click("#compare")
    page.wait_for_function(FINISHED)
    said = page.inner_text("#stage") + page.get_attribute("#numbers [data-metric=same]", "title")  # type: ignore[operator]
    assert not re.search("greedy", said, re.IGNORECASE)
    assert page.inner_text("#race [data-lane=plain] .name") == "Plain"
    page.keyboard.press("Home")
    expect(page.locator("#sentence")).to_contain_text("dice of seed 1 drew")
    page.wait_for_selector("#run:enabled")
    open_settings(page)
    page.locator("#seed input").first.fill("2")
    page.keyboard.press("Tab")
    page.wait_for_url(re.compile("seed=2"))
    before = page.get_attribute("#stage [data-run]", "data-run")
    page.keyboard.press("Control+Enter")
    page.wait_for_function(f"document.querySelector('#stage [data-run]').dataset.run !== '{before}' && {FINISHED}")
    expect(page.locator("[data-about]")).to_contain_text("warm: drafts from 1 earlier answer, too, whatever their seed")
    expect(page.locator("[data-about]")).to_contain_text("seed 2")
    expect(page.locator("[data-trie-hint]")).to_contain_text("Also drafting from 1 earlier output")
