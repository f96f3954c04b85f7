"""Everything answers everything: a step's match, its nodes, its mask and its text; its phases; what was not drafted."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from lookahead.config import LookaheadConfig
from lookahead.costs import PassCosts
from lookahead.engine import LookaheadEngine
from lookahead.records import ModelInfo, RunRecord
from lookahead.runs import runfile
from lookahead.runs.recorder import RunRecorder
from tests.browser.visitors import at_rest, drawn, go_to, trie_of
from tests.lookahead.fake_backend import FakeBackend

pytestmark = pytest.mark.browser

PROMPT = (1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 10, 11, 12)
OUTPUT = (1, 2, 3, 4, 5, 6, 7, 8, 13, 14, 1, 2, 9, 3, 4, 10, 11, 15, 16, 17, 1, 2, 3, 4, 5, 6, 7)
LINKED = re.compile(r"\blinked\b")
TOLD = "[...document.querySelectorAll('#ribbon .told')].map((e) => e.textContent).join('')"


def _choice(context: Sequence[int]) -> int:
    return OUTPUT[(len(context) - len(PROMPT)) % len(OUTPUT)]


@pytest.fixture(scope="module")
def run() -> RunRecord:
    """A run by a backend without a model: it has steps with and without a draft, and its tokens spell ``#1#2``."""
    costs, config = PassCosts((1, 2, 8, 64), (1.0, 1.6, 2.0, 6.0)), LookaheadConfig(decoding_length=16)
    info = ModelInfo(name="none", device="cpu", dtype="float32", parameters=1, vocab_size=50)
    recorder = RunRecorder(PROMPT, config, info, "lookahead", 40, pass_costs=costs)
    for step in LookaheadEngine(FakeBackend(_choice), config, pass_costs=costs).generate(PROMPT, max_new_tokens=40):
        recorder.add(step)
    return recorder.record()


@pytest.fixture
def opened(open_page: Callable[..., Page], run: RunRecord, tmp_path: Path) -> Callable[..., Page]:
    """Opens the page with that run."""

    def page_of(**options: object) -> Page:
        page = open_page(**options)
        page.wait_for_function("document.querySelector('#stage [data-state]')?.dataset.state === 'recorded'")
        runfile.save(run, tmp_path / "linked.json")
        page.set_input_files("#open-run", tmp_path / "linked.json")
        expect(page.locator("[data-about]")).to_contain_text("opened from linked")
        return page

    return page_of


def _go(page: Page, step: int) -> None:
    go_to(page, step)
    page.evaluate("document.activeElement.blur()")
    page.mouse.move(2, 2)


def test_what_was_matched_and_each_node_are_marked_in_every_pane(opened: Callable[..., Page], run: RunRecord) -> None:
    page = opened(reduced_motion="reduce")
    draft = run.steps[14].draft
    assert draft
    assert run.steps[14].match_length == 3
    assert run.steps[14].accepted_nodes[:2] == (1, 2)
    _go(page, 14)
    assert page.locator("#ribbon .suffix").all_inner_texts() == ["#1", "#2", "#3"]
    assert page.locator("#ribbon .read").all_inner_texts() == ["#1", "#2", "#3"] * 3, "three places"
    expect(page.locator("#draft-tree .n-root")).to_have_text("#1#2#3")
    trie_of(page, 14)
    expect(page.locator("#trie .level >> nth=0 >> .suffix")).to_have_text(["#1", "#2", "#3"])

    node, row, card = (page.locator(name) for name in ("[data-node='2']", "#mask [data-row='2']", "[data-detail]"))
    expect(card).to_be_hidden()
    linked = page.locator("#trie .n-trie.linked")
    for point in (node, row, page.locator("#ribbon [data-step='14'][data-place='1']")):
        point.hover()
        for place in (node, row):
            expect(place).to_have_class(LINKED)
        expect(linked).to_have_count(3)
        assert page.evaluate(TOLD).endswith("#5"), "the token itself and where it was read"
        expect(card).to_contain_text("Token")
        page.mouse.move(2, 2)
        expect(linked).to_have_count(0)
        expect(card).to_be_hidden()
    page.locator("#trie [data-gram]").filter(has_text="#5").first.hover()
    expect(node).to_have_class(LINKED)
    box, below = node.locator("rect").bounding_box(), card.bounding_box()
    assert box
    assert below
    assert abs(below["x"] - box["x"]) < 8
    assert 0 <= below["y"] - box["y"] - box["height"] < 140
    expect(card).to_be_in_viewport(ratio=1)


def test_the_mask_shows_the_text_before_and_the_positions(opened: Callable[..., Page], run: RunRecord) -> None:
    page = opened(reduced_motion="reduce")
    _go(page, 14)
    step = run.steps[14]
    assert step.draft
    expected = [str(step.context_length - 1 + len(step.draft.path(node))) for node in range(len(step.draft))]
    expect(page.locator("#mask .position")).to_have_text(expected)
    block = page.locator("#mask .m-prefix")
    rows = int(block.get_attribute("height") or 0)
    assert rows == int(page.get_attribute("#mask .frame", "height") or 0) > 0
    expect(block).to_contain_text(f"{step.context_length - 1} tokens before the root")
    _go(page, 0)
    expect(page.locator("#mask .m-prefix")).to_have_count(1)
    expect(page.locator("#draft-tree .n-root")).to_have_text("16 prompt tokens")


