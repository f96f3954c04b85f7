"""The lab's studies over HTTP: who may see them, what they find, how they end."""

from __future__ import annotations

import json
import random
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.model.host import ModelHost
from app.model.runs import RunRequest
from app.run import studies, study_process
from app.run.live_study import LiveStudy
from app.run.store import RunStore
from app.run.studies import Studies
from app.run.study_job import StudyJob, StudyRequest, digest_of
from app.run.study_maker import StudyMaker
from app.serve import lab as lab_module
from app.serve.lab import Lab
from app.serve.question_thread import QuestionThread
from lookahead import LookaheadConfig, RunRecord, Trie, save_trie
from lookahead.costs import KnownCosts, PassCosts
from lookahead.inputs import InputError
from lookahead.runs import runfile
from lookahead.study.result import Advice, Study, Variant
from lookahead.study.study import StudyOptions

PROMPTS = "".join(json.dumps({"prompt": f"Add {number} and {number}.", "category": "sum"}) + "\n" for number in (2, 3))
TRAFFIC = Path(__file__).parents[2] / "lookahead" / "traffic"
TRACE = "".join(
    json.dumps({"prompt": [5, 6, 7, 5, 6], "output": [7, 5, 6, number, 7, 5, 6, 8, 7, 5]}) + "\n" for number in (1, 2)
)


@pytest.fixture(scope="module")
def lab(host: ModelHost) -> Iterator[Lab]:
    thread, found = QuestionThread(RunStore()), Studies(host)
    yield Lab(host, thread, found)
    found.close()


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


def found_by(client: TestClient, study: str) -> Study:
    """What a study found, after its end."""
    events = followed(client, study)
    assert [event for event in events if "error" in event] == []
    assert events[-1] == {"end": True}
    return msgspec.convert([event["study"] for event in events if "study" in event][-1], Study)


def problem_of(client: TestClient, study: str) -> str:
    """What is said of a study that broke off."""
    (line,) = [event["error"] for event in followed(client, study) if "error" in event]
    return line


class Gate:
    """A model whose runs wait until the gate is opened; it notes the prompts in the order of their runs."""

    def __init__(self, host: ModelHost) -> None:
        self._generate = host.generate
        self.open, self.begun = threading.Event(), threading.Event()
        self.prompts: list[tuple[int, ...]] = []

    def __call__(self, request: Any, cancelled: threading.Event, take: Any) -> Any:
        self.prompts.append(request.prompt_ids)
        self.begun.set()
        while not self.open.wait(0.01) and not cancelled.is_set():
            pass
        return self._generate(request, cancelled, take)


@pytest.fixture
def gate(host: ModelHost, monkeypatch: pytest.MonkeyPatch) -> Gate:
    found = Gate(host)
    monkeypatch.setattr(host, "generate", found)
    return found


def test_prompts_run_on_the_model_and_their_runs_can_be_opened(client: TestClient) -> None:
    study = started(client, settings=[{}, {"decoding_length": 4}])
    found = found_by(client, study)
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


def test_a_warm_b_knows_the_outputs_of_the_earlier_prompts(client: TestClient) -> None:
    line = json.dumps({"prompt": [5], "output": [7, 1, 8, 2, 6, 3, 9, 4] * 2}) + "\n"
    cold, warm = (
        found_by(client, started(client, 3 * line, settings=[{}, {"start": start}])).variants[0]
        for start in ("cold", "warm")
    )
    assert (cold.start, warm.start) == ("cold", "warm")
    assert warm.each[0] == pytest.approx(cold.each[0], rel=0.2)  # nothing comes before the first
    assert cold.tokens_per_pass is not None
    assert warm.tokens_per_pass is not None
    assert warm.tokens_per_pass > cold.tokens_per_pass


def test_b_with_the_settings_of_a_has_the_numbers_of_a(client: TestClient) -> None:
    found = found_by(client, started(client, settings=[{}, {}]))
    (other,) = found.variants
    assert [row.modelled_speedup for row in found.rows] == list(other.each)
    assert found.total.modelled_speedup == pytest.approx(other.modelled_speedup)
    assert found.machines[0].modelled_speedup == found.total.modelled_speedup


