"""The public endpoints as a script uses them, through Gradio's own client."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client

from app.model.host import WIDEST, ModelHost
from app.options import AppOptions
from app.page import layout
from app.page.layout import DELETED, MOST_UPLOAD, launch
from app.run.stored_run import from_record
from app.views.first_sight import RUNS
from app.views.step_messages import how_it_ended
from lookahead import metrics
from lookahead.config import Sampling, offered
from lookahead.hf.backend import HFBackend
from lookahead.hf.session import TreeSession
from lookahead.records import METHOD_WORDS
from lookahead.runs import runfile


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a running app."""
    host = ModelHost.load(AppOptions(max_new_tokens=200))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "DELETED", (0.1, 2))
        demo, url = launch(host, quiet=True)
    folder = tmp_path_factory.mktemp("client")
    yield Client(url, verbose=False, download_files=str(folder), analytics_enabled=False)
    demo.close()
    host.close()


@pytest.fixture(scope="module")
def recorded() -> str:
    """A run file's text."""
    return (RUNS / "edit-code.json").read_text(encoding="utf-8")


def _generate(client: Client, *values: Any, **named: Any) -> list[dict[str, Any]]:
    job: Any = client.submit(*values, api_name="/generate", **named)
    return [json.loads(text) for text in job]


def test_three_endpoints_and_no_more(client: Client) -> None:
    info: Any = client.view_api(return_format="dict")
    assert set(info["named_endpoints"]) == {"/generate", "/replay", "/models"}
    assert not info["unnamed_endpoints"]
    for name in ("/generate", "/replay"):
        assert f"decoding_length is 1 to {WIDEST}" in info["named_endpoints"][name]["description"]


LONG_KNOWN = ("prompt", "max_new_tokens", "decoding_length", "branch_length", "strategy", "budget")
"""Parameters of ``/generate`` that scripts give by position; a new setting comes after them."""


def test_parameters_keep_their_names_and_order_and_share_the_defaults_of_the_settings(client: Client) -> None:
    info: Any = client.view_api(return_format="dict")
    asked = {
        name: {one["parameter_name"]: one.get("parameter_default") for one in endpoint["parameters"]}
        for name, endpoint in info["named_endpoints"].items()
    }
    names = [name for name in asked["/generate"] if name in ("method", *LONG_KNOWN)]
    assert names == ["prompt", "max_new_tokens", "decoding_length", "branch_length", "strategy", "budget", "method"]
    assert list(asked["/replay"])[:6] == [
        *("run_file", "decoding_length", "branch_length", "strategy", "budget", "ranking")
    ]
    for name, place in (("/generate", "endpoint"), ("/replay", "what-if")):
        for setting in offered(place).values():  # type: ignore[arg-type]
            default = None if setting.kind == "choices" else setting.plain(setting.default)
            assert asked[name][setting.name] == default


def test_models_lists_device_and_limits(client: Client) -> None:
    (model,) = client.predict(api_name="/models")
    assert model["name"] == "embedded"
    assert model["dtype"] == "float32"
    assert (model["max_new_tokens"], model["max_prompt_tokens"]) == (200, model["context_limit"] - 1)


@pytest.mark.parametrize("method", ["lookahead", "greedy"])
def test_generate_streams_every_step(client: Client, method: str) -> None:
    messages = _generate(client, "abc abc abc", max_new_tokens=150, decoding_length=2, method=method)
    assert len(messages) > 2
    steps = [step for message in messages for step in message["steps"]]
    assert [step["i"] for step in steps] == list(range(len(steps)))
    starts = [message["from"] for message in messages]
    assert starts == sorted(starts)
    last = messages[-1]
    run = runfile.from_json(last["run_file"])
    assert run.method == METHOD_WORDS[method]
    assert metrics.forward_passes(run.steps) == len(steps) == last["end"]["forward_passes"]
    assert run.texts is not None
    assert "".join(piece for step in steps for _, piece, _ in step["emitted"]) == "".join(run.texts.output_pieces)


def test_a_temperature_draws_and_the_run_is_not_called_greedy(client: Client) -> None:
    given = {"max_new_tokens": 20, "temperature": 0.8, "seed": 3, "top_p": 0.9}
    ends = [_generate(client, "abc abc abc", method=method, **given) for method in ("lookahead", "greedy")]
    runs = [runfile.from_json(messages[-1]["run_file"]) for messages in ends]
    assert runs[0].token_ids == runs[1].token_ids
    assert runs[0].sampling == Sampling(temperature=0.8, seed=3, top_p=0.9)
    heads = [messages[0]["head"] for messages in ends]
    assert all(head["drawn"] for head in heads)
    assert heads[1]["settings"] == "plain decoding, temperature 0.8, seed 3, top_p 0.9"
    assert how_it_ended(from_record(runs[1])).startswith("Plain: ")
    assert not _generate(client, "abc", max_new_tokens=2)[0]["head"]["drawn"]


