"""Real runs of the embedded model in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from app.page import presets
from app.run.tabs import Tabs
from lookahead.runs import runfile
from lookahead.sources.registry import SOURCES
from tests.browser.passes import Passes
from tests.browser.visitors import drawn, go_to, last_step, trie_of

pytestmark = pytest.mark.browser

HOSTILE = (
    '<img src=x onerror="window.hurt=1"> ${window.hurt=1} `tick` {{value}} </script>\n\n'
    "‮right to left‬ שלום 🌳👩‍🚀 \t\x07 ＦＵＬＬ a\\b &amp; end"
)


OUTSIDE = """[...document.querySelectorAll('body *')].filter((e) =>
  !e.closest('svg, .canvas, #ribbon, #preset') && e.getBoundingClientRect().right > innerWidth + 1
).map((e) => e.outerHTML.slice(0, 80))"""
"""What reaches over the window's edge, but for what scrolls in a box of its own."""


def _finished(page: Page) -> None:
    page.wait_for_function(
        "document.querySelector('#stage [data-state]').dataset.state === 'finished'", timeout=120_000
    )


def _run(page: Page, prompt: str, button: str = "#run") -> None:
    page.fill("#prompt textarea", prompt)
    page.wait_for_selector("#run:enabled")
    page.click(button)
    page.wait_for_function("!document.querySelector('[data-about]').textContent.includes('recorded')")
    _finished(page)


def _kept(page: Page) -> None:
    """Wait until the file of the finished run is kept for a reload."""
    page.wait_for_function("(sessionStorage.getItem('lookahead-run') || '').length > 100")


@pytest.mark.parametrize("name", presets.titles().values())
def test_every_preset_runs(open_page: Callable[..., Page], name: str, tmp_path: Path) -> None:
    page = open_page(f"/?preset={name.replace(' ', '+')}&max_new_tokens=24")
    page.wait_for_function(
        "(text) => document.querySelector('#prompt textarea')?.value === text", arg=presets.by_name(name).prompt
    )
    _run(page, presets.by_name(name).prompt)
    with page.expect_download() as download:
        page.click("#save-run")
    download.value.save_as(tmp_path / "run.json")
    run = runfile.load(tmp_path / "run.json")
    assert page.get_attribute("#stage [data-steps]", "data-steps") == str(len(run.steps))
    shown = page.evaluate(
        "[...document.querySelectorAll('#ribbon .group [data-step]')].map((e) => [+e.dataset.step, e.dataset.kind])"
    )
    kinds = {(step, kind) for step, kind in shown}
    assert (0, "bonus") in kinds
    assert {step for step, _ in kinds} == set(range(len(run.steps)))
    assert run.texts is not None
    assert run.texts.prompt == presets.compose(presets.by_name(name).document, presets.by_name(name).prompt)


def test_compare_shows_the_same_tokens_and_both_times(open_page: Callable[..., Page]) -> None:
    page = open_page("/?max_new_tokens=24")
    _run(page, presets.PRESETS[0].prompt, "#compare")
    expect(page.locator("[data-badge]")).to_have_text("same tokens ✓")
    expect(page.locator("[data-race-hint]")).to_contain_text(re.compile(r"\([\d.]+ m?s, greedy [\d.]+ m?s"))
    page.click("[data-over=time]")
    expect(page.locator("#race [data-lane=plain]")).to_contain_text("s of")
    page.wait_for_selector("#run:enabled")
    assert page.locator("#figures .js-plotly-plot").count() == 0, "closed until the visitor opens it"
    page.click("#figures button")
    page.wait_for_selector("#figures .js-plotly-plot")


def test_stop_ends_the_run_and_keeps_what_there_is(open_page: Callable[..., Page], passes: Passes) -> None:
    page = open_page("/?preset=Story&max_new_tokens=400&decoding_length=1")
    page.wait_for_function("document.querySelector('#prompt textarea')?.value.startsWith('Tell')")
    passes.hold(20)
    page.click("#run")
    page.wait_for_function("document.querySelector('#stage [data-state]').dataset.state === 'running'")
    page.wait_for_function("document.querySelectorAll('#ribbon .group').length > 3")
    page.click("#stop")
    passes.go_on()
    page.wait_for_function("document.querySelector('#status').textContent.includes('stopped')")
    _finished(page)
    page.wait_for_selector("#run:enabled")
    assert 3 < int(page.get_attribute("#stage [data-steps]", "data-steps") or 0) < 400


@pytest.mark.parametrize("still_there", [True, False])
def test_a_reload_keeps_both_lanes_whether_the_server_has_them_or_not(
    open_page: Callable[..., Page], still_there: bool
) -> None:
    page = open_page("/?max_new_tokens=16")
    _run(page, presets.PRESETS[0].prompt, "#compare")
    steps, run = (page.get_attribute("#stage [data-steps]", name) for name in ("data-steps", "data-run"))
    page.wait_for_selector("#run:enabled")  # Gradio's queue has brought the end, too
    _kept(page)
    if not still_there:
        page.evaluate("sessionStorage.setItem('lookahead-run-ids', '[\"gone\"]')")
    page.reload()
    page.wait_for_function("document.querySelector('[data-about]')?.textContent.includes('restored')")
    assert page.get_attribute("#stage [data-steps]", "data-steps") == steps
    assert (page.get_attribute("#stage [data-run]", "data-run") == run) == still_there
    expect(page.locator("[data-badge]")).to_contain_text("same tokens")


