"""Answers computed from a stored run: step messages, pictures, figures, what-if, first sight."""

from __future__ import annotations

import dataclasses
import json

import pytest

from app.model.host import WIDEST, ModelHost
from app.page import presets
from app.run.store import RunStore
from app.run.stored_run import from_record
from app.views import step_messages, tries, what_if
from app.views.figures import acceptance_figure, all_figures
from app.views.first_sight import first_sight
from lookahead import metrics
from lookahead.config import offered
from lookahead.records import Candidate, LeftOut, RunRecord
from lookahead.runs import runfile
from lookahead.sources.registry import SOURCES
from tests.app.making import asking


def test_the_stage_says_what_the_records_say(run: RunRecord) -> None:
    steps = step_messages.steps_data(from_record(run))
    emitted = [token for step in steps for token in step["emitted"]]
    assert tuple(token_id for token_id, _, _ in emitted) == run.token_ids
    assert sum(kind == "accepted" for _, _, kind in emitted) == sum(len(step.accepted_nodes) for step in run.steps)
    assert steps[-1]["at"] == pytest.approx(run.seconds, abs=1e-4)
    assert [step["at"] for step in steps] == sorted(step["at"] for step in steps)
    assert json.loads(step_messages.to_json(steps))


def test_what_if_refuses_what_is_not_a_value(run: RunRecord) -> None:
    with pytest.raises(ValueError, match="whole number"):
        what_if.changed(run.config, {"decoding_length": "many"})


def test_the_trie_grows_and_goes_back_the_same(run: RunRecord) -> None:
    stored = from_record(run)
    first = tries.trie_at(stored, 3).trie.stats()
    tries.trie_at(stored, len(run.steps) - 1)
    assert tries.trie_at(stored, 3).trie.stats() == first


def test_pictures_and_graphml(run: RunRecord) -> None:
    store = RunStore()
    stored = from_record(run)
    store.add(stored)
    answers = asking(store)
    drafted = next(step.index for step in run.steps if step.draft is not None and len(step.draft) > 1)
    question = {"run": stored.run_id, "step": drafted}
    picture = answers["trie_view"](question)["levels"][0]["picture"]
    assert len({len(column) for column in picture.values()}) == 1
    assert "graphml" in answers["graph_file"](question)["text"]
    read = next(node for node in range(1, 99) if run.steps[drafted].draft.sources[node] != "model")  # type: ignore[union-attr]
    assert answers["node_seen"]({**question, "node": read})["where"] in ("the prompt", "this output")
    assert run.texts
    text = "".join([*run.texts.prompt_pieces, *run.texts.output_pieces])
    for step, draft in metrics.decode_steps(run.steps):
        for node in range(1, len(draft)):
            seen = answers["node_seen"]({"run": question["run"], "step": step.index, "node": node})
            if draft.sources[node] == "model":
                assert "the model's own guess" in seen["error"]
                continue
            assert seen["before"] + seen["token"] + seen["after"] in text, "quoted as it was written"
    for wrong in ({}, {"run": "x"}, {**question, "step": 999}, 7):
        assert set(answers["trie_view"](wrong)) == {"error"}
    assert runfile.from_json(answers["run_file"](question)["text"]) == run
    assert "run file" in answers["open_run"]({"text": "{}"})["error"]


def test_graphml_takes_any_text() -> None:
    views = tries.around(tries.Level(tries.Trie(4), 0, 0))
    made = tries.picture(views, lambda _: "")
    made["text"] = ["\x00\ufffe<&>"]
    assert "&lt;" in tries.graphml([made, made])


def test_figures_are_small_and_six(run: RunRecord) -> None:
    figures = all_figures(run)
    assert len(figures) == 6
    assert all(len(figure.to_json() or "") < 20_000 for figure in figures)


def test_every_draft_token_of_a_source_and_a_depth_is_accepted_rejected_or_unchecked(run: RunRecord) -> None:
    bars = acceptance_figure(run).to_plotly_json()["data"]
    assert [bar["name"] for bar in bars] == ["accepted", "rejected", "unchecked"]
    assert {"prompt", "depth 1", "depth 3-4"} <= set(bars[0]["x"])
    assert len({bar["marker"]["pattern"]["shape"] for bar in bars}) == 3
    for shares in zip(*(bar["y"] for bar in bars), strict=True):
        assert sum(shares) == pytest.approx(1)


def test_first_sight_holds_both_runs_and_what_the_script_must_know(host: ModelHost) -> None:
    value = json.loads(first_sight(host, RunStore(), presets.titles()))
    assert [message["method"] for message in value["messages"]] == ["lookahead", "plain"]
    assert [message["head"]["method"] for message in value["messages"]] == ["lookahead", "plain"]
    assert [knob["name"] for knob in value["page"]["knobs"]] == list(offered("what-if"))
    assert {knob["high"] for knob in value["page"]["knobs"] if knob["kind"] == "whole"} == {WIDEST}
    assert [source["name"] for source in value["page"]["sources"]] == list(SOURCES)
    nothing = json.loads(first_sight(host, RunStore(), {}))
    assert nothing["messages"] == []
    assert nothing["page"] == {**value["page"], "examples": []}


def test_what_a_step_left_out_comes_with_its_text(run: RunRecord) -> None:
    stored = from_record(run)
    best = Candidate(token_id=5, parent=2, probability=0.123456, source="prompt", reason="pays")
    step = dataclasses.replace(run.steps[1], left_out=LeftOut(unseen=1, pays=2, best=best))
    data = step_messages.step_data(step, [""] * len(step.emitted_ids), stored.texts.token_text, 0.0)
    counts = {"unseen": 1, "pays": 2, "branch_length": 0, "width": 0, "strategy": 0}
    told = {"text": "#5", "p": 0.1235, "source": "prompt", "reason": "pays", "parent": 2}
    assert data["left_out"] == {**counts, "best": {**told, "text": stored.texts.token_text(5)}}
    bare = dataclasses.replace(step, left_out=LeftOut(unseen=1))
    data = step_messages.step_data(bare, [""] * len(step.emitted_ids), stored.texts.token_text, 0.0)
    assert data["left_out"]["best"] is None


def test_presets_compose() -> None:
    assert len(set(presets.titles().values())) == len(presets.PRESETS) == 6
    assert presets.compose(None, "a") == "a"
