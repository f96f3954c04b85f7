"""JSON that nobody vouches for, read strictly: shape and types are msgspec's, and every refusal is one line.

The line names the field (``steps[3].draft.parents[2]: need an integer, got null``). What JSON readers let through is
refused too: NaN and Infinity, a field twice in one object, numbers of thousands of digits, half a surrogate pair.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

Kind = TypeVar("Kind")

_HALF_PAIR = re.compile("[\ud800-\udfff]")
_MOST_DIGITS = 400
_PLACE = re.compile(r" - at (?:`key` in )?`\$\.?(.*)`$", re.DOTALL)
_FIELD = re.compile(r"Object (?:missing required|contains (unknown)) field `(.*)`$", re.DOTALL)
_WORDS = {
    "int": "an integer",
    "float": "a number",
    "str": "a string",
    "bool": "true/false",
    "null": "null",
    "array": "a list",
    "object": "an object",
}


class SchemaError(ValueError):
    """The data is not what its format says; the message names the place and the rule."""


class _Refused:
    """In the parsed value, in the place of what no file may hold."""

    def __init__(self, rule: str) -> None:
        self.rule = rule


def parse_json(text: str) -> Any:
    """The value of one JSON text, of any shape; strings may still hold half a surrogate pair.

    Raises:
        SchemaError: If the text is not JSON, is nested too deeply, or holds NaN, Infinity, a field twice in one object
            or a number of thousands of digits.
    """
    refused: list[_Refused] = []

    def refuse(rule: str) -> _Refused:
        refused.append(_Refused(rule))
        return refused[-1]

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) < len(pairs):
            ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
            fields[twice] = refuse("given twice in one object")
        return fields

    def integer(digits: str) -> int | _Refused:
        return int(digits) if len(digits) <= _MOST_DIGITS else refuse("a number of thousands of digits")

    def load(**hooks: Any) -> Any:
        return json.loads(
            text, object_pairs_hook=distinct, parse_constant=lambda name: refuse(f"{name} is not a number"), **hooks
        )

    try:
        try:
            value = load()
        except json.JSONDecodeError as error:
            raise SchemaError(f"not JSON ({error if text.strip() else 'it is empty'})") from None
        except ValueError:  # Python converts no integer of so many digits
            value = load(parse_int=integer)
        if refused:
            raise SchemaError(
                next(f"{place}: {inner.rule}" for place, inner in _values(value) if isinstance(inner, _Refused))
            )
    except RecursionError:
        raise SchemaError("nested too deeply") from None
    return value


def refuse_half_pairs(value: Any, text: str = "\\ud") -> None:
    """Raise SchemaError if a string in a parsed value holds half a surrogate pair, which UTF-8 cannot carry.

    Args:
        value: What ``parse_json`` made of a text.
        text: The text, where known: most texts show at once that there is none.
    """
    if "\\ud" not in text and "\\uD" not in text and (text.isascii() or not _HALF_PAIR.search(text)):
        return
    for place, inner in _values(value):
        if isinstance(inner, str) and _HALF_PAIR.search(inner):
            raise SchemaError(f"{_HALF_PAIR.sub('?', place)}: half a surrogate pair is not text")


def checked(value: Any, kind: type[Kind]) -> Kind:
    """A parsed value as that type, by msgspec.

    Raises:
        SchemaError: If a field is missing, unknown to the type, of another type or out of its range.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise SchemaError(_plain(str(error))) from None


def _values(value: Any) -> Iterator[tuple[str, Any]]:
    """Every value inside, keys included, and its place."""
    waiting = [("", value)]
    while waiting:
        place, inner = waiting.pop()
        yield _short(place), inner
        if isinstance(inner, dict):
            named = [(f"{place}.{key[:40]}".lstrip("."), key, below) for key, below in inner.items()]
            yield from ((_short(at), key) for at, key, _ in named)
            waiting += [(at, below) for at, _, below in reversed(named)]
        elif isinstance(inner, list):
            waiting += [(f"{place}[{index}]", below) for index, below in enumerate(inner)][::-1]


def _short(place: str) -> str:
    return (place if len(place) <= 120 else f"{place[:100]}...") or "the whole"


def _plain(message: str) -> str:
    """A message of msgspec with the place first, in this program's words.

    >>> _plain("Expected `int`, got `null` - at `$.steps[3].draft.parents[2]`")
    'steps[3].draft.parents[2]: need an integer, got null'
    """
    found = _PLACE.search(message)
    place, rule = (found[1], message[: found.start()]) if found else ("", message)
    if field := _FIELD.match(rule):
        name = field[2][:40]
        place, rule = (f"{place}.{name}" if place else name), "unknown field" if field[1] else "missing"
    rule = re.sub(r"`([\w |]+)`", lambda words: _translated(words[1]), rule.replace("Expected", "need", 1))
    rule = rule.replace("Invalid enum value", "unknown value", 1)
    rule = " ".join((rule[:1].lower() + rule[1:]).split())
    return f"{_short(place)}: {rule if len(rule) <= 160 else f'{rule[:157]}...'}"


def _translated(names: str) -> str:
    return " or ".join(_WORDS.get(name, name) for name in names.split(" | "))
