"""What a model writes is text, whatever it looks like: in every pane, as it was written, and nothing is executed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app.model.host import ModelHost
from app.model.runs import RunRequest, Take
from lookahead.config import LookaheadConfig
from lookahead.engine import LookaheadEngine
from lookahead.records import ModelInfo, RunRecord, RunTexts
from lookahead.runs import runfile
from lookahead.runs.recorder import RecordedRun, RunRecorder
from tests.browser.visitors import go_to, last_step
from tests.lookahead.fake_backend import FakeBackend

pytestmark = pytest.mark.browser

IMAGE = '<img src=x onerror="hurt=1">'
WORDS = (IMAGE, "${window.hurt=1}", "`tick`", "</p><b>bold</b>", "\u202eשלום\u202c", "a\nb", "{{value}}", "𝒳🌳")
"""Each is the text of one token."""
NODE = "<img src=x oner…"
"""The first of them as a node of the draft tree shows it."""


def _mostly_next(context: Sequence[int]) -> int:
    """The next word, but one time in seven the one after it: then drafts are rejected."""
    return (context[-1] + (2 if len(context) % 7 == 0 else 1)) % len(WORDS)


@pytest.fixture
def hostile_run(tmp_path: Path) -> Path:
    """The file of a run whose every text is hostile."""
    info = ModelInfo(name=IMAGE, device="cpu", dtype="float32", parameters=1, vocab_size=50)
    prompt = [*range(len(WORDS)), *range(len(WORDS))]
    config = LookaheadConfig(decoding_length=8, budget="fixed")
    recorder = RunRecorder(prompt, config, info, "lookahead", 40)
    for step in LookaheadEngine(FakeBackend(_mostly_next), config).generate(prompt, max_new_tokens=40):
        recorder.add(step)
    before, after = (tuple(WORDS[at] for at in ids) for ids in (prompt, recorder.record().token_ids))
    texts = RunTexts("".join(before), "".join(after), before, after, dict(enumerate(WORDS)))
    runfile.save(recorder.record(texts=texts), tmp_path / "hostile.json")
    return tmp_path / "hostile.json"


def _unhurt(page: Page) -> None:
    assert page.evaluate("window.hurt") is None
    assert page.locator("#stage :is(img, script)").count() == 0
    assert page.locator("#stage b", has_text="bold").count() == 0


def test_every_pane_shows_a_hostile_run_as_text(open_page: Callable[..., Page], hostile_run: Path) -> None:
    page = open_page(reduced_motion="reduce")
    page.set_input_files("#open-run", hostile_run)
    expect(page.locator("[data-about]")).to_contain_text(f"opened from hostile.json · {IMAGE} · ")
    ribbon = page.locator("#ribbon").inner_text()
    for text in (*WORDS[:4], "⟨202e⟩שלום⟨202c⟩", "a⏎\nb", *WORDS[6:]):
        assert ribbon.count(text) > 1
    node = page.locator("#draft-tree [data-status=accepted]").filter(has_text=NODE)
    trees, there = "", 0
    for step in range(1, last_step(page) + 1):
        go_to(page, step)
        trees += page.locator("#draft-tree").text_content() or ""
        there = there or (step if node.count() else 0)
    for text in (f"✓ {NODE}", "✗ ${window.hurt=1}", "≠ `tick`", "✓ ⟨202e⟩שלום⟨202c⟩", "a⏎b", "✗ 𝒳🌳"):
        assert text in trees
    go_to(page, there)
    node.first.click()
    expect(page.locator("[data-detail] dd").first).to_contain_text(IMAGE)
    expect(page.locator("[data-detail] q mark")).to_have_text(IMAGE)
    expect(page.locator("[data-mask-row]")).to_contain_text(NODE[:11] + "…")
    expect(page.locator("[data-mask-box]")).to_contain_text(NODE[:10] + "…")
    expect(page.locator("[data-trie-box]")).to_contain_text(NODE[:11] + "…")
    page.locator("[data-search] input").fill(IMAGE)
    page.locator("[data-search] button").click()
    expect(page.locator("[data-match]").first).to_contain_text("Found: " + NODE)
    _unhurt(page)


def test_letters_split_over_output_tokens_come_whole(
    open_page: Callable[..., Page], host: ModelHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = " ".join((*WORDS, "end. "))
    assert host.backend.tokenizer
    output = host.backend.tokenizer(said, add_special_tokens=False)["input_ids"]

    def says_it_twice(request: RunRequest, cancelled: threading.Event, take: Take) -> RunRecord:
        """A run of a model that writes those tokens, whatever it is asked."""
        start, most = len(request.prompt_ids), 2 * len(output)
        backend = FakeBackend(lambda context: output[(len(context) - start) % len(output)])
        backend.vocab_size = host.backend.vocab_size
        engine = LookaheadEngine(backend, request.config)
        run = RecordedRun(engine, request.prompt_ids, host.info, max_new_tokens=most, method="lookahead")
        for step in run:
            take(step, run.seconds)
        return run.record()

    monkeypatch.setattr(host, "generate", says_it_twice)
    page = open_page("/?budget=fixed&keep_trie=0", reduced_motion="reduce")
    page.fill("#document textarea", "")
    page.fill("#prompt textarea", "Say it.")
    page.wait_for_selector("#run:enabled")
    page.click("#run")
    expect(page.locator("#status")).to_contain_text(f"{2 * len(output)} tokens in")
    page.wait_for_selector("#stage [data-state=finished]")  # the last steps are drawn, too
    pieces = page.locator("#ribbon .group [data-step]").all_text_contents()
    shown = "".join(pieces)
    assert shown.count("𝒳🌳") == shown.count(IMAGE) == shown.count("`tick`") == 2
    assert "\ufffd" not in shown
    assert "" in pieces
    accepted = page.locator("#ribbon [data-kind=accepted]")
    assert "𝒳🌳" in "".join(accepted.all_text_contents())
    _unhurt(page)


def test_right_to_left_text_is_read_from_right_to_left(open_page: Callable[..., Page]) -> None:
    """Also where a token is a letter."""
    page = open_page("/?max_new_tokens=2")
    page.fill("#document textarea", "")
    page.fill("#prompt textarea", "שלום")
    page.wait_for_selector("#run:enabled")
    page.click("#run")
    page.wait_for_selector("#stage [data-state=finished]")
    places = page.evaluate(
        """[...document.querySelectorAll('#ribbon [data-kind=prompt]')]
          .filter((span) => /[\\u05d0-\\u05ea]/.test(span.textContent))
          .map((span) => span.getBoundingClientRect().left)"""
    )
    assert len(places) > 1
    assert places == sorted(places, reverse=True)
