"""Untrusted JSON, read strictly: msgspec checks shape and types, and every refusal is one line.

The line names the field (``steps[3].draft.parents[2]: need an integer, got null``). Also refused is what
JSON readers usually accept: NaN and Infinity, a repeated field, numbers of thousands of digits, a lone surrogate.
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
    """The data does not follow its format; the message names the place and the rule, on one line of plain text."""

    def __init__(self, message: str) -> None:
        super().__init__("".join(letter if letter.isprintable() else "?" for letter in message))


class _Refused(str):
    """The rule that a value breaks, in its place in the parsed data."""


def parse_json(text: str) -> Any:
    """The value of one JSON text, of any shape; strings may still contain a lone surrogate.

    Raises:
        SchemaError: If the text is not JSON, is nested too deeply, or contains NaN, Infinity, a repeated field or a
            number of thousands of digits.
    """
    refused = False

    def refuse(rule: str) -> _Refused:
        nonlocal refused
        refused = True
        return _Refused(rule)

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) < len(pairs):
            ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
            fields[twice] = refuse("given twice in one object")
        return fields

    def integer(digits: str) -> int | _Refused:
        return int(digits) if len(digits) <= _MOST_DIGITS else refuse("a number of thousands of digits")

    hooks: dict[str, Any] = {
        "object_pairs_hook": distinct,
        "parse_constant": lambda name: refuse(f"{name} is not a number"),
    }
    try:
        try:
            value = json.loads(text, **hooks)
        except json.JSONDecodeError as error:
            raise SchemaError(f"not JSON ({_broken(text, error)})") from None
        except ValueError:  # Python does not convert an integer of so many digits
            value = json.loads(text, **hooks, parse_int=integer)
        if refused:
            raise SchemaError(
                next(f"{place}: {inner}" for place, inner in _values(value) if isinstance(inner, _Refused))
            )
    except RecursionError:
        raise SchemaError("nested too deeply") from None
    return value


def _broken(text: str, error: json.JSONDecodeError) -> str:
    """Where a text stops being JSON, in this program's words.

    >>> _broken("{a: 1}", json.JSONDecodeError("", "{a: 1}", 1)), _broken('{"a":', json.JSONDecodeError("", "", 5))
    ("unexpected 'a: 1}'", 'it breaks off')
    """
    if not text.strip():
        return "it is empty"
    rest = text[error.pos : error.pos + 20]
    if not rest.strip() or error.msg.startswith("Unterminated string"):
        return "it breaks off"
    line = f"line {error.lineno}: " if error.lineno > 1 else ""
    return f"{line}unexpected {' '.join(rest.split())!r}"


def refuse_half_pairs(value: Any, text: str = "\\ud") -> None:
    """Raise SchemaError if a string in a parsed value contains a lone surrogate, which UTF-8 cannot encode.

    Args:
        text: The text it came from, if known: most texts show at once that there is none.
    """
    if "\\ud" not in text and "\\uD" not in text and (text.isascii() or not _HALF_PAIR.search(text)):
        return
    for place, inner in _values(value):
        if isinstance(inner, str) and _HALF_PAIR.search(inner):
            raise SchemaError(f"{place}: half a surrogate pair is not text")


def checked(value: Any, kind: type[Kind], from_attributes: bool = False) -> Kind:
    """A parsed value converted to this type by msgspec.

    Args:
        from_attributes: Whether objects may be given where an object of JSON is needed.

    Raises:
        SchemaError: If a field is missing, unknown, of another type or out of range.
    """
    try:
        return msgspec.convert(value, kind, from_attributes=from_attributes)
    except msgspec.ValidationError as error:
        raise SchemaError(_plain(str(error))) from None


def _values(value: Any) -> Iterator[tuple[str, Any]]:
    """Every value inside and its place, keys included."""
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
    """A message of msgspec in this program's words, the place first.

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
