"""The description of a setting, and settings dataclasses that are checked by their descriptions."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

Kind = Literal["whole", "number", "choice", "choices", "switch"]
"""A whole number, a number, one of several words, some of several words, on or off."""
Place = Literal["generate", "replay", "page", "endpoint", "what-if"]
"""Where a setting is offered: by ``generate``, ``bench`` and ``study``; by ``replay`` and ``trie``; as a control of the
page and in its URL; by the endpoint ``/generate``; as a what-if knob and by the endpoint ``/replay``."""

MAX_NUMBER = 2**53 - 1
"""Largest whole number of any setting: the largest that every JSON reader keeps exactly."""

_Settings = TypeVar("_Settings")


@dataclass(frozen=True, slots=True)
class Setting:
    """The description of one setting.

    Attributes:
        name: Its name in Python, JSON and URLs; the flag is the same with hyphens.
        kind: The values that it takes.
        label: Its name on the page.
        help: One line on what it does, and on what 0 means where None is a value.
        places: Where it is offered. Run files always hold every setting of ``LookaheadConfig``.
        none: What None means ("as many as the width allows"); empty where None is not a value. Only numbers above 0
            take it: where only a number can be given (a slider, a URL, an endpoint), 0 means None.
    """

    name: str
    kind: Kind
    default: Any
    label: str
    help: str
    places: tuple[Place, ...] = ()
    low: float = 0
    high: float = MAX_NUMBER
    choices: tuple[str, ...] = ()
    none: str = ""

    @property
    def optional(self) -> bool:
        """Whether None is a value."""
        return bool(self.none)

    @property
    def summary(self) -> str:
        """The help without the meaning of 0, for places where leaving the setting out means None.

        >>> from lookahead.config import LookaheadConfig
        >>> described = settings_of(LookaheadConfig)["branch_length"]
        >>> described.help
        'Most draft tokens in one branch. 0: as many as the width allows.'
        >>> described.summary
        'Most draft tokens in one branch.'
        """
        return self.help.removesuffix(_zero(self.none))

    @property
    def flag(self) -> str:
        """The setting's flag on a command line.

        >>> Setting("branch_length", "whole", 1, "", "").flag
        '--branch-length'
        """
        return f"--{self.name.replace('_', '-')}"

    @property
    def rule(self) -> str:
        """The rule for a value, in a few words."""
        match self.kind:
            case "choice":
                return f"choose one of {', '.join(self.choices)}"
            case "choices":
                return f"choose among {', '.join(self.choices)}"
            case "switch":
                return "need true or false"
        low, high = (str(end) if type(end) is int else f"{end:g}" for end in (self.low, self.high))
        what = "a whole number" if self.kind == "whole" else "a finite number"
        return f"need {what}, " + (f"at least {low} and below 2^53" if self.high == MAX_NUMBER else f"{low} to {high}")

    def check(self, value: Any) -> Any:
        """The value as a settings dataclass keeps it: words in a tuple, numbers as Python's own.

        Raises:
            ValueError: If it is not a value of this setting; the message names the value and the rule.
        """
        value = tuple(value) if isinstance(value, list) else python_number(value)
        if not self._takes(value):
            raise ValueError(f"{self.name}={shown_value(value)}; {self.rule}")
        return float(value) if self.kind == "number" and value is not None else value

    def _takes(self, value: Any) -> bool:
        if value is None:
            return self.optional
        match self.kind:
            case "whole" | "number":
                types = (int,) if self.kind == "whole" else (int, float)
                return type(value) in types and self.low <= value <= self.high
            case "choice":
                return isinstance(value, str) and value in self.choices
            case "choices":
                words = value if isinstance(value, tuple) and len(value) <= len(self.choices) else (None,)
                return all(isinstance(word, str) and word in self.choices for word in words)
            case "switch":
                return isinstance(value, bool)

    def from_plain(self, value: Any) -> Any:
        """The checked value from a plain one (of JSON, a control, an endpoint); words in the order of ``choices``.

        Raises:
            ValueError: If it is not a value of this setting.
        """
        if self.optional and type(value) in (int, float) and value == 0:
            value = None
        if self.kind == "whole" and isinstance(value, float) and value.is_integer():
            value = int(value)  # sliders and JavaScript have no whole numbers
        value = self.check(value)
        return tuple(word for word in self.choices if word in value) if self.kind == "choices" else value

    def plain(self, value: Any) -> Any:
        """The value as plain data, for JSON, controls and endpoints."""
        if isinstance(value, tuple):
            return list(value)
        return 0 if value is None else value

    def from_text(self, text: str) -> Any:
        """The setting's value from a text (of a URL, a flag, the environment); commas separate several words.

        Raises:
            ValueError: If it is not a value of this setting.
        """
        text = text if self.kind == "choice" else text.strip()
        match self.kind:
            case "choices":
                return self.from_plain([word.strip() for word in text.split(",") if word.strip()])
            case "switch":
                if text not in ("0", "1"):
                    raise ValueError(f"{self.name}={shown_value(text)}; need 1 or 0")
                return text == "1"
            case "choice":
                return self.from_plain(text)
        try:
            if not text.isascii() or "_" in text:  # Python takes spellings that people do not use
                raise ValueError
            number = int(text) if self.kind == "whole" else float(text)
        except ValueError:
            raise ValueError(f"{self.name}={shown_value(text)}; {self.rule}") from None
        return self.from_plain(number)

    def text(self, value: Any) -> str:
        """The value as a URL holds it.

        >>> Setting("sources", "choices", (), "", "").text(("prompt", "output"))
        'prompt,output'
        """
        plain = self.plain(value)
        if isinstance(plain, list):
            return ",".join(plain)
        return str(int(plain)) if isinstance(plain, bool) else str(plain).removesuffix(".0")  # as JavaScript writes it

    def within(
        self, low: float | None = None, high: float | None = None, choices: Sequence[str] | None = None
    ) -> Setting:
        """The same setting with narrower bounds, as a page or a command offers it; the default moves into them."""
        low, high = self.low if low is None else max(low, self.low), self.high if high is None else min(high, self.high)
        words = self.choices if choices is None else tuple(word for word in self.choices if word in choices)
        default = self.default
        if self.kind == "choice" and default not in words:
            default = words[0]
        if isinstance(default, tuple):
            default = tuple(word for word in words if word in default)
        elif type(default) in (int, float):
            default = type(default)(min(max(default, low), high))
        return dataclasses.replace(self, low=low, high=high, choices=words, default=default)

    def to_json(self) -> dict[str, Any]:
        """The description as plain data, for the page's script."""
        data = dataclasses.asdict(self) | {"optional": self.optional}
        return {**data, "default": self.plain(self.default), "places": list(self.places), "choices": list(self.choices)}


