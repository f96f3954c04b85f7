"""The studies that visitors start at ``/lab``; ``lab_page.py`` has the page itself.

``POST /lab/studies`` takes ``{"name", "text", "settings": [A] or [A, B], "plain", "max_new_tokens", "sweep",
"prompts"}`` (a file that is not text as ``"base64"`` instead of ``"text"``; B may have ``"start"``) and answers
``{"id"}``. ``POST /lab/check`` takes the same and answers what the file holds: ``{"prompts", "recorded", "digest",
"pass_seconds"}``, where the last is T(1) or null. ``POST /lab/studies/ID/continue`` takes ``{"settings", "sweep",
"prompts", "runs"}`` and answers ``{"id"}`` of a study with the file, the settings A and the runs of that one. It runs
the prompts that are missing; with ``"runs": false`` nothing runs, and B is compared on the outputs that are there.

``GET /lab/studies/ID/events`` is a stream of server-sent events: ``{"asked"}`` (what was asked for), ``{"progress"}``,
``{"study"}``, ``{"error"}`` and at the end ``{"end": true}``. What is wrong is answered as ``{"error": one line}``.

A cookie names the visitor's session. Nobody else can read its studies, and they are forgotten with it.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import threading
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from functools import partial
from math import ceil, inf
from time import monotonic
from typing import Any

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from app.model.error_line import error_line
from app.model.host import ModelHost
from app.run.live_study import LiveStudy
from app.run.settings import offered_here
from app.run.studies import GONE, BusyError, Studies
from app.run.study_job import StudyRequest, digest_of
from app.serve.question_thread import QuestionThread
from lookahead.config import LookaheadConfig, RunSettings, Sampling
from lookahead.report.report import to_html
from lookahead.setting import chosen, settings_of
from lookahead.study.grid import Drafting
from lookahead.study.result import Study
from lookahead.study.table import to_csv
from lookahead.study.verdict import machine

COOKIE = "lookahead-lab"
STARTS = ("cold", "warm")
"""What the replays of B can start with."""
MEASURE_SECONDS = 30.0
"""Least time between two measurements of T(n): each takes the engine from runs, and all visitors share its result."""
LOOK_SECONDS = 1.0
POLL_SECONDS = 0.2
STUDY_SECONDS = 0.5
"""Least time between two ``{"study"}`` of a stream; a large one is sent less often."""
MOST_BYTES_PER_SECOND = 2_000_000
"""Of a stream, roughly."""
NEED = 'need a JSON object with "name" and "text", the content of the file'
_SESSION = re.compile(r"[\w-]{20,64}")
_FILE_NAME = re.compile(r"[^\w .,()+=@-]")

Answering = Callable[[Request, str], Awaitable[Response]]


class Lab:
    """What the lab answers from.

    Args:
        thread: Writes tables and reports.
        on_space: Whether the page is shown inside a page of Hugging Face, where a cookie must say so.
    """

    def __init__(self, host: ModelHost, thread: QuestionThread, studies: Studies, on_space: bool = False) -> None:
        self.host = host
        self.thread = thread
        self.studies = studies
        self.on_space = on_space
        self._measured = -inf

    # ------------------------------------------------------------------ questions

    async def open(self, request: Request, session: str) -> Response:
        """The page with a study that a program has started: ``/lab/open?key=KEY&study=ID``."""
        study = self.studies.get(session, request.query_params.get("study", ""))
        return RedirectResponse("../lab" if study is None else f"../lab?study={study.study_id}", 303)

    async def start(self, request: Request, session: str) -> Response:
        """Start a study."""
        asked = await asyncio.to_thread(self.study_request, await request.body())
        study = await asyncio.to_thread(self.studies.start, session, asked)
        return JSONResponse({"id": study.study_id})

    async def check(self, request: Request, _: str) -> Response:
        """Read a file without studying it."""
        asked = await asyncio.to_thread(self.study_request, await request.body())
        found = await asyncio.wrap_future(self.studies.check(asked))
        costs, digest = self.host.costs, await asyncio.to_thread(digest_of, asked.data)
        return JSONResponse({**found, "digest": digest, "pass_seconds": costs.at(1) if costs else None})

    async def go_on(self, request: Request, session: str) -> Response:
        """Continue a study, or compare other settings on what it has."""
        earlier = self.study(request, session)
        asked = self.continued(earlier.request, await request.body())
        study = await asyncio.to_thread(self.studies.start, session, asked, earlier=earlier)
        return JSONResponse({"id": study.study_id})

    def continued(self, earlier: StudyRequest, body: bytes) -> StudyRequest:
        """The request of a study that keeps the runs of an earlier one: what its runs depend on stays.

        Raises:
            ValueError: If the body is not one.
        """
        try:
            values = orjson.loads(body)
        except ValueError:
            values = None
        if not isinstance(values, dict):
            raise ValueError("need a JSON object")
        _, other, start = self._both(values)
        only_other = not _switch(values, "runs", True)
        if only_other and other is None:
            raise ValueError("settings: need A and B to compare B")
        return replace(
            earlier,
            other=other,
            other_start=start,
            sweep=_switch(values, "sweep", earlier.sweep),
            prompts=_count(values, "prompts", earlier.prompts),
            only_other=only_other,
        )

    def study_request(self, body: bytes) -> StudyRequest:
        """The request in a body.

        Raises:
            ValueError: If it is not one.
        """
        try:
            values = orjson.loads(body)
        except ValueError:
            raise ValueError(NEED) from None
        if not (data := _content(values)).strip():
            raise ValueError("The file is empty. Drop a file with prompts, a trace, or a run file.")
        own, other, start = self._both(values)
        most = {"max_new_tokens": values["max_new_tokens"]} if "max_new_tokens" in values else {}
        return StudyRequest(
            name=_file_name(values.get("name")),
            data=data,
            settings=_of_drafts(own),
            other=other,
            other_start=start,
            sampling=chosen(Sampling, own),
            max_new_tokens=chosen(RunSettings, {**own, **self._settings(most)}).max_new_tokens,
            plain=_switch(values, "plain", True),
            sweep=_switch(values, "sweep", False),
            prompts=_count(values, "prompts"),
        )

    def _both(self, values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None, Any]:
        """Settings A, the draft settings B if there are any, and what B's replays start with."""
        given = values.get("settings") or [{}]
        if not isinstance(given, list) or not all(isinstance(one, dict) for one in given) or len(given) > 2:
            raise ValueError("settings: need one or two objects of settings")
        start = given[1].pop("start", "cold") if given[1:] else "cold"
        if start not in STARTS:
            raise ValueError(f"settings: start={str(start)[:40]!r}; need {' or '.join(STARTS)}")
        own, *others = [self._settings(one) for one in given]
        return own, _of_drafts(others[0]) if others else None, start

    def _settings(self, given: dict[str, Any]) -> dict[str, Any]:
        """The settings of one object, checked."""
        known = offered_here(self.host, "endpoint") | offered_here(self.host, "what-if")
        unknown = next((name for name in given if name not in known), None)
        if unknown is not None:
            raise ValueError(f"settings: there is no setting {str(unknown)[:40]!r}")
        return {name: known[name].from_plain(value) for name, value in given.items()}

    async def costs(self, _: Request, __: str) -> Response:
        """Measure T(n) again."""
        wait = self._measured + MEASURE_SECONDS - monotonic()
        if wait > 0 or self.host.thread.busy:
            when = f"in {ceil(wait)} s" if wait > 0 else "when the runs in progress have finished"
            raise BusyError(f"T(n) cannot be measured now. Try again {when}.")
        self._measured = monotonic()
        measured = self.host.thread.start(partial(self.host.pass_costs, True), threading.Event())
        costs = await asyncio.wrap_future(measured)
        if costs is None:
            raise ValueError("This model decodes one token at a time, so there is no T(n) to measure.")
        return JSONResponse({"machine": msgspec.to_builtins(machine("this machine", costs, Drafting()))})

    def study(self, request: Request, session: str) -> LiveStudy:
        """The study that a request names.

        Raises:
            LookupError: If this session has no such study.
        """
        study = self.studies.get(session, request.path_params["id"])
        if study is None:
            raise LookupError(GONE)
        return study

    async def events(self, request: Request, session: str) -> Response:
        """The progress of a study, and what it has found so far."""
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        study = self.study(request, session)
        return StreamingResponse(_events(study), media_type="text/event-stream", headers=headers)

    async def stop(self, request: Request, session: str) -> Response:
        """Stop the runs of a study; it is finished on what it has. A second time ends that, too."""
        self.study(request, session).stop()
        return JSONResponse({})

    async def forget(self, request: Request, session: str) -> Response:
        """Forget a study and delete its files."""
        await asyncio.to_thread(self.studies.forget, self.study(request, session))
        return JSONResponse({})

    async def run(self, request: Request, session: str) -> Response:
        """A run file of a study."""
        file = self.study(request, session).run_file(request.path_params["name"])
        if file is None:
            raise LookupError("This study has no such run.")
        return FileResponse(file, media_type="application/json", headers={"Cache-Control": "no-store"})

    async def export(self, request: Request, session: str) -> Response:
        """A study as JSON, as CSV, or as a report of its own in HTML."""
        study, kind = self.study(request, session), request.path_params["kind"]
        if kind not in TYPES:
            raise LookupError("A study can be had as .json, .csv or .html.")
        while study.result is None and not study.over.is_set():  # a page that was loaded again wants to see it
            await asyncio.sleep(POLL_SECONDS)
        if study.result is None:
            raise LookupError(study.problem or "This study has found nothing.")
        data = study.result
        if kind != "json":
            write = WRITERS[kind]
            data = await self.thread.ask(lambda: write(msgspec.json.decode(study.result or b"", type=Study)).encode())
        name = f"{study.request.name.rsplit('.', 1)[0]}-study.{kind}"
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
        if kind == "html":  # it is opened from the disk; opened here, it would have the page's rights
            headers["Content-Security-Policy"] = "sandbox allow-scripts"
        return Response(data, media_type=TYPES[kind], headers=headers)

    # ------------------------------------------------------------------ routes

    def routes(self) -> list[Route]:
        """Everything under ``/lab`` but the page itself."""

        def route(path: str, answer: Answering, method: str = "GET") -> Route:
            return Route(f"/lab{path}", self._answering(answer), methods=[method])

        return [
            route("/open", self.open),
            route("/costs", self.costs, "POST"),
            route("/check", self.check, "POST"),
            route("/studies", self.start, "POST"),
            route("/studies/{id}/events", self.events),
            route("/studies/{id}/stop", self.stop, "POST"),
            route("/studies/{id}/continue", self.go_on, "POST"),
            route("/studies/{id}/runs/{name}", self.run),
            route("/studies/{id:str}.{kind:str}", self.export),
            route("/studies/{id}", self.forget, "DELETE"),
        ]

    def _answering(self, answer: Answering) -> Callable[[Request], Awaitable[Response]]:
        """The answer with the session's cookie; what is wrong in one line."""

        async def answered(request: Request) -> Response:
            session = self.session_of(request)
            try:
                if self.studies.closed:  # while the page was still open
                    raise LookupError("This lab was closed.")
                response = await answer(request, session)
            except LookupError as error:
                response = JSONResponse({"error": str(error.args[0])}, 404)
            except BusyError as error:
                response = JSONResponse({"error": str(error)}, 429)
            except ValueError as error:
                response = JSONResponse({"error": error_line(error)}, 400)
            except Exception as error:  # whatever a pass or a table may raise
                logging.getLogger(__name__).warning("the lab failed", exc_info=error)
                response = JSONResponse({"error": error_line(error)}, 500)
            return self.with_session(request, response, session)

        return answered

    def session_of(self, request: Request) -> str:
        """The name of the session that asks; a new one if it has none."""
        invited = self.studies.invited.get(request.query_params.get("key", ""))
        known = invited or request.cookies.get(COOKIE, "")
        return known if _SESSION.fullmatch(known) else secrets.token_urlsafe(24)

    def with_session(self, request: Request, response: Response, session: str) -> Response:
        """The answer, with the cookie if the browser has none."""
        if request.cookies.get(COOKIE) != session:
            where = "SameSite=None; Secure; Partitioned" if self.on_space else "SameSite=Lax"
            response.headers.append("set-cookie", f"{COOKIE}={session}; Path=/; HttpOnly; {where}")
        return response

    def watching(self, lifespan: Callable[[Any], AbstractAsyncContextManager[None]]) -> Any:
        """The lifespan of the app in which studies that nobody follows are ended."""

        @asynccontextmanager
        async def longer(app: Any) -> AsyncIterator[None]:
            watch = asyncio.create_task(self._watch())
            try:
                async with lifespan(app):
                    yield
            finally:
                watch.cancel()
                self.studies.close()

        return longer

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await asyncio.to_thread(self.studies.tidy, monotonic())


