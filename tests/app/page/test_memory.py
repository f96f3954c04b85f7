"""The earlier outputs that a run drafts from: those of its own tab, those of all tabs with a shared trie, or none."""

from __future__ import annotations

import pytest

from app.model.host import ModelHost
from app.model.runs import Outputs
from app.options import AppOptions
from app.page.events import RUN, Handlers
from app.run.store import RunStore
from app.run.tabs import Tabs
from app.views.step_messages import end_data
from lookahead.records import RunRecord
from tests.app.making import controls_of, played, record_of

PROMPT = "Tell a story that begins: One autumn morning"


@pytest.fixture(params=[False, True], ids=["one trie per tab", "one trie for all"])
def handlers(host: ModelHost, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Handlers:
    """A page of either kind, before its first run."""
    monkeypatch.setattr(host, "options", AppOptions(share_trie=request.param))
    return Handlers(host, RunStore())


def _run(handlers: Handlers, tab: str, keep_trie: bool = True) -> tuple[RunRecord, Outputs]:
    """A run of the tab, and the earlier outputs that it drafted from."""
    values = controls_of(handlers, PROMPT, max_new_tokens=40, decoding_length=32, budget="fixed", keep_trie=keep_trie)
    *_, (_, _, drawn) = played(handlers, RUN, tab, values)
    stored = handlers.store.get(drawn)
    assert stored
    record = record_of(stored)
    assert end_data(stored, record)["known"] == (record.token_ids in stored.earlier)
    return record, stored.earlier


def test_another_tab_benefits_only_if_the_trie_is_shared(handlers: Handlers) -> None:
    first, known = _run(handlers, "one")
    assert known == ()
    second, known = _run(handlers, "two")
    assert second.token_ids == first.token_ids
    if handlers.host.options.share_trie:
        assert known == (first.token_ids,)
        assert len(second.steps) < len(first.steps) / 2
    else:
        assert known == ()
        assert len(second.steps) == len(first.steps)
    again, known = _run(handlers, "one")
    assert known[0] == first.token_ids
    assert len(again.steps) < len(first.steps) / 2


def test_a_fresh_run_knows_nothing_and_leaves_nothing(handlers: Handlers) -> None:
    first, _ = _run(handlers, "one")
    fresh, known = _run(handlers, "one", keep_trie=False)
    assert known == ()
    assert fresh.token_ids == first.token_ids
    assert [step.draft for step in fresh.steps] == [step.draft for step in first.steps]
    _, known = _run(handlers, "one")
    assert known == (first.token_ids,)


def test_a_caller_without_a_session_stops_nobody_and_leaves_nothing() -> None:
    tabs = Tabs()
    with tabs.going("") as one, tabs.going("") as other, tabs.going("mine") as mine:
        assert not tabs.stop("")
        assert not any(event.is_set() for event in (one, other, mine))
        assert tabs.stop("mine")
        assert mine.is_set()
    tabs.arrive("")
    tabs.stop("")
    with tabs.going("") as event:
        assert not event.is_set()
    tabs.remember("", (1, 2))
    assert tabs.memory("") == ()