def test_a_trace_is_studied_without_the_model(client: TestClient, gate: Gate) -> None:
    study = started(client, TRACE, settings=[{"decoding_length": 8}])
    found = found_by(client, study)
    assert len(found.rows) == 2
    assert found.rows[0].tokens == 10
    assert found.config["decoding_length"] == 8
    assert not gate.prompts
    run = runfile.from_json(client.get(f"/lab/studies/{study}/runs/{found.rows[0].run}").text)
    assert len(run.steps) == found.rows[0].passes + 1


@pytest.fixture(scope="module")
def recording(lab: Lab, run: RunRecord) -> tuple[TestClient, str, Study]:
    """A visitor, the study of a run file, and what it found."""
    client = visitor(lab)
    study = started(client, runfile.to_json(run))
    return client, study, found_by(client, study)


def test_a_run_file_can_be_opened_again(recording: tuple[TestClient, str, Study], run: RunRecord) -> None:
    client, study, found = recording
    (row,) = found.rows
    assert row.run is not None
    assert runfile.from_json(client.get(f"/lab/studies/{study}/runs/{row.run}").text) == run


def test_exports(recording: tuple[TestClient, str, Study]) -> None:
    client, study, found = recording
    answer = client.get(f"/lab/studies/{study}.json")
    assert msgspec.json.decode(answer.content, type=Study) == found
    assert "prompts-study.json" in answer.headers["content-disposition"]
    lines = client.get(f"/lab/studies/{study}.csv").text.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("name,")
    assert client.get(f"/lab/studies/{study}.exe").status_code == 404


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"prompt": "a"}\n{"prompt": 1}\n', "bad.jsonl, line 2: prompt"),
        ('{"prompt": [1], "output": "x"}', "bad.jsonl, line 1: output"),
    ],
)
def test_a_bad_file_is_one_line_that_names_the_file_alone(client: TestClient, text: str, words: str) -> None:
    body = json.dumps({"name": "../../etc/bad.jsonl", "text": text})
    line = problem_of(client, client.post("/lab/studies", content=body).json()["id"])
    assert client.post("/lab/check", content=body).json() == {"error": line}, "said before it is started, too"
    assert words in line
    assert "/" not in line.split(":")[0]
    assert "\n" not in line


def test_a_file_is_read_before_it_is_studied(
    client: TestClient, gate: Gate, monkeypatch: pytest.MonkeyPatch, host: ModelHost
) -> None:
    for text, recorded in ((PROMPTS, False), (TRACE, True)):
        answer = client.post("/lab/check", json={"name": "a.jsonl", "text": text})
        found = answer.json()
        assert (found["prompts"], found["recorded"], found["digest"]) == (2, recorded, digest_of(text.encode()))
        assert found["pass_seconds"] == (host.costs and host.costs.at(1))
    assert not gate.prompts
    monkeypatch.setattr("app.run.study_maker.CHECK_SECONDS", 0.0)
    assert client.post("/lab/check", json={"name": "a.jsonl", "text": PROMPTS}).json().keys() == {
        "digest",
        "pass_seconds",
    }
    monkeypatch.setattr(host, "options", replace(host.options, max_study_bytes=10))
    assert "the limit of this page" in client.post("/lab/check", json={"name": "a", "text": PROMPTS}).json()["error"]