WRITERS: dict[str, Callable[[Study], str]] = {"csv": lambda study: to_csv(study.rows), "html": to_html}
TYPES = {"json": "application/json", "csv": "text/csv", "html": "text/html"}


async def _events(study: LiveStudy) -> AsyncIterator[bytes]:
    """The events of a study until it is over."""
    told: Any = None
    shown: bytes | None = None
    due = 0.0
    with study.readers.another():
        asked = study.request
        other = asked.other and {**asked.other, "start": asked.other_start}
        told_of = {name: getattr(asked, name) for name in ("name", "max_new_tokens", "plain", "sweep", "prompts")}
        told_of |= {"settings": dict(asked.settings), "other": other, "digest": study.digest}
        yield _event(orjson.dumps({"asked": told_of}))
        while True:
            over, progress, result = study.over.is_set(), study.progress, study.result
            if progress is not told:
                told = progress
                yield _event(orjson.dumps({"progress": progress}))
            if result is not None and result is not shown and (over or monotonic() >= due):
                shown = result
                due = monotonic() + max(STUDY_SECONDS, len(result) / MOST_BYTES_PER_SECOND)
                yield _event(b'{"study":' + result + b"}")
            if over:
                if study.problem:
                    yield _event(orjson.dumps({"error": study.problem}))
                yield _event(b'{"end":true}')
                return
            await asyncio.sleep(POLL_SECONDS)


