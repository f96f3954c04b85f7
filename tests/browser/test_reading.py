"""What the panes tell, and that keyboard and scrolling are respected."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from lookahead.config import LookaheadConfig
from lookahead.engine import LookaheadEngine
from lookahead.metrics import node_statuses
from lookahead.records import ModelInfo, RunRecord
from lookahead.runs import runfile
from lookahead.runs.recorder import RunRecorder
from tests.browser.visitors import TIMES_SLOWER, drawn, go_to, last_step, trie_of
from tests.lookahead.fake_backend import FakeBackend

pytestmark = pytest.mark.browser


@pytest.fixture
def recorded(recorded_run: Path) -> RunRecord:
    """The run that the page shows first."""
    return runfile.load(recorded_run)


SCRUB = """async () => {
  const slider = document.querySelector('#scrubber'), { dataset } = document.querySelector('#stage [data-steps]');
  const painted = () => new Promise((done) => requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = done;
    port2.postMessage(0);
  }));
  for (let step = 3; step <= +slider.max; step += 8) {
    slider.value = step;
    slider.dispatchEvent(new Event('input', { bubbles: true }));
    do await painted(); while (dataset.drawn !== slider.value);
  }
  return document.querySelector('[data-step-count]').textContent;
}"""


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    """The recorded run, paused at its last step."""
    page = open_page(reduced_motion="reduce")
    page.wait_for_function("document.querySelector('#stage [data-state]')?.dataset.state === 'recorded'")
    page.keyboard.press("End")
    page.evaluate("document.activeElement.blur()")
    drawn(page)
    return page


def long_run(steps: int) -> RunRecord:
    """A run of that many wide steps, by a backend without a model."""
    info = ModelInfo(name="none", device="cpu", dtype="float32", parameters=1, vocab_size=50)
    config = LookaheadConfig(decoding_length=64, budget="fixed", sources=("prompt",))
    backend = FakeBackend(lambda context: (7 * context[-1] + len(context) * len(context)) % 50)
    prompt = [(place * place + place // 7) % 50 for place in range(600)]
    recorder = RunRecorder(prompt, config, info, "lookahead", 4 * steps)
    for step in LookaheadEngine(backend, config).generate(prompt, max_new_tokens=4 * steps):
        recorder.add(step)
        if len(recorder.steps) == steps:
            break
    return recorder.record()


def test_500_steps_scrub_without_lag(page: Page, tmp_path: Path) -> None:
    run = long_run(500)
    assert sum(len(step.draft) for step in run.steps if step.draft) > 20 * 500
    runfile.save(run, tmp_path / "long.json")
    page.set_input_files("#open-run", tmp_path / "long.json")
    page.wait_for_function("document.querySelector('[data-about]').textContent.includes('opened from long')")
    assert page.get_attribute("#stage [data-steps]", "data-steps") == "500"
    session = page.context.new_cdp_session(page)
    # Processor time of all that the page's main thread does (script, style, layout, paint), since the wall clock also
    # depends on what else the machine does.
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def worked() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")

    before = worked()
    assert page.evaluate(SCRUB) == "step 499 / 499"
    milliseconds = 1000 * (worked() - before) / 63
    assert 0 < milliseconds < 100 * TIMES_SLOWER, f"{milliseconds:.0f} ms of work per step"


def _go_where(page: Page, wanted: str) -> None:
    """The first step at which the script's expression holds."""
    page.keyboard.press("Home")
    for step in range(last_step(page) + 1):
        drawn(page, step)
        if page.evaluate(wanted):
            return
        page.keyboard.press("ArrowRight")
    pytest.fail(f"no step with {wanted}")


def test_a_mismatch_says_what_the_model_wanted(page: Page) -> None:
    _go_where(page, "['rejected', 'unchecked'].every((s) => document.querySelector(`#draft-tree [data-status=${s}]`))")
    rejected = page.locator("#draft-tree [data-status=rejected]").first
    wanted = rejected.text_content() or ""
    assert wanted.startswith("✗ ")
    assert " ≠ " in wanted
    assert "the model chose" in (rejected.get_attribute("aria-label") or "")
    unchecked = page.locator("#draft-tree [data-status=unchecked]")
    assert int(page.inner_text("[data-count=unchecked]")) == unchecked.count() > 0
    assert (unchecked.first.text_content() or "").startswith("○ ")


