"""The HTML report: one file, its data inert, its policy true of what it holds."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import msgspec
import pytest

from lookahead.report.report import FOLDER, bundle, facts, inert_json, sources, to_html
from lookahead.sources.registry import SOURCES
from lookahead.study.result import Row, Study, Variant, Verdict

HOSTILE = "</script><!-- <script>hurt=1</script> \u2028\u2029 \ud800 & ${hurt=1} \u202e \x00 %(data)s"


def study(text: str = "Add 2 and 2.", speedup: float | None = float("nan")) -> Study:
    """A study of one row whose every text is this one."""
    row = Row(
        name=text, text=text, category=text, tokens=9, passes=3, tokens_per_pass=3.0, drafted=8, accepted=6, empty=0,
        wasted=2, speedup=speedup,
    )  # fmt: skip
    return Study(
        created="2026-01-01T00:00:00", program_version="1", title=text, config={"decoding_length": 64}, rows=(row,),
        verdict=Verdict(text=text, pays=None, speedup=None), total=row, notes=(text,),
        variants=(Variant(label=text, tokens_per_pass=2.0, drafted_per_pass=1.0, modelled_speedup=None),),
    )  # fmt: skip


def data_of(report: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="study">(.*?)</script>', report, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_the_report_holds_the_study_whole() -> None:
    held = data_of(to_html(study()))
    assert held["facts"] == facts()
    assert msgspec.convert(held["study"], Study) == study(speedup=None)


@pytest.mark.parametrize("text", [HOSTILE, "<!--", "</SCRIPT >", "\udfff", "]]>"])
def test_hostile_text_is_data(text: str) -> None:
    report, plain = to_html(study(text)), to_html(study("a"))
    report.encode()  # no half of a character
    for sign in ("<script", "</script", "<!--"):
        assert report.lower().count(sign) == plain.lower().count(sign)
    assert "\u2028" not in report
    held = data_of(report)["study"]
    assert isinstance(held, dict)
    assert held["rows"][0]["text"] == text


def test_the_policy_lets_only_its_own_script_and_style_in() -> None:
    report = to_html(study())
    policy = re.search(r'http-equiv="Content-Security-Policy" content="(.*?)"', report)
    assert policy
    assert "default-src 'none'" in policy[1]
    assert "unsafe" not in policy[1]
    script, style = report.rpartition("<script>")[2].partition("</script>")[0], report.partition("<style>")[2]
    for kind, text in (("script", script), ("style", style.partition("</style>")[0])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy[1]
    assert " style=" not in report
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", report), "asks nothing of a network"


def test_the_bundle_holds_every_module_once_and_in_order() -> None:
    text = bundle()
    assert not re.search(r"^(import|export) ", text, re.MULTILINE)
    made = re.findall(r"^const m_(\w+) = ", text, re.MULTILINE)
    assert sorted(made) == sorted(path.stem for path in FOLDER.glob("*.js"))
    for name in made:
        used = re.findall(r" = m_(\w+);", text.partition(f"const m_{name} = ")[2].partition("\n})();")[0])
        assert all(made.index(other) < made.index(name) for other in used)


def test_sources_have_the_registrys_colours() -> None:
    assert [one["light"] for one in sources()] == [info.light for info in SOURCES.values()]


def test_every_reason_of_a_verdict_and_every_setting_has_words() -> None:
    held = facts()
    assert held["sources"] == sources()
    assert held["reasons"]["too few repeats"]["then"].startswith("Give it more to copy from")
    assert held["settings"]["branch_length"] == {"flag": "--branch-length", "default": 0}
    reasons = re.findall(r"^  \w+: \['.*', '(.*)'\],$", (FOLDER / "words.js").read_text("utf-8"), re.MULTILINE)
    assert set() < set(reasons) <= held["reasons"].keys()


def test_json_is_ascii_and_has_no_signs_of_html() -> None:
    text = inert_json({"<a>&\u2028": [1.5, float("inf"), True, None, ("x",)]})
    assert text.isascii()
    assert not set("<>&") & set(text)
    assert json.loads(text) == {"<a>&\u2028": [1.5, None, True, None, ["x"]]}