def test_a_run_too_large_for_a_file_keeps_its_last_message(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runfile, "MAX_FILE_BYTES", 1000)
    last = _generate(client, "abc abc abc", max_new_tokens=20)[-1]
    assert last["end"]["finish_reason"] in ("length", "eos")
    assert last["run_file"] is None
    assert "a run file has at most 1000" in last["run_file_problem"]


def test_characters_split_over_tokens_come_whole(client: Client) -> None:
    prompt = "🌳🌳🌳 👩‍🚀 𝒳𝒴 שלום 🌳🌳🌳 👩‍🚀 𝒳𝒴 שלום"
    messages = _generate(client, prompt, max_new_tokens=12)
    assert "".join(messages[0]["head"]["prompt"]).count("🌳") == 6
    assert "\ufffd" not in "".join(messages[0]["head"]["prompt"])


def test_replay_answers_with_both(client: Client, recorded: str) -> None:
    answer: Any = client.predict(recorded, 1, api_name="/replay")
    assert answer["estimate"]["mean_accepted_tokens"] == 1.0
    assert answer["real"]["forward_passes"] < answer["estimate"]["forward_passes"]
    assert answer["exact"]
    assert answer["again"] == answer["real"]["forward_passes"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"prompt": ""}, "prompt is empty"),
        ({"prompt": 7}, "prompt=7; need a text"),
        ({"prompt": None}, "need a text"),
        ({"prompt": "a " * 5000}, "Shorten it"),
        ({"max_new_tokens": 0}, "max_new_tokens=0; need a whole number, 1 to 200"),
        ({"max_new_tokens": 10**12}, "need a whole number, 1 to 200"),
        ({"max_new_tokens": "many"}, "max_new_tokens='many'; need a whole number"),
        ({"max_new_tokens": 1.5}, "need a whole number"),
        ({"decoding_length": -1}, "decoding_length=-1"),
        ({"decoding_length": WIDEST + 1}, f"decoding_length={WIDEST + 1}; need a whole number, 1 to {WIDEST}"),
        ({"decoding_length": 10**9}, "decoding_length=1000000000"),
        ({"decoding_length": [1]}, "need a whole number"),
        ({"branch_length": 2**64}, "branch_length=18446744073709551616"),
        ({"branch_length": 10**400}, "branch_length=1000"),
        ({"branch_length": True}, "need a whole number"),
        ({"temperature": "hot"}, "temperature='hot'; need a finite number, 0 to 100"),
        ({"temperature": 1e-9}, "temperature=1e-09; need 0 (greedy)"),
        ({"seed": 2**32}, "seed=4294967296; need a whole number, 0 to 4294967295"),
        ({"top_p": 2}, "top_p=2; need a finite number"),
        ({"strategy": "<img src=x>"}, "strategy='<img src=x>'"),
        ({"strategy": {"a": 1}}, "strategy="),
        ({"budget": None}, "budget="),
        ({"method": "sampling"}, "choose lookahead or greedy"),
        ({"expected": 3}, "expected=3; need a text"),
        ({"expected": "a" * 10**6}, "The expected text has 1000000 characters"),
    ],
)
def test_bad_input_of_generate_is_reported_in_one_line(client: Client, values: dict[str, Any], words: str) -> None:
    _refused(lambda: client.submit(**{"prompt": "abc", **values}, api_name="/generate").result(timeout=30), words)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"run_file": ""}, "run file"),
        ({"run_file": "[" * 100_000}, "run file"),
        ({"run_file": '{"format": "lookahead-run", "version": 99}'}, "version: 99"),
        ({"run_file": None}, "run file"),
        ({"run_file": {"a": 1}}, "run file"),
        ({"decoding_length": 0}, "decoding_length=0"),
        ({"decoding_length": WIDEST + 1}, f"need a whole number, 1 to {WIDEST}"),
        ({"branch_length": 2**64}, "branch_length=18446744073709551616"),
        ({"decoding_length": "wide"}, "need a whole number"),
        ({"strategy": 3}, "strategy="),
        ({"ranking": "best"}, "ranking="),
    ],
)
def test_bad_input_of_replay_is_reported_in_one_line(
    client: Client, recorded: str, values: dict[str, Any], words: str
) -> None:
    _refused(lambda: client.predict(**{"run_file": recorded, **values}, api_name="/replay"), words)


