"""The settings of a run as this page offers them: the library's descriptions, narrowed to the limits of this page."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from app.model.host import WIDEST, ModelHost
from lookahead.config import LookaheadConfig, RunSettings, Sampling, offered
from lookahead.setting import Place, Setting, setting, settings_of


@dataclass(frozen=True, slots=True)
class PageSettings:
    """The settings that only the page has."""

    keep_trie: bool = setting(
        True, "Keep the trie between runs",
        "Earlier outputs help the next run (the last 32,000 tokens). Off: every run starts fresh.",
        "page", kind="switch",
    )  # fmt: skip


OWN = "The model's own settings say"
OF_A_PASS = ("decoding_length", "branch_length")
"""Settings that count tokens of one pass."""


def offered_here(host: ModelHost, place: Place) -> dict[str, Setting]:
    """The settings that this page offers at a place, by name, in the order of the page."""
    known = up_to(WIDEST, offered(place, settings_of(RunSettings, Sampling, LookaheadConfig, PageSettings)))
    whose = "of all visitors" if host.options.share_trie else "of this tab"
    suggested = host.suggested_temperature
    narrowed = {
        "temperature": lambda one: one if suggested is None else replace(one, help=f"{one.help} {OWN} {suggested:g}."),
        "max_new_tokens": lambda one: one.within(high=host.options.max_new_tokens),
        "sources": lambda one: one.within(choices=host.sources),
        "keep_trie": lambda one: replace(one, help=one.help.replace("outputs", f"outputs {whose}", 1)),
    }
    return {name: narrowed[name](one) if name in narrowed else one for name, one in known.items()}


def up_to(widest: int, settings: Mapping[str, Setting]) -> dict[str, Setting]:
    """The same settings, for passes of at most so many tokens."""
    return {name: one.within(high=widest) if name in OF_A_PASS else one for name, one in settings.items()}


def from_controls(values: Mapping[str, Any], settings: Mapping[str, Setting]) -> dict[str, Any]:
    """The settings that the page's controls hold, checked; an empty field keeps the default.

    Raises:
        ValueError: If one is not a value of its setting.
    """
    found: dict[str, Any] = {}
    for name, one in settings.items():
        value = values[name]
        if one.kind == "whole" and isinstance(value, float):
            value = round(value)  # as the slider shows it
        found[name] = one.default if value is None else one.from_plain(value)
    return found


def from_query(query: Mapping[str, str], settings: Mapping[str, Setting]) -> dict[str, Any]:
    """The settings of a URL's query, or their defaults; a number out of range is moved into it."""
    found = {name: one.default for name, one in settings.items()}
    for name in settings.keys() & query.keys():
        with suppress(ValueError):
            found[name] = _forgiving(settings[name], query[name])
    return found


def _forgiving(one: Setting, text: str) -> Any:
    if one.kind == "choices":
        return tuple(word for word in one.choices if word in text.split(","))
    if one.kind == "whole" and text.isascii() and text.isdecimal():
        least = 0 if one.optional else one.low
        text = str(int(min(max(int(text), least), one.high)))
    return one.from_text(text)
