"""Stage JSON, graphs, figures, what-if, settings: everything of the app that needs no server."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import graph, look, presets, stage, whatif
from app.figures import acceptance_figure, all_figures
from app.recorded import RUNS, first_sight
from app.server import functions
from app.settings import Settings, as_query, from_controls, from_query
from app.store import RunStore
from app.stored_run import from_record
from lookahead import metrics
from lookahead.records import RunRecord
from lookahead.runs import runfile


@pytest.fixture(scope="module")
def run() -> RunRecord:
    """The recorded run."""
    return runfile.load(RUNS / "edit-code.json")


def test_the_stage_says_what_the_records_say(run: RunRecord) -> None:
    steps = stage.run_steps(run)
    emitted = [token for step in steps for token in step["emitted"]]
    assert tuple(token_id for token_id, _, _ in emitted) == run.token_ids
    assert sum(kind == "accepted" for _, _, kind in emitted) == sum(len(step.accepted_nodes) for step in run.steps)
    assert steps[-1]["at"] == pytest.approx(run.seconds, abs=1e-4)
    assert [step["at"] for step in steps] == sorted(step["at"] for step in steps)
    assert json.loads(stage.to_json(steps))


def test_what_if_with_the_same_settings_is_the_run_itself(run: RunRecord) -> None:
    estimate, real = whatif.what_if(run, run.config), whatif.real(run)
    assert estimate["forward_passes"] == real["forward_passes"]
    assert estimate["mean_accepted_tokens"] == pytest.approx(metrics.mean_accepted_tokens(run.steps))
    with pytest.raises(ValueError, match="whole number"):
        whatif.changed(run.config, {"decoding_length": "many"})


def test_the_trie_grows_and_goes_back_the_same(run: RunRecord) -> None:
    stored = from_record(run)
    first = look.trie_at(stored, 3).trie.stats()
    look.trie_at(stored, len(run.steps) - 1)
    assert look.trie_at(stored, 3).trie.stats() == first


def test_pictures_and_graphml(run: RunRecord) -> None:
    store = RunStore()
    stored = from_record(run)
    store.add(stored)
    answers = {function.__name__: function for function in functions(store)}
    drafted = next(step.index for step in run.steps if step.draft is not None and len(step.draft) > 1)
    question = {"run": stored.run_id, "step": drafted}
    picture = answers["trie_view"](question)["levels"][0]["picture"]
    assert len({len(column) for column in picture.values()}) == 1
    assert "graphml" in answers["graph_file"](question)["text"]
    assert answers["node_seen"]({**question, "node": 1})["where"] in ("the prompt", "this output")
    assert run.texts
    text = "".join([*run.texts.prompt_pieces, *run.texts.output_pieces])
    for step, draft in metrics.decode_steps(run.steps):
        for node in range(1, len(draft)):
            seen = answers["node_seen"]({"run": question["run"], "step": step.index, "node": node})
            assert seen["before"] + seen["token"] + seen["after"] in text, "quoted as it was written"
    for wrong in ({}, {"run": "x"}, {**question, "step": 999}, 7):
        assert set(answers["trie_view"](wrong)) == {"error"}
    assert runfile.from_json(answers["run_file"](question)["text"]) == run
    assert "a run file" in answers["open_run"]({"text": "{}"})["error"]


def test_a_run_that_was_left_while_it_waited_never_begins() -> None:
    store = RunStore()
    assert not store.stop("tab")
    with store.going("other") as cancelled:
        assert not cancelled.is_set()
    with store.going("tab") as cancelled:
        assert cancelled.is_set()
    with store.going("tab") as cancelled:
        assert not cancelled.is_set()
        assert store.stop("tab")
        assert cancelled.is_set()
    store.stop("tab")
    store.arrive("tab")
    with store.going("tab") as cancelled:
        assert not cancelled.is_set()
    for number in range(1000):
        store.stop(str(number))
    assert len(store._left) < 1000


def test_graphml_takes_any_text() -> None:
    views = look.around(look.Level(look.Trie(4), 0, 0))
    made = graph.trie_graph(views, lambda _: "\x00\ufffe<&>", set())
    made.nodes[0]["text"] = "\x00\ufffe<&>"
    assert "&lt;" in graph.graphml(made)


def test_figures_are_small_and_six(run: RunRecord) -> None:
    figures = all_figures(run)
    assert len(figures) == 6
    assert all(len(figure.to_json() or "") < 20_000 for figure in figures)


def test_every_draft_token_of_a_source_and_a_depth_is_accepted_rejected_or_unchecked(run: RunRecord) -> None:
    bars = acceptance_figure(run).to_plotly_json()["data"]
    assert [bar["name"] for bar in bars] == ["accepted", "rejected", "unchecked"]
    assert {"prompt", "output", "depth 1", "depth 3-4"} <= set(bars[0]["x"])
    assert len({bar["marker"]["pattern"]["shape"] for bar in bars}) == 3
    for shares in zip(*(bar["y"] for bar in bars), strict=True):
        assert sum(shares) == pytest.approx(1)


def test_numbers_of_fields_are_rounded_and_an_empty_field_is_the_default() -> None:
    settings = from_controls([None, 2.7, None, "single", "fixed", None, 1])
    assert settings == Settings(128, 3, 0, "single", "fixed", (), True)


def test_what_is_out_of_range_in_a_url_is_moved_into_it() -> None:
    settings = from_query({"max_new_tokens": "9999", "decoding_length": "0", "branch_length": "2.7"}, 512)
    assert (settings.max_new_tokens, settings.decoding_length, settings.branch_length) == (512, 1, 0)


def test_first_sight_holds_both_lanes() -> None:
    value = json.loads(first_sight(RunStore()))
    assert [message["lane"] for message in value["messages"]] == ["lookahead", "greedy"]


@given(st.dictionaries(st.sampled_from([*Settings.__dataclass_fields__, "preset"]), st.text(max_size=6)))
def test_any_url_gives_settings_that_can_be_used(query: dict[str, str]) -> None:
    settings = from_query(query, 512)
    assert 1 <= settings.max_new_tokens <= 512
    settings.config()


@given(
    st.builds(
        Settings,
        max_new_tokens=st.integers(1, 512),
        decoding_length=st.integers(1, 128),
        branch_length=st.integers(0, 128),
        strategy=st.sampled_from(["hierarchical", "parallel", "single"]),
        budget=st.sampled_from(["adaptive", "fixed"]),
        sources=st.sampled_from([(), ("prompt",), ("output",), ("prompt", "output")]),
        keep_trie=st.booleans(),
    )
)
def test_settings_come_back_from_a_url(settings: Settings) -> None:
    assert from_query(as_query(settings), 512) == settings


def test_presets_compose() -> None:
    assert len(set(presets.names())) == len(presets.PRESETS) == 5
    assert presets.compose(None, "a") == "a"