def test_files_that_wait_to_be_read_are_few(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    let, request = threading.Event(), StudyRequest("a.jsonl", PROMPTS.encode())
    monkeypatch.setattr(StudyMaker, "check", lambda *_: {"prompts": 2} if let.wait(60) else {})
    asked = [lab.studies.check(request) for _ in range(200)]
    assert sum(not check.done() for check in asked) == studies.MOST_CHECKS
    let.set()
    assert [check.result(60) for check in asked].count({"prompts": 2}) == studies.MOST_CHECKS
    assert lab.studies.check(request).result(60) == {"prompts": 2}


def test_a_page_that_comes_back_hears_the_settings(client: TestClient) -> None:
    other = {"decoding_length": 2, "sources": ["output"], "start": "warm"}
    study = started(client, TRACE, settings=[{"decoding_length": 8}, other])
    asked = followed(client, study)[0]["asked"]
    assert asked["settings"]["decoding_length"] == 8
    assert {name: asked["other"][name] for name in other} == other


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"text": ""}, "empty"),
        ({"text": None}, "JSON object"),
        ({"settings": "A"}, "settings"),
        ({"settings": [{}, {}, {}]}, "settings"),
        ({"settings": [{"wings": 2}]}, "no setting 'wings'"),
        ({"settings": [{"decoding_length": 100_000}]}, "decoding_length=100000"),
        ({"settings": [{}, {"strategy": "both"}]}, "strategy='both'"),
        ({"settings": [{}, {"start": "hot"}]}, "need cold or warm"),
        ({"settings": [{"start": "warm"}]}, "no setting 'start'"),
        ({"max_new_tokens": 1_000_000}, "max_new_tokens=1000000"),
        ({"plain": "yes"}, "plain"),
        ({"prompts": 0}, "prompts=0"),
        ({"prompts": True}, "prompts=True"),
    ],
)
def test_a_bad_request_is_one_line(client: TestClient, asked: dict[str, Any], words: str) -> None:
    answer = client.post("/lab/studies", json={"name": "a.jsonl", "text": PROMPTS, **asked})
    assert answer.status_code == 400
    assert words in answer.json()["error"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"text": "\\udcff"}'])