def _refused(call: Any, words: str) -> None:
    with pytest.raises(Exception, match=r".") as error:  # whatever the client makes of it
        call()
    message = str(error.value)
    assert words in message
    assert "\n" not in message
    assert "Traceback" not in message
    assert len(message) < 300


def test_the_path_of_a_file_is_not_a_run_file(client: Client) -> None:
    _refused(lambda: client.predict(str(Path(__file__)), api_name="/replay"), "run file")


@pytest.mark.parametrize("error", [KeyError("no template"), RuntimeError("two\nlines"), AssertionError()])
def test_whatever_encoding_raises_is_one_line(
    client: Client, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(HFBackend, "encode", refuse)
    _refused(lambda: client.submit("abc", api_name="/generate").result(timeout=30), type(error).__name__)


def test_runs_that_nobody_reads_end(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.serve.queue_readers.UNREAD_SECONDS", 0.3)
    monkeypatch.setattr("app.serve.queue_readers.LOOK_SECONDS", 0.1)
    choose = TreeSession.choose

    def slow(self: TreeSession, tree: object) -> object:
        time.sleep(0.05)
        return choose(self, tree)  # type: ignore[arg-type]

    monkeypatch.setattr(TreeSession, "choose", slow)
    address = f"{client.src}gradio_api/call/v2/generate"
    for _ in range(4):
        httpx.post(address, json={"prompt": "abc abc", "max_new_tokens": 200, "decoding_length": 1}).raise_for_status()
    begun = time.monotonic()
    last = _generate(client, "abc abc abc", max_new_tokens=3, decoding_length=1)[-1]
    assert last["end"]["finish_reason"] in ("length", "eos")
    assert time.monotonic() - begun < 8, "one abandoned run alone takes 10 s"


def test_what_does_not_reach_our_functions_is_a_line_too(client: Client) -> None:
    event = httpx.post(f"{client.src}gradio_api/call/generate", json={"data": []}).json()["event_id"]
    answer = httpx.get(f"{client.src}gradio_api/call/generate/{event}").text
    assert "event: error" in answer
    assert '"error": null' not in answer
    question = {"session_hash": "x", "component_id": 99_999, "fn_name": "steps", "data": {}}
    answer = httpx.post(f"{client.src}gradio_api/component_server", json=question)
    line = "This request does not fit the page (KeyError: 99999); load it again."
    assert (answer.status_code, answer.json()) == (400, {"error": line})
    for path, body in (
        ("queue/join", b'{"data": [], "fn_index": -1, "session_hash": "x"}'),
        ("call/nothing", b'{"data": []}'),
        ("call/generate", b'{"data": NaN}'),
        ("call/v2/generate", b'{"data": []}'),
        ("cancel", b'{"session_hash": "\\ud800"}'),
    ):
        address, kind = f"{client.src}gradio_api/{path}", {"content-type": "application/json"}
        answer = httpx.post(address, content=body, headers=kind)
        assert (answer.status_code, "does not fit the page" in answer.json()["error"]) == (400, True)


def test_pages_elsewhere_and_other_hosts_are_refused_and_the_preview_is_ours(client: Client) -> None:
    for path in ("component_server", "upload", "queue/join", "call/generate", "lookahead/leave"):
        answer = httpx.post(f"{client.src}gradio_api/{path}", headers={"origin": "http://evil.example"}, json={})
        assert answer.status_code == 403
    assert httpx.get(client.src, headers={"host": "evil.example"}).status_code == 403
    page = httpx.get(client.src)
    assert f'content="{client.src}gradio_api/lookahead/watch.png"' in page.text
    assert "frame-ancestors" in page.headers["content-security-policy"]
    assert httpx.get(f"{client.src}favicon.ico").text.startswith("<svg")
    assert httpx.get(f"{client.src}gradio_api/lookahead/watch.png").headers["content-type"] == "image/png"


def test_uploads_are_bounded(client: Client) -> None:
    files = {"files": b"1" * (MOST_UPLOAD + 1)}
    assert httpx.post(f"{client.src}gradio_api/upload", files=files).status_code == 413


def test_uploads_are_deleted(client: Client) -> None:
    (file,) = httpx.post(f"{client.src}gradio_api/upload", files={"files": ("a.txt", b"abc")}).json()
    assert Path(file).read_bytes() == b"abc"
    latest = time.monotonic() + 20
    while Path(file).exists():
        assert time.monotonic() < latest
        time.sleep(0.05)
    assert max(DELETED) <= 600, "in the app that people start"
