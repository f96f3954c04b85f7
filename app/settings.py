"""The settings of a run as the page offers them: checked, turned into a LookaheadConfig, read from a URL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast, get_args

from lookahead.config import Budget, LookaheadConfig, Source, Strategy

SOURCES = ("prompt", "output")
"""What every page offers; one that was started with a trie file offers ``corpus``, too."""
WIDEST = 128
"""Largest ``decoding_length`` that the page offers."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One visitor's choices; the fields are the controls, in their order on the page."""

    max_new_tokens: int = 128
    decoding_length: int = 32  # half of the library's: a tree that can be read on a screen
    branch_length: int = 0
    strategy: str = "hierarchical"
    budget: str = "adaptive"
    sources: tuple[str, ...] = SOURCES
    keep_trie: bool = True

    def config(self) -> LookaheadConfig:
        """The engine's settings (a ``branch_length`` of 0 sets no limit of its own).

        Raises:
            ValueError: If one is out of its range.
        """
        return LookaheadConfig(
            decoding_length=int(self.decoding_length),
            branch_length=int(self.branch_length) or None,
            strategy=cast(Strategy, self.strategy),
            budget=cast(Budget, self.budget),
            sources=cast("tuple[Source, ...]", tuple(self.sources)),
        )


def from_controls(values: Sequence[object]) -> Settings:
    """The settings in the controls' values, in their order."""
    new_tokens, decoding_length, branch_length, strategy, budget, sources, keep_trie = values
    default = Settings()

    def whole(value: object, otherwise: int) -> int:
        """A number as the slider rounds it; an empty field keeps the default."""
        return otherwise if value is None else round(cast(float, value))

    return Settings(
        max_new_tokens=whole(new_tokens, default.max_new_tokens),
        decoding_length=whole(decoding_length, default.decoding_length),
        branch_length=whole(branch_length, default.branch_length),
        strategy=str(strategy),
        budget=str(budget),
        sources=tuple(str(source) for source in cast(Sequence[object], sources or ())),
        keep_trie=bool(keep_trie),
    )


def as_query(settings: Settings) -> dict[str, str]:
    """The settings as a URL writes them.

    >>> as_query(Settings())["sources"]
    'output,prompt'
    """
    texts: dict[str, str] = {}
    for name in Settings.__dataclass_fields__:
        value = getattr(settings, name)
        if isinstance(value, tuple):
            texts[name] = ",".join(sorted(value))
        else:
            texts[name] = str(int(value)) if isinstance(value, bool) else str(value)
    return texts


def from_query(query: Mapping[str, str], most_new_tokens: int, offered: Sequence[str] = SOURCES) -> Settings:
    """The settings that a URL names; what it does not name, or names wrongly, keeps its default.

    Args:
        offered: The sources that the page offers; all of them are the default.
    """
    settings = Settings(sources=tuple(offered))
    settings = replace(settings, max_new_tokens=min(settings.max_new_tokens, most_new_tokens))
    limits = {"max_new_tokens": (1, most_new_tokens), "decoding_length": (1, WIDEST), "branch_length": (0, WIDEST)}
    for name, (low, high) in limits.items():
        text = query.get(name, "")
        if text.isdecimal() and len(text) < 7:
            settings = replace(settings, **{name: min(max(int(text), low), high)})
    if query.get("strategy") in get_args(Strategy):
        settings = replace(settings, strategy=query["strategy"])
    if query.get("budget") in get_args(Budget):
        settings = replace(settings, budget=query["budget"])
    if "sources" in query:
        named = query["sources"].split(",")
        settings = replace(settings, sources=tuple(source for source in offered if source in named))
    if query.get("keep_trie") in ("0", "1"):
        settings = replace(settings, keep_trie=query["keep_trie"] == "1")
    return settings
