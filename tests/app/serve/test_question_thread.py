"""Questions are answered one after the other, and a full queue says so at once."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from app.run.store import RunStore
from app.serve import question_thread as place
from app.serve.question_thread import BusyError, QuestionThread
from tests.app.making import in_loop


def test_a_full_queue_answers_at_once_and_empties(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "MOST_WAITING", 3)
    questions, free = QuestionThread(RunStore()), threading.Event()
    together = most = 0

    def question() -> int:
        nonlocal together, most
        together += 1
        most = max(most, together)
        free.wait(10)
        together -= 1
        return 1

    async def ask() -> list[Any]:
        first = asyncio.create_task(questions.ask(question))
        while not together:
            await asyncio.sleep(0)
        asked = [first, *(asyncio.create_task(questions.ask(question)) for _ in range(10))]
        done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_EXCEPTION)
        assert all(isinstance(task.exception(), BusyError) for task in done)
        free.set()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        return [*answers, await questions.ask(lambda: 2)]

    answers = in_loop(ask())
    assert answers[:4] == [1, 1, 1, 1]
    assert all(isinstance(answer, BusyError) for answer in answers[4:11])
    assert answers[11] == 2
    assert most == 1


def test_a_question_that_waits_too_long_is_refused_and_never_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    questions, late = QuestionThread(RunStore()), list[int]()
    begun, free = threading.Event(), threading.Event()

    async def ask() -> None:
        first = asyncio.create_task(questions.ask(lambda: begun.set() or free.wait(10)))
        while not begun.is_set():
            await asyncio.sleep(0)
        with monkeypatch.context() as patch:
            patch.setattr(place, "LONGEST_WAIT", 0.02)
            with pytest.raises(BusyError, match="Try again"):
                await questions.ask(lambda: late.append(1))
        gone = asyncio.create_task(questions.ask(lambda: late.append(2)))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        free.set()
        assert await first
        assert await questions.ask(lambda: 3) == 3

    in_loop(ask())
    assert not late


def test_a_question_that_fails_leaves_its_place() -> None:
    questions = QuestionThread(RunStore())
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            in_loop(questions.ask(lambda: 1 // 0))
    assert not questions._waiting


def test_questions_rest_while_runs_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []
    store: Any = SimpleNamespace(busy=lambda: len(naps) < 4)
    questions = QuestionThread(store)
    monkeypatch.setattr(place, "sleep", naps.append)
    in_loop(questions.ask(lambda: None))
    assert not naps  # nothing was asked before
    questions._rest_until = float("inf")
    in_loop(questions.ask(lambda: None))
    assert len(naps) == 4
