"""What the server knows of a tab: the event that cancels its run, and the outputs of its earlier runs."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from app.model.runs import Outputs

MOST_LEFT = 200
"""Most tabs that are remembered because they pressed Stop while their run was queued."""
MOST_MEMORIES = 100
"""Most tabs whose outputs are remembered; at most 1.2 MB each (see ``most_recent``)."""


SHARED = "shared"
"""The name of the memory of all visitors, where they share one."""


class Tabs:
    """Tabs by the name of their session. A caller without a session has no name: nobody can stop its run."""

    def __init__(self) -> None:
        self._going: dict[str, threading.Event] = {}
        self._left: set[str] = set()
        self._memories: OrderedDict[str, Outputs] = OrderedDict()
        self._lock = threading.Lock()

    def arrive(self, tab: str) -> None:
        """This tab asks for a run: an earlier Stop no longer counts."""
        with self._lock:
            self._left.discard(tab)

    @contextmanager
    def going(self, tab: str) -> Iterator[threading.Event]:
        """The event that cancels this tab's run. Already set if Stop was pressed while the run was queued.

        The end of the ``with`` cancels a run that is still in progress.
        """
        event = threading.Event()
        with self._lock:
            if tab:
                self._going[tab] = event
            if tab in self._left:
                self._left.discard(tab)
                event.set()
        try:
            yield event
        finally:
            event.set()
            with self._lock:
                if self._going.get(tab) is event:
                    del self._going[tab]

    def stop(self, tab: str) -> bool:
        """Stop this tab's run; returns whether there was one. A queued run will end before its first pass."""
        if not tab:
            return False
        with self._lock:
            event = self._going.get(tab)
            if event is not None:
                event.set()
                return True
            while len(self._left) >= MOST_LEFT:
                self._left.pop()
            self._left.add(tab)
            return False

    def memory(self, tab: str) -> Outputs:
        """Outputs of this tab's earlier runs, oldest first."""
        with self._lock:
            return self._memories.get(tab, ())

    def remember(self, tab: str, output: tuple[int, ...]) -> None:
        """Add an output to the tab's memory; beyond the bound, the tab that ran longest ago is forgotten.

        Gradio's ``State`` does not serve: each open page would hold one more connection for it, and a browser has six.
        """
        if not tab:
            return
        with self._lock:
            self._memories[tab] = most_recent((*self._memories.get(tab, ()), output))
            self._memories.move_to_end(tab)
            while len(self._memories) > MOST_MEMORIES:
                self._memories.popitem(last=False)


def most_recent(outputs: Outputs, most_tokens: int = 32_000) -> Outputs:
    """The last outputs that have at most that many tokens together.

    >>> most_recent([(1, 2), (3, 4), (5,)], 3)
    ((3, 4), (5,))
    """
    first, left = len(outputs), most_tokens
    while first and len(outputs[first - 1]) <= left:
        first -= 1
        left -= len(outputs[first])
    return tuple(outputs[first:])