def test_a_step_without_a_draft_shows_what_was_not_drafted(opened: Callable[..., Page], run: RunRecord) -> None:
    page = opened(reduced_motion="reduce")
    ghosts, why = page.locator("#draft-tree [data-ghost]"), page.locator("[data-tree-none]")
    for step, texts in ((3, ["#4  6 %"]), (13, ["#3  27 %", "#9  1 time"])):
        assert len(run.steps[step].draft or ()) == 1
        _go(page, step)
        assert ghosts.all_text_contents() == texts
        expect(page.locator("#draft-tree .n-bonus")).to_have_count(1)
    expect(why).to_have_text("Not drafted: with #3 (27 %) a pass brings 1.27 tokens; here 1.60 are needed to pay.")
    _go(page, 14)
    expect(ghosts).to_have_count(0)
    expect(why).to_be_empty()


SEEN = """() => {
  const opacity = (name) => Math.min(...[...document.querySelectorAll(name)].map((e) => +getComputedStyle(e).opacity));
  return {
    nodes: opacity('#draft-tree .n-accepted') > 0.5,
    verdicts: getComputedStyle(document.querySelector('#draft-tree .n-accepted .sign')).visibility === 'visible',
    mask: opacity('#mask svg') > 0.5,
    own: opacity('#draft-tree .n-bonus') > 0.5,
    text: getComputedStyle(document.querySelector('#ribbon .now')).visibility === 'visible',
  };
}"""


KNOWN = """() => [
  document.querySelector('#numbers [data-metric=decode_steps]').dataset.value,
  document.querySelector('#race [data-lane=lookahead] .count').textContent.match(/\\d+ of/)[0],
  document.querySelector('#scrubber').parentElement.querySelector('.t-ahead').getAttribute('x'),
  getComputedStyle(document.querySelector('[data-trie-says]')).visibility,
]"""
"""The passes that numbers, race and timeline know of, and whether the Trie tells what the step added."""


def test_the_phases_of_a_step_are_played_by_the_space_bar(opened: Callable[..., Page]) -> None:
    page = opened(reduced_motion="reduce")
    _go(page, 14)
    assert page.evaluate(KNOWN) == ["14", "14 of", "15", "visible"]
    shown: list[str] = []
    for name, more in (("Retrieve", ""), ("Draft", "nodes"), ("Verify", "verdicts mask"), ("Accept", "own text")):
        page.keyboard.press(" ")
        expect(page.locator("#sentence")).to_contain_text(name)
        shown += more.split()
        at_rest(page)
        seen = page.evaluate(SEEN)
        if name == "Retrieve":
            seen.pop("verdicts")  # out of sight with its node
        assert sorted(part for part, there in seen.items() if there) == sorted(shown)
        assert page.locator(".flight").count() == 0, "reduced motion"
        known = ["14", "14 of", "15", "visible"] if name == "Accept" else ["13", "13 of", "14", "hidden"]
        assert page.evaluate(KNOWN) == known, "nothing tells the outcome before the last phase"
    page.keyboard.press(" ")
    expect(page.locator("[data-step-count]")).to_contain_text("step 15 /")
    expect(page.locator("#sentence")).to_contain_text("Retrieve")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#sentence")).to_contain_text(" guessed ")


def test_tokens_move_between_the_panes_for_a_moment(opened: Callable[..., Page]) -> None:
    page = opened()
    page.locator("[data-speed]").select_option("0")
    _go(page, 14)
    trie_of(page, 14)
    expect(page.locator(".match .suffix").first).to_be_visible()
    page.click("[data-next-phase]")
    for _ in range(3):
        page.wait_for_function("document.querySelectorAll('.flight').length === 0")
        durations = page.evaluate(
            """() => {
              document.querySelector('[data-next-phase]').click();
              const flights = [...document.querySelectorAll('.flight')];
              return flights.map((flight) => flight.getAnimations()[0].effect.getTiming().duration);
            }"""
        )
        assert durations
        assert all(150 <= duration <= 250 for duration in durations)
    page.wait_for_function("document.querySelectorAll('.flight').length === 0")


@pytest.mark.parametrize("size", [{}, {"width": 390, "height": 844, "has_touch": True}], ids=["wide", "phone"])
def test_a_match_out_of_sight_can_be_gone_to_and_back(open_page: Callable[..., Page], size: dict[str, object]) -> None:
    page = open_page("/?example=question&step=24", reduced_motion="reduce", **size)
    drawn(page, 24)
    button, read = page.locator("[data-elsewhere]"), page.locator("#ribbon .read").last
    expect(button).to_have_text("↑ matched above")
    button.click()
    expect(button).to_have_text("↓ back to this step")
    assert _in_sight(read)
    assert not _in_sight(page.locator("#ribbon .now"))
    button.click()
    expect(button).to_have_text("↑ matched above")
    assert _in_sight(page.locator("#ribbon .now"))
    go_to(page, 0)  # read the prompt, and matched nothing
    expect(button).to_be_hidden()


def _in_sight(token: Locator) -> bool:
    """Whether any of it is in the visible part of the text."""
    return token.evaluate(
        """(token) => {
          const box = document.querySelector('#ribbon').getBoundingClientRect(), own = token.getBoundingClientRect();
          return own.bottom > box.top && own.top < box.bottom;
        }"""
    )
