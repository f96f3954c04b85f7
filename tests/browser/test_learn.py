"""The course: every chapter's task is noticed, its question checked, on a phone and without storage, too."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.visitors import Visitors, drawn, filled, two_frames

pytestmark = pytest.mark.browser

SLUGS = ("pass", "trie", "suffix", "draft", "mask", "verify", "lossless", "pay")
TEXT = "one two three four five, one two three four"
Open = Callable[..., Page]


@pytest.fixture
def course(visitors: Visitors, app_url: str) -> Iterator[Open]:
    """Opens a chapter; at the end no page may have logged an error or asked another host."""
    wrong: list[str] = []
    with visitors.tabs(app_url, wrong) as new_tab:

        def opened(slug: str = "", before: str = "", **options: Any) -> Page:
            page = new_tab(**options)
            if before:
                page.add_init_script(before)
            return show(page, app_url, slug)

        yield opened
    assert not wrong


def show(page: Page, app_url: str, slug: str) -> Page:
    """A chapter, its picture drawn, and fitted into its place."""
    page.goto(f"{app_url.rstrip('/')}/learn{'/' if slug else ''}{slug}")
    page.wait_for_selector("[data-picture][data-drawn]")
    two_frames(page)
    return page


def noticed(page: Page) -> str:
    """What is said about the task once it is done."""
    expect(page.locator("[data-noticed]")).to_contain_text("✓")
    return page.inner_text("[data-noticed]")


def slide(page: Page, to: int) -> None:
    page.locator(".slide input").fill(str(to))


def told(page: Page) -> tuple[list[int], list[int]]:
    """The draft of the recorded step: the parent of every node, and the accepted path."""
    answer = page.evaluate(
        "fetch('/gradio_api/lookahead/learn/ask/recording', {method: 'POST', body: '{}'}).then((a) => a.json())"
    )
    step = answer["message"]["steps"][answer["step"]]
    return step["draft"]["parent"], step["path"]


def do_pass(page: Page) -> None:
    slide(page, 15)
    expect(page.locator("[data-bar='One by one'] .blocks i")).to_have_count(15)
    expect(page.locator("[data-noticed]")).to_have_text("")
    slide(page, 16)
    assert "16 tokens take" in noticed(page)
    expect(page.locator("[data-measured=here]")).to_be_visible()


def do_trie(page: Page) -> None:
    expect(page.locator(".gram")).to_have_count(1)
    page.locator("[data-more]").click()
    expect(page.locator(".gram")).to_have_count(2)
    slide(page, 14)  # the sentences that were there are not one's own
    expect(page.locator("output")).to_have_text("14 of 14")
    expect(page.locator("[data-noticed]")).to_have_text("")
    page.locator("[data-sentence-field='0']").fill("red blue green")
    page.locator("[data-sentence-field='1']").fill("see red blue sky")
    expect(page.locator("output")).to_have_text("0 of 7")
    page.locator("[data-read]").click()  # plays: both are read at once, as it goes on
    shown = "['output', '[data-noticed]'].map((name) => document.querySelector(name).textContent).join()"
    page.wait_for_function(f"{shown} === '2 of 7,'")
    slide(page, 7)
    assert "red blue” was read 2 times" in noticed(page)
    expect(page.locator(".gram.often")).to_have_count(3)


def test_an_answer_about_other_sentences_is_no_sign_of_ones_own(course: Open) -> None:
    page = course("trie")
    held: list[Route] = []
    typed = False
    page.route("**/learn/ask/trie", lambda route: route.continue_() if typed else held.append(route))
    with page.expect_request("**/learn/ask/trie"):
        slide(page, 14)  # of the sentences that were there
    page.locator("[data-sentence-field='0']").fill("red blue green")
    typed = True
    for route in held:
        route.continue_()
    expect(page.locator("[data-tokens]")).to_contain_text("red")
    expect(page.locator("[data-noticed]")).to_have_text("")


def do_suffix(page: Page) -> None:
    page.locator("[data-text]").fill("one two three four five, one two three")
    expect(page.locator("[data-says]")).to_contain_text("The last 3 tokens (“one two three”) were read once before")
    expect(page.locator("[data-noticed]")).to_have_text("")
    page.locator("[data-text]").fill(TEXT)
    assert "last 4 tokens" in noticed(page)
    expect(page.locator(".token.match")).to_have_text(["one", "two", "three", "four"])
    expect(page.locator(".token.followed")).to_have_text(["five"])


def do_draft(page: Page) -> None:
    expect(page.locator(".gram")).to_have_count(2)  # the next one is not told beforehand
    expect(page.locator("[data-says]")).to_contain_text("1.30 tokens")
    why = "Why × 30 % for “cat”? It came next 2 of 3 times after the 2 tokens before it, × 45 %"
    expect(page.locator("[data-why]")).to_contain_text(why)
    page.locator("[data-reveal]").click()
    expect(page.locator(".gram.ghost")).to_contain_text("slept")
    expect(page.locator("[data-why]")).to_contain_text("Why × 62 % for “slept”? It came next 2 of 2 times after the 3")
    page.locator(".gram[data-gram='1']").hover()
    expect(page.locator("[data-why]")).to_contain_text("for “cat”")
    page.locator("[data-reveal]").click()  # again: it joins
    expect(page.locator("output")).to_have_text("3 tokens")
    expect(page.locator(".gram")).to_have_count(3)
    slide(page, 9)
    expect(page.locator(".gram")).to_have_count(9)
    expect(page.locator("[data-noticed]")).to_have_text("")
    slide(page, 4)
    assert "At 4 tokens a second branch joins: “dog” (15 %)" in noticed(page)
    expect(page.locator(".gram.ghost")).to_have_count(0)
    expect(page.locator(".factor")).to_have_text(["× 30 %", "× 62 %", "× 15 %"])
    slide(page, 5)
    assert "At 4 tokens" in noticed(page)
    page.locator("[data-value=characters]").click()
    expect(page.locator(".gram.root")).to_contain_text("d")


def do_mask(page: Page) -> None:
    parents, _ = told(page)
    depths = [0]
    for parent in parents[1:]:
        depths.append(depths[parent] + 1)
    stranger = next(node for node, depth in enumerate(depths) if depth < node)  # guesses of others are before it
    expect(page.locator("[data-says]")).to_contain_text("Point at")
    expect(page.locator("[data-status=accepted], [data-status=rejected], .wanted, .n-bonus")).to_have_count(0)
    expect(page.locator(".m-stranger")).to_have_count(0)
    page.locator(f"[data-row='{stranger}']").click()
    expect(page.locator("[data-says]")).to_contain_text("sees the text so far")
    expect(page.locator("[data-noticed]")).to_have_text("")
    positions = page.locator("[data-positions] b").all_inner_texts()
    assert [int(place) - int(positions[0]) for place in positions] == depths
    page.locator("[data-value=causal]").click()
    page.locator("[data-row='1']").click()  # sees the root alone, in either mask
    expect(page.locator("[data-noticed]")).to_have_text("")
    page.locator(f"[data-row='{stranger}']").click()
    assert "With a causal mask" in noticed(page)
    more = sum(node - depth for node, depth in enumerate(depths))  # cells that the tree mask has not
    assert (page.locator(".m-stranger").get_attribute("d") or "").count("M") == more
    page.locator("[data-row='1']").click()
    assert "With a causal mask" in noticed(page)
    causal = page.locator("[data-positions] b").all_inner_texts()
    assert [int(place) - int(causal[0]) for place in causal] == list(range(len(causal)))


PLACES = """(svg) => Object.fromEntries([...svg.querySelectorAll('[data-node]')].map((one) => {
  const { x, y, width } = one.getBoundingClientRect();
  return [one.dataset.node, [x, y, width].map(Math.round).join(' ')];
}))"""


def do_verify(page: Page) -> None:
    parents, path = told(page)
    statuses, node_at = "[data-node][data-status={}]", "[data-node='{}']"
    expect(page.locator(statuses.format("unchecked"))).to_have_count(len(parents) - 1)
    page.locator("[data-none]").click()
    expect(page.locator("[data-says]")).to_contain_text("Look again")
    page.locator(node_at.format(path[1])).click()
    expect(page.locator("[data-says]")).to_contain_text("Only a child of")
    wrong, places = 0, page.locator("[data-tree]").evaluate(PLACES)
    for place, (here, node) in enumerate(zip([0, *path], path, strict=False)):
        for other in (child for child, parent in enumerate(parents) if parent == here and child != node):
            wrong = other
            page.locator(node_at.format(other)).click()
            expect(page.locator(node_at.format(other))).to_have_attribute("data-status", "rejected")
            assert page.locator("[data-tree]").evaluate(PLACES) == places  # nothing moves
        expect(page.locator("[data-noticed]")).to_have_text("")
        page.locator(node_at.format(node)).click()
        expect(page.locator(statuses.format("accepted"))).to_have_count(place + 1)
    if path[-1] in parents:
        page.locator("[data-none]").click()
    assert wrong
    expect(page.locator("[data-says]")).to_contain_text(f"{len(path)} tokens accepted")
    expect(page.locator("[data-noticed]")).to_have_text("")  # the second example is part of the task
    expect(page.locator("[data-walk]")).to_have_text("Example 1 of 6")
    page.locator("[data-another]").click()
    expect(page.locator("[data-walk]")).to_have_text("Example 2 of 6")
    page.locator("[data-none]").click()
    expect(page.locator("[data-says]")).to_contain_text("Every guess was wrong")
    assert "all are wrong" in noticed(page)
    assert page.locator("[data-tree-box]").evaluate("(box) => box.scrollLeft") == 0
    page.locator("[data-again]").click()
    expect(page.locator("[data-none]")).to_be_enabled()
    page.locator("[data-before]").click()
    expect(page.locator("[data-walk]")).to_have_text("Example 1 of 6")
    expect(page.locator("[data-before]")).to_be_disabled()


def do_lossless(page: Page) -> None:
    before = page.inner_text("[data-passage]")
    says, field, plant = page.locator("[data-says]"), page.locator("[data-branch]"), page.locator("[data-plant]")
    where = page.inner_text(".plant .field > span")
    expect(page.locator("[data-same]")).not_to_contain_text("✓")  # nothing was planted yet
    for blank in ("", "   "):
        field.fill(blank)
        plant.click()
        expect(says).to_have_text("Type something first.")
        expect(page.locator(".planted")).to_have_count(0)
    field.fill("<img src=x> zebra")
    plant.click()
    expect(page.locator(".planted .frame")).to_have_count(3)
    expect(page.locator(".planted .behind:not(.wanted)")).to_have_text([re.compile("planted")] * 3)
    expect(page.locator("[data-status=accepted].planted")).to_have_count(0)
    assert where.split("…")[1].split("”")[0] in page.inner_text("[data-says]")  # said at the field from the start
    expect(says).to_contain_text(re.compile("^Planted after “….+”: the first planted word was rejected"))
    expect(page.locator("[data-noticed]")).to_have_text("")
    field.fill("zebra")
    plant.click()
    expect(says).to_contain_text("the planted word was rejected. The pass wrote")
    field.fill("one two three four five")
    plant.click()
    expect(says).to_contain_text("the first 4 words are used")
    partly_right(page)
    expect(page.locator("[data-noticed]")).to_have_text("")
    page.locator("[data-plant-right]").click()
    expect(says).to_contain_text("all 4 planted tokens were accepted")
    expect(page.locator("[data-result=wrong] td").nth(1)).to_have_text("0 of 4")
    expect(page.locator("[data-result=right] td").nth(1)).to_have_text("4 of 4")
    assert "The text is the same" in noticed(page)
    assert page.inner_text("[data-passage]") == before
    expect(page.locator("[data-same=yes]")).to_be_visible()


def partly_right(page: Page) -> None:
    """Plants a branch whose first token alone is what the model wrote there."""
    right = page.evaluate(
        "fetch('/gradio_api/lookahead/learn/ask/recording', {method: 'POST', body: '{}'}).then((a) => a.json())"
        ".then(({ step }) => fetch('/gradio_api/lookahead/learn/ask/plant', "
        "{method: 'POST', body: JSON.stringify({ step, text: null })})).then((a) => a.json())"
    )
    page.locator("[data-branch]").fill(right["step"]["draft"]["text"][right["nodes"][0]] + " zebra")
    page.locator("[data-plant]").click()
    expect(page.locator("[data-says]")).to_contain_text("1 of 2 accepted: right up to here, then another word")
    expect(page.locator("[data-result=partly] td").nth(1)).to_have_text("1 of 2")
    expect(page.locator("[data-result=right]")).to_have_count(0)


OFF_THE_LINE = """() => {  // how far each dot is above the line, in pixels
  const line = document.querySelector('[data-chart] .line'), length = line.getTotalLength();
  const heightAt = (x) => {
    let [low, high] = [0, length];
    for (let i = 0; i < 40; i++) {
      const middle = (low + high) / 2;
      if (line.getPointAtLength(middle).x < x) low = middle; else high = middle;
    }
    return line.getPointAtLength(low).y;
  };
  const dots = [...document.querySelectorAll('[data-chart] circle')];
  return dots.map(({ cx, cy }) => heightAt(cx.baseVal.value) - cy.baseVal.value);
}"""
ROWS = """() => [...document.querySelectorAll('[data-row]')].map((row) => [
  row.className, ...[3, 4].map((place) => Number(row.querySelectorAll('th, td')[place - 1].textContent))
])"""


def test_a_dot_above_the_line_is_faster_and_one_below_slower(course: Open) -> None:
    page, below = course("pay"), 0
    for budget, trie, width in itertools.product(("fixed", "adaptive"), ("cold", "warm"), (23, 64)):
        slide(page, width)
        for value in (budget, trie):
            page.locator(f"[data-value={value}]").click()
        expect(page.locator("[data-shown]")).to_have_attribute("data-shown", f"{width} {budget} {trie}")
        heights, rows = page.evaluate(OFF_THE_LINE), page.evaluate(ROWS)
        assert len(heights) == len(rows) == 5
        for height, (kind, tokens, needed) in zip(heights, rows, strict=True):
            if abs(tokens - needed) > 0.02:  # the table rounds
                assert (height > 0) == (tokens > needed), (width, budget, trie, kind, tokens, needed)
            assert kind == "same" or (height > 0) == (kind == "faster")
            below += height < 0
    assert below > 2


def do_pay(page: Page) -> None:
    slide(page, 64)
    expect(page.locator("[data-row='0']")).to_have_class("slower")
    expect(page.locator("[data-noticed]")).to_have_text("")
    page.locator("[data-value=adaptive]").click()
    assert re.search(
        r"is 0\.\d+ times as fast as plain decoding at a fixed width of 64, and [01]\.\d+ times", noticed(page)
    )
    cold = page.inner_text("[data-row='0'] td:nth-child(3)")
    page.locator("[data-value=warm]").click()
    expect(page.locator("[data-row='0'] td:nth-child(3)")).not_to_have_text(cold)


TASKS: dict[str, Callable[[Page], None]] = {
    "pass": do_pass,
    "trie": do_trie,
    "suffix": do_suffix,
    "draft": do_draft,
    "mask": do_mask,
    "verify": do_verify,
    "lossless": do_lossless,
    "pay": do_pay,
}


@pytest.mark.parametrize("slug", SLUGS)
def test_a_chapters_task_is_noticed_and_its_question_checked(slug: str, course: Open) -> None:
    page = course(slug)
    mark = page.locator(f"[data-chapter={slug}]")
    expect(page.locator("h1")).to_contain_text(f"{SLUGS.index(slug) + 1} · ")
    expect(mark).to_have_attribute("aria-current", "step")
    TASKS[slug](page)
    expect(mark).to_have_class("begun")
    answers, right = page.locator("[data-answer]"), False
    for place in range(answers.count()):
        answers.nth(place).click()
        right = right or page.locator(".verdict.right").count() == 1
        expect(page.locator(".verdict")).to_have_text(
            re.compile(r"^✓ Right" if page.locator(".verdict.right").count() else "^✗ ")
        )
        if right:
            break
        expect(mark).to_have_class("begun")
    assert right
    expect(mark).to_have_class("whole")


def test_chapters_follow_each_other_by_links_and_arrows(course: Open, app_url: str) -> None:
    page = course("", color_scheme="dark")
    assert "dark" in (page.get_attribute("html", "class") or "")
    expect(page.locator("h1")).to_have_text("1 · One token, one pass")
    expect(page.locator("[data-progress]")).to_have_text("1 of 8 · about 20 minutes in all")
    page.locator("[data-answer]").nth(1).click()
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**/learn/trie")
    expect(page).to_have_title(re.compile("^2 · The Trie grows"))
    expect(page.locator("[data-chapter=pass]")).to_have_class("begun")  # kept in the browser
    page.wait_for_selector("[data-drawn]")
    page.locator("[data-sentence-field='0']").press("ArrowRight")  # moves in the text
    assert page.url.endswith("/learn/trie")
    page.locator("[data-next]").click()
    page.wait_for_url("**/learn/suffix")
    page.locator("[data-back]").click()
    page.wait_for_url("**/learn/trie")
    show(page, app_url, "pay")
    assert page.locator("[data-next]").get_attribute("href") == "/"
    show(page, app_url, "no-such-chapter")
    expect(page.locator("h1")).to_have_text("1 · One token, one pass")


@pytest.mark.parametrize("slug", ["pass", "draft", "mask", "verify", "lossless", "pay"])
def test_a_chapter_fits_a_phone(slug: str, course: Open) -> None:
    page = course(slug, width=390, height=844, has_touch=True, is_mobile=True)
    if slug == "mask":
        expect(page.locator("[data-says]")).to_contain_text("Tap a token")
    assert page.evaluate("document.querySelector('.top').scrollWidth") <= 390
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("(box => box.scrollWidth <= box.clientWidth)(document.querySelector('main'))")
    sizes = page.eval_on_selector_all(
        ".controls > button, .switch button, .answer, .button-link:not(.none), .chapters a",
        "(found) => found.map((one) => one.getBoundingClientRect()).map(({ width, height }) => [width, height])",
    )
    assert all(height >= 44 for _, height in sizes)
    order = page.eval_on_selector_all(
        "h1, .task, .picture, .asked", "(found) => found.map((one) => one.getBoundingClientRect().top)"
    )
    assert order == sorted(order)


def test_the_link_of_a_chapter_is_copied(course: Open, app_url: str) -> None:
    page = course("mask", permissions=["clipboard-read", "clipboard-write"])
    page.locator("[data-copy]").click()
    expect(page.locator("[data-told]")).to_have_text("Link copied.")
    assert page.evaluate("navigator.clipboard.readText()") == f"{app_url.rstrip('/')}/learn/mask"


def test_blocked_storage_costs_only_the_memory(course: Open) -> None:
    blocked = "Object.defineProperty(window, 'localStorage', { get() { throw new Error('blocked'); } });"
    page = course("draft", before=blocked)
    do_draft(page)
    page.locator("[data-answer]").nth(1).click()
    expect(page.locator("[data-chapter=draft]")).to_have_class("whole")


def test_what_was_noticed_stays_and_its_room_was_there_before(course: Open) -> None:
    page, question = course("draft"), "document.querySelector('.question').getBoundingClientRect().top"
    before = page.evaluate(question)
    slide(page, 4)
    said = noticed(page)
    assert page.evaluate(question) == before
    page.reload()
    expect(page.locator("[data-noticed]")).to_have_text(said)


def test_what_was_stored_by_others_is_no_error(course: Open) -> None:
    page = course("draft", before="localStorage.setItem('lookahead-learn', '{\"draft\": 5, \"trie\": null}');")
    expect(page.locator("[data-chapter=draft]")).not_to_have_class("whole")


def test_hostile_text_is_text(course: Open) -> None:
    page = course("suffix", before="window.hurt = 0;")
    hostile = '<img src=x onerror="hurt=1"> ${hurt=1} \u202eabc <b>bold</b> {{x}} <img src=x onerror="hurt=1">'
    page.locator("[data-text]").fill(hostile)
    expect(page.locator(".token").filter(has_text="onerror").first).to_be_visible()
    expect(page.locator(".token.match").first).to_be_visible()
    page.locator("[data-value=model]").click()
    expect(page.locator("[data-says]")).not_to_be_empty()
    assert page.locator("main img, main b:not(.task b, .question b)").count() == 0
    assert page.evaluate("window.hurt") == 0
    page.locator("[data-text]").fill("")
    expect(page.locator("[data-says]")).to_have_text("Type a few words.")


def test_what_an_answer_is_told_is_in_sight(course: Open) -> None:
    page = course("trie", width=1280, height=800)
    page.locator("[data-answer]").nth(1).click()
    verdict = page.locator(".verdict")
    expect(verdict).to_contain_text("Right")
    bottom, end = verdict.evaluate(
        "(box) => [box, box.closest('main')].map((each) => each.getBoundingClientRect().bottom)"
    )
    assert bottom < end


def test_the_card_of_every_pane_lies_beside_it(open_page: Open) -> None:
    page = open_page(reduced_motion="reduce")
    for name in ("race", "draft_tree", "live_trie", "attention_mask", "written_text"):
        page.locator(f"[data-pane={name}] [data-explain]").click()
        apart, covered = page.locator(".chapter-card").evaluate(
            """(card, name) => {
              const box = (of) => document.querySelector(of).getBoundingClientRect();
              const a = card.getBoundingClientRect(), pane = box('[data-pane=' + name + ']');
              const over = (b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
              const covered = [pane, box('#ask'), box('#sentence')].some(over);
              return [Math.max(pane.left - a.right, a.left - pane.right), covered];
            }""",
            name,
        )
        assert 0 <= apart < 10, name
        assert not covered, name
        page.keyboard.press("Escape")


def test_the_pages_have_one_header(app_url: str, course: Open) -> None:
    page = course("trie", width=1280, height=800)
    places = []
    for path, name in (("/learn/trie", ".top b"), ("/lab", ".top b"), ("/", "#title h1")):
        page.goto(app_url.rstrip("/") + path)
        if path == "/":
            drawn(page)
            filled(page)
        box = page.locator(name).bounding_box()
        assert box
        places.append([round(box[side]) for side in ("x", "y", "width", "height")])
    assert places[0] == places[1] == places[2]


def test_a_card_explains_a_pane_of_the_stage(open_page: Open) -> None:
    page = open_page(reduced_motion="reduce")
    assert page.locator("#stage [data-explain]").count() >= 5
    button = page.locator("#stage [data-explain=mask]")
    button.scroll_into_view_if_needed()
    button.click()
    card = page.locator("[data-card=mask]")
    expect(card).to_be_visible()
    expect(card.locator(".signs")).to_contain_text("First column")
    covered = card.evaluate(
        "(card) => ['[data-pane=attention_mask]', '#run'].filter((name) => {"
        "const a = card.getBoundingClientRect(), b = document.querySelector(name).getBoundingClientRect();"
        "return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom; })"
    )
    assert covered == []
    expect(card.locator("h2")).to_have_text("5 · One pass, many branches")
    card.locator("[data-answer]").nth(1).click()
    expect(card.locator(".verdict")).to_contain_text("Right")
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()
    page.locator("#stage [data-explain=draft]").click()
    page.locator("[data-card=draft] a").click()
    page.wait_for_url("**/learn/draft")
    expect(page.locator("[data-chapter=mask]")).to_have_class("begun")


@pytest.mark.parametrize("slug", ["draft", "mask", "verify", "lossless"])
def test_a_presented_picture_is_not_cut(slug: str, course: Open) -> None:
    page = course(f"{slug}?present=1", width=1280, height=720)
    box = page.locator(".picture")
    assert box.evaluate("(box) => box.getBoundingClientRect().bottom <= innerHeight + 1")
    assert box.evaluate("(box) => box.scrollHeight <= box.clientHeight + 1")


WINDOWS = {
    "present": ("?present=1", {"width": 1280, "height": 800}),
    "plain": ("", {"width": 1280, "height": 800}),
    "phone": ("", {"width": 390, "height": 844, "has_touch": True, "is_mobile": True}),
}

CUT = """(box) => {  // nodes that cannot be scrolled to, or that the picture itself cuts off
  const svg = box.querySelector('svg'), view = svg.viewBox.baseVal, cut = [];
  const ends = [...svg.querySelectorAll('rect')].map(({ x, width }) => x.baseVal.value + width.baseVal.value);
  const outer = Math.max(...ends);
  if (outer > view.width) cut.push('picture ' + view.width + ' of ' + outer);
  for (const node of svg.querySelectorAll('[data-node], .n-bonus')) {
    node.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    const { left, right, bottom } = node.getBoundingClientRect(), seen = box.getBoundingClientRect();
    const end = Math.min(seen.bottom, svg.getBoundingClientRect().bottom);
    if (left < seen.left - 2 || right > seen.right + 2 || bottom > end + 2) cut.push(node.textContent);
  }
  box.scrollTo({ left: 0, top: 0 });
  return cut;
}"""


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("slug", ["mask", "verify", "lossless"])
def test_every_node_of_a_recorded_tree_can_be_scrolled_to(slug: str, window: str, course: Open) -> None:
    query, options = WINDOWS[window]
    page = course(slug + query, **options)
    if slug == "lossless":
        page.locator("[data-plant-right]").click()
        expect(page.locator(".planted .frame")).to_have_count(4)
    box = page.locator("[data-tree-box]")
    assert box.evaluate(CUT) == []
    wider = box.evaluate("(box) => box.scrollWidth > box.clientWidth + 3")
    assert wider == box.evaluate("(box) => box.classList.contains('more') && getComputedStyle(box).maskImage != 'none'")


def test_presenting_and_hidden_parts_stay_from_chapter_to_chapter(course: Open) -> None:
    page = course("mask?hide=question,nothing")
    expect(page.locator(".asked")).to_be_hidden()
    page.click("[data-present]")
    for part in (".top", ".chapters", ".course-foot"):
        expect(page.locator(part)).to_be_hidden()
    page.keyboard.press("ArrowRight")
    page.wait_for_url(re.compile(r"/learn/verify\?hide=question.*&present=1"))
    page.wait_for_selector("[data-drawn]")
    expect(page.locator(".top")).to_be_hidden()
    expect(page.locator(".picture")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.click("[data-leave]")
    expect(page.locator(".top")).to_be_visible()
    expect(page.locator("[data-leave]")).to_be_hidden()
    expect(page.locator(".asked")).to_be_hidden()
    assert "present" not in page.url


def test_arrows_and_a_clicker_turn_presented_chapters_wherever_the_focus_is(course: Open, app_url: str) -> None:
    page = course("mask?present=1")
    page.locator("[data-row='3']").click()
    page.keyboard.press("ArrowLeft")
    page.wait_for_url("**/learn/draft?present=1")
    page.wait_for_selector("[data-drawn]")
    page.locator("[data-text]").press("ArrowRight")  # moves in the text
    page.locator(".slide input").focus()
    page.keyboard.press("ArrowUp")
    expect(page.locator("output")).to_have_text("3 tokens")
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**/learn/mask?present=1")
    page.wait_for_selector("[data-drawn]")
    page.locator("[data-mask=tree] [data-node='2'], [data-node='2']").first.click()
    page.keyboard.press("PageDown")
    page.wait_for_url("**/learn/verify?present=1")
    page.keyboard.press("PageUp")
    page.wait_for_url("**/learn/mask?present=1")
    show(page, app_url, "draft")  # not presented
    page.locator(".slide input").press("ArrowRight")
    expect(page.locator("output")).to_have_text("3 tokens")
    page.keyboard.press("PageDown")
    assert page.url.endswith("/learn/draft")


def test_a_presented_chapter_shows_its_answers_and_leave_covers_nothing(course: Open, app_url: str) -> None:
    page = course("pass?present=1")
    for slug in SLUGS:
        show(page, app_url, slug + "?present=1")
        page.locator("[data-answer]").last.click()
        for width, height in ((1280, 720), (1920, 1080)):
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_function(
                "([width, height]) => innerWidth === width && innerHeight === height", arg=[width, height]
            )
            two_frames(page)
            picture, verdict, leave = (
                page.locator(name).bounding_box() or {} for name in (".picture", ".question .verdict", "[data-leave]")
            )
            assert verdict["y"] + verdict["height"] <= leave["y"], (slug, width)
            assert leave["y"] + leave["height"] <= height, (slug, width)
            assert leave["x"] + leave["width"] <= picture["x"], (slug, width)
