"""Panes by themselves: several of a kind at once, each at a step of its own, and runs side by side in one race."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from lookahead.runs import runfile
from tests.browser.visitors import drawn, go_to, last_step

pytestmark = pytest.mark.browser

MOUNT = """async (wanted) => {
  const web = (path) => import('/gradio_api/lookahead/web/' + path);
  const { makeFeed } = await web('feed.js');
  const stage = gradio_config.components.find((component) => component.props.elem_id === 'stage');
  const first = JSON.parse(stage.props.value);
  const feed = makeFeed(() => {});
  first.messages.forEach(feed.take);
  const [lookahead, plain] = [...feed.runs.values()];
  const runs = { lookahead, plain, again: { ...lookahead, id: 'again' } };
  const server = new Proxy({}, { get: () => async () => ({ error: 'not asked' }) });
  for (const { pane, run, runs: beside, step, then } of wanted) {
    const box = document.createElement('section');
    box.className = 'mine';
    document.body.append(box);
    const { mount } = await web('panes/' + pane + '.js');
    const context = { ...first.page, server, show: (id) => { box.dataset.shows = id; } };
    const mounted = mount(box, context);
    mounted.draw({ run: runs[run], step, runs: (beside || [run]).map((name) => runs[name]) });
    if (then) mounted.draw({ run: { ...runs[run], ...then }, step: 0, runs: [{ ...runs[run], ...then }] });
  }
}"""

PANES = sorted(path.stem for path in (Path(__file__).resolve().parents[2] / "app" / "web" / "panes").glob("*.js"))


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    """The recorded run, paused at its last step."""
    page = open_page(reduced_motion="reduce")
    page.wait_for_function("document.querySelector('#stage [data-state]')?.dataset.state === 'recorded'")
    page.keyboard.press("End")
    drawn(page)
    return page


def test_panes_of_a_kind_show_steps_of_their_own(page: Page) -> None:
    before = page.inner_text("#sentence")
    tree = page.inner_html("#draft-tree")
    page.evaluate(MOUNT, [{"pane": name, "run": "lookahead", "step": step} for name in PANES for step in (1, 3)])
    mine = page.locator(".mine")
    expect(mine).to_have_count(2 * len(PANES))
    for place, name in enumerate(PANES):
        if name in ("attention_mask", "draft_tree", "headline", "node_details", "numbers"):
            assert mine.nth(2 * place).inner_html() != mine.nth(2 * place + 1).inner_html(), name
    assert page.evaluate("document.querySelectorAll('.mine [id]').length") == 0
    trees = page.locator(".mine [data-tree]")
    assert trees.first.inner_html() != trees.last.inner_html()
    mine.locator("[data-node='1']").first.click()
    for step in (2, last_step(page)):
        go_to(page, step)
    expect(page.locator("#sentence")).to_have_text(before)
    assert page.inner_html("#draft-tree") == tree


def test_the_numbers_of_a_run_that_reads_its_prompt_are_not_those_of_the_one_before(page: Page) -> None:
    reading = {"id": "next", "steps": [], "end": None}
    page.evaluate(MOUNT, [{"pane": "numbers", "run": "lookahead", "step": 3, "runs": ["lookahead", "plain"]}])
    page.evaluate(MOUNT, [{"pane": "numbers", "run": "lookahead", "step": 3, "then": reading}])
    known, unknown = page.locator(".mine").all()
    assert "–" not in known.locator("[data-tiles] dd").all_inner_texts()
    assert set(unknown.locator("[data-tiles] dd:not(.beside)").all_inner_texts()) == {"–"}
    assert set(unknown.locator(".beside").all_inner_texts()) == {""}
    assert unknown.locator("[data-step-time]").text_content() == "No step has been decoded yet."


def test_a_race_has_a_lane_for_every_run(page: Page, recorded_run: Path) -> None:
    run, greedy = (runfile.load(path) for path in (recorded_run, recorded_run.with_suffix(".greedy.json")))
    passes = len(run.steps) - 1  # after the first token
    sides = ["lookahead", "again", "plain"]
    page.evaluate(MOUNT, [{"pane": "race", "run": "again", "runs": sides, "step": 3}])
    race = page.locator(".mine")
    names = race.locator(".name")
    expect(names).to_have_text(["Lookahead", "Lookahead 2", "Greedy"])
    expect(race.locator("[data-badge]")).to_have_text(["Lookahead 2: same tokens ✓", "Greedy: same tokens ✓"])
    expect(race.locator(".name[aria-pressed=true]")).to_have_text("Lookahead 2")
    counts = race.locator(".count").all_inner_texts()
    assert counts[0] == counts[1] != counts[2]
    hint = race.locator("[data-race-hint]")
    expect(hint).to_contain_text(f"in {passes} passes instead of {passes}: about as fast as lookahead 2 here")
    tokens = len(greedy.token_ids) - 1
    expect(hint).to_contain_text(re.compile(rf"in {passes} passes instead of {tokens}: [\w .]+ greedy here"))
    names.last.press("Enter")
    assert race.get_attribute("data-shows")


def test_the_steps_of_the_plain_run_are_opened_from_its_lane(page: Page, recorded_run: Path) -> None:
    run = runfile.load(recorded_run)
    passes, tokens = len(run.steps), len(run.token_ids)
    steps = page.get_attribute("#stage [data-steps]", "data-steps")
    name = page.locator("#race").get_by_role("button", name="Greedy")
    name.focus()
    page.keyboard.press("Enter")
    expect(page.locator("[data-step-count]")).to_have_text(f"step {tokens - 1} / {tokens - 1}")
    expect(page.locator("#sentence")).to_have_text("Greedy decoding: one pass, one token.")
    expect(page.locator("#ribbon .group")).to_have_count(tokens)
    page.click(".side [data-tab=what-if]")
    drawn(page)
    expect(page.locator("#what-if")).to_be_hidden()
    expect(name).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#race [data-lane=lookahead] .count")).to_have_text(
        f"{tokens - 1} tokens, {passes - 1} of {passes - 1} passes ✓"
    )
    expect(page.locator("[data-gram]").first).to_be_visible()
    page.keyboard.press("Home")
    expect(page.locator("[data-step-count]")).to_have_text(f"step 0 / {tokens - 1}")
    page.locator("#race").get_by_role("button", name="Lookahead").click()
    expect(page.locator("[data-step-count]")).to_have_text(f"step 0 / {int(steps or 0) - 1}")
    expect(page.locator("#what-if")).to_be_visible()


def test_runs_one_after_the_other_leave_nothing_behind(open_page: Callable[..., Page]) -> None:
    page = open_page("/?max_new_tokens=12&decoding_length=8&budget=fixed", reduced_motion="reduce")
    page.fill("#document textarea", "")
    page.fill("#prompt textarea", "abc abc abc")
    session = page.context.new_cdp_session(page)

    def held() -> tuple[int, int]:
        """The nodes out of the document and the listeners, once nothing lets go of any more."""
        held, before = counted(), None
        while held != before:
            page.wait_for_timeout(500)
            held, before = counted(), held
        return held

    def counted() -> tuple[int, int]:
        for _ in range(3):
            session.send("HeapProfiler.collectGarbage")
        counters = session.send("Memory.getDOMCounters")
        drawn = page.evaluate(
            "() => { const all = document.createTreeWalker(document);"
            " let count = 1; while (all.nextNode()) count++; return count; }"
        )  # a larger trie is no leak
        return counters["nodes"] - drawn, counters["jsEventListeners"]

    def run(button: str) -> None:
        before = page.get_attribute("#stage [data-run]", "data-run")
        page.wait_for_selector("#run:enabled")
        page.click(button)
        page.wait_for_function(
            "(id) => { const { run, state } = document.querySelector('#stage [data-run]').dataset;"
            " return run !== id && state === 'finished'; }",
            arg=before,
        )
        page.wait_for_selector("#run:enabled")

    def runs(rounds: int) -> tuple[int, int]:
        for _ in range(rounds):
            run("#run")
            run("#compare")
        return held()

    nodes, listeners = runs(2)
    more_nodes, more_listeners = runs(6)
    assert more_nodes < nodes + 6, "a node per run"
    assert more_listeners < listeners + 6, "a listener per run"
