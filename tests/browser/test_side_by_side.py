"""A run of a study opens on the stage at its step; a run that is kept stays beside the next one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.visitors import open_settings

pytestmark = pytest.mark.browser

OVER = "document.querySelector('#stage [data-state]').dataset.state === 'finished'"


def test_a_run_of_a_study_opens_at_its_step_for_its_visitor_alone(open_page: Callable[..., Page], app_url: str) -> None:
    page = open_page(reduced_motion="reduce")
    own, base = page.context.request, app_url.rstrip("/")
    prompt = json.dumps({"prompt": "Repeat: one two three one two three one two three"})
    body = {"name": "mine.jsonl", "text": prompt, "max_new_tokens": 16, "plain": False}
    study = own.post(f"{base}/lab/studies", data=body).json()["id"]
    found = own.get(f"{base}/lab/studies/{study}.json", timeout=60_000).json()
    assert own.get(f"{base}/lab/studies/{study}/events", timeout=60_000).text().endswith('data: {"end":true}\n\n')
    query = f"?study={study}&run={found['rows'][0]['run']}&step=1"
    page.goto(f"{base}/{query}")
    expect(page.locator("[data-about]")).to_contain_text("a run of a study")
    expect(page.locator("#scrubber")).to_have_value("1")
    expect(page.locator("[data-step-count]")).to_contain_text(f"step 1 / {found['rows'][0]['passes']}")
    asked = json.loads(prompt)["prompt"]
    expect(page.locator("#prompt textarea")).to_have_value(asked)  # Run would run what is shown
    expect(page.locator("#document textarea")).to_have_value("")
    expect(page.locator("#preset input:checked")).to_have_count(0)
    page.locator("#preset label", has_text="Code").click()  # and the first example is one click away
    page.wait_for_function("document.querySelector('#stage [data-run]').dataset.run === 'example-edit-code'")
    expect(page.locator("#prompt textarea")).not_to_have_value(asked)
    other = open_page(reduced_motion="reduce")
    other.goto(f"{base}/")
    assert other.context.request.get(f"{base}/lab/studies/{study}.json").status == 404


def test_a_run_that_is_kept_stays_beside_one_with_other_settings(
    open_page: Callable[..., Page], recorded_run: Path
) -> None:
    page = open_page("/?max_new_tokens=24&decoding_length=16", reduced_motion="reduce")
    page.fill("#document textarea", "")
    page.fill("#prompt textarea", "abc abc abc abc")
    page.wait_for_selector("#run:enabled")
    page.click("#run")
    page.wait_for_function(OVER)
    first = page.get_attribute("#stage [data-run]", "data-run")
    page.click("[data-keep]")
    expect(page.locator("[data-keep]")).to_have_attribute("aria-pressed", "true")
    open_settings(page)
    page.locator("#decoding-length input[type=number]").fill("4")
    page.keyboard.press("Tab")
    page.click("#run")
    page.wait_for_function(f"document.querySelector('#stage [data-run]').dataset.run !== '{first}'")
    page.wait_for_function(OVER)
    expect(page.locator("#race .lane")).to_have_count(2)
    expect(page.locator("#race .lane button.name")).to_have_text(["width 16", "width 4"])
    expect(page.locator("[data-badge]")).to_contain_text("same tokens")
    expect(page.locator("[data-race-hint]")).to_contain_text(re.compile(r"Same 23 tokens in \d+ passes instead of \d+"))
    expect(page.locator("[data-about]")).to_contain_text("cold: the Trie began empty")  # the kept run does not help
    page.click("#race .lane button.name >> nth=0")
    expect(page.locator("#stage [data-run]")).to_have_attribute("data-run", str(first))
    page.reload()
    expect(page.locator("[data-about]")).to_contain_text("restored after a reload")
    expect(page.locator("#race .lane")).to_have_count(2)
    page.click("[data-keep]")
    page.set_input_files("#open-run", recorded_run)  # of another model
    expect(page.locator("#race .lane button.name >> nth=1")).to_contain_text("SmolLM2")
    expect(page.locator("#race .lane button.name >> nth=0")).to_have_text("embedded")
    page.click("[data-keep]")
    expect(page.locator("[data-keep]")).to_have_text("Keep run")
