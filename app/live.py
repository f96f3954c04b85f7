"""The steps of a run as server-sent events, past Gradio's queue.

An update through that queue costs several times as much, on the server and in the browser, as the update itself; on two
cores the engine feels that. So Gradio runs the run and carries its beginning, its end and a beat now and then, and the
page reads the steps between from here. Where it cannot, the beats carry the steps as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from . import stage
from .store import RunStore
from .stored_run import StoredRun
from .theme import WEB

PATH = "/gradio_api/lookahead/steps"
"""Under Gradio's own prefix: whatever stands before the server lets it through."""
LEAVE = "/gradio_api/lookahead/leave"


def routes(store: RunStore) -> list[Any]:
    """What the server answers besides Gradio's own: ``PATH?run=ID&from=N``, the steps of a run from N on, as they come.

    A connection that was cut goes on where it was. ``No content`` says that there is nothing more to wait for. What is
    posted to ``LEAVE?run=ID`` ends that run within one step: its page has closed.
    """

    async def steps(request: Request) -> Response:
        start = request.headers.get("last-event-id") or request.query_params.get("from", "0")
        if not (start.isascii() and start.isdecimal() and len(start) < 10):
            return PlainTextResponse("from: the index of a step, 0 for all", 400)
        run = store.get(request.query_params.get("run"))
        if run is None or not (run.going or run.end or int(start) < len(run.data)):
            return Response(status_code=204)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(_events(run, int(start)), media_type="text/event-stream", headers=headers)

    async def leave(request: Request) -> Response:
        run = store.get(request.query_params.get("run"))
        if run is not None:
            run.cancelled.set()
        return Response(status_code=204)

    web = Mount("/gradio_api/lookahead/web", StaticFiles(directory=WEB))
    return [Route(PATH, steps), Route(LEAVE, leave, methods=["POST"]), web]


async def _events(run: StoredRun, start: int) -> AsyncIterator[bytes]:
    """An event as soon as there are steps from ``start`` on, until the run has ended."""
    loop, news = asyncio.get_running_loop(), asyncio.Event()

    def tell() -> None:
        with suppress(RuntimeError):  # the server has closed
            loop.call_soon_threadsafe(news.set)

    with run.watched(tell):
        while True:
            news.clear()
            going = run.going
            message = run.since(start)
            if message["steps"] or message["end"]:
                start += len(message["steps"])
                yield f"id: {start}\ndata: {stage.to_json(message)}\n\n".encode()
            if message["end"] or not going:
                return
            await news.wait()
