"""The lab's studies over HTTP: who may see them, what they find, how they end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.model.host import ModelHost
from app.run import studies
from app.run.store import RunStore
from app.run.studies import Studies
from app.serve.lab import Lab
from app.serve.question_thread import QuestionThread
from lookahead.runs import runfile
from lookahead.study.result import Study

PROMPTS = "".join(json.dumps({"prompt": f"Add {number} and {number}.", "category": "sum"}) + "\n" for number in (2, 3))
TRACE = "".join(
    json.dumps({"prompt": [5, 6, 7, 5, 6], "output": [7, 5, 6, 7, 5, 6, number]}) + "\n" for number in (1, 2)
)


@pytest.fixture(scope="module")
def lab(host: ModelHost) -> Iterator[Lab]:
    thread, found = QuestionThread(RunStore()), Studies(host)
    yield Lab(host, thread, found)
    found.close()
    thread.close()


@pytest.fixture
def client(lab: Lab) -> TestClient:
    """A visitor."""
    return visitor(lab)


def visitor(lab: Lab) -> TestClient:
    return TestClient(Starlette(routes=lab.routes()), raise_server_exceptions=False)


def started(client: TestClient, text: str = PROMPTS, **asked: Any) -> str:
    answer = client.post("/lab/studies", json={"name": "prompts.jsonl", "text": text, "max_new_tokens": 12, **asked})
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


def followed(client: TestClient, study: str) -> list[dict[str, Any]]:
    """The events of a study until its end."""
    with client.stream("GET", f"/lab/studies/{study}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        return [json.loads(line.removeprefix("data: ")) for line in stream.iter_lines() if line]


def test_prompts_run_on_the_model_and_their_runs_can_be_opened(client: TestClient) -> None:
    study = started(client, settings=[{}, {"decoding_length": 4}])
    events = followed(client, study)
    assert events[-1] == {"end": True}
    assert not [event for event in events if "error" in event]
    found = msgspec.convert([event["study"] for event in events if "study" in event][-1], Study)
    assert [row.category for row in found.rows] == ["sum", "sum"]
    assert all(row.tokens and row.plain_seconds for row in found.rows)
    assert found.variants[0].label == "B"
    assert found.variants[0].config == {"decoding_length": 4}
    assert len(found.variants[0].each) == 2
    assert found.machines[0].lengths[0] == 1
    run = client.get(f"/lab/studies/{study}/runs/{found.rows[1].run}")
    pair = runfile.pair_from_json(run.text)
    assert pair.greedy is not None
    assert pair.run.texts is not None
    assert pair.run.texts.prompt == "Add 3 and 3."
