"""The figures below the stage: what the page asks for them."""

from __future__ import annotations

import pytest

from app.model.host import ModelHost
from app.page.layout import build_demo
from app.run.store import RunStore
from app.serve.question_thread import BusyError, QuestionThread
from tests.app.making import in_loop


class FullThread(QuestionThread):
    """One that refuses every question, as under a load under which none has its turn in time."""

    async def ask(self, question: object) -> object:  # pyright: ignore[reportIncompatibleMethodOverride]
        raise BusyError("Other questions take all the time.")


def test_closed_figures_wait_for_nothing(host: ModelHost) -> None:
    """A run that is opened asks for its figures; where they are closed, that cannot fail, however busy all is."""
    store = RunStore()
    demo = build_demo(host, store, FullThread(store))
    asked = [one.fn for one in demo.fns.values() if one.name == "figures" and one.fn]
    assert asked
    for figures in asked:
        assert len(in_loop(figures(""))) == 6
        with pytest.raises(Exception, match="take all the time"):
            in_loop(figures("a-run"))
