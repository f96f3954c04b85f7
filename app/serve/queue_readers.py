"""Who reads what comes out of Gradio's queue: events that nobody reads are ended, and their messages dropped.

Gradio notices a reader that leaves. It runs an event whose reader never came to the end, keeps its place in the queue
meanwhile, and keeps its messages.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from time import monotonic
from typing import Any
from urllib.parse import parse_qs

from gradio.queueing import Queue
from starlette.types import ASGIApp, Receive, Scope, Send

UNREAD_SECONDS = 5.0
"""How long an event may be without a reader. A script asks for its event's messages at once."""
KEPT_SECONDS = 60.0
"""How long messages of finished events wait for a reader."""
LOOK_SECONDS = 1.0
MOST_SESSIONS = 50_000
"""Beyond Gradio's 2,000, the messages of one that is being read would be dropped for a new one."""
_CALL = re.compile(r".*/gradio_api/call/.+/([^/]+)/?")
_SESSION = re.compile(r"[\w-]{1,100}")


class QueueReaders:
    """The readers of one queue, by the session or the event that they name."""

    def __init__(self) -> None:
        self._readers: Counter[str] = Counter()
        self._unread_since: dict[str, float] = {}

    def counting(self, app: ASGIApp) -> ASGIApp:
        """ASGI middleware that counts the readers."""

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            name = _read_by(scope)
            if not name:
                return await app(scope, receive, send)
            self._readers[name] += 1
            try:
                await app(scope, receive, send)
            finally:
                self._readers[name] -= 1
                if not self._readers[name]:
                    del self._readers[name]

        return counted

    def watching(self, queue: Queue) -> Callable[[Any], AbstractAsyncContextManager[None]]:
        """A lifespan of the app in which unread events are ended."""

        @asynccontextmanager
        async def lifespan(_: Any) -> AsyncIterator[None]:
            queue.pending_messages_per_session.max_size = MOST_SESSIONS
            _name_sessions(queue)
            watch = asyncio.create_task(self._watch(queue))
            try:
                yield
            finally:
                watch.cancel()

        return lifespan

    async def _watch(self, queue: Queue) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.tidy(queue, monotonic())

    async def tidy(self, queue: Queue, now: float) -> None:
        """End what nobody reads, and drop messages that nobody has come for."""
        busy: set[str] = set()
        for name, event in list(queue.event_ids_to_events.items()):
            busy.add(event.session_hash)
            if now - event.enqueue_time > UNREAD_SECONDS and not self._is_read(queue, event.session_hash):
                await queue.clean_events(event_id=name)
        for session in list(queue.pending_messages_per_session):
            if session in busy or self._is_read(queue, session):
                self._unread_since.pop(session, None)
            elif now - self._unread_since.setdefault(session, now) > KEPT_SECONDS:
                del queue.pending_messages_per_session[session], self._unread_since[session]
                queue.pending_event_ids_session.pop(session, None)

    def _is_read(self, queue: Queue, session: str) -> bool:
        events = queue.pending_event_ids_session.get(session, ())
        return session in self._readers or any(event in self._readers for event in events)


def _read_by(scope: Scope) -> str:
    """The session or the event whose messages a request reads; empty if it reads none."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return ""
    if scope["path"].endswith("/gradio_api/queue/data"):
        return parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", [""])[0]
    call = _CALL.fullmatch(scope["path"])
    return call[1] if call else ""


def _name_sessions(queue: Queue) -> None:
    """Refuse events whose session has no usable name: Gradio mixes it into names of its own, and fails for others."""
    push = queue.push

    async def named(body: Any, *more: Any, **rest: Any) -> Any:
        if body.session_hash is not None and not _SESSION.fullmatch(body.session_hash):
            return False, "session_hash: need letters and digits", "error"
        return await push(body, *more, **rest)

    queue.push = named
