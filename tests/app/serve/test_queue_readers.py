"""Events of Gradio's queue that nobody reads end, and their messages go."""

from __future__ import annotations

from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest

from app.serve.queue_readers import KEPT_SECONDS, UNREAD_SECONDS, QueueReaders, _name_sessions
from tests.app.making import in_loop


class FakeQueue:
    """What ``QueueReaders`` asks of Gradio's queue."""

    def __init__(self, **events: str) -> None:
        now = monotonic()
        self.event_ids_to_events = {
            name: SimpleNamespace(_id=name, session_hash=session, enqueue_time=now) for name, session in events.items()
        }
        self.pending_messages_per_session = dict.fromkeys(events.values())
        self.pending_event_ids_session = {session: {name} for name, session in events.items()}
        self.cleaned: list[str] = []

    async def clean_events(self, *, event_id: str) -> None:
        self.cleaned.append(event_id)
        del self.event_ids_to_events[event_id]

    async def push(self, body: Any) -> tuple[bool, str, str]:
        return True, "id", "success"


@pytest.mark.parametrize(
    "path", ["/gradio_api/call/generate/one", "/gradio_api/call/v2/generate/one", "/root/gradio_api/queue/data"]
)
def test_only_events_without_a_reader_end(path: str) -> None:
    queue: Any = FakeQueue(one="a", two="b")
    readers = QueueReaders()
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"x=1&session_hash=a"}

    async def look(*_: object) -> None:
        now = monotonic()
        await readers.tidy(queue, now + UNREAD_SECONDS - 1)
        assert not queue.cleaned
        await readers.tidy(queue, now + UNREAD_SECONDS + 1)

    async def read() -> None:
        await readers.counting(look)(scope, None, None)  # type: ignore[arg-type]
        assert queue.cleaned == ["two"]
        await readers.tidy(queue, monotonic() + UNREAD_SECONDS + 1)

    in_loop(read())
    assert queue.cleaned == ["two", "one"]
    assert not readers._readers


def test_messages_that_nobody_comes_for_go() -> None:
    queue: Any = FakeQueue(one="a")
    queue.event_ids_to_events.clear()
    readers = QueueReaders()
    for later, kept in ((0, True), (KEPT_SECONDS - 1, True), (KEPT_SECONDS + 1, False)):
        in_loop(readers.tidy(queue, 1000 + later))
        assert ("a" in queue.pending_messages_per_session) == kept
    assert not queue.pending_event_ids_session


@pytest.mark.parametrize(
    ("session", "taken"),
    [(None, True), ("ab12_-", True), ("", False), ("a<gradio-sep>b", False), ("a" * 101, False), ("a\n", False)],
)
def test_a_session_has_a_usable_name(session: str | None, taken: bool) -> None:
    queue: Any = FakeQueue()
    _name_sessions(queue)
    assert in_loop(queue.push(SimpleNamespace(session_hash=session)))[0] == taken
