"""What the process of a study says to the page's process and hears from it, in pickles: both ends are this program."""

from __future__ import annotations

import pickle
from time import monotonic
from typing import Any, BinaryIO


class Parent:
    """The page's process.

    Args:
        ask: Where its answers come from.
        tell: Where it reads.
    """

    def __init__(self, ask: BinaryIO, tell: BinaryIO) -> None:
        self._ask, self._tell = ask, tell
        self.stops = 0

    def stop(self, *_: object) -> None:
        """A signal to stop has come."""
        self.stops += 1

    def hear(self) -> Any:
        """What it says next; the end of this process if it has gone."""
        try:
            return pickle.load(self._ask)
        except EOFError:
            raise SystemExit from None

    def say(self, kind: str, value: Any = None) -> None:
        """Tell it something."""
        pickle.dump((kind, value), self._tell)
        self._tell.flush()

    def asked(self, kind: str, value: Any) -> Any:
        """Its answer to a question."""
        self.say(kind, value)
        return self.hear()


class Progress:
    """Tells how far one part of the work is, and how long it will take."""

    def __init__(self, parent: Parent, what: str, of: int) -> None:
        self._parent, self.what, self._of = parent, what, of
        self._begun = self._told = monotonic()
        self._free = 0
        self.tell(0)

    def skip(self, done: int) -> None:
        """So many are done, the last of them without work: what is left takes as long as the others did."""
        self._free += 1
        self.tell(done, now=False)

    def tell(self, done: int, now: bool = True) -> None:
        """So many are done; said at most four times per second unless it is important ``now``."""
        if not now and monotonic() - self._told < 0.25:
            return
        self._told = monotonic()
        worked = done - self._free
        left = (self._told - self._begun) / worked * (self._of - done) if worked else None
        self._parent.say("progress", {"done": done, "of": self._of, "seconds_left": left, "what": self.what})
