"""Moving through a run: scrubber, keys, tokens, nodes, what if, files."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from lookahead import metrics
from lookahead.records import TokenGap
from lookahead.runs import runfile
from tests.browser.visitors import drawn, go_to, last_step, trie_of

pytestmark = pytest.mark.browser


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    """The recorded run, paused at its last step."""
    page = open_page(reduced_motion="reduce")
    page.wait_for_function("document.querySelector('#stage [data-state]')?.dataset.state === 'recorded'")
    page.keyboard.press("End")
    drawn(page)
    return page


LINKED = re.compile(r"\blinked\b")


def test_keys_move_the_step(page: Page) -> None:
    page.evaluate("document.activeElement.blur()")
    for keys, step in (("Home", 0), ("ArrowRight ArrowRight", 2), ("ArrowLeft", 1), ("End", last_step(page))):
        for key in keys.split():  # both before either is drawn
            page.keyboard.press(key)
        drawn(page, step)
        assert int(page.input_value("#scrubber")) == step
    page.keyboard.press("p")
    expect(page.locator("#play")).to_have_attribute("aria-label", "Pause")
    page.keyboard.press(" ")
    expect(page.locator("#play")).to_have_attribute("aria-label", "Play")


def test_no_press_of_a_button_is_lost_before_the_one_before_is_drawn(page: Page) -> None:
    page.evaluate("for (const by of [-1, -1, -1, 1]) document.querySelector(`[data-by='${by}']`).click()")
    drawn(page, last_step(page) - 2)
    page.evaluate("for (let i = 0; i < 2; i++) document.querySelector('#play').click()")
    drawn(page, last_step(page) - 2)
    expect(page.locator("#play")).to_have_attribute("aria-label", "Play")


def test_the_scrubber_keeps_its_keys_but_the_space_bar(page: Page) -> None:
    page.click("#scrubber")
    for key, step in (("Home", "0"), ("ArrowRight", "1"), ("ArrowRight", "2"), ("ArrowLeft", "1")):
        page.keyboard.press(key)
        drawn(page, int(step))
        expect(page.locator("#scrubber")).to_have_value(step)
    page.keyboard.press("End")
    drawn(page)
    assert page.input_value("#scrubber") == page.get_attribute("#scrubber", "max")
    play = page.locator("#play")
    page.keyboard.press("p")
    expect(play).to_have_attribute("aria-label", "Pause")
    page.keyboard.press(" ")
    expect(play).to_have_attribute("aria-label", "Play")
    expect(page.locator("#scrubber")).to_be_focused()


def test_a_token_leads_to_its_step_and_tells_its_source(page: Page) -> None:
    token = page.locator("#ribbon [data-kind=accepted]").first
    step = int(token.get_attribute("data-step") or -1)
    token.hover()
    says = page.locator("[data-token-says]")
    expect(says).to_have_text(re.compile("accepted draft token, source .*estimated .* rank "))
    token.click()
    drawn(page, step)


def test_a_node_shows_its_details_and_its_row(page: Page) -> None:
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    drawn(page, 1)
    node = page.locator("#draft-tree [data-node='1']")
    node.hover()
    expect(page.locator("#mask [data-row='1']")).to_have_class(LINKED)
    node.click()
    expect(page.locator("[data-detail]")).to_contain_text("Read in the prompt (")
    expect(page.locator("[data-detail]")).to_contain_text("(1st of")
    expect(page.locator("[data-mask-row]")).to_have_text(re.compile("^Row 1 sees 2 tokens"))


def test_the_numbers_are_those_of_the_run_file(page: Page, recorded_run: Path) -> None:
    run = runfile.load(recorded_run)

    def shown(name: str) -> float:
        return float(page.get_attribute(f"#numbers [data-metric={name}]", "data-value") or "nan")

    assert page.get_attribute("#stage [data-steps]", "data-steps") == str(len(run.steps))
    assert shown("decode_steps") == metrics.forward_passes(run.steps) - 1
    assert shown("mean_accepted_tokens") == pytest.approx(metrics.mean_accepted_tokens(run.steps))
    assert shown("acceptance_rate") == pytest.approx(metrics.acceptance_rate(run.steps))
    greedy = runfile.load(recorded_run.with_suffix(".greedy.json"))
    assert shown("speedup") == pytest.approx(greedy.seconds / run.seconds)
    page.evaluate("document.activeElement.blur()")
    for key, count in (("ArrowLeft", len(run.steps) - 1), ("ArrowLeft", len(run.steps) - 2)):
        page.keyboard.press(key)
        drawn(page, count - 1)
        assert shown("mean_accepted_tokens") == pytest.approx(metrics.mean_accepted_tokens(run.steps[:count]))
        assert shown("forward_ms") == pytest.approx(
            1000 * metrics.mean_step_timings(run.steps[:count]).forward_seconds, abs=1e-3
        )


def test_what_if_replays_other_settings(page: Page) -> None:
    row = page.locator("[data-what-if=forward_passes] td")
    page.click(".side [data-tab=what-if]")
    row.first.wait_for()
    as_it_was = int(row.nth(0).inner_text())
    page.locator("[data-knob=decoding_length]").fill("1")
    page.wait_for_function(
        f"+document.querySelector('[data-what-if=forward_passes]').children[2].textContent > {as_it_was}"
    )
    assert float(page.locator("[data-what-if=mean_accepted_tokens] td").nth(1).inner_text()) == 1.0
    assert "≈" in page.locator("[data-what-if=decode_seconds] td").nth(1).inner_text()


def test_the_trie_is_searched(page: Page) -> None:
    page.locator("[data-search] input").fill("counts")
    page.locator("[data-search] button").click()
    expect(page.locator("[data-match]").first).to_have_text(re.compile("^Found: .*counts"))
    page.locator("[data-search] input").fill("no such text")
    page.locator("[data-search] button").click()
    page.wait_for_function("document.querySelector('[data-trie-hint]').textContent.includes('not in the trie')")


def test_the_trie_says_which_step_added_what_it_marks(page: Page, recorded_run: Path) -> None:
    run = runfile.load(recorded_run)
    fact, adds = page.locator("[data-trie-fact]"), page.locator("[data-trie-says]")
    go_to(page, 0)
    expect(fact).to_have_text(re.compile(r"^[\d,]+ n-grams \(\d+ kB\)$"))
    for step in (1, 2):
        go_to(page, step)
        expect(fact).to_contain_text(f"({run.steps[step - 1].trie.added} new from step {step - 1})")
        expect(adds).to_have_text(f"This step adds {run.steps[step].trie.added}.")
    last = len(run.steps) - 1
    go_to(page, last)
    trie_of(page, last)
    expect(adds).to_have_text(f"This step adds {run.steps[last].trie.added}.")


def test_what_is_not_in_the_trie_yet_leaves_no_picture_of_another_step(page: Page) -> None:
    match, fact = page.locator("[data-match]"), page.locator("[data-trie-fact]")
    page.locator("[data-search] input").fill("text.lower")
    page.locator("[data-search] button").click()
    expect(match.first).to_contain_text("Found: ")
    go_to(page, 0)
    expect(page.locator("[data-trie-hint]")).to_contain_text("is not in the trie at step")
    expect(match).to_have_count(0)
    expect(page.locator("#trie svg")).to_have_count(0)
    expect(fact).to_be_empty()
    go_to(page, last_step(page))
    expect(match.first).to_contain_text("Found: ")
    expect(fact).to_contain_text("n-grams")


def test_save_and_open_a_run(page: Page, tmp_path: Path) -> None:
    with page.expect_download() as download:
        page.click("#save-run")
    path = tmp_path / "run.json"
    download.value.save_as(path)
    run = runfile.load(path)
    page.set_input_files("#open-run", path)
    page.wait_for_function("document.querySelector('[data-about]').textContent.includes('opened from run.json')")
    assert page.get_attribute("#stage [data-steps]", "data-steps") == str(len(run.steps))
    path.write_text(json.dumps({"format": "something else"}))
    page.set_input_files("#open-run", path)
    page.wait_for_function("document.querySelector('[data-file-hint]').textContent.includes('run file')")
    page.locator("#trie .pictures summary").click()
    with page.expect_download() as download:
        page.click("[data-graphml]")
    assert download.value.suggested_filename.endswith("graphml")
    for pane in page.locator(".pane .head").all():
        loose = pane.locator("[data-tools] > button:not([data-reset])")
        assert loose.count() == 0, "one way to export"


def test_a_pair_is_saved_and_opened_with_its_race_and_figures(page: Page, tmp_path: Path) -> None:
    with page.expect_download() as download:
        page.click("#save-run")
    path = tmp_path / "pair.json"
    download.value.save_as(path)
    pair = runfile.pair_from_json(path.read_text())
    assert pair.greedy is not None
    page.set_input_files("#open-run", path)
    page.wait_for_function("document.querySelector('[data-about]').textContent.includes('opened from pair.json')")
    assert page.inner_text("[data-badge]") == "same tokens ✓"
    assert f"of {len(pair.greedy.steps) - 1} passes" in page.inner_text("#race [data-lane=plain]")
    page.click("#figures button")
    page.wait_for_selector("#figures .js-plotly-plot")


def test_open_figures_follow_the_run(page: Page, recorded_run: Path) -> None:
    assert page.locator("#figures .js-plotly-plot").count() == 0
    page.click("#figures button")
    page.wait_for_selector("#figures .js-plotly-plot")
    dots = page.locator("#figures .js-plotly-plot").nth(3).locator(".point")
    expect(dots).not_to_have_count(0)
    before = dots.count()
    page.set_input_files("#open-run", recorded_run.with_suffix(".greedy.json"))
    expect(dots).not_to_have_count(before)


def test_where_two_runs_part_the_badge_says_by_how_little(page: Page, recorded_run: Path, tmp_path: Path) -> None:
    run, greedy = runfile.load(recorded_run), runfile.load(recorded_run.with_suffix(".greedy.json"))
    steps = list(greedy.steps[:10])
    other = next(token_id for token_id in run.prompt_ids if token_id != steps[-1].emitted_ids[0])
    steps[-1] = dataclasses.replace(steps[-1], target_ids=(other,), emitted_ids=(other,), finish_reason="cancelled")
    parted = dataclasses.replace(greedy, steps=tuple(steps), finish_reason="cancelled", texts=None)
    for gap, words in ((TokenGap(0.0625, 0.0625), "a near tie in"), (TokenGap(3.0, 1e-6), "more than rounding")):
        path = tmp_path / f"parted-{gap.near_tie}.json"
        path.write_text(runfile.to_json(run, parted, gap))
        page.set_input_files("#open-run", path)
        page.wait_for_function(
            "(words) => document.querySelector('[data-badge]').textContent.includes(words)", arg=words
        )
        assert "different from token 10 on" in page.inner_text("[data-badge]")


def test_where_two_whole_runs_part_the_race_says_so(page: Page, recorded_run: Path, tmp_path: Path) -> None:
    run, greedy = runfile.load(recorded_run), runfile.load(recorded_run.with_suffix(".greedy.json"))
    same = f"Same {len(run.token_ids) - 1} tokens in {len(run.steps) - 1} passes instead of"
    expect(page.locator("[data-race-hint]")).to_contain_text(same)
    steps = list(greedy.steps[:10])
    other = next(token_id for token_id in run.prompt_ids if token_id != steps[-1].emitted_ids[0])
    steps[-1] = dataclasses.replace(steps[-1], target_ids=(other,), emitted_ids=(other,), finish_reason="eos")
    parted = dataclasses.replace(greedy, steps=tuple(steps), finish_reason="eos", texts=None)
    path = tmp_path / "parted.json"
    path.write_text(runfile.to_json(run, parted, TokenGap(0.0625, 0.0625)))
    page.set_input_files("#open-run", path)
    expect(page.locator("[data-race-hint]")).to_contain_text("Not the same tokens: lookahead wrote")
    expect(page.locator("[data-race-hint]")).to_contain_text("greedy 9 tokens in 9 passes and")
    assert page.get_attribute("[data-badge]", "data-same") == "no"
