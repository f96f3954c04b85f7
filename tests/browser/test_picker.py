"""Choosing another model on the page: it follows, and a model that cannot be loaded leaves the old one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from app.model.host import ModelHost
from app.options import AppOptions
from tests.browser.visitors import PATIENCE, filled, slow_down

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def url(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page with a tiny model, the embedded one, and a folder that is none."""
    from app.page.layout import launch

    broken = tmp_path_factory.mktemp("broken_model")
    (broken / "config.json").write_text('{"model_type": "llama", "hidden_size": "wide"}')
    host = ModelHost.load(AppOptions(model=(str(tiny_model), str(broken)), max_new_tokens=30))
    demo, address = launch(host, quiet=True)
    yield address
    demo.close()
    host.close()


def _choose(page: Page, name: str) -> None:
    page.click("#model-picker input")
    page.get_by_role("option", name=re.compile(name)).click()


def test_the_page_follows_the_model(browser: Browser, url: str) -> None:
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    slow_down(page)
    page.set_default_timeout(PATIENCE)
    page.goto(url)
    filled(page)
    chip, prompt = page.locator("#model-chip"), page.locator("#prompt")
    expect(chip).to_contain_text("35k parameters · float32")
    expect(prompt).to_contain_text("Up to 127 tokens")
    _choose(page, "broken_model")
    expect(page.locator("#status p")).to_have_text(re.compile("^model .*broken_model"))
    expect(page.locator("#model-picker input")).to_have_value(re.compile("tiny_model"))
    _choose(page, "embedded")
    expect(chip).to_contain_text("embedded · ")
    expect(page.locator("#status p")).to_have_text("Ready.")
    expect(prompt).not_to_contain_text("Up to 127 tokens")
    chip.locator("summary").first.click()
    expect(chip.locator("details p").first).to_be_visible()
    page.context.close()
