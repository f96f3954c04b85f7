"""The step stream: the steps of a run as server-sent events, past Gradio's queue.

An update through that queue costs several times as much, on the server and in the browser, as the update itself; on two
cores the engine feels that. So Gradio only says that a run waits or has begun, and the page reads its steps from here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from app.run.store import RunStore
from app.run.stored_run import StoredRun
from app.serve.modules import PREFIX
from app.views.step_messages import since, to_json

PATH = f"{PREFIX}/steps"
LEAVE = f"{PREFIX}/leave"
UPDATE_SECONDS = 0.04
"""Time between two messages of a run: the steps made meanwhile travel together, since each message costs the engine."""
UNREAD_SECONDS = 3.0
"""A run of the page that no page has read for so long is cancelled: a reload reconnects sooner."""


def routes(store: RunStore) -> list[Route]:
    """``PATH?run=ID&from=N`` answers with the steps of a run from N on, as they come.

    A connection that was cut continues where it was. ``No content`` says that there is nothing more to wait for. A POST
    to ``LEAVE?run=ID`` cancels that run: its page has closed.
    """

    async def steps(request: Request) -> Response:
        start = request.headers.get("last-event-id") or request.query_params.get("from", "0")
        if not (start.isascii() and start.isdecimal() and len(start) < 10):
            return PlainTextResponse("from: the index of a step, 0 for all", 400)
        run = store.get(request.query_params.get("run"))
        if run is None or not (run.going or run.run or int(start) < len(run.steps)):
            return Response(status_code=204)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(_events(run, int(start)), media_type="text/event-stream", headers=headers)

    async def leave(request: Request) -> Response:
        run = store.get(request.query_params.get("run"))
        if run is not None:
            run.cancelled.set()
        return Response(status_code=204)

    return [Route(PATH, steps), Route(LEAVE, leave, methods=["POST"])]


async def _events(run: StoredRun, start: int) -> AsyncIterator[bytes]:
    """The head where it begins with step 0, then an event as soon as there are new steps, until the run has ended."""
    head = start == 0
    with run.read():
        while True:
            going = run.going
            message = since(run, start, head)
            if head or message["steps"] or message["end"]:
                start += len(message["steps"])
                yield f"id: {start}\ndata: {to_json(message)}\n\n".encode()
            if message["end"] or not going:
                return
            head = False
            await asyncio.sleep(UPDATE_SECONDS)
            await asyncio.wrap_future(run.news(start))


def messages(run: StoredRun) -> Generator[dict[str, Any], None, None]:
    """The same messages for a reader in a thread of its own; closing the iterator cancels the run.

    Raises:
        Exception: What broke the run off where that is a mistake of this program; after the last message.
    """
    start, head = 0, True
    try:
        while True:
            going = run.going
            message = since(run, start, head)
            if head or message["steps"] or message["end"]:
                start += len(message["steps"])
                yield message
            if message["end"] or not going:
                break
            head = False
            if not run.wait(UPDATE_SECONDS):
                run.news(start).result()
    finally:
        run.cancelled.set()
    if run.mistake is not None:
        raise run.mistake


def wait_while_read(run: StoredRun) -> None:
    """Wait for the end of a run of the page; one that no page reads is cancelled.

    Raises:
        Exception: What broke the run off where that is a mistake of this program.
    """
    while not run.wait(0.5):
        if run.unread_seconds > UNREAD_SECONDS:
            run.cancelled.set()
    if run.mistake is not None:
        raise run.mistake
