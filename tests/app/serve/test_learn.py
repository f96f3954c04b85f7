"""The pages of the course and the questions of its pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.model.host import ModelHost
from app.run.store import RunStore
from app.serve.learn import Course, routes
from app.serve.modules import PREFIX, WEB
from app.serve.question_thread import QuestionThread


def client_of(course: Course) -> TestClient:
    return TestClient(Starlette(routes=routes(course, QuestionThread(RunStore()))))


@pytest.fixture(scope="module")
def client(host: ModelHost) -> TestClient:
    return client_of(Course(host))


def ask(client: TestClient, name: str, question: Any = None) -> dict[str, Any]:
    return client.post(f"{PREFIX}/learn/ask/{name}", json=question or {}).json()


@pytest.mark.parametrize("chapter", ["%00", "<script>", "a" * 100, "%ff"])
def test_what_cannot_be_a_chapter_is_not_found(client: TestClient, chapter: str) -> None:
    assert client.get(f"/learn/{chapter}").status_code == 404


@pytest.mark.parametrize(("path", "root"), [("/learn", "."), ("/learn/trie", "..")])
def test_a_chapter_has_an_address_of_its_own(client: TestClient, path: str, root: str) -> None:
    page = client.get(path)
    assert page.headers["content-type"].startswith("text/html")
    assert f'src="{root}{PREFIX}/web/learn/learn.js"' in page.text
    assert f'href="{root}/"' in page.text
    assert "%" not in page.text.replace("100%", "")
    assert "<script>" not in page.text, "no inline script"
    assert f'og:image" content="http://testserver{PREFIX}/learn.png"' in page.text


def test_the_style_sheet_is_asked_for_again_only_if_it_changed(client: TestClient) -> None:
    styles = client.get(f"{PREFIX}/learn.css")
    assert ".pane-styles {" in styles.text
    assert styles.headers["content-type"].startswith("text/css")
    again = client.get(f"{PREFIX}/learn.css", headers={"if-none-match": styles.headers["etag"]})
    assert again.status_code == 304


def test_modules_of_the_page_exist(client: TestClient) -> None:
    names = [part.split('"')[0] for part in client.get("/learn").text.split(f"{PREFIX}/web/")[1:]]
    assert "learn/chapters.js" in names
    assert all((WEB / name).is_file() for name in names)


def test_the_time_of_a_pass_is_the_measured_one(client: TestClient, host: ModelHost) -> None:
    costs = ask(client, "costs")
    assert costs["measured"]
    assert len(costs["seconds"]) == 64
    assert all(seconds > 0 for seconds in costs["seconds"])
    assert costs["bytes"] == 4 * host.info.parameters


def test_without_a_measurement_it_is_a_recorded_runs(host: ModelHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "costs", None)
    course = Course(host)
    costs = course.cost_curve({})
    recorded = next(one.run for one in course.recordings if one.run.pass_costs)
    assert not costs["measured"]
    assert recorded.pass_costs is not None
    assert costs["seconds"][0] == recorded.pass_costs.at(1)


def test_without_recordings_and_measurement_the_pictures_say_so(
    host: ModelHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "costs", None)
    client = client_of(Course(host, tmp_path))
    assert "bundled" in ask(client, "recording")["error"]
    assert "not been measured" in ask(client, "costs")["error"]
    assert "not been measured" in ask(client, "pays", {"width": 8, "text": "a b c"})["error"]


def test_the_models_tokens_are_without_special_ones(client: TestClient) -> None:
    tokens = ask(client, "trie", {"texts": ["The cat sat on the mat"], "read": 1, "tokens": "model"})["tokens"]
    assert [text for text, _ in tokens if text] == ["The", " cat", " sat", " on", " the", " mat"]


@pytest.mark.parametrize("text", ["<img src=x onerror=alert(1)>", "‮abc​", "\x00\x1b[31m", "🙂" * 40])
def test_hostile_text_comes_back_as_it_is(client: TestClient, text: str) -> None:
    for tokens in ("words", "characters", "model"):
        answer = ask(client, "suffix", {"text": text, "tokens": tokens})
        assert "tokens" in answer or answer["error"] == "Type a few words."
    assert "".join(ask(client, "suffix", {"text": text, "tokens": "characters"})["tokens"]) == text


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"text": "\\ud800"}', b" " * 20_001])
def test_what_is_not_a_question_is_answered_in_a_line(client: TestClient, body: bytes) -> None:
    answer = client.post(f"{PREFIX}/learn/ask/suffix", content=body)
    assert answer.status_code == 200
    assert "\n" not in answer.json()["error"]


def test_an_unknown_question_is_not_found(client: TestClient) -> None:
    assert client.post(f"{PREFIX}/learn/ask/other", json={}).status_code == 404
    assert client.get(f"{PREFIX}/learn/ask/trie").status_code == 405