def test_a_body_that_is_no_object_is_one_line(client: TestClient, body: bytes) -> None:
    answer = client.post("/lab/studies", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_a_prompt_that_is_too_long_is_a_note(client: TestClient) -> None:
    found = found_by(client, started(client, PROMPTS + json.dumps({"prompt": "word " * 90_000}) + "\n", plain=False))
    assert len(found.rows) == 2
    assert any("prompts.jsonl:3 did not run" in note for note in found.notes)


def test_a_file_cannot_take_the_place_of_a_module(client: TestClient) -> None:
    """The visitor names the file; Python must not import it."""
    body = {"name": "msgspec.py", "text": "raise SystemExit('imported')", "max_new_tokens": 2}
    found = found_by(client, client.post("/lab/studies", json=body).json()["id"])
    assert found.rows[0].text.startswith("raise SystemExit")


def test_a_file_that_is_not_text_comes_in_base64(client: TestClient) -> None:
    pytest.importorskip("pyarrow")
    data = (TRAFFIC / "ray_data.parquet").read_bytes()
    body = {"name": "rows.parquet", "base64": b64encode(data).decode()}
    assert client.post("/lab/check", json=body).json()["prompts"] == 2
    found = found_by(client, client.post("/lab/studies", json=body).json()["id"])
    assert [row.name for row in found.rows] == ["rows.parquet:1", "rows.parquet:2"]
    for content in ({"base64": "%"}, {"base64": ""}, {}, {"text": 5}):
        assert client.post("/lab/studies", json={"name": "x", **content}).status_code == 400
    assert client.post("/lab/studies", content=b"{").json()["error"].startswith("need a JSON object")


def test_another_session_sees_nothing(lab: Lab, recording: tuple[TestClient, str, Study]) -> None:
    client, study, found = recording
    other = visitor(lab)
    for path in (".json", ".csv", "/events", f"/runs/{found.rows[0].run}"):
        assert other.get(f"/lab/studies/{study}{path}").status_code == 404
    assert other.post(f"/lab/studies/{study}/stop").status_code == 404
    assert other.delete(f"/lab/studies/{study}").status_code == 404
    assert client.get(f"/lab/studies/{study}.json").status_code == 200
    forged = TestClient(client.app, cookies={"lookahead-lab": "x"})
    assert forged.get(f"/lab/studies/{study}.json").status_code == 404


def test_fifty_studies_at_once_are_refused_in_one_line_but_for_a_few(lab: Lab, gate: Gate) -> None:
    visitors = [visitor(lab) for _ in range(50)]
    body = {"name": "prompts.jsonl", "text": PROMPTS, "max_new_tokens": 2}
    answers = [one.post("/lab/studies", json=body) for one in visitors]
    most = lab.host.options.max_studies
    assert [answer.status_code for answer in answers] == [200] * most + [429] * (50 - most)
    assert answers[-1].json()["error"].endswith("Try again in a few minutes.")
    again = visitors[0].post("/lab/studies", json=body)
    assert "A study of yours is running" in again.json()["error"]
    gate.open.set()
    for one, answer in zip(visitors[:most], answers, strict=False):
        assert len(found_by(one, answer.json()["id"]).rows) == 2


def test_a_study_that_is_stopped_sums_up_what_it_has(client: TestClient, gate: Gate) -> None:
    gate.open.set()
    text = "".join(json.dumps({"prompt": f"Say {number}."}) + "\n" for number in range(300))
    study = started(client, text, plain=False, settings=[{}, {"decoding_length": 4}])
    with client.stream("GET", f"/lab/studies/{study}/events") as stream:
        stopped = False
        events = []
        for line in stream.iter_lines():
            if line:
                events.append(json.loads(line.removeprefix("data: ")))
            if not stopped and any("study" in event for event in events):
                stopped = client.post(f"/lab/studies/{study}/stop").status_code == 200
    assert stopped
    found = msgspec.convert([event["study"] for event in events if "study" in event][-1], Study)
    assert 0 < len(found.rows) < 300
    assert found.variants[0].label == "B"
    assert len(found.variants[0].each) == len(found.rows)
    assert any(note.startswith("Stopped after") for note in found.notes)


def numbered(count: int) -> str:
    """So many prompts, of two kinds in turn."""
    lines = [{"prompt": f"Say {number}.", "category": "ab"[number % 2]} for number in range(count)]
    return "".join(json.dumps(line) + "\n" for line in lines)


def stopped(client: TestClient, study: str, *when: Callable[[dict[str, Any]], bool]) -> Study:
    """What a study found that was stopped at the first event of each of these kinds."""
    waiting, found = list(when), None
    with client.stream("GET", f"/lab/studies/{study}/events") as stream:
        for line in filter(None, stream.iter_lines()):
            event = json.loads(line.removeprefix("data: "))
            assert "error" not in event
            found = event.get("study", found)
            if waiting and waiting[0](event):
                waiting.pop(0)
                assert client.post(f"/lab/studies/{study}/stop").status_code == 200
    assert not waiting
    return msgspec.convert(found, Study)


def has_rows(event: dict[str, Any]) -> bool:
    return "study" in event


def replays(event: dict[str, Any]) -> bool:
    return "settings" in event.get("progress", {}).get("what", "")


def settings_tried(study: Study) -> int:
    return sum(not one.peer and one.label != "B" for one in study.variants)


def test_a_stopped_study_tries_other_settings_and_goes_on_with_what_is_missing(client: TestClient, gate: Gate) -> None:
    gate.open.set()
    study = started(client, numbered(60), plain=False, sweep=True)
    first = stopped(client, study, has_rows)
    ran = len(first.rows)
    assert 0 < ran < 60
    assert (first.stopped_after, first.prompts, first.max_new_tokens) == (ran, 60, 12)
    assert settings_tried(first) > 20
    assert first.advice
    gate.prompts.clear()
    asked = {"settings": [{"decoding_length": 2}, {"decoding_length": 4}], "sweep": False}
    more = client.post(f"/lab/studies/{study}/continue", json=asked).json()["id"]
    whole = found_by(client, more)
    assert (len(whole.rows), whole.stopped_after, whole.prompts) == (60, None, 60)
    assert len(gate.prompts) == 60 - ran
    assert [row.tokens for row in whole.rows[:ran]] == [row.tokens for row in first.rows]
    assert whole.config == first.config, "those of its runs stay"
    assert whole.variants[0].config == {"decoding_length": 4}
    assert client.get(f"/lab/studies/{study}.json").json()["stopped_after"] == ran, "the first one is as it was"


def test_a_second_stop_ends_the_replay(client: TestClient) -> None:
    draw = random.Random(0)
    rows = [{"prompt": [1], "output": draw.choices(range(50), k=600)} for _ in range(200)]
    study = started(client, "".join(json.dumps(row) + "\n" for row in rows), sweep=True)
    found = stopped(client, study, lambda event: len(event.get("study", {}).get("rows", ())) > 2, replays)
    assert 2 < len(found.rows) < 200
    assert found.stopped_after == len(found.rows)
    assert not settings_tried(found)
    assert any("before other settings were tried" in note for note in found.notes)


def test_a_study_that_was_stopped_may_replay_but_one_that_was_stopped_twice_ends_soon(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, killed = LiveStudy("session", StudyRequest("a.jsonl", b"{}"), "model"), list[str]()
    monkeypatch.setattr(live, "kill", lambda: killed.append("killed"))
    monkeypatch.setitem(lab.studies._studies, live.study_id, live)
    for stops, ends in ((1, []), (2, ["killed"])):
        live.stop()
        assert live.stops == stops
        lab.studies.tidy(monotonic() + studies.STOP_SECONDS + 1)
        assert killed == ends
    live._folder.cleanup()


def test_b_is_compared_on_the_outputs_that_are_there(client: TestClient, lab: Lab, gate: Gate) -> None:
    gate.open.set()
    study = started(client, numbered(6), sweep=True)
    first = found_by(client, study)
    gate.prompts.clear()
    advised = max((one for one in first.variants if not one.peer), key=lambda one: one.modelled_speedup or 0.0)
    for b in ({**advised.config, "start": advised.start}, {"decoding_length": 2}):
        asked = {"settings": [{}, b], "runs": False}
        study = client.post(f"/lab/studies/{study}/continue", json=asked).json()["id"]
        found = found_by(client, study)
        assert not gate.prompts
        assert (found.rows[0].seconds, found.prompts) == (first.rows[0].seconds, 6)
        other, *rest = found.variants
        assert (other.label, other.start) == ("B", b.get("start", "cold"))
        assert tuple(rest) == first.variants
        assert tuple(one for one in found.advice if one.cause != "B") == first.advice
        assert len([one for one in found.advice if one.cause == "B"]) == 1
        assert found.verdict.pays == first.verdict.pays
        assert found.verdict.speedup == pytest.approx(first.verdict.speedup, rel=1e-3)  # run files round times
        if b.get("start"):
            assert other.each == pytest.approx(advised.each, rel=1e-3)
    assert client.post(f"/lab/studies/{study}/continue", json={"runs": False}).status_code == 400
    assert visitor(lab).post(f"/lab/studies/{study}/continue", json={}).status_code == 404
    assert client.post(f"/lab/studies/{study}/continue", content=b"[]").status_code == 400


def test_b_says_why_its_number_is_not_the_advised_one() -> None:
    numbers: Any = {"tokens_per_pass": 1.0, "drafted_per_pass": 1.0, "modelled_speedup": 1.5}
    b = Variant(label="B", config={"decoding_length": 4}, **numbers)
    study: Any = SimpleNamespace(advice=[Advice(text="Use it.", config=b.config, gain=1.22)])
    why = study_process._why_not_as_advised
    assert "the advice's 1.22 is on the half" in why(study, b, 1.15)
    assert "the advice's 1.22 is on the half" in why(study, b, None)
    assert why(study, b, 1.2204) == ""
    assert why(study, msgspec.structs.replace(b, start="warm"), 1.15) == ""


def test_a_part_of_a_file_has_its_kinds_in_proportion(client: TestClient, gate: Gate) -> None:
    gate.open.set()
    text = numbered(8)
    study = started(client, text, plain=False, prompts=4)
    found = found_by(client, study)
    assert [row.category for row in found.rows].count("a") == 2
    assert (found.prompts, found.stopped_after) == (4, None)
    assert "4 of 8 prompts: spread evenly over the file and its kinds." in found.notes
    gate.prompts.clear()
    every = found_by(client, client.post(f"/lab/studies/{study}/continue", json={"prompts": 8}).json()["id"])
    assert len(gate.prompts) == 4, "the runs of the part are kept"
    assert [row.name for row in every.rows] == [f"prompts.jsonl:{place}" for place in range(1, 9)]


@given(st.lists(st.sampled_from("abc"), min_size=1), st.integers(1, 60))
def test_a_part_is_in_order_and_each_kind_has_its_share(kinds: list[str], count: int) -> None:
    places = study_process.spread(kinds, count)
    assert places == sorted(set(places))
    assert len(places) == min(count, len(kinds))
    for kind in set(kinds):
        share = kinds.count(kind) * len(places) / len(kinds)
        assert abs([kinds[place] for place in places].count(kind) - share) < 1 + 1e-9


def test_a_study_that_nobody_follows_ends_and_a_session_that_is_gone_is_forgotten(
    lab: Lab, client: TestClient, gate: Gate
) -> None:
    study = started(client)
    live = lab.studies._studies[study]
    assert gate.begun.wait(30)
    live.readers.unread_since -= 100
    lab.studies.tidy(monotonic())
    assert live.over.wait(30)
    folder = live.folder
    assert folder.is_dir()
    live.readers.unread_since -= 10_000
    lab.studies.tidy(monotonic() + 10_000)
    assert not folder.exists()
    assert client.get(f"/lab/studies/{study}.json").status_code == 404


def test_a_run_on_the_page_waits_for_one_run_of_a_study_at_most(host: ModelHost, lab: Lab, gate: Gate) -> None:
    first, second = visitor(lab), visitor(lab)
    studies = [started(one, plain=False) for one in (first, second)]
    assert gate.begun.wait(30)
    watched = host.encode("Watch me.")
    cancelled = threading.Event()
    request = RunRequest(watched, LookaheadConfig(), 2)
    run = host.thread.start(lambda: host.generate(request, cancelled, lambda *_: None), cancelled)
    gate.open.set()
    run.result(60)
    for one, study in zip((first, second), studies, strict=True):
        found_by(one, study)
    assert gate.prompts.index(watched) == 1
    assert len(gate.prompts) == 5


def test_the_time_of_a_pass_is_measured_again(client: TestClient, lab: Lab, host: ModelHost, monkeypatch: Any) -> None:
    known = KnownCosts(PassCosts((1, 64), (0.01, 0.05)), 0.0)
    monkeypatch.setattr(host.backend, "known_costs", lambda longest, again: known if again else None)
    monkeypatch.setattr(host, "costs", host.costs)
    machine = client.post("/lab/costs").json()["machine"]
    assert (machine["lengths"], machine["seconds"], machine["break_even"]) == ([1, 64], [0.01, 0.05], [1, 5])
    assert host.costs is known.measured
    for _ in range(3):  # another visitor asks, too
        answer = visitor(lab).post("/lab/costs")
        assert (answer.status_code, "Try again in 30 s" in answer.text) == (429, True)
    monkeypatch.setattr(lab_module, "MEASURE_SECONDS", 0)
    let = threading.Event()
    run = host.thread.start(lambda: let.wait(60), threading.Event())
    answer = client.post("/lab/costs")
    assert (answer.status_code, "runs in progress" in answer.text) == (429, True)
    let.set()
    assert run.result(60)
    host.thread.call(int)  # the thread is free
    monkeypatch.setattr(host, "costs", None)
    assert "no T(n)" in client.post("/lab/costs").json()["error"]


def test_replays_that_take_too_long_end_with_what_there_is(
    client: TestClient, host: ModelHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "options", replace(host.options, max_study_seconds=0))
    assert "Stopped by the limit of this page" in problem_of(client, started(client, TRACE, sweep=True))


def test_a_sweep_tries_other_settings_and_peers(client: TestClient) -> None:
    found = found_by(client, started(client, TRACE, settings=[{}, {"decoding_length": 2}], sweep=True))
    assert found.variants[0].label == "B"
    assert len(found.variants) > 20
    assert all(len(variant.each) == 2 for variant in found.variants)
    assert found.total.losses
    assert found.verdict.text


def test_recorded_text_gets_the_tokens_of_the_pages_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its tokenizer is loaded only where the recording cannot be read without one."""
    (tmp_path / "material").mkdir()
    given: list[str | None] = []

    def read(name: str, limit: int, tokenizer: str | None = None, note: Any = None) -> list[Any]:
        given.append(tokenizer)
        note(f"read with {tokenizer}")
        if tokenizer is None and name == "text":
            raise InputError("no token ids")
        return [name]

    monkeypatch.setattr(study_process, "read_material", read)
    for name, tokenizer, tried in (("ids", "t", [None]), ("text", "t", [None, "t"])):
        given.clear()
        request = SimpleNamespace(name=name)
        job: Any = SimpleNamespace(request=request, most_prompts=9, tokenizer=tokenizer, folder=tmp_path)
        assert study_process.read(job) == ([name], [f"read with {tried[-1]}"])
        assert given == tried


def test_a_study_bounds_the_corpus_of_the_page_as_the_page_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: ModelHost
) -> None:
    (tmp_path / "material").mkdir()
    (tmp_path / "material" / "t.jsonl").write_text(TRACE)
    corpus = Trie(4)
    corpus.insert(range(6000))
    save_trie(corpus, tmp_path / "a.trie", "ids")
    monkeypatch.setattr(study_process, "LookaheadConfig", lambda: LookaheadConfig(trie_capacity=2000))
    request = StudyRequest("t.jsonl", TRACE.encode(), {"trie_capacity": 10**6})
    job = StudyJob(request, tmp_path, 9, host.info, None, ("prompt", "corpus"), str(tmp_path / "a.trie"), None, 9.0)
    work = study_process.Work(SimpleNamespace(), job)  # type: ignore[arg-type]
    (found,) = work._options.corpus
    assert 0 < len(found) + found.leaves <= 2000 < work._options.config.trie_capacity


def test_what_there_is_so_far_has_no_note_about_its_last_prompt(
    recording: tuple[TestClient, str, Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = msgspec.structs.replace(recording[2], notes=("of the last prompt alone",))
    monkeypatch.setattr(study_process, "make_study", lambda *_: one)
    work: Any = study_process.Work.__new__(study_process.Work)
    work.found, work.rows, work.notes = [], list(one.rows), ["of all"]
    work._points = []
    work._options = StudyOptions("x", LookaheadConfig())
    assert work._so_far().notes == ("of all",)


def test_a_page_that_lends_gpus_runs_no_prompts(
    client: TestClient, host: ModelHost, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "lends", True)
    assert "GPUs are lent here to single runs" in problem_of(client, started(client))
    assert not gate.prompts
    answers = [client.post("/lab/check", json={"name": "x.jsonl", "text": text}) for text in (PROMPTS, TRACE)]
    assert "GPUs are lent here to single runs" in answers[0].json()["error"]
    assert answers[1].json()["recorded"]


def test_a_study_ends_when_another_model_is_loaded(
    client: TestClient, host: ModelHost, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = started(client, plain=False)
    assert gate.begun.wait(60)
    monkeypatch.setattr(host, "info", replace(host.info, name="other"))
    gate.open.set()
    assert "Another model was loaded" in problem_of(client, study)
    assert len(client.get(f"/lab/studies/{study}.json").json()["rows"]) == 1


def test_the_oldest_finished_studies_make_room(lab: Lab, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    first = started(client, TRACE)
    found_by(client, first)
    assert lab.studies._studies[first].bytes > 0
    monkeypatch.setattr(studies, "MOST_BYTES", 0)
    second = started(visitor(lab), TRACE)
    assert [*lab.studies._studies] == [second]


def test_a_page_that_is_still_open_hears_that_the_lab_was_closed(host: ModelHost) -> None:
    studies = Studies(host)
    client = visitor(Lab(host, QuestionThread(RunStore()), studies))
    studies.close()
    for path in ("/lab/studies", "/lab/check"):
        answer = client.post(path, json={"name": "prompts.jsonl", "text": PROMPTS})
        assert (answer.status_code, answer.json()) == (404, {"error": "This lab was closed."}), path
