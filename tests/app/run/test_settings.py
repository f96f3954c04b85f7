"""The settings of a page: within its limits, in its controls, in its URL."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.model.host import WIDEST, ModelHost
from app.page.controls import control
from app.run.settings import PageSettings, from_controls, from_query, offered_here
from lookahead.config import LookaheadConfig, RunSettings, Sampling, offered
from lookahead.setting import Setting, chosen


@pytest.fixture(scope="module")
def here(host: ModelHost) -> dict[str, Setting]:
    """The settings of the page."""
    return offered_here(host, "page")


def test_the_page_offers_what_the_descriptions_say_within_its_limits(here: dict[str, Setting]) -> None:
    assert list(here) == [*offered("page"), "keep_trie"]
    assert here["max_new_tokens"].high == 512
    assert here["decoding_length"].high == here["branch_length"].high == WIDEST
    assert here["sources"].choices == ("prompt", "output", "model", "expected")
    assert here["decoding_length"].default == LookaheadConfig().decoding_length


def test_every_setting_has_a_control_that_shows_its_default(here: dict[str, Setting]) -> None:
    for name, one in here.items():
        shown = control(one)
        assert shown.elem_id == name.replace("_", "-")
        assert shown.value == one.plain(one.default)  # type: ignore[attr-defined]


def test_numbers_of_fields_are_rounded_and_an_empty_field_is_the_default(here: dict[str, Setting]) -> None:
    values = {
        "max_new_tokens": None,
        "temperature": 0.7,
        "seed": None,
        "top_k": 0,
        "top_p": None,
        "min_p": 0.05,
        "decoding_length": 2.7,
        "branch_length": 0,
        "strategy": "single",
        "budget": "fixed",
        "sources": [],
        "keep_trie": False,
        "document": "",
    }
    found = from_controls(values, here)
    assert chosen(RunSettings, found) == RunSettings(128)
    assert chosen(Sampling, found) == Sampling(temperature=0.7, min_p=0.05)
    assert chosen(LookaheadConfig, found) == LookaheadConfig(3, None, "single", "fixed", sources=())
    assert chosen(PageSettings, found) == PageSettings(False)
    for name, wrong in (("decoding_length", 129), ("strategy", "best"), ("sources", ["corpus"]), ("keep_trie", "x")):
        with pytest.raises(ValueError, match=f"{name}="):
            from_controls({**values, name: wrong}, here)


def test_the_temperature_that_a_model_asks_for_is_named_beside_the_control(
    host: ModelHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = offered_here(host, "page")["temperature"]
    monkeypatch.setattr(host, "suggested_temperature", 0.6)
    here = offered_here(host, "page")
    assert here["temperature"].help == before.help + " The model's own settings say 0.6."
    assert list(here)[:3] == ["max_new_tokens", "temperature", "seed"], "the prominent ones"


def test_what_is_out_of_range_in_a_url_is_moved_into_it(here: dict[str, Setting]) -> None:
    found = from_query({"max_new_tokens": "9999", "decoding_length": "0", "branch_length": "2.7"}, here)
    assert (found["max_new_tokens"], found["decoding_length"], found["branch_length"]) == (512, 1, None)


@given(query=st.dictionaries(st.sampled_from([*offered("page"), "keep_trie", "preset"]), st.text(max_size=6)))
def test_any_url_gives_settings_that_can_be_used(here: dict[str, Setting], query: dict[str, str]) -> None:
    found = from_query(query, here)
    assert found.keys() == here.keys()
    assert 1 <= chosen(RunSettings, found).max_new_tokens <= 512
    chosen(LookaheadConfig, found)


def values_of(one: Setting) -> st.SearchStrategy[object]:
    """What a visitor may choose."""
    if one.kind == "choices":
        return st.sets(st.sampled_from(one.choices)).map(lambda some: tuple(w for w in one.choices if w in some))
    if one.kind in ("choice", "switch"):
        return st.sampled_from(one.choices or (True, False))
    numbers = st.integers(int(one.low), int(one.high)) if one.kind == "whole" else st.floats(one.low, one.high)
    return numbers | st.none() if one.optional else numbers


@given(data=st.data())
def test_settings_come_back_from_url_and_controls(here: dict[str, Setting], data: st.DataObject) -> None:
    values = {name: data.draw(values_of(one), label=name) for name, one in here.items()}
    assert from_query({name: one.text(values[name]) for name, one in here.items()}, here) == values
    assert from_controls({name: one.plain(values[name]) for name, one in here.items()}, here) == values
