"""The stage's colours, read from its style sheet: text is readable on every background that it has."""

from __future__ import annotations

import colorsys
import re

import pytest

from app.serve.modules import read
from lookahead.sources.registry import SOURCES

ON = {
    "accepted": ("fill", "well", "tint", "match"),
    "rejected": ("fill", "well", "tint"),
    "bonus": ("fill", "well", "tint"),
    "unchecked": ("fill", "well", "tint", "match"),
    "soft": ("fill", "well", "match"),
    "text": ("fill", "well", "tint", "match"),
    "fill": ("text",),
}
"""Which colour is text on which backgrounds."""


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2).

    >>> luminance("#fff"), luminance("#000000")
    (1.0, 0.0)
    """
    digits = colour.lstrip("#")
    digits = "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The ratio of two colours, 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def palette(line: int) -> dict[str, str]:
    """The stage's colours by name, light (0) or dark (1)."""
    sheets = [text for text in read("styles/shared.css").splitlines() if "--accepted:" in text]
    return dict(re.findall(r"--([a-z]+): (#[0-9A-Fa-f]+)", sheets[line]))


def hue(colour: str) -> float:
    """The hue of a colour in degrees.

    >>> hue("#00ff00")
    120.0
    """
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return 360 * colorsys.rgb_to_hsv(red, green, blue)[0]


@pytest.mark.parametrize("line", [0, 1], ids=["light", "dark"])
def test_a_source_is_readable_and_not_taken_for_accepted_or_rejected(line: int) -> None:
    colours = palette(line)
    sources = {name: (info.light, info.dark)[line] for name, info in SOURCES.items()}
    signs = [sign for info in SOURCES.values() for sign in (info.symbol, info.earlier) if sign]
    assert len(signs) > len(SOURCES)
    assert len(set(signs)) == len(signs)
    for name, colour in sources.items():
        for ground in ("fill", "well", "tint"):
            assert contrast(colour, colours[ground]) >= 4.5, f"{name} on {ground}"
        others = [colours["accepted"], colours["rejected"], *(sources[other] for other in sources if other != name)]
        for other in others:
            apart = abs(hue(colour) - hue(other))
            assert min(apart, 360 - apart) >= 20, f"{name} is like {other}"


@pytest.mark.parametrize("line", [0, 1], ids=["light", "dark"])
def test_text_has_contrast(line: int) -> None:
    colours = palette(line)
    for name, grounds in ON.items():
        for ground in grounds:
            assert contrast(colours[name], colours[ground]) >= 4.5, f"{name} on {ground}"
    assert contrast(colours["edge"], colours["fill"]) >= 3  # the outline of a control