def test_the_mask_tells_its_rows_apart_by_more_than_colour(page: Page, recorded: RunRecord) -> None:
    small = [(step, len(step.draft)) for step in recorded.steps if step.draft and len(step.draft) <= 20]
    step, count = next(pair for pair in small if {"accepted", "rejected", "unchecked"} <= {*node_statuses(pair[0])})
    go_to(page, step.index)
    expect(page.locator("#mask [data-row]")).to_have_count(count)
    rows = page.locator("#mask svg text").all_text_contents()
    cells = set()
    for status, sign in (("accepted", "✓ "), ("rejected", "✗ "), ("unchecked", "○ ")):
        drawn = page.locator(f"#draft-tree [data-status={status}]").count()
        assert sum(row.startswith(sign) for row in rows) == drawn > 0
        cells.add((page.get_attribute(f"#mask path.m-{status}", "d") or "").split("h")[1])
    assert len(cells) == 3
    assert all(sign in page.inner_text("#mask .legend") for sign in "✓✗○")


def test_the_time_bar_tells_its_parts_apart_by_more_than_colour(page: Page) -> None:
    page.click(".all summary")
    looks = page.evaluate(
        "[...document.querySelectorAll('.parts i')].map((e) =>"
        " getComputedStyle(e).backgroundImage.replace(/rgba?\\([^)]*\\)/g, ''))"
    )
    assert len(set(looks)) == 4
    for name, share in zip(
        ["retrieve", "forward", "verify", "commit"], page.locator("[data-share]").all(), strict=True
    ):
        assert share.inner_text().startswith(name)
        assert "%" in share.inner_text()


def test_a_long_branch_is_not_folded_but_scrolls(page: Page) -> None:
    _go_where(page, "document.querySelectorAll('#draft-tree [data-node]').length > 15")
    width, room, rows = page.evaluate(
        "[document.querySelector('#draft-tree').getBoundingClientRect().width,"
        " document.querySelector('[data-tree-box]').clientWidth,"
        " new Set([...document.querySelectorAll('#draft-tree .n-accepted rect')].map((e) => e.y.baseVal.value)).size]"
    )
    assert width > room
    assert rows == 1, "the accepted path is one line"
    box = page.locator("[data-tree-box]")
    box.evaluate("(box) => box.scrollTo(9999, 0)")
    assert box.evaluate("(box) => box.scrollLeft + box.clientWidth >= box.scrollWidth - 1")


def test_up_and_down_move_among_the_nodes(page: Page, recorded: RunRecord) -> None:
    drafted = max(step.index for step in recorded.steps if step.draft and len(step.draft) > 1)
    go_to(page, drafted)
    page.locator("#draft-tree [data-node='0']").focus()
    page.keyboard.press("ArrowDown")
    node = page.evaluate("document.activeElement.dataset.node")
    assert int(node) > 0
    expect(page.locator(f"#mask [data-row='{node}']")).to_have_class(re.compile(r"\blinked\b"))
    page.keyboard.press("Enter")
    said = "document.querySelector('[data-detail]').textContent"
    page.wait_for_function(f"{said}.includes('Read in') || {said}.includes('guess of an earlier pass')")
    page.keyboard.press("ArrowLeft")
    drawn(page, drafted - 1)
    assert page.evaluate("document.activeElement.dataset.node") is not None


def test_the_text_has_one_tab_stop_whose_token_is_told(page: Page, recorded: RunRecord) -> None:
    first = recorded.steps[1]
    assert first.draft
    accepted = len(first.accepted_nodes)
    groups = page.locator("#ribbon [role=group]")
    assert groups.first.get_attribute("aria-label") == "prompt"
    assert groups.nth(1).get_attribute("aria-label") == "step 0: 1 bonus"
    assert groups.nth(2).get_attribute("aria-label") == f"step 1: {accepted} accepted, 1 bonus"
    stop, says = page.locator("#ribbon [tabindex='0']"), page.locator("[data-token-says]")
    go_to(page, 1)
    expect(stop).to_have_attribute("data-step", "1")
    expect(says).to_have_text(re.compile(f"^Step 1 wrote {accepted + 1} tokens"))
    stop.focus()
    rank = f"rank 1 of {len(first.draft) - 1}"
    expect(says).to_have_text(re.compile(f"step 1: accepted draft token, source prompt, estimated .* {rank}"))
    assert stop.get_attribute("aria-label") == says.inner_text()
    page.keyboard.press("ArrowUp")
    expect(says).to_have_text(re.compile("step 0: the model’s own token"))
    page.keyboard.press("Enter")
    drawn(page, 0)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    drawn(page, 2)
    expect(page.locator("#ribbon .now :focus")).to_have_attribute("data-step", "2")
    expect(says).to_have_text(re.compile("step 2: (accepted draft token|the model’s own token)"))
    expect(stop).to_have_count(1)
    page.evaluate("document.activeElement.blur()")
    expect(says).to_have_text(re.compile("^Step 2 wrote"))


