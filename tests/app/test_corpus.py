"""A page that was started with a trie file: its runs draft from it, and its settings offer it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from app.host import HostError, ModelHost
from app.options import AppOptions
from app.runner import RunRequest
from app.server import functions
from app.settings import SOURCES, Settings, as_query, from_query
from app.store import RunStore, from_record
from lookahead import LookaheadConfig, RunRecord, Trie, save_trie
from lookahead.runs import runfile

GOLDEN = Path(__file__).resolve().parents[1] / "lookahead" / "runs" / "golden_run.json"


def _run(host: ModelHost) -> RunRecord:
    config = LookaheadConfig(decoding_length=16, budget="fixed")
    request = RunRequest(host.encode("Once upon a time"), config, 60, "lookahead")
    run = list(host.stream(request, threading.Event()))[-1].run
    assert run is not None
    return run


def test_runs_draft_from_the_trie_and_give_the_same_tokens(tmp_path: Path) -> None:
    path = tmp_path / "page.trie"
    host = ModelHost.load(AppOptions())
    cold = _run(host)
    trie = Trie(12)
    trie.insert((*cold.prompt_ids, *cold.token_ids))
    save_trie(trie, path, host.backend.fingerprint)
    assert host.sources == SOURCES
    host.close()

    host = ModelHost.load(AppOptions(trie=str(path)))
    warm = _run(host)
    host.close()
    assert host.sources == (*SOURCES, "corpus")
    assert warm.token_ids == cold.token_ids
    assert len(warm.steps) < len(cold.steps) / 2
    assert any("corpus" in step.draft.sources for step in warm.steps if step.draft is not None)


def test_a_file_that_is_none_is_said_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "page.trie"
    with pytest.raises(HostError, match=r"page\.trie: there is no such file"):
        ModelHost.load(AppOptions(trie=str(path)))
    save_trie(Trie(12), path, "of another model")
    with pytest.raises(HostError, match="another tokenizer"):
        ModelHost.load(AppOptions(trie=str(path)))


def test_a_url_names_a_corpus_only_where_there_is_one() -> None:
    offered = (*SOURCES, "corpus")
    assert from_query({}, 512, offered).sources == offered
    assert from_query({"sources": "corpus"}, 512, offered).sources == ("corpus",)
    assert from_query({"sources": "corpus,prompt"}, 512).sources == ("prompt",)
    settings = Settings(sources=("prompt", "corpus"))
    assert from_query(as_query(settings), 512, offered) == settings


def test_a_node_of_the_corpus_is_not_said_to_come_from_the_prompt() -> None:
    store = RunStore()
    stored = from_record(runfile.load(GOLDEN))
    store.add(stored)
    draft = stored.steps[1].draft
    assert draft is not None
    answers = {function.__name__: function for function in functions(store)}
    question = {"run": stored.run_id, "step": 1, "node": draft.sources.index("corpus")}
    assert answers["node_seen"](question)["error"].startswith("in the corpus")
