"""The steps of a run as they come: every one of them, once, in order, from wherever a reader begins."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.model.host import ModelHost
from app.page.layout import launch
from app.run.store import RunStore
from app.run.stored_run import StoredRun, from_record
from app.serve import steps as stream
from app.serve.steps import LEAVE, PATH, _events, messages, routes
from app.views.first_sight import RUNS
from app.views.step_messages import steps_data
from lookahead.runs import runfile
from tests.app.making import finished, in_loop

RUN = runfile.load(RUNS / "edit-code.json")


def _going() -> tuple[StoredRun, StoredRun]:
    """The recorded run, and one that is still without its steps."""
    whole, texts = from_record(RUN), from_record(RUN).texts
    return whole, StoredRun(whole.request, whole.model, texts)


async def _read(run: StoredRun, start: int) -> list[dict[str, Any]]:
    return [json.loads(event.split(b"data: ", 1)[1]) async for event in _events(run, start)]


def _steps(messages: list[dict[str, Any]], start: int) -> list[dict[str, Any]]:
    """The steps of the messages, which must follow each other without a gap."""
    found: list[dict[str, Any]] = []
    for message in messages:
        assert message["from"] == start + len(found)
        found += message["steps"]
    return found


@given(
    cuts=st.lists(st.integers(0, len(RUN.steps)), max_size=6),
    start=st.integers(0, 5),
    left=st.booleans(),
    threaded=st.booleans(),
)
def test_every_step_comes_once_however_the_run_grows(cuts: list[int], start: int, left: bool, threaded: bool) -> None:
    whole, growing = _going()
    edges = [0, *sorted(cuts), len(whole.steps)]

    def grow() -> None:
        for begin, end in itertools.pairwise(edges):
            for place in range(begin, end):
                growing.add(whole.steps[place], whole.ends[place])
            threading.Event().wait(0.0001)
        if left:
            growing.close()
        else:
            growing.finish(RUN)

    async def read() -> list[dict[str, Any]]:
        grower = threading.Thread(target=grow)
        reader = asyncio.create_task(_read(growing, start))
        await asyncio.sleep(0)
        grower.start()
        found = await asyncio.wait_for(reader, 20)
        grower.join()
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "UPDATE_SECONDS", 0.0002)
        if threaded:
            start = 0
            grower = threading.Thread(target=grow)
            grower.start()
            found = json.loads(json.dumps(list(messages(growing))))
            grower.join()
        else:
            found = in_loop(read())
    assert _steps(found, start) == json.loads(json.dumps(steps_data(whole)[start:]))
    assert [bool(message["end"]) for message in found[:-1]] == [False] * (len(found) - 1)
    assert not found or bool(found[-1]["end"]) == (not left)
    assert [bool(message["head"]) for message in found[1:]] == [False] * (len(found) - 1)
    assert not found or bool(found[0]["head"]) == (start == 0)
    assert not growing._waiting
    assert not growing.readers.count


def test_a_reader_that_leaves_is_forgotten_and_counted_as_gone() -> None:
    _, growing = _going()

    async def leave() -> None:
        reader = asyncio.create_task(_read(growing, 0))
        await asyncio.sleep(0.1)
        assert growing.readers.count == len(growing._waiting) == 1
        assert growing.readers.unread_seconds == 0
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader

    in_loop(leave())
    assert not growing.readers.count
    assert growing.readers.unread_seconds > 0
    growing.finish(RUN)
    assert not growing._waiting


def test_a_reader_that_closes_cancels_its_run(host: ModelHost) -> None:
    run = finished(host, max_new_tokens=3)
    found = messages(run)
    next(found)
    found.close()
    assert run.cancelled.is_set()


@pytest.fixture(scope="module")
def url(host: ModelHost) -> Iterator[str]:
    """The address of a running app."""
    demo, url = launch(host, quiet=True)
    yield url.rstrip("/")
    demo.close()


def _ask(url: str, query: str, **headers: str) -> tuple[int, list[dict[str, Any]]]:
    with urllib.request.urlopen(urllib.request.Request(f"{url}{PATH}?{query}", headers=headers)) as answer:
        return answer.status, [json.loads(line[6:]) for line in answer if line.startswith(b"data: ")]


def test_the_server_answers_beside_gradio(url: str) -> None:
    with urllib.request.urlopen(url + "/config") as answer:
        config = json.load(answer)
    (stage,) = (part for part in config["components"] if part["props"].get("elem_id") == "stage")
    run = json.loads(stage["props"]["value"])["messages"][0]
    count = len(run["steps"])
    status, (message,) = _ask(url, f"run={run['run']}&from=2")
    assert (status, message["from"], len(message["steps"])) == (200, 2, count - 2)
    assert message["end"] == run["end"]
    _, (message,) = _ask(url, f"run={run['run']}", **{"Last-Event-ID": str(count - 1)})
    assert message["steps"] == run["steps"][-1:]
    assert message["method"] == "lookahead"


def test_the_modules_of_the_page_are_served_and_nothing_else(url: str) -> None:
    address = f"{url}/gradio_api/lookahead/web/"
    with urllib.request.urlopen(address + "watch.js") as answer:
        assert answer.headers["content-type"].partition(";")[0] in ("text/javascript", "application/javascript")
        assert answer.headers["cache-control"] == "no-cache"
        again = urllib.request.Request(address + "watch.js", headers={"If-None-Match": answer.headers["etag"]})
    for question, status in (
        (again, 304),
        (address + "no.js", 404),
        (address + "../main.py", 404),
        (address + "%2e%2e/main.py", 404),
        (address + "..%2fmain.py", 404),
    ):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(question)
        assert refused.value.code == status


def test_a_page_that_leaves_ends_its_own_run_alone() -> None:
    store, mine, other = RunStore(), from_record(RUN), from_record(RUN)
    for run in (mine, other):
        store.add(run)
    page = TestClient(Starlette(routes=routes(store)))
    for query in (f"?run={mine.run_id}", "?run=unknown", ""):
        assert page.post(LEAVE + query).status_code == 204
    assert mine.cancelled.is_set()
    assert not other.cancelled.is_set()


def test_nothing_to_wait_for_and_bad_places_are_told_apart(url: str) -> None:
    assert _ask(url, "run=unknown&from=0") == (204, [])
    assert _ask(url, "") == (204, [])
    for place in ("-1", "x", "1" * 5000, "٣"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            _ask(url, f"run=unknown&from={urllib.parse.quote(place)}")
        assert refused.value.code == 400
        assert b"\n" not in refused.value.read()
