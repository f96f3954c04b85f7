"""What a screen reader calls the controls above the stage."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import get_args

import pytest
from playwright.sync_api import Page, expect

from lookahead.config import Budget, Strategy

pytestmark = pytest.mark.browser

ROLES = ("button", "checkbox", "combobox", "group", "radio", "slider", "spinbutton", "textbox")
"""What can be used, and what holds it together."""

SLIDERS = ("Max new tokens", "decoding_length", "branch_length")
WANTED = {
    ("group", "Example"),
    ("button", "Settings"),
    ("button", "Run"),
    ("button", "Compare"),
    ("checkbox", "Keep the trie between runs"),
    *(("checkbox", source) for source in ("prompt", "output")),
    *(("group", name) for name in ("Strategy", "Budget", "Sources")),
    *(("radio", value) for value in (*get_args(Strategy), *get_args(Budget))),
    *(("slider", f"range slider for {name}") for name in SLIDERS),
    *(("spinbutton", f"number input for {name}") for name in SLIDERS),
}


def _controls(page: Page, place: str = "#ask") -> list[tuple[str, str]]:
    """Role and name of every control, as the browser tells them."""
    seen = page.locator(place).aria_snapshot()
    return re.findall(rf"""^\s*- '?({"|".join(ROLES)})\b(?: "([^"]*)")?""", seen, re.MULTILINE)


def test_every_control_of_the_stage_has_a_name(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.click(".side [data-tab=what-if]")
    expect(page.locator("#what-if")).to_be_visible()
    found = _controls(page, "#stage")
    assert [role for role, name in found if not name.strip()] == []
    assert {("slider", "decoding_length"), ("slider", "branch_length")} <= set(found)


def test_every_control_of_the_bar_has_a_name(open_page: Callable[..., Page]) -> None:
    page = open_page()
    for _ in range(2):  # a pane that opens again makes its controls again
        page.click("#gear")
        for role, name in WANTED:  # Gradio mounts them one after the other
            expect(page.locator("#ask").get_by_role(role, name=name, exact=True).first).to_be_attached()
        found = _controls(page)
        assert [role for role, name in found if not name.strip()] == []
        assert set(found) >= WANTED
        assert any(role == "radio" and name.startswith("Story") for role, name in found)  # and how fast its run was
        assert {name.split()[0] for role, name in found if role == "textbox"} == {"Document", "Prompt", "Expected"}
        page.click("#gear")
        expect(page.locator("#strategy")).to_be_hidden()
