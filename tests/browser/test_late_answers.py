"""The server answers late, or a later question first: what was asked for last is shown, and no press is lost."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Request, Route, expect

from app.page import presets
from tests.browser.visitors import drawn, go_to, trie_of, two_frames

pytestmark = pytest.mark.browser


class Late:
    """What a page asks the stage's server by one name; the first of it is answered when the test says so."""

    def __init__(self, page: Page, name: str) -> None:
        self._page, self._name = page, name
        self._held: list[Route] = []
        page.route("**/component_server**", self._take)

    def _take(self, route: Route) -> None:
        if self._held or not self.asks(route.request):
            route.continue_()
        else:
            self._held.append(route)

    def asks(self, request: Request) -> bool:
        """Whether a request is such a question."""
        return "component_server" in request.url and json.loads(request.post_data or "{}")["fn_name"] == self._name

    def answer(self) -> None:
        """Let the answer come, and the page do with it what it does."""
        route = self._held[0]
        with self._page.expect_response(lambda response: response.request == route.request):
            route.continue_()
        two_frames(self._page)


def _shown(page: Page, name: str) -> None:
    expect(page.locator("#stage [data-run]")).to_have_attribute("data-run", f"example-{name}")


def _choose(page: Page, name: str) -> None:
    page.locator("#preset label", has_text=name).click()


def test_the_example_that_was_chosen_last_is_shown(open_page: Callable[..., Page]) -> None:
    page = open_page(reduced_motion="reduce")
    late = Late(page, "example")
    with page.expect_request(late.asks):
        _choose(page, "Story")
    _choose(page, "JSON")
    _shown(page, "json")
    late.answer()
    _shown(page, "json")


def test_the_file_that_was_opened_last_is_shown(
    open_page: Callable[..., Page], recorded_run: Path, tmp_path: Path
) -> None:
    page = open_page(reduced_motion="reduce")
    late, hint = Late(page, "open_run"), page.locator("[data-file-hint]")
    other = tmp_path / "other.json"
    other.write_bytes(recorded_run.read_bytes())
    with page.expect_request(late.asks):
        page.set_input_files("#open-run", recorded_run)
    page.set_input_files("#open-run", other)
    expect(hint).to_have_text("other.json is open.")
    late.answer()
    expect(hint).to_have_text("other.json is open.")
    expect(page.locator("[data-about]")).to_contain_text("opened from other.json")


def test_what_is_restored_does_not_take_the_stage_from_what_was_chosen_since(
    open_page: Callable[..., Page], recorded_run: Path
) -> None:
    page = open_page(reduced_motion="reduce")
    page.set_input_files("#open-run", recorded_run)
    page.wait_for_function("(sessionStorage.getItem('lookahead-run') || '').length > 100")
    late = Late(page, "steps")
    with page.expect_request(late.asks):
        page.reload()
    _choose(page, "Story")
    _shown(page, "story")
    late.answer()
    _shown(page, "story")


def test_a_run_that_is_asked_for_at_once_has_what_the_address_says(
    open_page: Callable[..., Page], app_url: str
) -> None:
    page = open_page()
    held: list[Route] = []
    pressed = False
    page.route("**/gradio_api/run/**", lambda route: route.continue_() if pressed else held.append(route))
    page.goto(app_url.rstrip("/") + "/?preset=Story&max_new_tokens=8&decoding_length=1")
    drawn(page)
    page.click("#run")
    pressed = True
    assert held, "what fills the fields"
    for route in held:
        route.continue_()
    expect(page.locator("#stage [data-state]")).to_have_attribute("data-state", "finished")
    expect(page.locator("#stage [data-steps]")).to_have_attribute("data-steps", "8")
    expect(page.locator("#ribbon .prompt-text")).to_contain_text(presets.by_name("Story").prompt[:20])


def test_a_node_is_found_in_a_trie_that_comes_late(open_page: Callable[..., Page]) -> None:
    page = open_page("/?example=edit-code&step=2", reduced_motion="reduce")
    drawn(page, 2)
    trie_of(page, 2)
    late = Late(page, "trie_view")
    with page.expect_request(late.asks):
        go_to(page, 1)
    node = page.locator("#draft-tree [data-node='1']")
    node.hover()
    expect(node).to_have_class(re.compile(r"\blinked\b"))
    late.answer()
    trie_of(page, 1)
    expect(page.locator("#trie .n-trie.linked").first).to_be_visible()
