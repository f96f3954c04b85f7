"""The steps of a run as they come: every one of them, once, in order, from wherever a reader begins."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.handlers import Handlers
from app.host import ModelHost
from app.live import LEAVE, PATH, _events, routes
from app.options import AppOptions
from app.recorded import RUNS
from app.store import RunStore
from app.stored_run import StoredRun, from_record
from app.ui import launch
from lookahead.runs import runfile

RUN = runfile.load(RUNS / "edit-code.json")


def _going() -> tuple[StoredRun, StoredRun]:
    """The recorded run, and one that has still to get its steps."""
    whole, growing = from_record(RUN), from_record(RUN)
    growing.steps, growing.data, growing.end, growing.run, growing.going = [], [], None, None, True
    return whole, growing


async def _read(run: StoredRun, start: int) -> list[dict[str, Any]]:
    return [json.loads(event.split(b"data: ", 1)[1]) async for event in _events(run, start)]


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    """What it returns, from a loop in a thread of its own: a test of the page may have left one running here."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def _steps(messages: list[dict[str, Any]], start: int) -> list[dict[str, Any]]:
    """The steps of the messages, which must follow each other without a gap."""
    found: list[dict[str, Any]] = []
    for message in messages:
        assert message["from"] == start + len(found)
        found += message["steps"]
    return found


@given(cuts=st.lists(st.integers(0, len(RUN.steps)), max_size=6), start=st.integers(0, 5), left=st.booleans())
def test_every_step_comes_once_however_the_run_grows(cuts: list[int], start: int, left: bool) -> None:
    whole, growing = _going()
    edges = [0, *sorted(cuts), len(whole.data)]

    def grow() -> None:
        for begin, end in itertools.pairwise(edges):
            growing.add(whole.steps[begin:end], whole.data[begin:end])
        if left:
            growing.close()
        else:
            growing.finish(RUN)

    async def read() -> list[dict[str, Any]]:
        grower = threading.Thread(target=grow)
        reader = asyncio.create_task(_read(growing, start))
        await asyncio.sleep(0)
        grower.start()
        messages = await asyncio.wait_for(reader, 20)
        grower.join()
        return messages

    messages = _run(read())
    assert _steps(messages, start) == json.loads(json.dumps(whole.data[start:]))
    assert [message["end"] is not None for message in messages] == [False] * (len(messages) - 1) + [not left]
    assert not growing._watchers


def test_a_reader_that_goes_away_is_forgotten() -> None:
    _, growing = _going()

    async def leave() -> None:
        reader = asyncio.create_task(_read(growing, 0))
        await asyncio.sleep(0.01)
        assert len(growing._watchers) == 1
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader

    _run(leave())
    assert not growing._watchers
    growing.finish(RUN)


@pytest.fixture(scope="module")
def host() -> Iterator[ModelHost]:
    """The embedded model."""
    found = ModelHost.load(AppOptions())
    yield found
    found.close()


@pytest.mark.parametrize("watched", [True, False])
def test_the_queue_carries_the_steps_where_nobody_watches_and_beats_alone_where_somebody_does(
    host: ModelHost, watched: bool
) -> None:
    store = RunStore()
    controls = [120, 1, 0, "hierarchical", "adaptive", ["prompt", "output"], True]
    queue = map(json.loads, Handlers(host, store).run(*controls, "", "abc abc abc", None))
    first = next(queue)
    assert first["head"]
    assert (first["from"], first["steps"]) == (0, [])
    run = store.get(first["run"])
    assert run
    told: list[str] = []
    with run.watched(lambda: told.append("more")) if watched else nullcontext():
        beats = list(queue)
    assert [bool(beat["end"]) for beat in beats] == [False] * (len(beats) - 1) + [True]
    if not watched:
        assert _steps(beats, 0) == json.loads(json.dumps(run.data))
        return
    assert told
    assert all(beat["steps"] == [] for beat in beats)
    places = [beat["from"] for beat in beats]
    assert places == sorted(places)
    assert places[-1] == len(run.data)


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
