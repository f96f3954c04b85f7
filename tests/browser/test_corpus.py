"""A page that was started with a trie file: its panes say what came from that corpus, and where it is not known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app.model.host import ModelHost
from app.options import AppOptions
from lookahead import Trie, save_trie
from lookahead.drafter import MAX_DEPTH
from tests.browser.visitors import go_to, trie_of

pytestmark = pytest.mark.browser

GOLDEN = Path(__file__).resolve().parents[1] / "lookahead" / "runs" / "golden_run.json"
PROMPT = "Tell a story that begins: In a little house on a high mountain lived a girl named Alice."
TEXT = " in a little house on a high mountain lived an owl, who had read every book of the island twice."


@pytest.fixture(scope="module")
def app_url(host: ModelHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an app whose corpus has read one sentence."""
    from app.page.layout import launch

    trie = Trie(MAX_DEPTH)
    trie.insert(host.backend.encode(PROMPT + TEXT))
    path = tmp_path_factory.mktemp("corpus") / "page.trie"
    save_trie(trie, path, host.backend.fingerprint)
    warm = ModelHost.load(AppOptions(trie=str(path)))
    demo, url = launch(warm, quiet=True)
    yield url
    demo.close()
    warm.close()


def test_the_panes_of_a_run_and_of_an_opened_one(open_page: Callable[..., Page]) -> None:
    page = open_page("/?max_new_tokens=24", reduced_motion="reduce")
    page.fill("#document textarea", "")
    page.fill("#prompt textarea", PROMPT)
    before = page.get_attribute("#stage [data-run]", "data-run")
    page.wait_for_selector("#run:enabled")
    page.click("#run")
    page.wait_for_function(
        "(id) => { const { run, state } = document.querySelector('#stage [data-run]').dataset;"
        " return run !== id && state === 'finished'; }",
        arg=before,
    )
    go_to(page, 1)
    trie_of(page, 1)
    level = page.locator("[data-level=corpus]").first
    expect(level).to_contain_text("In the corpus, after")
    expect(level).to_contain_text("▲")
    sign, knob = page.locator("[data-signs]").get_by_text("corpus"), page.locator("[data-source-knob=corpus]")
    hint, exact = page.locator("[data-trie-hint]"), page.locator("[data-what-if-hint]")
    expect(sign).to_be_visible()
    expect(hint).to_contain_text("Also drafting from a corpus (")
    page.click(".side [data-tab=what-if]")
    expect(knob).to_be_checked()
    expect(exact).to_contain_text("Passes and acceptance are exact")
    page.click(".side [data-tab=what-if]")
    page.locator("[data-search] input").fill("every book of the Island")
    page.locator("[data-search] button").click()
    expect(level).to_contain_text("Found in the corpus")

    page.wait_for_function("(sessionStorage.getItem('lookahead-run') || '').length > 100")
    page.reload()
    expect(page.locator("[data-about]")).to_contain_text("restored after a reload")
    go_to(page, 1)
    trie_of(page, 1)
    expect(level).to_contain_text("In the corpus, after")
    expect(knob).to_be_checked()

    page.set_input_files("#open-run", GOLDEN)
    expect(page.locator("[data-about]")).to_contain_text("opened from golden_run")
    go_to(page, 1)
    trie_of(page, 1)
    expect(hint).to_contain_text("came from a corpus that this page does not have")
    expect(sign).to_be_hidden()
    page.click(".side [data-tab=what-if]")
    expect(page.locator("#what-if")).to_be_visible()
    expect(knob).to_be_hidden()
