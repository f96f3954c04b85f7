"""The step stream: the steps of a run as server-sent events, outside Gradio's queue.

Gradio's queue makes an update cost several times as much, on the server and in the browser, which slows the engine on
two cores. So Gradio only reports that a run waits or has begun, and the page reads the steps from here.
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
UPDATE_SECONDS = 0.044
"""Least time between two messages of a run. Steps made meanwhile travel together, since each message costs time."""
MOST_STEPS = 200
"""Most steps in one message of the stream, so that a long run is spelled and sent in parts."""
FIRST_READ_SECONDS, UNREAD_SECONDS = 10.0, 3.0
"""When a run of the page is cancelled because no page reads it: after its begin, and after its last reader left. A
connection that was cut is back sooner."""


def routes(store: RunStore) -> list[Route]:
    """``PATH?run=ID&from=N`` streams the steps of a run from N on; a POST to ``LEAVE?run=ID`` cancels the run.

    A connection that was cut continues where it was. ``No content`` tells the browser not to connect again. A page
    that closes posts to ``LEAVE``.
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
    """An event as soon as there are new steps, until the run ends; the head comes first if the stream begins at 0."""
    head = start == 0
    with run.readers.another():
        while True:
            going = run.going
            message = since(run, start, head, MOST_STEPS)
            if head or message["steps"] or message["end"]:
                start += len(message["steps"])
                yield f"id: {start}\ndata: {to_json(message)}\n\n".encode()
            if message["end"] or not (going or len(run.steps) > start):
                return
            head = False
            await asyncio.sleep(UPDATE_SECONDS)
            await asyncio.wrap_future(run.news(start))


def messages(run: StoredRun) -> Generator[dict[str, Any], None, None]:
    """The same messages for a reader in its own thread; closing the iterator cancels the run."""
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


def wait_while_read(run: StoredRun) -> None:
    """Wait for the end of a run of the page; a run that no page reads is cancelled."""
    while not run.wait(0.5):
        if run.readers.unread_seconds > (UNREAD_SECONDS if run.readers.ever else FIRST_READ_SECONDS):
            run.cancelled.set()