def test_two_tabs_are_two_users(open_page: Callable[..., Page]) -> None:
    first, second = open_page("/?max_new_tokens=40"), open_page("/?max_new_tokens=12")
    for page, prompt in ((first, "Tell a story that begins: One autumn morning"), (second, "Say it: blue boats")):
        page.fill("#document textarea", "")
        page.fill("#prompt textarea", prompt)
        page.wait_for_selector("#run:enabled")
        page.click("#run")
    for page, words in ((first, "autumn morning"), (second, "blue boats")):
        page.wait_for_function(
            "(words) => document.querySelector('#ribbon .prompt-text').textContent.includes(words)", arg=words
        )
        _finished(page)
        _kept(page)
        kept = json.loads(page.evaluate("sessionStorage.getItem('lookahead-run')"))
        assert words in kept["texts"]["prompt"]


def test_hostile_text_stays_text(open_page: Callable[..., Page]) -> None:
    page = open_page("/?max_new_tokens=24")
    page.fill("#document textarea", "")
    _run(page, HOSTILE)
    assert page.evaluate("window.hurt") is None
    assert page.locator("#stage img").count() == 0
    shown = page.inner_text("#ribbon")
    for text in ('<img src=x onerror="window.hurt=1">', "${window.hurt=1}", "`tick`", "🌳", "שלום", "⟨202e⟩", "␇"):
        assert text in shown


def test_a_finished_run_with_everything_open_fits_a_phone(open_page: Callable[..., Page]) -> None:
    page = open_page("/?max_new_tokens=24", width=390, height=844)
    page.fill("#document textarea", "")
    _run(page, HOSTILE + " " + "unbroken" * 40, "#compare")
    page.click(".tabs [data-tab=what-if]")
    page.click("#figures button")
    page.wait_for_selector("#figures .js-plotly-plot")
    assert page.evaluate(OUTSIDE) == []
    page.click("#figures button")  # on a phone they lie over everything else
    page.click("#gear")
    page.wait_for_selector("#decoding-length input[type=number]")
    for step in (0, 1, last_step(page)):
        go_to(page, step)
        trie_of(page, step)
        expect(page.locator("[data-trie-fact]")).to_contain_text("n-grams (")
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        assert page.evaluate(OUTSIDE) == []


def test_a_second_run_shows_what_earlier_outputs_know(open_page: Callable[..., Page]) -> None:
    page = open_page("/?max_new_tokens=24")
    page.fill("#document textarea", "")
    _run(page, "Tell a story that begins: One autumn morning")
    go_to(page, 1)
    trie_of(page, 1)
    expect(page.locator("[data-level=own]").first).to_be_visible()
    expect(page.locator("[data-level=earlier]")).to_have_count(0)
    first = page.get_attribute("#stage [data-run]", "data-run")
    page.click("#run")
    page.wait_for_function("(id) => document.querySelector('#stage [data-run]').dataset.run !== id", arg=first)
    _finished(page)
    page.wait_for_function("document.querySelector('[data-trie-hint]').textContent.startsWith('Also drafting from')")
    go_to(page, 1)
    trie_of(page, 1)
    level = page.locator("[data-level=earlier]").first
    expect(level).to_contain_text("earlier outputs")
    expect(level).to_contain_text(SOURCES["output"].earlier)
    expect(page.locator("[data-trie-fact]")).to_contain_text(" new")


@pytest.mark.parametrize(("button", "refused"), [("#run", 0), ("#compare", 1)])
def test_a_run_is_whole_also_where_its_step_stream_was_refused_at_first(
    open_page: Callable[..., Page], refused: int, button: str
) -> None:
    page = open_page("/?max_new_tokens=40&decoding_length=1")
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=204) if len(asked) <= refused else route.continue_()

    page.route("**/lookahead/steps?**", answer)
    page.click("#gear")
    expect(page.locator("#decoding-length input[type=number]")).to_have_value("1")  # the URL's settings are there
    _run(page, "abc abc abc", button)
    page.wait_for_selector("#run:enabled")
    assert len(asked) == refused + (2 if button == "#compare" else 1)
    said = re.compile(r"in (\d+) forward")
    expect(page.locator("#status")).to_contain_text(said)
    passes = said.search(page.inner_text("#status"))
    assert passes
    assert page.get_attribute("#stage [data-steps]", "data-steps") == passes[1]
    assert page.locator("#ribbon .group").count() == int(passes[1])
    after_first = int(passes[1]) - 1
    expect(page.locator("#sentence")).to_contain_text(f"{after_first} tokens in {after_first} passes")
    page.keyboard.press("End")
    expect(page.locator("#sentence")).to_contain_text("With decoding_length 1 the Trie is not asked.")
    if button == "#compare":
        expect(page.locator("[data-badge]")).to_contain_text("same tokens")


