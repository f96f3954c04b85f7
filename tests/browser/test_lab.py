"""The Lab: a file runs to its end, a table sorts and opens runs, exports hold it, hostile text stays text, a phone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect

from app.model.host import ModelHost
from app.serve.lab_page import EXAMPLE
from lookahead.report.report import to_html
from lookahead.study.result import CAUSE_NAMES, Row, Study
from tests.browser.passes import Passes
from tests.browser.visitors import Visitors

pytestmark = pytest.mark.browser

HOSTILE = '</script><img src=x onerror="hurt=1"> ${hurt=1} \u202eabc <b>bold</b>'
PROMPTS = "".join(json.dumps({"prompt": text, "category": "sum"}) + "\n" for text in ("Add 2 and 2.", HOSTILE))
Open = Callable[..., Page]


@pytest.fixture
def lab(visitors: Visitors, app_url: str) -> Iterator[Open]:
    """Opens the page; at the end no page may have logged an error or asked another host."""
    wrong: list[str] = []
    with visitors.tabs(app_url, wrong) as new_tab:

        def opened(address: str = "", **options: Any) -> Page:
            page = new_tab(**options)
            page.add_init_script("window.hurt = 0;")
            page.goto(address or f"{app_url.rstrip('/')}/lab")
            page.wait_for_selector("[data-verdict]")
            return page

        yield opened
    assert [one for one in wrong if not re.search("40[04] ", one)] == []


@pytest.fixture(scope="module")
def example() -> Study:
    """The bundled study."""
    return msgspec.json.decode(EXAMPLE.read_bytes(), type=Study)


def choose(page: Page, text: str, name: str = "prompts.jsonl") -> None:
    """A file of this text, dropped onto the page."""
    page.evaluate(
        """([name, text]) => {
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([text], name));
          for (const kind of ['dragover', 'drop']) {
            document.body.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
          }
        }""",
        [name, text],
    )
    expect(page.locator("[data-material]")).to_contain_text(name)


def run(page: Page, **switches: bool) -> None:
    for name in ("plain", "sweep"):
        page.locator(f"[data-{name}]").set_checked(switches.get(name, False))
    page.locator("[data-run]").click()


def ended(page: Page) -> None:
    page.wait_for_selector("body:not([data-running])")
    expect(page.locator("[data-problem]")).to_be_hidden()


def test_a_dropped_file_runs_to_its_end_and_a_row_opens_on_watch(lab: Open, app_url: str, tmp_path: Path) -> None:
    page = lab()
    expect(page.locator("[data-about]")).to_contain_text("This is an example")
    expect(page.locator("[data-run]")).to_be_hidden()
    expect(page.locator("tbody tr.opens a").first).to_have_attribute("href", re.compile("."))
    choose(page, PROMPTS)
    expect(page.locator("[data-about]")).to_contain_text("the example, not yet prompts.jsonl")
    expect(page.locator("main[data-old]")).to_have_count(1)
    expect(page.locator("[data-limit]:visible, [data-problem]:visible")).to_have_count(1)  # the file was read
    expect(page.locator("[data-problem]")).to_have_text("")
    page.get_by_label("Max new tokens").fill("12")
    page.locator("[data-add-b]").click()
    page.locator("[data-card=b] [data-knob=decoding_length]").fill("4")
    page.keyboard.press("Escape")
    run(page, plain=True)
    expect(page.locator("[data-stop]")).to_be_visible()
    ended(page)
    assert "study=" in page.url
    rows = page.locator("tbody tr[data-row]")
    expect(rows).to_have_count(2)
    expect(page.locator("td.c-second").first).not_to_have_text("–")
    expect(rows.filter(has_text="onerror")).to_have_count(1)
    assert page.locator("main img, main script").count() == 0
    saved = {}
    for kind in ("csv", "json", "html"):
        with page.expect_download() as download:
            page.locator(f"[data-export={kind}]").click()
        saved[kind] = tmp_path / f"study.{kind}"
        download.value.save_as(saved[kind])
    study = msgspec.json.decode(saved["json"].read_bytes(), type=Study)
    assert len(saved["csv"].read_text("utf-8").splitlines()) >= 3
    report = lab(saved["html"].as_uri())
    expect(report.locator("tbody tr[data-row]")).to_have_count(2)
    assert (report.evaluate("window.hurt"), page.evaluate("window.hurt")) == (0, 0)
    address = rows.first.locator("a").get_attribute("href")
    row = next(one for one in study.rows if f"run={one.run}&" in f"{address}&")
    rows.first.locator("td").nth(1).click()
    page.wait_for_url(re.compile(rf"\?study=.*&run={row.run}&step={row.worst_step or 0}"))
    page.wait_for_selector("#numbers [data-metric]")
    expect(page.locator("[data-step-count]")).to_contain_text(f"step {row.worst_step or 0} ")
    lost = page.locator("[data-lost]")
    expect(lost).to_be_visible(visible=row.worst_step is not None)
    page.go_back()
    page.wait_for_selector("[data-verdict]")
    expect(page.locator("tbody tr[data-row]")).to_have_count(2)  # the study is still there
    page.reload()
    expect(page.locator("[data-says=b]")).to_contain_text("4")
    expect(page.locator("td.c-second").first).not_to_have_text("–")
    expect(page.locator("main[data-old]")).to_have_count(0)
    page.goto(f"{app_url.rstrip('/')}/lab?study=gone")
    expect(page.locator("[data-problem]")).to_contain_text("not on the server any more, or it is another browser's")


def report_of(example: Study, rows: tuple[Row, ...], file: Path, text: str = "") -> str:
    """The address of a report of these rows."""
    study = msgspec.structs.replace(example, rows=rows, title=text or example.title, notes=(text,))
    file.write_text(to_html(study), encoding="utf-8")
    return file.as_uri()


def test_a_row_of_the_example_says_at_its_step_what_was_lost(lab: Open, example: Study, app_url: str) -> None:
    page, row = lab(f"{app_url.rstrip('/')}/lab"), example.rows[3]
    page.locator(f"tr[data-row='{row.name}'] a").click()
    lost = page.locator("[data-lost]")
    expect(lost).to_contain_text(f"Lab, row 4: this step lost most, {row.worst_tokens} tokens: ")
    assert row.worst_cause is not None
    expect(lost).to_contain_text(CAUSE_NAMES[row.worst_cause])
    expect(page.locator("[data-pitch]")).to_be_hidden()
    page.keyboard.press("ArrowRight")
    expect(lost).to_contain_text(f"row 4: step {row.worst_step} lost most")
    page.locator("#preset label", has_text="JSON").click()  # another run: nothing is said of the row
    expect(lost).to_be_hidden()
    expect(page.locator("[data-pitch]")).to_be_visible()


def test_the_heads_of_a_report_are_whole_and_a_filter_without_a_match_says_so(
    lab: Open, example: Study, tmp_path: Path
) -> None:
    page = lab(report_of(example, example.rows, tmp_path / "heads.html"))
    for name in ("tokens", "per-pass", "accepted", "speedup"):
        page.locator(f"[data-sort={name}]").click()  # its arrow needs room, too
        head = page.locator(f"[data-sort={name}]")
        assert head.evaluate("(one) => one.scrollWidth <= one.clientWidth + 1 && one.scrollHeight <= 40"), name
    page.get_by_label("Filter the prompts").fill("zebra")
    expect(page.locator("[data-none]")).to_have_text("No prompt has “zebra” in its text, name or kind.")
    page.get_by_label("Filter the prompts").fill("")
    expect(page.locator("[data-none]")).to_have_count(0)


def test_thousands_of_rows_sort_filter_and_stay_few_in_the_document(lab: Open, example: Study, tmp_path: Path) -> None:
    rows = tuple(
        msgspec.structs.replace(example.rows[place % len(example.rows)], name=f"trace.jsonl:{place + 1}")
        for place in range(3000)
    )
    page = lab(report_of(example, rows, tmp_path / "many.html"))
    expect(page.locator("[data-count]")).to_have_text("3,000 prompts")
    assert page.locator("tbody tr[data-row]").count() < 80
    page.locator("[data-sort=prompt]").click()
    first = page.locator("tbody tr[data-row]").first
    expect(first).to_have_attribute("data-place", "0")
    name = first.get_attribute("data-row")
    page.locator("[data-sort=prompt]").click()
    expect(page.locator("th[aria-sort=descending]")).to_have_count(1)
    expect(first).not_to_have_attribute("data-row", str(name))
    first.focus()
    page.keyboard.press("End")
    expect(page.locator("tbody tr:focus")).to_have_attribute("data-row", str(name))
    page.keyboard.press("ArrowUp")
    expect(page.locator("tbody tr:focus")).to_have_attribute("data-place", "2998")
    page.locator("[data-rows]").evaluate("(box) => { box.scrollTop = box.scrollHeight / 2; }")
    expect(page.locator("tbody tr[data-place='1500']")).to_be_visible()
    assert page.locator("tbody tr[data-row]").count() < 80
    page.get_by_label("Filter the prompts").fill("trace.jsonl:29")
    expect(page.locator("[data-count]")).to_have_text(re.compile(r"^\d+ of 3,000 prompts"))


def test_a_study_is_stopped_and_keeps_what_it_has(lab: Open, passes: Passes) -> None:
    page = lab()
    choose(page, PROMPTS * 40)
    run(page)
    expect(page.locator("tbody tr[data-row='prompts.jsonl:1']")).to_have_count(1)
    expect(page.locator("[data-verdict]")).to_have_text(re.compile(r"^So far \(\d+ of 80\): "))
    page.locator("[data-stop]").click()
    ended(page)
    assert 0 < page.locator("tbody tr[data-row]").count() < 60
    expect(page.locator("[data-verdict]")).to_have_text(re.compile(r"^Stopped after \d+ of 80 prompts\. "))
    expect(page.locator("[data-run]")).to_have_text("Continue")


def read(page: Page) -> None:
    """Wait until the file was read."""
    expect(page.locator("[data-run]")).to_be_enabled()


def test_a_stopped_study_has_advice_and_goes_on_where_it_was(lab: Open, passes: Passes) -> None:
    page = lab()
    passes.seconds = 0.03
    top = "document.querySelector('main').getBoundingClientRect().top"
    count, button = 24, page.locator("[data-run]")
    choose(page, "".join(json.dumps({"prompt": f"Add {number} and 2."}) + "\n" for number in range(count)))
    read(page)
    page.get_by_label("Max new tokens").fill("12")
    place = page.evaluate(top)
    run(page, sweep=True)
    expect(page.locator("tbody tr[data-row='prompts.jsonl:4']")).to_have_count(1)
    passes.hold(0)
    assert page.evaluate(top) == place
    page.locator("[data-value=ranking]").click()
    expect(page.locator("[data-view=ranking] .says")).to_contain_text("tried when the runs are over")
    with page.expect_response(re.compile("/stop$")):
        page.locator("[data-stop]").click()
    passes.go_on()
    ended(page)
    verdict = page.locator("[data-verdict]")
    expect(verdict).to_have_text(re.compile(rf"^Stopped after \d+ of {count} prompts\. "))
    kept = page.locator("tbody tr[data-row]").count()
    assert 4 <= kept < count
    assert page.locator("[data-view=ranking] .bar-row").count() > 10
    expect(page.locator(".advice li")).not_to_have_count(0)
    expect(page.locator("p[data-facts]")).to_contain_text("at most 12 new tokens")
    expect(button).to_have_text("Continue")
    assert page.evaluate(top) == place
    page.get_by_label("Max new tokens").fill("13")
    expect(button).to_have_text("Run")
    expect(page.locator("[data-afresh]")).to_be_hidden()
    page.get_by_label("Max new tokens").fill("12")
    expect(button).to_have_text("Continue")
    expect(page.locator("[data-afresh]")).to_be_visible()
    page.reload()  # as when one comes back from Watch
    expect(button).to_have_text("Continue")
    expect(page.get_by_label("Max new tokens")).to_have_value("12")
    passes.hold(0)
    button.click()
    expect(verdict).to_have_text(re.compile(rf"^So far \({kept} of {count}\): "))
    assert page.locator("tbody tr[data-row]").count() == kept
    passes.go_on()
    ended(page)
    expect(page.locator("tbody tr[data-row]")).to_have_count(count)
    expect(verdict).not_to_have_text(re.compile("^(So far|Stopped)"))
    expect(button).to_have_text("Run")


def test_b_is_replayed_without_a_run(lab: Open, passes: Passes) -> None:
    page = lab()
    choose(page, PROMPTS * 3)
    read(page)
    page.get_by_label("Max new tokens").fill("12")
    run(page, plain=True, sweep=True)
    ended(page)
    page.locator("[data-value=ranking]").click()
    settings = page.locator("[data-view=ranking] .bar-row")
    times, tried = page.locator("td.c-speedup").all_text_contents(), settings.count()
    made = passes.made
    page.locator("[data-view=ranking] button", has_text="Try as B").first.click()
    expect(page.locator(".advice")).to_contain_text(re.compile("B is |A is better"))
    ended(page)
    assert passes.made == made
    assert page.locator("td.c-speedup").all_text_contents() == times
    expect(settings.filter(has=page.get_by_text("B", exact=True))).to_have_count(1)
    assert settings.count() >= tried
    expect(page.locator("[data-run]")).to_have_text("Run")
    page.locator("[data-open=b]").click()
    page.locator("[data-card=b] [data-knob=decoding_length]").fill("3")
    page.keyboard.press("Escape")
    expect(page.locator("[data-run]")).to_have_text("Replay B")
    page.locator("[data-run]").click()
    ended(page)
    expect(page.locator("[data-run]")).to_have_text("Run")
    assert passes.made == made


def test_a_part_of_the_prompts_with_an_estimate(lab: Open, host: ModelHost) -> None:
    page = lab()
    choose(page, PROMPTS * 5)
    read(page)
    part, estimate = (
        page.get_by_label("Prompts", exact=False).and_(page.locator("[data-part] input")),
        page.locator("[data-estimate]"),
    )
    expect(part).to_have_value("10")
    assert host.costs is not None
    page.get_by_label("Max new tokens").fill("200")
    expect(estimate).to_have_text(re.compile(r"^up to \d+(\.5)? (s|min|h)$"))
    page.get_by_label("Max new tokens").fill("")
    expect(estimate).to_have_text("")
    page.get_by_label("Max new tokens").fill("12")
    part.fill("4")
    run(page)
    ended(page)
    expect(page.locator("tbody tr[data-row]")).to_have_count(4)
    expect(page.locator(".notes")).to_contain_text("4 of 10 prompts")
    expect(part).to_have_value("4")
    expect(page.locator("[data-run]")).to_have_text("Run")
    part.fill("10")
    expect(page.locator("[data-run]")).to_have_text("Continue")


def test_another_browser_is_told_why_it_does_not_see_a_study(lab: Open, browser: Browser) -> None:
    page = lab()
    choose(page, '{"prompt": "a"}\n')
    read(page)
    run(page)
    ended(page)
    with browser.new_context() as other:
        elsewhere = other.new_page()
        elsewhere.goto(page.url)
        expect(elsewhere.locator("[data-problem]")).to_contain_text("a study is seen only where it was started")


def test_what_is_wrong_is_one_line(lab: Open) -> None:
    page = lab()
    choose(page, '{"prompt": "a"}\n{"prompt": 5}\n')
    expect(page.locator("[data-problem]")).to_have_text(re.compile(r'prompts\.jsonl, line 2: .*\{"prompt": 5\}'))
    expect(page.locator("[data-run]")).to_be_disabled()
    expect(page.locator("[data-about]")).to_contain_text("still the example")
    choose(page, '{"prompt": "a"}\n')
    expect(page.locator("[data-run]")).to_be_enabled()
    expect(page.locator("[data-problem]")).to_be_hidden()


def test_a_report_has_one_verdict_kinds_flags_and_marks_a_doubtful_time(
    lab: Open, example: Study, tmp_path: Path
) -> None:
    replace = msgspec.structs.replace
    rows = tuple(replace(row, category=kind) for row, kind in zip(example.rows, "aabbcc", strict=False))
    page = lab(report_of(example, rows, tmp_path / "kinds.html"))
    expect(page.locator(".pay .says").first).to_contain_text("By T(n), a pass of A takes as long as")
    expect(page.get_by_text(re.compile("It pays|It does not pay|not sure"))).to_have_count(1)
    page.get_by_role("button", name="All columns").click()
    pane, held = page.locator("[data-rows]").bounding_box(), page.locator("thead .sorted").bounding_box()
    assert pane
    assert held
    assert held["x"] + held["width"] <= pane["x"] + pane["width"]
    page.get_by_role("button", name="By kind").click()
    expect(page.locator("[data-kind]")).to_have_count(3)
    page.locator("[data-explain=outranked]").click()
    expect(page.locator(".lost .says")).to_contain_text("What to do:")
    for view, press in (("ranking", ""), ("grid", ".cell.best")):
        page.locator(f"[data-value={view}]").click()
        if press:
            page.locator(press).click()
        copy = page.locator("[data-copy]:visible").first
        expect(copy).to_have_attribute("data-copy", re.compile("^--"))
        copy.click()
        expect(copy).to_have_text(re.compile("^Copied$|^--"))  # as the browser lets it
    expect(page.locator(".notes li").first).to_contain_text(f"Reason of the verdict: {example.verdict.reason}")
    busy = replace(example.machines[0], seconds=(0.1, 0.06, *example.machines[0].seconds[2:]), break_even=())
    page = lab(report_of(replace(example, machines=(busy,)), rows, tmp_path / "busy.html"))
    expect(page.locator("[data-doubt]")).to_contain_text("T(2) is off its neighbours")
    expect(page.locator(".needed.doubtful")).to_have_count(1)
    total = replace(example.total, modelled_speedup=2.53)
    page = lab(report_of(replace(example, total=total), rows, tmp_path / "off.html"))
    expect(page.locator("[data-doubt]")).to_contain_text("T(n) does not fit the measured times")
    expect(page.locator(".pay .says").first).to_contain_text("tokens wide on average; A is drawn at 1.0")


def test_the_lab_fits_a_phone(lab: Open) -> None:
    page = lab(width=390, height=844, has_touch=True, color_scheme="dark")
    assert "dark" in (page.get_attribute("html", "class") or "")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    small = page.eval_on_selector_all(
        ".top nav a, .ask button, .ask .check, .study button, .study select, .study .search, .study tbody tr[data-row]",
        """(found) => found.filter((one) => one.checkVisibility())
          .map((one) => ({ text: one.textContent, box: one.getBoundingClientRect() }))
          .filter(({ box }) => box.height < 43.5 || box.width < 24)
          .map(({ text, box }) => `${text} ${box.width} x ${box.height}`)""",
    )
    assert small == []
    page.locator("[data-open=a]").click()
    card = page.locator("[data-card=a]")
    expect(card).to_be_visible()
    assert card.evaluate(
        "(box) => box.getBoundingClientRect().bottom <= innerHeight + 1 && box.scrollWidth <= box.clientWidth"
    )
    page.keyboard.press("Escape")
    for name in ("grid", "ranking"):
        page.locator(f"[data-value={name}]").click()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_speeds_of_the_kinds_are_in_sight_on_a_phone(lab: Open, example: Study, tmp_path: Path) -> None:
    rows = tuple(msgspec.structs.replace(row, category=kind) for row, kind in zip(example.rows, "aabbcc", strict=False))
    page = lab(report_of(example, rows, tmp_path / "kinds.html"), width=390, height=844)
    page.get_by_role("button", name="By kind").click()
    speeds = page.locator(".kinds thead th", has_text="×")
    assert speeds.count() >= 1
    for place in range(speeds.count()):
        box = speeds.nth(place).bounding_box()
        assert box
        assert box["x"] + box["width"] <= 390


def test_a_report_of_hostile_text_is_inert(lab: Open, example: Study, tmp_path: Path) -> None:
    text = HOSTILE + "\u2028\ud800"
    row = msgspec.structs.replace(example.rows[0], name=text, text=text)
    page = lab(report_of(example, (row,), tmp_path / "report.html", text))
    expect(page.locator("tbody tr[data-row]")).to_have_count(1)
    expect(page.locator("tbody tr[data-row] th")).to_contain_text("onerror")
    assert page.evaluate("window.hurt") == 0
    assert page.locator("img").count() == 0
    for view in ("grid", "ranking", "source"):
        page.locator(f"[data-value={view}]").click()
