"""T(n), the time of a forward pass of n tokens: the curve, the width that pays off, and what runs teach about it.

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
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from time import monotonic, time
from typing import Any, Protocol

import msgspec
import numpy as np
import platformdirs

from lookahead.atomic import write_whole

CACHE_VARIABLE = "LOOKAHEAD_CACHE"
FORMAT = "lookahead-pass-costs"
VERSION = 2
SHORTEST_MEASURED = 64
"""T(n) is measured up to at least this many tokens, so that one measurement covers all usual widths."""
STALE, BENT = 3.0, 1.6
"""A measured T(n) is measured again if its times are off by the first factor, or their ratio by the second: it was
taken on a busy machine or on another one."""
CHECK_SECONDS, CHECK_SHARE = 60.0, 0.02
"""A measured T(n) is checked again after this long, and for at most this share of the time: one from a busy minute
makes all drafts empty, and then no run would show that it is wrong."""
_CHECKED_WIDTH = 16
_WIDE_PASSES = 8
"""So many passes of several tokens that runs made since the last check are as good as a check."""
STEEP, FALL = 1.25, 2.0
"""A pass of twice the tokens is suspicious if it takes longer than the first factor times two passes, or less time
than one divided by the second."""
RECENT_PASSES = 256
"""Passes of runs that are remembered."""
HALF_LIFE_PASSES = 64.0
"""A pass counts half as much after this many others."""
_QUARTILE_ERROR = 1.36
"""Standard error of a normal sample's lower quartile, times the root of its size, per standard deviation:
sqrt(p (1 - p)) / phi(z_p)."""
_MEDIAN_APART = 0.954
"""Median distance of two normal values, per standard deviation: sqrt(2) z_0.75 (Shamos 1976)."""
STORE_SECONDS = 5.0
"""Least time between two writes to the cache folder by runs."""

Pass = tuple[int, float]
"""A forward pass that a run made: tokens, seconds."""
_Ratio = tuple[float, float]
"""A pass against the curve: logarithm of the ratio of the times, weight."""


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

    def bent_at(self) -> int | None:
        """The first measured length whose time can hardly be; None if there is none.

        It takes far longer than as many tokens in passes of the length before, or far less than one of those.

        >>> PassCosts((1, 2, 4), (1.0, 4.0, 4.1)).bent_at()
        2
        """
        for (left, start), (right, end) in pairwise(zip(self.lengths, self.seconds, strict=True)):
            if not start / FALL <= end <= STEEP * start * right / left:
                return right
        return None

    def break_even(self, length: int) -> float:
        """Draft tokens that a pass of ``length`` must have accepted, on average, to be as fast as plain decoding.

        ``1 + accepted`` tokens in T(n) against one in T(1); negative if the wider pass is the faster one.

        >>> PassCosts((1, 4), (1.0, 2.5)).break_even(4)
        1.5
        """
        return self.at(length) / self.at(1) - 1.0

    def corrected(self, passes: Sequence[Pass], half_life: float = HALF_LIFE_PASSES) -> PassCosts:
        """The curve as these passes of runs show it, the latest last; the same lengths.

        Each pass is compared with the curve, and the ratio belongs to the nearest measured length. A length moves as
        ``_moves`` says; one without passes moves as its neighbours with passes do.

        Args:
            half_life: A pass counts half as much after this many others; ``math.inf`` weighs all alike.
        """
        found: list[list[_Ratio]] = [[] for _ in self.lengths]
        for age, (width, seconds) in enumerate(reversed(passes)):
            near = min(range(len(found)), key=lambda place: abs(math.log(self.lengths[place] / width)))
            found[near].append((math.log(seconds / self.at(width)), 0.5 ** (age / half_life)))
        seen = [place for place, ratios in enumerate(found) if ratios]
        if not seen:
            return self
        moves = np.interp(range(len(found)), seen, _moves([found[place] for place in seen]))
        return PassCosts(self.lengths, tuple((np.array(self.seconds) * np.exp(moves)).tolist()))

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


def _moves(found: Sequence[Sequence[_Ratio]]) -> np.ndarray:
    """By how much each length moves, as a logarithm, from its ratios, the latest first; shape ``(lengths,)``.

    The lower quartile of its ratios is what a length shows of itself, because other work on the machine only adds
    time. Of few passes that is mostly noise, so a length moves with the others, and by itself only as far as lengths
    differ by more than noise: random effects, after DerSimonian and Laird 1986, as an empirical Bayes estimate. What
    a length showed of itself fades with the age of its latest pass.
    """
    shown = np.array([_quantile(ratios, 0.25) for ratios in found])
    weights = [np.array([weight for _, weight in ratios]) for ratios in found]
    counts = np.array([one.sum() ** 2 / (one @ one) for one in weights])
    apart = _apart(found) or _apart([[ratio for ratios in found for ratio in ratios]])
    noise = (_QUARTILE_ERROR * _quantile(apart, 0.5) / _MEDIAN_APART) ** 2  # variance of ``shown``, times counts
    excess = counts @ (shown - np.average(shown, weights=counts)) ** 2 - (len(found) - 1) * noise
    between = max(excess / (counts @ (1 - counts / counts.sum()) or 1.0), 1e-30)  # 0 would divide 0 by 0
    own = np.array([one[0] for one in weights]) * between / (between + noise / counts)
    common = np.average(shown, weights=own)
    return common + own * (shown - common)


def _apart(found: Sequence[Sequence[_Ratio]]) -> list[tuple[float, float]]:
    """Distances of ratios of the same length, each with the weight of the older one.

    Half of the passes lie between the two: busy minutes are noise, too, and passes that follow each other share them.
    """
    pairs = (pair for ratios in found for pair in zip(ratios, ratios[(len(ratios) + 1) // 2 :], strict=False))
    return [(abs(one - other), weight) for (one, _), (other, weight) in pairs]


def _quantile(values: Sequence[tuple[float, float]], share: float) -> float:
    """The value below which this share of the weight is; 0.0 if there are no values."""
    left = share * sum(weight for _, weight in values)
    for value, weight in sorted(values):
        left -= weight
        if left <= 0:
            return value
    return 0.0


def choose_width(path_probabilities: Sequence[float], pass_seconds: Sequence[float], node_value: float = 0.0) -> int:
    """Nodes to send through the model, the root included: the most expected tokens per second.

    Maximises ``(1 + sum of the first n - 1 path probabilities) / T(n)`` over n, 1 (no draft) included; among equal
    ones the narrowest. All n are compared, because T may fall where another kernel takes over.

    Args:
        path_probabilities: Estimated probability that each draft node is accepted, in draft order, without the root.
        pass_seconds: ``pass_seconds[n - 1]`` is T(n); wider passes are not considered.
        node_value: Expected tokens that each draft node brings besides, added to its probability.

    >>> choose_width([0.9, 0.5, 0.1], [1.0, 1.3, 1.4, 1.9])
    3
    """
    if not pass_seconds:
        raise ValueError("pass_seconds is empty; need at least the time of a pass of one token")
    expected = 1.0
    best, best_rate = 1, 1.0 / pass_seconds[0]
    for width, probability in enumerate(path_probabilities[: len(pass_seconds) - 1], start=2):
        expected += probability + node_value
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


def cache_file(folder: str, key: Mapping[str, Any]) -> Path:
    """Where something is kept that depends on ``key``: in a folder of ``$LOOKAHEAD_CACHE``, or else of the platform's
    cache folder.
    """
    root = os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_dir("lookahead", appauthor=False)
    digest = hashlib.sha256(json.dumps(dict(key), sort_keys=True).encode()).hexdigest()[:24]
    return Path(root) / folder / f"{digest}.json"


def stored_costs_path(key: Mapping[str, str | int]) -> Path:
    """The file of one setting (model, device, dtype, threads and versions)."""
    return cache_file("pass_costs", key)


@dataclass(slots=True)
class KnownCosts:
    """What is known of one setting's T(n).

    Attributes:
        measured: T(n) as measured, all lengths in turn.
        measured_at: When that was, seconds since 1970.
        passes: Recent passes of runs since then, the latest last.
        learned: All passes of runs since then.
        learned_at: When the latest of them was, seconds since 1970; None if there is none.
    """

    measured: PassCosts
    measured_at: float
    passes: list[Pass] = field(default_factory=list)
    learned: int = 0
    learned_at: float | None = None

    def __post_init__(self) -> None:
        if not all(width >= 1 and 0 < seconds < math.inf for width, seconds in self.passes):
            raise ValueError("passes: need at least one token and a positive time")

    @property
    def costs(self) -> PassCosts:
        """T(n) for a run that starts now."""
        return self.measured.corrected(self.passes)


class _Stored(msgspec.Struct):
    """A file of the cache folder."""

    format: str
    version: int
    key: dict[str, Any]
    known: KnownCosts


def load_costs(key: Mapping[str, str | int]) -> KnownCosts | None:
    """What is remembered of this setting; None if there is nothing, or it cannot be read."""
    try:
        stored = msgspec.json.decode(stored_costs_path(key).read_bytes(), type=_Stored)
    except (OSError, ValueError, RecursionError):
        return None
    known = (FORMAT, VERSION, dict(key))
    return stored.known if (stored.format, stored.version, stored.key) == known else None


def store_costs(key: Mapping[str, str | int], known: KnownCosts) -> None:
    """Remember it; a folder that cannot be written to is not an error: the next process measures again."""
    path = stored_costs_path(key)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, msgspec.json.encode(_Stored(FORMAT, VERSION, dict(key), known)))


class PassTimer(Protocol):
    """Times forward passes of one model, now."""

    def measure(self, longest: int) -> PassCosts:
        """T(n) for n = 1 to ``longest``, measured with care (seconds)."""
        ...

    def try_out(self, width: int) -> tuple[float, float]:
        """Seconds of a pass of 1 and of ``width`` tokens, the fastest of a few."""
        ...


class CostCurve:
    """The T(n) of one model, shared by its runs: in memory, and in the cache folder.

    A curve belongs to one setting (the key: model, device, dtype, threads ...). It starts as a measurement, and the
    passes that runs make correct it. A few passes show now and then whether the measurement still holds; if not, it
    is measured again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key: dict[str, Any] = {}
        self._known: KnownCosts | None = None
        self._forget_checks()

    def _forget_checks(self) -> None:
        self._checked: float | None = None
        """When the measurement was taken or checked; None if this process has not looked yet."""
        self._check_seconds = 0.0
        self._wide_passes = 0
        """Passes of several tokens since then."""
        self._stored = -math.inf

    def known(self, longest: int, key: Mapping[str, Any], timer: PassTimer, again: bool = False) -> KnownCosts:
        """What is known of T(n) for n = 1 to ``longest`` tokens; measured if no valid curve is known.

        Args:
            key: What the measurement depends on, as of now.
            again: Measure it whatever is known.
        """
        with self._lock:
            if key != self._key:
                self._key, self._known = dict(key), load_costs(key)
                self._forget_checks()
            known = self._known
            length = 0 if known is None else known.measured.lengths[-1]
            if again or known is None or length < longest or not self._holds(known.measured, timer):
                # Never shorter than before.
                known = self._known = self._measure(max(longest, SHORTEST_MEASURED, length), timer)
                store_costs(key, known)
            return replace(known, passes=list(known.passes))

    def learn(self, passes: Sequence[Pass], key: Mapping[str, Any]) -> None:
        """Take in the passes of a run, in order, for the runs that start from now on.

        Args:
            key: The setting that they ran in; those of another one than the curve's are left out.
        """
        timed = [(width, seconds) for width, seconds in passes if seconds > 0]
        with self._lock:
            known = self._known
            if not timed or known is None or key != self._key:
                return
            known.passes = [*known.passes, *timed][-RECENT_PASSES:]
            known.learned += len(timed)
            known.learned_at = time()
            self._wide_passes += sum(width > 1 for width, _ in timed)
            if monotonic() - self._stored >= STORE_SECONDS:
                store_costs(key, known)
                self._stored = monotonic()

    def _measure(self, longest: int, timer: PassTimer) -> KnownCosts:
        """A new measurement; a second one where the first can hardly be, and then the faster of both per length."""
        costs = timer.measure(longest)
        if costs.bent_at() is not None:
            again = timer.measure(longest)
            costs = PassCosts(costs.lengths, tuple(map(min, costs.seconds, again.seconds)))
        self._forget_checks()
        self._checked = monotonic()
        return KnownCosts(costs, time())

    def _holds(self, costs: PassCosts, timer: PassTimer) -> bool:
        """Whether the measurement is right, checked now or recently, or made up for by passes of runs."""
        started = monotonic()
        if self._checked is not None:
            if started - self._checked < max(CHECK_SECONDS, self._check_seconds / CHECK_SHARE):
                return True
            if self._wide_passes >= _WIDE_PASSES:
                self._checked, self._wide_passes = started, 0
                return True
        width = costs.bent_at() or _CHECKED_WIDTH
        if not costs.agrees_with(*timer.try_out(width), width):
            return False
        self._checked, self._wide_passes = monotonic(), 0
        self._check_seconds = self._checked - started
        return True
