"""A page that was started with a trie file: its runs draft from the file, and its settings offer it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from app.model.host import HostError, ModelHost
from app.options import AppOptions
from app.run.settings import from_query, offered_here
from app.run.store import RunStore
from app.run.stored_run import StoredRun, from_record
from app.views import what_if
from lookahead import RunRecord, Trie, save_trie
from lookahead.runs import runfile
from lookahead.trie import ROOT
from lookahead.trie.view import neighbourhood
from tests.app.making import asked, asking, finished, record_of

GOLDEN = Path(__file__).resolve().parents[2] / "lookahead" / "runs" / "golden_run.json"


def _run(host: ModelHost) -> RunRecord:
    return record_of(finished(host, prompt="Once upon a time", decoding_length=16, budget="fixed"))


@pytest.fixture(scope="module")
def cold(host: ModelHost) -> RunRecord:
    """A run of a page without a corpus."""
    assert host.sources == ("prompt", "output", "model", "expected")
    assert host.corpus == ()
    return _run(host)


@pytest.fixture(scope="module")
def warm(host: ModelHost, cold: RunRecord, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelHost]:
    """A page whose corpus has read that run."""
    path = tmp_path_factory.mktemp("corpus") / "page.trie"
    trie = Trie(12)
    trie.insert((*cold.prompt_ids, *cold.token_ids))
    save_trie(trie, path, host.backend.fingerprint)
    found = ModelHost.load(AppOptions(trie=str(path)))
    yield found
    found.close()


@pytest.fixture(scope="module")
def pages(warm: ModelHost) -> tuple[RunStore, StoredRun]:
    """A run of that page, and its store."""
    store = RunStore()
    return store, finished(warm, store, "Once upon a time", decoding_length=16, budget="fixed")


def test_runs_draft_from_the_trie_and_give_the_same_tokens(warm: ModelHost, cold: RunRecord) -> None:
    run = _run(warm)
    assert warm.sources == ("prompt", "output", "corpus", "model", "expected")
    assert run.token_ids == cold.token_ids
    assert len(run.steps) < len(cold.steps) / 2
    assert any("corpus" in step.draft.sources for step in run.steps if step.draft is not None)


def test_the_panes_of_a_run_know_its_corpus(pages: tuple[RunStore, StoredRun]) -> None:
    store, stored = pages
    answers = asking(store)
    draft = stored.steps[1].draft
    assert draft is not None
    question = {"run": stored.run_id, "step": 1}
    view = answers["trie_view"](question)
    assert "corpus" in {level["kind"] for level in view["levels"]}
    assert "#" not in "".join(text for level in view["levels"] for text in level["picture"]["text"])
    seen = answers["node_seen"](question | {"node": draft.sources.index("corpus")})
    assert seen["where"] == "the corpus"
    assert "upon a time" in seen["before"] + seen["token"] + seen["after"]
    assert stored.run is not None
    assert stored.run.texts is not None
    words = " ".join(stored.run.texts.output.split()[-3:]).title()  # the search ignores capitals
    (found,) = answers["trie_view"]({"run": stored.run_id, "step": 0, "text": words})["levels"]
    assert found["kind"] == "corpus"


def test_what_if_replays_a_run_with_its_corpus_exactly(pages: tuple[RunStore, StoredRun]) -> None:
    store, stored = pages
    ask = asking(store)["what_if"]
    assert stored.corpus
    same = ask({"run": stored.run_id, "config": {}})
    assert same["exact"]
    assert same["estimate"]["forward_passes"] == same["real"]["forward_passes"] == same["again"]
    without = ask({"run": stored.run_id, "config": {"sources": ["prompt", "output"]}})
    assert without["exact"]
    assert without["estimate"]["forward_passes"] > 2 * same["real"]["forward_passes"]


def test_the_file_of_a_run_does_not_carry_its_corpus(pages: tuple[RunStore, StoredRun]) -> None:
    store, stored = pages
    answers = asking(store)
    text = answers["run_file"]({"run": stored.run_id})["text"]
    (message,) = answers["open_run"]({"text": text})["messages"]
    assert not message["head"]["corpus"]
    answer = answers["what_if"]({"run": message["run"], "config": {}})
    assert not answer["exact"]
    assert answer["again"] > answer["real"]["forward_passes"]


def test_many_replays_at_once_while_others_look_give_the_same(pages: tuple[RunStore, StoredRun]) -> None:
    """A corpus is read by several drafters in several threads, and no draft depends on the others."""
    run, vocabulary = pages[1].run, 12
    assert run is not None
    numbers = random.Random(7)
    trie = Trie(12)
    for _ in range(60):
        trie.insert(numbers.choices(range(vocabulary), [2**-n for n in range(vocabulary)], k=80))
    trie.insert(run.prompt_ids + run.token_ids)
    configs = [replace(run.config, ranking=ranking) for ranking in ("probability", "frequency")]
    output = replace(run.steps[0], emitted_ids=tuple(numbers.choices(range(vocabulary), k=150)), finish_reason=None)
    noisy = replace(run, steps=(output, *run.steps[1:]), max_new_tokens=400)
    alone = [what_if.replayed(noisy, config, corpus=(trie,)) for config in configs]
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(what_if.replayed, noisy, config, (), (trie,)) for config in configs * 4]
        for _ in range(50):
            neighbourhood(trie, ROOT, 28, 6)
            trie.stats()
        assert [job.result() for job in jobs] == alone * 4


def test_a_file_that_cannot_be_used_is_reported_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "page.trie"
    with pytest.raises(HostError, match=r"page\.trie: no such file"):
        ModelHost.load(AppOptions(trie=str(path)))
    save_trie(Trie(12), path, "of another model")
    with pytest.raises(HostError, match="another tokenizer"):
        ModelHost.load(AppOptions(trie=str(path)))


def test_a_url_names_a_corpus_only_where_there_is_one(warm: ModelHost, host: ModelHost) -> None:
    here, elsewhere = offered_here(warm, "page"), offered_here(host, "page")
    assert from_query({}, here)["sources"] == ("prompt", "output", "corpus", "model", "expected")
    assert from_query({"sources": "corpus"}, here)["sources"] == ("corpus",)
    assert from_query({"sources": "corpus,prompt"}, elsewhere)["sources"] == ("prompt",)
    assert from_query({}, elsewhere)["sources"] == ("prompt", "output", "model", "expected")


def test_a_node_of_the_corpus_is_not_said_to_come_from_the_prompt() -> None:
    stored = from_record(runfile.load(GOLDEN))
    draft = stored.steps[1].draft
    assert draft is not None
    answer = asked(stored)("node_seen", 1, node=draft.sources.index("corpus"))
    assert answer["error"].startswith("in the corpus")
