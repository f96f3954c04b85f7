"""What a forward pass of n tokens costs, and the draft width that this cost pays for."""

from __future__ import annotations

import hashlib
import json
import math
import os
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from lookahead.atomic import write_whole

CACHE_VARIABLE = "LOOKAHEAD_CACHE"
FORMAT = "lookahead-pass-costs"
VERSION = 1


@dataclass(frozen=True, slots=True)
class PassCosts:
    """Measured times of forward passes, T(n).

    Between two measured lengths the time is taken on the straight line between them (T need not be monotonic);
    beyond the last it goes on with the slope of the last piece, never downwards.

    Attributes:
        lengths: Tokens in a pass, increasing, the first is 1.
        seconds: Time of a pass of that many tokens, shape as ``lengths``.

    Raises:
        ValueError: If the lengths or the times cannot be such a measurement.
    """

    lengths: tuple[int, ...]
    seconds: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.lengths) != len(self.seconds) or not self.lengths:
            raise ValueError(f"{len(self.lengths)} lengths and {len(self.seconds)} times; need one time a length")
        if self.lengths[0] != 1 or any(a >= b for a, b in pairwise(self.lengths)):
            raise ValueError(f"lengths={self.lengths}; need increasing lengths from 1")
        if not all(math.isfinite(value) and value > 0 for value in self.seconds):
            raise ValueError(f"seconds={self.seconds}; need positive times")

    def at(self, length: int) -> float:
        """Seconds of a pass of ``length`` tokens (>= 1).

        >>> PassCosts((1, 4), (1.0, 2.5)).at(3)
        2.0
        """
        if length < 1:
            raise ValueError(f"length={length}; a pass has at least 1 token")
        last = len(self.lengths) - 1
        if last == 0:
            return self.seconds[0]
        piece = min(bisect_right(self.lengths, length) - 1, last - 1)
        left, right = self.lengths[piece], self.lengths[piece + 1]
        start, end = self.seconds[piece], self.seconds[piece + 1]
        if length > right:
            return end + max(0.0, end - start) * (length - right) / (right - left)
        return start + (end - start) * (length - left) / (right - left)

    def table(self, width: int) -> list[float]:
        """Seconds of passes of 1 to ``width`` tokens, shape ``(width,)``."""
        return [self.at(length) for length in range(1, width + 1)]

    def to_json(self) -> dict[str, Any]:
        """The measurement as a JSON object."""
        return {"lengths": list(self.lengths), "seconds": list(self.seconds)}

    @classmethod
    def from_json(cls, data: object) -> PassCosts:
        """The measurement in a JSON object.

        Raises:
            ValueError: If it is none; the message says what is wrong.
        """
        if not isinstance(data, Mapping):
            raise ValueError(f"pass costs are a JSON object, not {type(data).__name__}")
        lengths, seconds = data.get("lengths"), data.get("seconds")
        if not isinstance(lengths, list) or not isinstance(seconds, list) or len(lengths) > 4096:
            raise ValueError("pass costs need the lists 'lengths' and 'seconds'")
        if not all(type(value) is int for value in lengths):
            raise ValueError("pass costs: every length is an integer")
        if not all(type(value) in (int, float) for value in seconds):
            raise ValueError("pass costs: every time is a number")
        return cls(tuple(lengths), tuple(float(value) for value in seconds))


def choose_width(path_probabilities: Sequence[float], pass_seconds: Sequence[float]) -> int:
    """Nodes to send through the model, the root included: the most expected tokens per second.

    Maximises ``(1 + sum of the first n - 1 path probabilities) / T(n)`` over n, 1 (no draft) included; of equal
    widths the narrowest. All n are compared, since T may fall where another kernel takes over.

    Args:
        path_probabilities: Estimated probability that each draft node is accepted, in draft order, without the root.
        pass_seconds: ``pass_seconds[n - 1]`` is T(n); nodes beyond its end are not considered.

    >>> choose_width([0.9, 0.5, 0.1], [1.0, 1.3, 1.4, 1.9])
    3
    """
    if not pass_seconds:
        raise ValueError("pass_seconds is empty; need at least the time of a pass of one token")
    expected = 1.0
    best, best_rate = 1, 1.0 / pass_seconds[0]
    for width, probability in enumerate(path_probabilities[: len(pass_seconds) - 1], start=2):
        expected += probability
        rate = expected / pass_seconds[width - 1]
        if rate > best_rate:
            best, best_rate = width, rate
    return best


def measured_lengths(longest: int) -> tuple[int, ...]:
    """The pass lengths worth measuring: 1, 2, 4, ... below ``longest``, then ``longest`` itself.

    >>> measured_lengths(24)
    (1, 2, 4, 8, 16, 24)
    """
    powers = [1 << exponent for exponent in range(longest.bit_length()) if 1 << exponent < longest]
    return (*powers, longest)


def cache_folder() -> Path:
    """Where measurements are kept: ``$LOOKAHEAD_CACHE``, else the platform's cache folder."""
    if override := os.environ.get(CACHE_VARIABLE):
        return Path(override)
    import platformdirs

    return Path(platformdirs.user_cache_dir("lookahead", appauthor=False))


def stored_costs_path(key: Mapping[str, str | int]) -> Path:
    """The file of one setting: model, device, dtype, threads and versions, hashed."""
    digest = hashlib.sha256(json.dumps(dict(key), sort_keys=True).encode()).hexdigest()[:24]
    return cache_folder() / "pass_costs" / f"{digest}.json"


def load_costs(key: Mapping[str, str | int]) -> PassCosts | None:
    """The remembered measurement of this setting; None where there is none that can be read."""
    try:
        data = json.loads(stored_costs_path(key).read_text(encoding="utf-8"))
        if data["format"] != FORMAT or data["version"] != VERSION or data["key"] != dict(key):
            return None
        return PassCosts.from_json(data["costs"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def store_costs(key: Mapping[str, str | int], costs: PassCosts) -> None:
    """Remember a measurement; a folder that cannot be written to is no error, the next load measures again."""
    path = stored_costs_path(key)
    data = {"format": FORMAT, "version": VERSION, "key": dict(key), "costs": costs.to_json()}
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(data).encode())
