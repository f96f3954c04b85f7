"""Runs that are opened from a file: the page says what it does not know; a run in progress keeps the stage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from lookahead.config import LookaheadConfig
from lookahead.drafter import Drafter
from lookahead.engine import LookaheadEngine
from lookahead.records import ModelInfo
from lookahead.runs import runfile
from lookahead.runs.recorder import RunRecorder
from tests.browser.passes import Passes
from tests.lookahead.fake_backend import FakeBackend

pytestmark = pytest.mark.browser


@pytest.fixture
def second_run(tmp_path: Path) -> Path:
    """The file of a run that drafted from an earlier output, which the file does not hold."""
    config = LookaheadConfig(decoding_length=16, budget="fixed")
    drafter = Drafter(config)
    drafter.keep(range(4, 34))
    info = ModelInfo(name="none", device="cpu", dtype="float32", parameters=1, vocab_size=50)
    recorder = RunRecorder([3], config, info, "lookahead", 30)
    for step in LookaheadEngine(FakeBackend(), config, drafter).generate([3], max_new_tokens=30):
        recorder.add(step)
    runfile.save(recorder.record(), tmp_path / "second.json")
    return tmp_path / "second.json"


def test_what_if_says_that_earlier_outputs_are_not_known(open_page: Callable[..., Page], second_run: Path) -> None:
    page = open_page(reduced_motion="reduce")
    hint = page.locator("[data-what-if-hint]")
    expect(hint).to_contain_text("Passes and acceptance are exact")
    page.set_input_files("#open-run", second_run)
    expect(hint).to_contain_text("Not exact: replayed with its own settings, this run takes 30 passes instead of")
    page.click(".side [data-tab=what-if]")
    page.locator("[data-knob=decoding_length]").fill("1")
    expect(page.locator("[data-what-if=forward_passes] td").nth(1)).to_have_text("30")
    expect(hint).to_contain_text("Not exact")


def test_a_run_in_progress_keeps_the_stage(open_page: Callable[..., Page], second_run: Path, passes: Passes) -> None:
    page = open_page("/?max_new_tokens=500&decoding_length=1")
    page.fill("#document textarea", "")
    page.fill("#prompt textarea", "abc abc abc")
    page.wait_for_selector("#run:enabled")
    passes.hold(40)
    page.click("#compare")
    page.wait_for_function("document.querySelector('#stage [data-state]').dataset.state === 'running'")
    run = page.get_attribute("#stage [data-run]", "data-run")
    hint = page.locator("[data-file-hint]")
    page.set_input_files("#open-run", second_run)
    expect(hint).to_have_text("second.json: A run is in progress; open the file when it has finished.")
    page.wait_for_function("document.querySelectorAll('#ribbon .group').length > 20")
    assert page.get_attribute("#stage [data-run]", "data-run") == run
    page.click("#stop")
    passes.go_on()
    page.wait_for_function("document.querySelector('#stage [data-state]').dataset.state === 'finished'")
    page.set_input_files("#open-run", second_run)
    expect(hint).to_have_text("second.json is open.")
    expect(page.locator("[data-about]")).to_contain_text("opened from second.json")