def test_a_reload_while_greedy_still_runs_shows_both_lanes_as_far_as_they_came(
    open_page: Callable[..., Page], passes: Passes, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember = Tabs.remember

    def then_hold(self: Tabs, tab: str, output: tuple[int, ...]) -> None:
        remember(self, tab, output)
        passes.hold(20)

    monkeypatch.setattr(Tabs, "remember", then_hold)  # between the lanes
    page = open_page("/?max_new_tokens=150&decoding_length=32")
    page.fill("#document textarea", "")
    page.fill("#prompt textarea", "abc abc abc")
    page.wait_for_selector("#run:enabled")
    page.click("#compare")
    page.wait_for_function("JSON.parse(sessionStorage.getItem('lookahead-run-ids') || '[]').length === 2")
    drawn(page)
    assert page.get_attribute("#stage [data-state]", "data-state") == "running"
    steps = page.get_attribute("#stage [data-steps]", "data-steps")
    page.reload(wait_until="commit")
    passes.go_on()
    page.wait_for_function("document.querySelector('[data-about]')?.textContent.includes('restored')")
    _finished(page)
    assert page.get_attribute("#stage [data-steps]", "data-steps") == steps


def test_a_late_message_of_an_earlier_run_does_not_take_the_stage_back(open_page: Callable[..., Page]) -> None:
    page = open_page("/?max_new_tokens=40")
    page.fill("#document textarea", "")
    page.evaluate("""() => {
      const Real = EventSource;
      window.feeds = [];
      window.EventSource = function (address) {
        const feed = new Real(address);
        feed.addEventListener('message', (event) => (feed.told ||= event.data));
        window.feeds.push(feed);
        return feed;
      };
    }""")
    _run(page, "Tell a story that begins: One autumn morning")
    first = page.get_attribute("#stage [data-run]", "data-run")
    page.click("#run")
    page.wait_for_function("(id) => document.querySelector('#stage [data-run]').dataset.run !== id", arg=first)
    _finished(page)
    second = page.get_attribute("#stage [data-run]", "data-run")
    assert first in page.evaluate("window.feeds[0].told || ''")
    page.evaluate("window.feeds[0].onmessage({ data: window.feeds[0].told })")
    drawn(page)
    assert page.get_attribute("#stage [data-run]", "data-run") == second


def test_a_new_run_is_followed_whatever_was_looked_at_before(open_page: Callable[..., Page], passes: Passes) -> None:
    page = open_page("/?max_new_tokens=300&decoding_length=1", reduced_motion="reduce")
    page.fill("#document textarea", "")
    page.fill("#prompt textarea", "abc abc abc")
    stage, follow = page.locator("#stage [data-state]"), page.locator("[data-follow]")
    for look_back in (
        lambda: page.keyboard.press("Home"),
        lambda: page.keyboard.press("ArrowLeft"),
        lambda: page.click("#ribbon .group >> nth=1"),
        lambda: follow.uncheck(),
        lambda: None,
    ):
        before = stage.get_attribute("data-run")
        page.wait_for_selector("#run:enabled")
        passes.hold(20)
        page.click("#run")
        page.wait_for_function(
            "(id) => { const { run, steps } = document.querySelector('#stage [data-run]').dataset;"
            " return run !== id && +steps > 6 && document.querySelector('#scrubber').value > 5; }",
            arg=before,
        )
        expect(follow).to_be_checked()
        page.evaluate("document.activeElement.blur()")
        look_back()
        page.click("#stop")
        passes.go_on()
        expect(stage).to_have_attribute("data-state", "finished")


def test_figures_that_were_closed_stay_closed(open_page: Callable[..., Page], recorded_run: Path) -> None:
    page = open_page("/?max_new_tokens=8", reduced_motion="reduce")
    page.fill("#document textarea", "")
    _run(page, "abc abc")
    page.click("#figures button")
    page.wait_for_selector("#figures .js-plotly-plot")
    page.click("#figures button")
    closed = page.locator("#figures .label-wrap:not(.open)")
    expect(closed).to_be_visible()
    for button in ("#run", "#compare"):
        page.wait_for_selector("#run:enabled")
        before = page.get_attribute("#stage [data-run]", "data-run")
        page.click(button)
        page.wait_for_function("(id) => document.querySelector('#stage [data-run]').dataset.run !== id", arg=before)
        _finished(page)
        page.wait_for_selector("#run:enabled")
        expect(closed).to_be_visible()
    page.set_input_files("#open-run", recorded_run)
    expect(page.locator("[data-about]")).to_contain_text("opened from")
    expect(page.locator("#status")).to_contain_text("Ready.")
    expect(closed).to_be_visible()
