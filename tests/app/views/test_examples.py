"""The bundled examples: real trees of a real model, greedy decoding beside each, and the names of files saved."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from app.model.host import ModelHost
from app.page import presets
from app.run.store import RunStore
from app.views.first_sight import RUNS, example, first_sight
from app.views.step_messages import file_name
from lookahead.metrics import mean_accepted_tokens
from lookahead.records import RunRecord, RunTexts
from lookahead.runs import runfile
from tests.app.making import asking


@pytest.mark.parametrize("preset", presets.PRESETS, ids=lambda preset: preset.slug)
def test_an_example_is_a_prompt_of_the_page_with_both_runs(preset: presets.Preset, host: ModelHost) -> None:
    path = RUNS / f"{preset.slug}.json"
    pair = runfile.load_pair(path)
    assert path.stat().st_size < 300_000
    assert pair.greedy is not None
    assert pair.run.token_ids == pair.greedy.token_ids
    assert pair.run.model.name == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert pair.run.texts is not None
    assert pair.run.texts.prompt == presets.compose(preset.document, preset.prompt)
    assert max(len(step.draft or ()) for step in pair.run.steps) >= 16
    assert host.encode(pair.run.texts.prompt)  # the embedded model takes it, too


def test_some_examples_pay_and_one_does_not() -> None:
    found = {path.stem: runfile.load_pair(path) for path in RUNS.glob("*.json")}
    assert set(found) == set(presets.titles())
    brought = {name: mean_accepted_tokens(pair.run.steps) for name, pair in found.items()}
    assert sum(value > 2.4 for value in brought.values()) >= 3
    slower = [name for name, pair in found.items() if pair.greedy and pair.greedy.seconds < pair.run.seconds]
    assert slower == ["free-text"], "its drafts are wider than pays"
    assert max(len(step.draft or ()) for step in found["free-text"].run.steps) == 32


def test_an_example_is_read_once_and_kept_under_its_name(host: ModelHost) -> None:
    store = RunStore()
    value = json.loads(first_sight(host, store, presets.titles()))
    assert [one["name"] for one in value["page"]["examples"]] == list(presets.titles())
    assert value["example"] == next(iter(presets.titles()))
    assert [run.run_id for run in example(store, "story")] == ["example-story", "example-story-greedy"]
    assert example(store, "story")[0] is example(store, "story")[0]
    answer = asking(store)["example"]({"name": "story"})
    assert [message["method"] for message in answer["messages"]] == ["lookahead", "plain"]
    for name in ("../training/texts", None, "none"):
        assert "no example" in asking(store)["example"]({"name": name})["error"]


def test_a_file_is_named_after_prompt_and_model(run: RunRecord) -> None:
    def named(prompt: str, model: str) -> str:
        texts = replace(run.texts or RunTexts("", ""), prompt=prompt)
        return file_name(replace(run, texts=texts, model=replace(run.model, name=model)))

    assert named("A text.\n\nWhen was it built?", "ORG/Tiny-Model 2") == "when-was-it-built-tiny-model-2"
    assert named("x" * 90, "m") == "x" * 40 + "-m"
    assert named("word " * 20, "embedded") == "word-word-word-word-word-word-word-word-embedded"
    assert named("../../etc", "???") == "etc"
    assert named("…", "…") == "run"
    assert named("Łódź 2°", "Ä") == "łódź-2-ä"
