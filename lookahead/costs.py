"""T(n), the time of a forward pass of n tokens: the curve, the width that pays off, and how long a curve stays valid.

``hf/measure.py`` measures passes, which needs a model; everything else about T(n) is here.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import threading
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

import msgspec

from lookahead.atomic import write_whole

CACHE_VARIABLE = "LOOKAHEAD_CACHE"
FORMAT = "lookahead-pass-costs"
VERSION = 1
SHORTEST_MEASURED = 64
"""T(n) is measured up to at least this many tokens, so that one measurement covers all usual widths."""
TRY_AGAIN_SECONDS = 600.0
"""A remembered T(n) is checked again after this long, so that one taken on a busy machine does not persist."""
STALE, BENT = 3.0, 1.6
"""A remembered T(n) is measured again if its times are off by the first factor, or their ratio by the second: it was
taken on a busy machine or on another one."""
_TRIED = 16
"""Width of the pass that checks a remembered measurement, together with a pass of one token."""


@dataclass(frozen=True, slots=True)
class PassCosts:
    """Measured times of forward passes, T(n).

    Between two measured lengths T is linear (it need not be monotonic); beyond the last length it continues with the
    slope of the last piece, but never downwards.

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
            raise ValueError(f"{len(self.lengths)} lengths and {len(self.seconds)} times; need one time per length")
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

    def agrees_with(self, one_seconds: float, wide_seconds: float, width: int) -> bool:
        """Whether these times of passes of 1 and of ``width`` tokens agree with the curve, a busy moment allowed for.

        >>> PassCosts((1, 16), (1.0, 2.0)).agrees_with(2.0, 4.0, 16)
        True
        """
        off_one, off_wide = one_seconds / self.at(1), wide_seconds / self.at(width)
        return 1 / STALE < off_one < STALE and 1 / STALE < off_wide < STALE and 1 / BENT < off_wide / off_one < BENT


def choose_width(path_probabilities: Sequence[float], pass_seconds: Sequence[float]) -> int:
    """Nodes to send through the model, the root included: the most expected tokens per second.

    Maximises ``(1 + sum of the first n - 1 path probabilities) / T(n)`` over n, 1 (no draft) included; among equal
    ones the narrowest. All n are compared, because T may fall where another kernel takes over.

    Args:
        path_probabilities: Estimated probability that each draft node is accepted, in draft order, without the root.
        pass_seconds: ``pass_seconds[n - 1]`` is T(n); wider passes are not considered.

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
    """The folder of stored measurements: ``$LOOKAHEAD_CACHE``, or else the platform's cache folder."""
    if override := os.environ.get(CACHE_VARIABLE):
        return Path(override)
    import platformdirs

    return Path(platformdirs.user_cache_dir("lookahead", appauthor=False))


def stored_costs_path(key: Mapping[str, str | int]) -> Path:
    """The file of one setting: model, device, dtype, threads and versions, hashed."""
    digest = hashlib.sha256(json.dumps(dict(key), sort_keys=True).encode()).hexdigest()[:24]
    return cache_folder() / "pass_costs" / f"{digest}.json"


class _Stored(msgspec.Struct):
    """A file of the cache folder."""

    format: str
    version: int
    key: dict[str, Any]
    costs: PassCosts


def load_costs(key: Mapping[str, str | int]) -> PassCosts | None:
    """The remembered measurement of this setting; None if there is none, or it cannot be read."""
    try:
        stored = msgspec.json.decode(stored_costs_path(key).read_bytes(), type=_Stored)
    except (OSError, ValueError, RecursionError):
        return None
    known = (FORMAT, VERSION, dict(key))
    return stored.costs if (stored.format, stored.version, stored.key) == known else None


def store_costs(key: Mapping[str, str | int], costs: PassCosts) -> None:
    """Remember a measurement; a folder that cannot be written to is not an error: the next process measures again."""
    path = stored_costs_path(key)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, msgspec.json.encode(_Stored(FORMAT, VERSION, dict(key), costs)))


class PassTimer(Protocol):
    """Times forward passes of one model, now."""

    def measure(self, longest: int) -> PassCosts:
        """T(n) for n = 1 to ``longest``, measured with care (seconds)."""
        ...

    def try_out(self, width: int) -> tuple[float, float]:
        """Seconds of a pass of 1 and of ``width`` tokens, the fastest of a few."""
        ...


class CostCurve:
    """The current T(n) of one model, shared by its runs: in memory, and in the cache folder.

    A curve belongs to one setting (the key: model, device, dtype, threads ...). It is used at once if it was measured
    or checked recently. Otherwise a few passes show whether it still holds; if not, it is measured again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key: dict[str, Any] = {}
        self._costs: PassCosts | None = None
        self._tried: float | None = None

    def up_to(self, longest: int, key: Mapping[str, Any], timer: PassTimer) -> PassCosts:
        """The time of a pass of 1 to ``longest`` tokens; measured if no valid curve is known.

        Args:
            key: What the measurement depends on, as of now.
            timer: Times passes in this setting.
        """
        with self._lock:
            if key != self._key:
                self._key, self._costs, self._tried = dict(key), load_costs(key), None
            known = 0 if self._costs is None else self._costs.lengths[-1]
            if self._costs is None or known < longest or not self._holds(self._costs, timer):
                # Never shorter than before.
                self._costs = timer.measure(max(longest, SHORTEST_MEASURED, known))
                store_costs(key, self._costs)
                self._tried = monotonic()
            return self._costs

    def _holds(self, costs: PassCosts, timer: PassTimer) -> bool:
        """Whether the curve is right, checked now or recently."""
        if self._tried is not None and monotonic() - self._tried < TRY_AGAIN_SECONDS:
            return True
        if not costs.agrees_with(*timer.try_out(_TRIED), _TRIED):
            return False
        self._tried = monotonic()
        return True
