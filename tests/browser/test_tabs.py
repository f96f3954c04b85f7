"""Two visitors at the same time: one waits while the other's run is in progress, and neither sees the other's data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app.page import presets
from lookahead.records import RunRecord
from lookahead.runs import runfile
from tests.browser.passes import Passes

pytestmark = pytest.mark.browser

STORY = presets.by_name("Story").prompt
PROBLEM = presets.by_name("Word problem").prompt


def _start(page: Page, prompt: str) -> None:
    page.fill("#document textarea", "")
    page.fill("#prompt textarea", prompt)
    page.wait_for_selector("#run:enabled")
    page.click("#run")


def _state(page: Page, state: str) -> None:
    page.wait_for_function(
        f"document.querySelector('#stage [data-state]').dataset.state === '{state}'", timeout=120_000
    )


def test_a_run_that_waits_does_not_say_that_it_runs(open_page: Callable[..., Page], passes: Passes) -> None:
    first, second = (open_page("/?max_new_tokens=500&decoding_length=1") for _ in range(2))
    passes.seconds = 0.05  # the second run begins when the first ends
    passes.hold(20)
    _start(first, "abc abc abc")
    _state(first, "running")
    expect(first.locator("#status [role=status]")).to_have_text("Running …")
    _start(second, "abc abc abc")
    second.wait_for_function("/queue: 1/.test(document.querySelector('#status').innerText)")
    expect(second.locator("#status [role=status]")).to_have_text("Waiting …")
    first.click("#stop")
    passes.go_on()
    _state(second, "running")
    expect(second.locator("#status [role=status]")).to_have_text("Running …")
    second.click("#stop")
    expect(second.locator("#status [role=status]")).to_contain_text("stopped")
    passes.hold(20)
    _start(second, "abc abc abc")
    _state(second, "running")
    expect(second.locator("#status [role=status]")).to_have_text("Running …")
    second.click("#stop")
    passes.go_on()
    _state(second, "finished")


def _saved(page: Page, path: Path) -> RunRecord:
    """The run on the stage, from the file that the page saves of it."""
    with page.expect_download() as download:
        page.click("#save-run")
    download.value.save_as(path)
    return runfile.load(path)


def _search(page: Page, text: str) -> None:
    page.locator("[data-search] input").fill(text)
    page.locator("[data-search] button").click()


def test_tries_runs_and_settings_of_two_tabs_do_not_mix(
    open_page: Callable[..., Page], passes: Passes, tmp_path: Path
) -> None:
    first = open_page("/?max_new_tokens=90&decoding_length=1")
    second = open_page("/?max_new_tokens=30&decoding_length=16&strategy=single&budget=fixed")
    passes.hold(20)
    _start(first, STORY)
    _state(first, "running")
    _start(second, PROBLEM)
    second.wait_for_function("/queue: 1/.test(document.querySelector('#status').innerText)")
    assert first.get_attribute("#stage [data-state]", "data-state") == "running"
    expect(second.locator(".say")).to_have_css("opacity", "0.35")  # the results of another prompt
    expect(first.locator(".say")).to_have_css("opacity", "1")
    passes.go_on()
    runs = []
    for page, settings, name in ((first, "width up to 1", "one"), (second, "single, fixed width 16", "two")):
        _state(page, "finished")
        page.wait_for_selector("#run:enabled")
        run = _saved(page, tmp_path / name)
        runs.append(run)
        expect(page.locator("[data-about]")).to_contain_text(settings)
        expect(page.locator("#status")).to_contain_text(f"{len(run.token_ids)} tokens in {len(run.steps)} forward")
        assert page.get_attribute("#stage [data-steps]", "data-steps") == str(len(run.steps))
    one, two = runs
    assert one.texts
    assert two.texts
    assert (one.texts.prompt, two.texts.prompt) == (STORY, PROBLEM)
    assert (one.max_new_tokens, one.config.decoding_length) == (90, 1)
    assert len(one.steps) == len(one.token_ids) <= 90
    assert (two.max_new_tokens, two.config.strategy) == (30, "single")
    assert len(two.steps) < len(two.token_ids) <= 30
    assert 1 < max(len(step.draft) for step in two.steps if step.draft) <= 16

    word = max(set(one.texts.output.split()) - set(f"{STORY} {two.texts.output}".split()), key=len)
    _search(first, word)
    expect(first.locator("[data-match]").first).to_contain_text("Found")
    _search(second, word)
    expect(second.locator("[data-trie-hint]")).to_contain_text("not in the trie")
    _start(second, STORY)
    known = f"Also drafting from 1 earlier output ({len(two.token_ids)} tokens)."
    expect(second.locator("[data-trie-hint]")).to_have_text(known)
    _state(second, "finished")
    _search(first, "")
    expect(first.locator("[data-trie-hint]")).to_have_text("")
