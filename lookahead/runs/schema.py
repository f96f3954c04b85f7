"""Reading JSON that nobody vouches for: strict parsing, and fields that are checked as they are taken.

Every refusal is a ``SchemaError`` whose one line names the place and the rule.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, NoReturn

INT_LIMIT = 2**53 - 1
"""Largest integer in any file: the largest that every JSON reader keeps exactly."""


class SchemaError(ValueError):
    """The data is not what the format says; the message names the place and the rule."""


def parse_json(text: str) -> Any:
    """The value of one JSON text; NaN, Infinity, repeated keys and bottomless nesting are refused.

    Raises:
        SchemaError: If the text is no such JSON.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_distinct_keys)
    except SchemaError:
        raise
    except RecursionError:
        raise SchemaError("nested too deeply") from None
    except json.JSONDecodeError as error:
        raise SchemaError(f"not JSON ({_one_line(error) if text.strip() else 'it is empty'})") from None
    except ValueError:
        raise SchemaError("not JSON that can be read (a number of thousands of digits)") from None


def _one_line(error: Exception) -> str:
    return str(error).splitlines()[0][:120] if str(error) else type(error).__name__


def _refuse_constant(name: str) -> NoReturn:
    raise SchemaError(f"{name} is no number here")


def _distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise SchemaError("a field stands twice in one object")
    return fields


class Fields:
    """One JSON object, its fields taken one by one and checked on the way.

    Args:
        value: What should be an object.
        place: Where it stands, for messages (``steps[3].draft``; empty for the top).

    Raises:
        SchemaError: If it is no object; every method raises it too.
    """

    def __init__(self, value: Any, place: str = "") -> None:
        self.place = place
        if type(value) is not dict:
            raise SchemaError(f"{place or 'the whole'}: need an object, got {_kind(value)}")
        self._left: dict[str, Any] = dict(value)

    def fail(self, name: str, rule: str) -> NoReturn:
        """Refuse the field ``name``."""
        raise SchemaError(f"{self.at(name)}: {rule}")

    def at(self, name: str) -> str:
        """The full place of a field."""
        return f"{self.place}.{name}" if self.place else name

    def take(self, name: str) -> Any:
        """The raw value of a field that must be there."""
        if name not in self._left:
            self.fail(name, "missing")
        return self._left.pop(name)

    def __contains__(self, name: str) -> bool:
        """Whether a field is there, null or not, and not yet taken."""
        return name in self._left

    def has(self, name: str) -> bool:
        """Whether a field is there and not null; a null one counts as taken."""
        if name in self._left and self._left[name] is None:
            del self._left[name]
        return name in self._left

    def done(self) -> None:
        """Refuse what no one took."""
        if self._left:
            self.fail(min(self._left)[:40], "unknown field")

    def fields(self, name: str) -> Fields:
        """A nested object."""
        return Fields(self.take(name), self.at(name))

    def integer(self, name: str, low: int = 0, high: int = INT_LIMIT) -> int:
        """An integer in ``low..high``; true and false are none."""
        value = self.take(name)
        if type(value) is not int:
            self.fail(name, f"need an integer, got {_kind(value)}")
        if not low <= value <= high:
            self.fail(name, f"need {low} to {high}, got {_short(value)}")
        return value

    def number(self, name: str, low: float = 0.0, high: float = 1e15) -> float:
        """A finite number in ``low..high``, as a float."""
        return self._number(name, self.take(name), low, high)

    def text(self, name: str, limit: int = 200) -> str:
        """A string of at most ``limit`` characters that UTF-8 can carry."""
        return self._text(name, self.take(name), limit)

    def choice(self, name: str, allowed: Sequence[str]) -> Any:
        """One of a few strings (of a Literal's, so that the caller may say which)."""
        value = self.take(name)
        if type(value) is not str or value not in allowed:
            self.fail(name, f"need one of {', '.join(allowed)}")
        return value

    def items(self, name: str, limit: int) -> list[Any]:
        """A list of at most ``limit`` values of any type."""
        value = self.take(name)
        if type(value) is not list:
            self.fail(name, f"need a list, got {_kind(value)}")
        if len(value) > limit:
            self.fail(name, f"at most {limit} entries, got {len(value)}")
        return value

    def integers(self, name: str, low: int, high: int, limit: int) -> tuple[int, ...]:
        """A list of integers in ``low..high``."""
        values = self.items(name, limit)
        for place, value in enumerate(values):
            if type(value) is not int:
                self.fail(f"{name}[{place}]", f"need an integer, got {_kind(value)}")
            if not low <= value <= high:
                self.fail(f"{name}[{place}]", f"need {low} to {high}, got {_short(value)}")
        return tuple(values)

    def numbers(self, name: str, low: float, high: float, limit: int) -> tuple[float, ...]:
        """A list of finite numbers in ``low..high``, as floats."""
        return tuple(self._number(name, value, low, high) for value in self.items(name, limit))

    def texts(self, name: str, limit: int, characters: int = 200) -> tuple[str, ...]:
        """A list of strings of at most ``characters`` characters each."""
        return tuple(self._text(name, value, characters) for value in self.items(name, limit))

    def _number(self, name: str, value: Any, low: float, high: float) -> float:
        if type(value) not in (int, float):
            self.fail(name, f"need a number, got {_kind(value)}")
        if not (low <= value <= high) or (type(value) is float and not math.isfinite(value)):
            self.fail(name, f"need {low:g} to {high:g}, got {_short(value)}")
        return float(value)

    def _text(self, name: str, value: Any, limit: int) -> str:
        if type(value) is not str:
            self.fail(name, f"need a string, got {_kind(value)}")
        if len(value) > limit:
            self.fail(name, f"at most {limit} characters, got {len(value)}")
        if any("\ud800" <= character <= "\udfff" for character in value):
            self.fail(name, "half a surrogate pair is no text")
        return value


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true/false", type(None): "null"}
    return names.get(type(value), "a number")


def _short(value: Any) -> str:
    return str(value) if type(value) is not int or abs(value) < 10**20 else "a huge number"
