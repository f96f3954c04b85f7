"""What the page may ask, and what it may not: every answer is a small object or one line."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from sys import getsizeof
from typing import Any

import pytest

from app.model.host import WIDEST
from app.run import store as place
from app.run.store import RunStore
from app.run.stored_run import from_record
from app.serve import questions
from app.serve.question_thread import QuestionThread
from app.serve.questions import server_functions
from app.serve.steps import _events
from app.views.step_messages import since
from lookahead.records import RunRecord
from lookahead.runs import runfile
from tests.app.making import asking, in_loop


@pytest.fixture
def store() -> RunStore:
    return RunStore()


@pytest.fixture
def ask(store: RunStore) -> Callable[..., dict[str, Any]]:
    """``name, question`` to the answer, as the page gets it."""
    served = {function.__name__: function for function in server_functions(store, QuestionThread(store))}

    async def answer(name: str, question: Any) -> dict[str, Any]:
        response = await served[name](question)
        if hasattr(response, "body_iterator"):
            return json.loads(b"".join([part async for part in response.body_iterator]))  # type: ignore[attr-defined]
        return json.loads(bytes(response.body))

    return lambda name, question: in_loop(answer(name, question))


@pytest.mark.parametrize(
    ("name", "more"),
    [
        *(("steps", {"from": value}) for value in (float("inf"), float("nan"), -1, 2**64, 10**400, "0", None, True)),
        *(("trie_view", {"step": value}) for value in (float("inf"), -1, 2**64, "\ud800", None, True)),
        ("trie_view", {"step": 1, "text": "a" * 10_000}),
        ("trie_view", {"step": 1, "text": "\ud800"}),
        ("trie_view", {"step": 1, "text": {"a": 1}}),
        *(("node_seen", {"step": 2, "node": value}) for value in (float("inf"), 2**64, 0, None)),
        *(("what_if", {"config": value}) for value in (7, "wide", [1], ["decoding_length"])),
        *(("what_if", {"config": {"decoding_length": value}}) for value in (WIDEST + 1, 2**64, float("inf"), "\ud800")),
        ("what_if", {"config": {"branch_length": 2**64}}),
        ("open_run", {"text": "[" * 100_000}),
        ("open_run", {"text": "\ud800"}),
        ("open_run", {"text": '{"\\ud800": 1}'}),
        ("run_file", {"beside": {"a": 1}, "run": ["x"]}),
    ],
)
def test_bad_questions_are_answered_in_one_line(
    name: str, more: dict[str, Any], run: RunRecord, store: RunStore, ask: Callable[..., dict[str, Any]]
) -> None:
    stored = from_record(run)
    store.add(stored)
    answer = ask(name, {"run": stored.run_id, **more})
    assert set(answer) == {"error"}
    assert 0 < len(answer["error"]) < 300
    assert "\n" not in answer["error"]


@pytest.mark.parametrize("change", [{"note": "a \ud800"}, {"note": "\udc00"}, {"\ud800": 1}])
def test_half_a_character_in_a_file_stores_nothing(
    change: dict[str, Any], run: RunRecord, store: RunStore, ask: Callable[..., dict[str, Any]]
) -> None:
    text, note = runfile.to_json(run), change.get("note", "")
    if "note" not in change:
        text = json.dumps({**json.loads(text), **change})
    assert set(ask("open_run", {"text": text, "note": note})) == {"error"}
    assert not store._runs


def test_a_long_run_is_announced_and_its_steps_come_by_the_stream(
    run: RunRecord, store: RunStore, ask: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "MOST_AT_ONCE", len(run.steps) - 1)
    monkeypatch.setattr("app.serve.steps.MOST_STEPS", 2)
    monkeypatch.setattr("app.serve.steps.UPDATE_SECONDS", 0.0)
    (message,) = ask("open_run", {"text": runfile.to_json(run)})["messages"]
    assert (message["from"], message["steps"]) == (len(run.steps), [])
    assert message["end"]
    stored = store.get(message["run"])
    assert stored
    assert not stored.shown, "nothing was spelled for the answer"
    assert ask("steps", {"run": stored.run_id, "from": 0}) == message

    async def read() -> list[dict[str, Any]]:
        return [json.loads(event.split(b"data: ", 1)[1]) async for event in _events(stored, 0)]

    parts = in_loop(read())
    whole = json.loads(json.dumps(since(stored, 0)))
    assert [step for part in parts for step in part["steps"]] == whole["steps"]
    assert [len(part["steps"]) for part in parts[:-1]] == [2] * (len(parts) - 1)
    assert [part["end"] for part in parts] == [None] * (len(parts) - 1) + [whole["end"]]


def test_what_is_too_large_for_the_page_is_refused(
    run: RunRecord, store: RunStore, ask: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = runfile.to_json(run)
    for name, most, words in (
        ("MOST_STEPS", len(run.steps) - 1, "steps"),
        ("MOST_PROMPT", len(run.prompt_ids) - 1, "tokens"),
        ("MOST_BYTES", 1000, "too large"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(questions, name, most)
            assert words in ask("open_run", {"text": text})["error"]
    with monkeypatch.context() as patch:
        patch.setattr(runfile, "MAX_FILE_BYTES", len(text) + 2)
        padded = text + "\N{DESERT ISLAND}"
        assert "bytes" in ask("open_run", {"text": padded})["error"], "characters are not bytes"
    assert not store._runs


@pytest.mark.parametrize(
    ("old", "new"),
    [("target_ids", "target\\u005fids"), ("steps", "st\\u0065ps"), ("prompt_ids", "\\u0070rompt_ids"), ("", "")],
)
@pytest.mark.parametrize("beside", [False, True])
def test_a_long_run_is_counted_before_it_is_checked_however_its_keys_are_spelled(
    run: RunRecord,
    ask: Callable[..., dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    old: str,
    new: str,
    beside: bool,
) -> None:
    text = runfile.to_json(run)
    text = f'{{"steps": [], "greedy": {text}}}' if beside else text
    monkeypatch.setattr(runfile, "pair_from_json", None)
    monkeypatch.setattr(questions, "MOST_PROMPT" if "prompt" in old else "MOST_STEPS", 1)
    answer = ask("open_run", {"text": text.replace(f'"{old}"', f'"{new}"')})
    assert "the page opens at most 1" in answer["error"]


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"steps": 3}', '{"steps": [NaN]}', "\ud800", '{"greedy": {"greedy": 1}}']
)
def test_what_cannot_be_counted_is_still_one_line(ask: Callable[..., dict[str, Any]], text: str) -> None:
    assert ask("open_run", {"text": text})["error"].startswith("not a run file")


def test_a_run_wider_than_the_page_is_not_replayed(run: RunRecord, store: RunStore) -> None:
    config = dataclasses.replace(run.config, decoding_length=WIDEST + 1)
    stored = from_record(dataclasses.replace(run, config=config))
    store.add(stored)
    assert f"at most {WIDEST}" in asking(store)["what_if"]({"run": stored.run_id, "config": {}})["error"]


def test_texts_count_and_are_dropped(run: RunRecord, store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run.texts
    large = "\N{DESERT ISLAND}" * 100_000
    tokens, base = {**run.texts.tokens, 0: large}, from_record(run).bytes
    for texts in (
        dataclasses.replace(run.texts, tokens=tokens),
        dataclasses.replace(run.texts, prompt=large),
        dataclasses.replace(run.texts, output=large),
        dataclasses.replace(run.texts, output_pieces=(large, *run.texts.output_pieces[1:])),
        dataclasses.replace(run.texts, prompt_pieces=(large, *run.texts.prompt_pieces[1:])),
    ):
        stored = from_record(dataclasses.replace(run, texts=texts))
        assert getsizeof(large) / 2 < stored.bytes - base < 2 * getsizeof(large)
        monkeypatch.setattr(place, "MOST_BYTES", int(2.5 * stored.bytes))
        store.add(stored)
    assert len(store._runs) == 2


def test_a_trie_that_was_looked_at_counts(run: RunRecord, store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = from_record(run), from_record(run)
    store.add(first)
    store.add(second)
    before = second.bytes
    monkeypatch.setattr(place, "MOST_BYTES", first.bytes + before)
    assert "error" not in asking(store)["trie_view"]({"run": second.run_id, "step": 3})
    assert second.bytes > before
    assert list(store._runs) == [second.run_id]
