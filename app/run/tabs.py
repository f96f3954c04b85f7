"""What the server knows of a tab: the event that cancels its run, and the outputs of its earlier runs."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from app.model.runs import Outputs

MOST_LEFT = 200
"""Tabs of which it is remembered that they left a run while it was queued."""
MOST_MEMORIES = 100
"""Tabs whose outputs are remembered; at most 1.2 MB each (see ``most_recent``)."""


class Tabs:
    """Tabs by the name of their session."""

    def __init__(self) -> None:
        self._going: dict[str, threading.Event] = {}
        self._left: set[str] = set()
        self._memories: OrderedDict[str, Outputs] = OrderedDict()
        self._lock = threading.Lock()

    def arrive(self, tab: str) -> None:
        """This tab asks for a run: what it left before does not matter any more."""
        with self._lock:
            self._left.discard(tab)

    @contextmanager
    def going(self, tab: str) -> Iterator[threading.Event]:
        """The event that cancels this tab's run. Already set if Stop was pressed while the run was queued.

        The end of the ``with`` cancels what is still in progress then.
        """
        event = threading.Event()
        with self._lock:
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
        """Stop this tab's run; whether there was one. One that is about to begin will end before its first pass."""
        with self._lock:
            event = self._going.get(tab)
            if event is None:
                while len(self._left) >= MOST_LEFT:
                    self._left.pop()
                self._left.add(tab)
        if event is not None:
            event.set()
        return event is not None

    def memory(self, tab: str) -> Outputs:
        """Outputs of this tab's earlier runs."""
        with self._lock:
            return self._memories.get(tab, ())

    def remember(self, tab: str, outputs: Outputs) -> None:
        """Keep them; beyond the bound, those of the tab that ran longest ago are forgotten.

        Not in Gradio's ``State``: for it every open page holds a connection of its own, and a browser has six.
        """
        with self._lock:
            self._memories[tab] = outputs
            self._memories.move_to_end(tab)
            while len(self._memories) > MOST_MEMORIES:
                self._memories.popitem(last=False)
