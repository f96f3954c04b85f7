"""The settings that a study explores, as text: ``decoding_length=8,16,32 strategy=all``."""

from __future__ import annotations

from typing import Any, get_args

from lookahead.config import LookaheadConfig, offered
from lookahead.inputs import excerpt
from lookahead.setting import Setting, settings_of
from lookahead.study.grid import Start

MOST_POINTS = 10_000


def parse_axes(text: str) -> dict[str, tuple[Any, ...]]:
    """Name of a setting -> the values to explore.

    Values are separated by commas, words of one value of ``sources`` by ``+``; ``all`` means every word of a choice,
    for ``sources`` all of them and all but one.

    Raises:
        ValueError: If a setting is not known or a value is not one of its.

    >>> parse_axes("decoding_length=8,16 branch_length=0,4 start=warm")
    {'decoding_length': (8, 16), 'branch_length': (None, 4), 'start': ('warm',)}
    """
    start = Setting("start", "choice", "cold", "", "", choices=get_args(Start))
    known = offered("what-if", settings_of(LookaheadConfig)) | {"start": start}
    axes: dict[str, tuple[Any, ...]] = {}
    points = 1
    for part in text.split():
        name, equals, values = part.partition("=")
        name = name.replace("-", "_")
        if not equals or not values or name not in known:
            raise ValueError(f"{excerpt(part, 40)!r}; need NAME=VALUE,VALUE with one of {', '.join(known)}")
        if name in axes:
            raise ValueError(f"{name} is given twice; name all its values at once")
        axes[name] = tuple(dict.fromkeys(_values(known[name], values)))
        points *= len(axes[name])
    if points > MOST_POINTS:
        raise ValueError(f"{points} settings; need at most {MOST_POINTS}")
    return axes


def _values(one: Setting, text: str) -> list[Any]:
    if text == "all" and one.kind == "choice":
        return list(one.choices)
    if text == "all" and one.kind == "choices":
        every = tuple(one.choices)
        return [every, *(tuple(word for word in every if word != left_out) for left_out in every)]
    if text == "all":
        raise ValueError(f"{one.name}=all; {one.rule}")
    return [one.from_text(value.replace("+", ",") if one.kind == "choices" else value) for value in text.split(",")]
