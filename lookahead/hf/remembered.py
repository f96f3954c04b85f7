"""T(n) of one model as it is remembered: in memory and in the cache folder, and tried again now and then."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

from lookahead.costs import PassCosts, load_costs, store_costs
from lookahead.hf.measure import measure_pass_costs, still_true
from lookahead.hf.session import TreeSession

SHORTEST_MEASURED = 64
"""T(n) is measured up to this many tokens at least, so that one measurement serves all usual widths."""
TRY_AGAIN_SECONDS = 600.0
"""A measurement is tried again after this time: one from a busy moment must not stay for good."""
_TRIED = 16
"""Width of the pass by which a remembered measurement is tried, beside a pass of one token."""


class RememberedCosts:
    """T(n) of one model, shared by its runs; a measurement is used at once if it was tried not long ago.

    Args:
        vocab_size: Token ids are below this.
        context_limit: Most tokens of a run; None where the model has no limit.
    """

    def __init__(self, vocab_size: int, context_limit: int | None) -> None:
        self._vocab_size = vocab_size
        self._context_limit = context_limit
        self._lock = threading.Lock()
        self._key: dict[str, Any] = {}
        self._costs: PassCosts | None = None
        self._tried: float | None = None

    def up_to(self, longest: int, key: dict[str, Any], new_session: Callable[[int], TreeSession]) -> PassCosts:
        """The time of a pass of 1 to ``longest`` tokens; measured where nothing that holds is remembered.

        Args:
            key: What the measurement depends on, as it is now.
            new_session: An empty session of so many rows, in which the choices are the largest logits.
        """
        with self._lock:
            if key != self._key:
                self._key, self._costs, self._tried = key, load_costs(key), None
            if self._costs is None or self._costs.lengths[-1] < longest or not self._holds(new_session):
                self._costs = self._measured(longest, new_session)
                store_costs(key, self._costs)
                self._tried = monotonic()
            return self._costs

    def _holds(self, new_session: Callable[[int], TreeSession]) -> bool:
        """Whether the remembered times were found right, now or not long ago."""
        assert self._costs is not None
        if self._tried is not None and monotonic() - self._tried < TRY_AGAIN_SECONDS:
            return True
        if not still_true(new_session(2 * _TRIED), self._vocab_size, self._costs, _TRIED, self._context_limit):
            return False
        self._tried = monotonic()
        return True

    def _measured(self, longest: int, new_session: Callable[[int], TreeSession]) -> PassCosts:
        """T(n) measured now, never less far than before."""
        before = 0 if self._costs is None else self._costs.lengths[-1]
        longest = max(longest, SHORTEST_MEASURED, before)
        return measure_pass_costs(new_session(longest + 1024), self._vocab_size, longest, self._context_limit)