def _event(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"


def _file_name(name: Any) -> str:
    """The name of a file as messages and exports may have it."""
    last = re.split(r"[\\/]", name)[-1] if isinstance(name, str) else ""
    return _FILE_NAME.sub("_", last)[:80].strip(" .") or "study"


def _content(values: Any) -> bytes:
    """The content of the file in a request."""
    given = values if isinstance(values, dict) else {}
    if isinstance(coded := given.get("base64"), str):
        try:
            return b64decode(coded, validate=True)
        except ValueError:
            raise ValueError("base64: need the content of the file in base64") from None
    if not isinstance(text := given.get("text"), str):
        raise ValueError(NEED)
    return text.encode("utf-8", "surrogatepass")


def _of_drafts(settings: dict[str, Any]) -> dict[str, Any]:
    """Those of the settings that drafts depend on."""
    drafts = settings_of(LookaheadConfig)
    return {name: value for name, value in settings.items() if name in drafts}


def _count(values: dict[str, Any], name: str, default: int | None = None) -> int | None:
    value = values.get(name, default)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise ValueError(f"{name}={str(value)[:40]}; need a whole number from 1 on")
    return value


def _switch(values: dict[str, Any], name: str, default: bool) -> bool:
    value = values.get(name, default)
    if not isinstance(value, bool):
        raise ValueError(f"{name}: need true or false")
    return value
