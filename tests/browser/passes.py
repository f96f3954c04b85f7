"""The model's passes in the browser tests: slow enough to be watched, and held where a test needs a run in progress."""

from __future__ import annotations

import time

import pytest

from lookahead.hf.session import TreeSession


class Passes:
    """Counts the passes.

    Attributes:
        made: How many there were so far.
        seconds: What each takes at least.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made, self.seconds = 0, 0.01
        self._most: int | None = None
        choose = TreeSession.choose

        def slow(session: TreeSession, tree: object) -> object:
            self.made += 1
            time.sleep(self.seconds)
            while self._most is not None and self.made >= self._most:
                time.sleep(0.01)
            return choose(session, tree)  # type: ignore[arg-type]

        monkeypatch.setattr(TreeSession, "choose", slow)

    def hold(self, more: int) -> None:
        """Make a run wait at its pass after so many more: it is in progress, however slow the page is."""
        self._most = self.made + more

    def go_on(self) -> None:
        """Let it go on."""
        self._most = None
