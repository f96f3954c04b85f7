"""A run in progress: it streams, it is followed or left, and what would ask the server waits for its end."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from app.run.tabs import Tabs
from lookahead.runs import runfile
from tests.browser.passes import Passes
from tests.browser.visitors import drawn, go_to

pytestmark = pytest.mark.browser

ASKED = """() => {
  const real = window.fetch;
  window.asked = [];
  window.fetch = (address, options) => {
    if (String(address).includes('component_server')) {
      const { fn_name, data } = JSON.parse(options.body);
      window.asked.push({ name: fn_name, at: performance.now(), ...data });
    }
    return real(address, options);
  };
}"""


FOLLOWED_FROM_THE_END = """() => {
  const slider = document.querySelector('#scrubber');
  if (!window.ended) {
    slider.value = window.ended = slider.max;
    slider.dispatchEvent(new Event('input', { bubbles: true }));
  }
  return +slider.value > +window.ended;
}"""


def start(page: Page, button: str = "#run") -> str:
    """Start a run that repeats itself; returns the id of the run that was on the stage before."""
    before = page.get_attribute("#stage [data-run]", "data-run") or ""
    page.fill("#document textarea", "")
    page.fill("#prompt textarea", "abc abc abc")
    page.wait_for_selector("#run:enabled")
    page.click(button)
    page.wait_for_function(
        "(id) => { const { run, state } = document.querySelector('#stage [data-run]').dataset;"
        " return run !== id && state === 'running'; }",
        arg=before,
    )
    return before


def state(page: Page) -> str | None:
    """``recorded``, ``running`` or ``finished``."""
    return page.get_attribute("#stage [data-state]", "data-state")


def finished(page: Page) -> None:
    """Wait for the end of both lanes."""
    page.wait_for_function("document.querySelector('#stage [data-state]').dataset.state === 'finished'", timeout=90_000)


def test_both_lanes_are_timed_under_the_same_load(
    open_page: Callable[..., Page], passes: Passes, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_page("/?max_new_tokens=250&decoding_length=2&budget=fixed")
    page.evaluate(ASKED)
    remember = Tabs.remember

    def then_hold(self: Tabs, tab: str, output: tuple[int, ...]) -> None:
        remember(self, tab, output)
        passes.hold(100)

    monkeypatch.setattr(Tabs, "remember", then_hold)  # between the lanes
    start(page, "#compare")
    page.wait_for_function("document.querySelector('[data-race-hint]').textContent.startsWith('Greedy is running')")
    rows, hint = page.locator("[data-what-if-rows] tr"), page.locator("[data-what-if-hint]")
    expect(hint).to_contain_text("Another run is being timed")
    page.click(".side [data-tab=what-if]")
    page.locator("[data-knob=decoding_length]").fill("1")
    page.click(".side [data-tab=what-if]")
    page.locator("[data-search] input").fill("abc")
    page.locator("[data-search] button").click()
    expect(page.locator("[data-trie-hint]")).to_contain_text("“abc” is searched for when it has finished")
    expect(page.locator("#save-run")).to_be_disabled()
    assert rows.count() == 0
    go_to(page, 4)
    page.locator("#draft-tree [data-node='1']").click()
    page.wait_for_timeout(300)  # longer than what would be asked would wait
    asked: list[dict[str, Any]] = page.evaluate("window.asked")
    assert state(page) == "running"
    passes.go_on()
    finished(page)
    every: list[dict[str, Any]] = page.evaluate("window.asked")
    timed = [question for question in every if question["name"] != "run_file"]
    assert {(question["name"], question.get("text")) for question in asked} == {("trie_view", "")}
    during = timed[: next(i for i, question in enumerate(timed) if question["name"] != "trie_view" or question["text"])]
    gaps = [after["at"] - before["at"] for before, after in pairwise(during)]
    assert gaps
    by_hand = 5  # two tabs, a search, a step, a node
    assert sum(gap <= 900 for gap in gaps) <= by_hand
    expect(rows).to_have_count(5)
    expect(page.locator("[data-match]").first).to_contain_text("Found: ")
    page.wait_for_function("(sessionStorage.getItem('lookahead-run') || '').length > 100")
    expect(page.locator("#save-run")).to_be_enabled()


def test_a_node_that_was_looked_at_during_the_run_is_found_at_its_end(
    open_page: Callable[..., Page], passes: Passes
) -> None:
    page = open_page("/?max_new_tokens=250&decoding_length=2&budget=fixed")
    passes.hold(30)
    start(page)
    page.wait_for_function("document.querySelectorAll('#ribbon .group').length > 8")
    go_to(page, 4)
    page.locator("#draft-tree [data-node='1']").click()
    detail = page.locator("[data-detail]")
    expect(detail).to_contain_text("is shown when the run has finished")
    assert state(page) == "running"
    passes.go_on()
    finished(page)
    expect(detail.locator("q mark")).to_be_visible()


def test_a_pair_that_is_stopped_between_its_lanes_has_ended(
    open_page: Callable[..., Page], passes: Passes, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_page("/?max_new_tokens=60&decoding_length=2&budget=fixed")
    remember = Tabs.remember

    def stopping(self: Tabs, tab: str, output: tuple[int, ...]) -> None:
        remember(self, tab, output)
        self.stop(tab)

    monkeypatch.setattr(Tabs, "remember", stopping)
    passes.hold(20)
    start(page, "#compare")
    passes.go_on()
    finished(page)
    expect(page.locator("[data-what-if-rows] tr")).to_have_count(5)
    expect(page.locator("#save-run")).to_be_enabled()


def test_the_recorded_run_stays_until_another_has_begun(
    open_page: Callable[..., Page], passes: Passes, recorded_run: Path
) -> None:
    page = open_page("/?max_new_tokens=400&decoding_length=1")
    held: list[Route] = []
    page.route("**/lookahead/steps?**", lambda route: held.append(route))
    page.fill("#document textarea", "")
    page.fill("#prompt textarea", "abc abc abc")
    page.wait_for_selector("#run:enabled")
    passes.hold(20)
    with page.expect_request("**/lookahead/steps?**"):
        page.click("#run")
    go_to(page, 0)
    expect(page.locator("[data-step-count]")).to_have_text(f"step 0 / {len(runfile.load(recorded_run).steps) - 1}")
    assert state(page) == "recorded"
    held.pop().continue_()
    page.wait_for_function("document.querySelector('#stage [data-state]').dataset.state === 'running'")
    page.click("#stop")
    passes.go_on()
    finished(page)


def test_a_run_is_shown_as_it_streams(open_page: Callable[..., Page], passes: Passes) -> None:
    page = open_page("/?max_new_tokens=150&decoding_length=1")
    passes.hold(100)
    start(page)
    grown = (
        "(least) => { const { steps, state } = document.querySelector('#stage [data-state]').dataset;"
        " return state === 'running' && +steps > least && document.querySelectorAll('#ribbon .group').length > least; }"
    )
    for least in (0, 20, 60):
        page.wait_for_function(grown, arg=least)
    passes.go_on()
    finished(page)
    assert page.get_attribute("#stage [data-steps]", "data-steps") == "150"


def test_scrubbing_leaves_a_run_in_progress_and_its_end_follows_again(
    open_page: Callable[..., Page], passes: Passes
) -> None:
    page = open_page("/?max_new_tokens=500&decoding_length=1")
    passes.seconds = 0.05
    start(page)
    follow, scrubber = page.locator("[data-follow]"), page.locator("#scrubber")
    expect(follow).to_be_checked()
    page.wait_for_function("+document.querySelector('#scrubber').value > 10")
    go_to(page, 3)
    expect(follow).not_to_be_checked()
    page.wait_for_function("+document.querySelector('#scrubber').max > 30")
    expect(scrubber).to_have_value("3")
    page.wait_for_function(FOLLOWED_FROM_THE_END)
    expect(follow).to_be_checked()
    follow.uncheck()
    go_to(page, 3)
    follow.check()
    page.wait_for_function("+document.querySelector('#scrubber').value > 40")
    assert state(page) == "running"
    page.click("#stop")
    finished(page)


def test_the_speed_is_how_often_a_step_is_played(open_page: Callable[..., Page], recorded_run: Path) -> None:
    page = open_page(reduced_motion="reduce")
    page.wait_for_function("document.querySelector('#stage [data-state]')?.dataset.state === 'recorded'")
    page.evaluate("window.setInterval = (play, beat) => { window.played = play; window.beat = beat; return 0; }")
    speed = page.locator("[data-speed]")
    page.click("#play")
    drawn(page, 0)
    for steps in ("1", "40", "12"):
        speed.select_option(steps)
        assert page.evaluate("window.beat") == pytest.approx(1000 / int(steps))
    page.evaluate("window.played(), window.played()")
    drawn(page, 2)
    page.set_input_files("#open-run", recorded_run)
    expect(page.locator("[data-about]")).to_contain_text("opened from")
    expect(speed).to_have_value("12")