def test_up_and_down_move_among_the_n_grams_of_the_trie(page: Page) -> None:
    go_to(page, 2)
    trie_of(page, 2)
    expect(page.locator("[data-trie-fact]")).to_contain_text(" n-grams (")
    stop, says = page.locator("[data-trie-box] [tabindex='0']"), page.locator("[data-trie-says]")
    expect(says).to_contain_text("This step adds")
    stop.focus()
    page.keyboard.press("ArrowDown")
    page.wait_for_function("[...document.querySelectorAll('[data-gram]')].indexOf(document.activeElement) === 1")
    expect(says).to_contain_text(re.compile(r": \d+ in the prompt"))
    expect(stop).to_have_attribute("aria-label", says.inner_text())
    page.keyboard.press("ArrowLeft")
    drawn(page, 1)
    trie_of(page, 1)
    assert page.evaluate("[...document.querySelectorAll('[data-gram]')].indexOf(document.activeElement)") == 1
    expect(stop).to_have_count(1)


def test_arrows_work_after_a_press_of_play(page: Page) -> None:
    page.click("#play")
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    last = last_step(page)
    drawn(page, last - 1)
    page.focus("#prompt textarea")
    page.keyboard.press("ArrowLeft")
    drawn(page, last - 1)
    assert int(page.input_value("#scrubber")) == last - 1


def test_the_text_follows_the_step_but_not_against_a_reader(page: Page) -> None:
    inside = (
        "() => { const box = document.querySelector('#ribbon'), now = box.querySelector('.now');"
        " return now.offsetTop >= box.scrollTop - 2 && now.offsetTop < box.scrollTop + box.clientHeight; }"
    )
    page.wait_for_function(inside)
    page.locator("#ribbon").hover()
    page.mouse.wheel(0, -5000)
    page.wait_for_function("document.querySelector('#ribbon').scrollTop === 0")
    page.evaluate("document.querySelector('[data-over=time]').click()")
    drawn(page)
    assert page.evaluate("document.querySelector('#ribbon').scrollTop") == 0
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function(inside)


def test_the_root_of_the_trie_counts_the_prompt_apart(page: Page, recorded: RunRecord) -> None:
    root = page.locator("[data-gram]").first
    for step in range(len(recorded.steps)):
        go_to(page, step)
        trie_of(page, step)
        expect(page.locator("[data-trie-says]")).to_have_text(re.compile(rf"adds {recorded.steps[step].trie.added}\b"))
        if not str(root.text_content()).startswith("root"):
            continue
        written = sum(len(one.emitted_ids) for one in recorded.steps[:step])
        counts = re.findall(r"(\d+) in (the prompt|this output)", str(root.get_attribute("aria-label")))
        expected = [(len(recorded.prompt_ids), "the prompt"), (written, "this output")]
        assert counts == [(str(count), where) for count, where in expected if count]
        return
    pytest.fail("no step shows the root")


def test_a_space_at_the_end_of_a_search_does_not_take_the_next_token_in(page: Page) -> None:
    for text, match in (("return ", "return"), ("return  ", None), ("def ", "def"), ("retur", "return")):
        page.locator("[data-search] input").fill(text)
        page.locator("[data-search] button").click()
        if match is None:
            expect(page.locator("[data-trie-hint]")).to_contain_text("not in the trie")
        else:
            expect(page.locator("[data-match]").first).to_have_text(re.compile(f"^Found: .?{match}$"))