def _zero(none: str) -> str:
    return f" 0: {none}." if none else ""


def python_number(value: Any) -> Any:
    """The number in a scalar of numpy or torch as Python's own; anything else as it is."""
    try:
        return value.item()
    except (AttributeError, TypeError, ValueError, RuntimeError):  # the last two: of an array of several
        return value


def shown_value(value: object) -> str:
    """A value for a message, on one short line."""
    try:
        text = " ".join(repr(list(value) if isinstance(value, tuple) else value).split())
    except (ValueError, RecursionError):  # an integer of thousands of digits, or a list nested a thousand deep
        text = "something huge"
    return text if len(text) <= 60 else f"{text[:57]}..."


def setting(
    default: Any,
    label: str,
    help: str,
    *places: Place,
    kind: Kind = "whole",
    low: float = 0,
    high: float = MAX_NUMBER,
    choices: Sequence[str] = (),
    none: str = "",
) -> Any:
    """A field of a settings dataclass, with its description (see ``Setting``; the help also gets the meaning of 0)."""
    described = Setting("", kind, default, label, help + _zero(none), places, low, high, tuple(choices), none)
    return dataclasses.field(default=default, metadata={"setting": described})


def settings_of(*classes: type) -> dict[str, Setting]:
    """The settings of these dataclasses by name, in the order of their fields."""
    return {
        field.name: dataclasses.replace(field.metadata["setting"], name=field.name)
        for described in classes
        for field in dataclasses.fields(described)
        if "setting" in field.metadata
    }


def chosen(cls: type[_Settings], values: Mapping[str, Any]) -> _Settings:
    """The settings dataclass with those of the values that belong to it; the others keep their defaults.

    Raises:
        ValueError: If one is not a value of its setting.
    """
    return cls(**{name: values[name] for name in settings_of(cls) if name in values})


@dataclass(frozen=True, slots=True)
class Checked:
    """Settings that are checked when they are created; lists, numbers of numpy and the like become what they mean.

    Raises:
        ValueError: If a value is out of its range; the message names the value and the rule.
    """

    def __post_init__(self) -> None:
        for name, described in settings_of(type(self)).items():
            object.__setattr__(self, name, described.check(getattr(self, name)))
