"""A RunRecord as plain JSON data and back: the layout of a run file, field by field.

``{"format": "lookahead-run", "version": 1, ...}`` with the field names of ``records.py``; a draft's sources are one
letter a node (``SOURCE_LETTERS``), probabilities keep 6 decimals and times the tenth of a microsecond.
"""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any, get_args

from lookahead.config import MAX_DECODING_LENGTH, MAX_TOKENS, LookaheadConfig
from lookahead.costs import PassCosts
from lookahead.draft import DraftTree
from lookahead.records import (
    METHOD_WORDS,
    FinishReason,
    ModelInfo,
    RunRecord,
    RunTexts,
    StepRecord,
    StepTimings,
    TrieChange,
)
from lookahead.runs.rules import MAX_STOP_CHARACTERS, MAX_STOPS
from lookahead.runs.schema import Fields, SchemaError
from lookahead.trie import MAX_TOKEN_ID

FORMAT = "lookahead-run"
VERSION = 1
SOURCE_LETTERS = {"r": "root", "p": "prompt", "o": "output", "c": "corpus", "m": "model"}

_LETTER_OF = {source: letter for letter, source in SOURCE_LETTERS.items()}
_MAX_TEXT = 4_000_000
_TIMINGS = ("retrieve_seconds", "forward_seconds", "verify_seconds", "commit_seconds")


def run_to_data(run: RunRecord) -> dict[str, Any]:
    """The run as JSON data (tuples stand for lists)."""
    first = run.first_token_seconds
    return {
        "format": FORMAT,
        "version": VERSION,
        "created": run.created,
        "program_version": run.version,
        "model": dataclasses.asdict(run.model),
        "config": dataclasses.asdict(run.config),
        "method": run.method,
        "max_new_tokens": run.max_new_tokens,
        "stop": run.stop,
        "finish_reason": run.finish_reason,
        "seconds": round(run.seconds, 7),
        "first_token_seconds": None if first is None else round(first, 7),
        "pass_costs": None if run.pass_costs is None else run.pass_costs.to_json(),
        "texts": None if run.texts is None else dataclasses.asdict(run.texts),
        "prompt_ids": run.prompt_ids,
        "steps": [_step_to_data(step) for step in run.steps],
    }


def _step_to_data(step: StepRecord) -> dict[str, Any]:
    draft = step.draft
    return {
        "index": step.index,
        "context_length": step.context_length,
        "match_length": step.match_length,
        "draft": None
        if draft is None
        else {
            "token_ids": draft.token_ids,
            "parents": draft.parents,
            "probabilities": [round(value, 6) for value in draft.probabilities],
            "sources": "".join(_LETTER_OF[source] for source in draft.sources),
            "counts": draft.counts,
        },
        "target_ids": step.target_ids,
        "accepted_nodes": step.accepted_nodes,
        "emitted_ids": step.emitted_ids,
        "timings": {name: round(getattr(step.timings, name), 7) for name in _TIMINGS},
        "trie": dataclasses.asdict(step.trie),
        "finish_reason": step.finish_reason,
    }


def run_from_data(data: Any) -> RunRecord:
    """The run in JSON data; types, sizes and ranges are checked, ``rules.check_run`` checks the rest.

    Raises:
        SchemaError: If a field is missing, unknown, of the wrong type or out of its range.
    """
    top = Fields(data)
    if top.text("format") != FORMAT:
        top.fail("format", f"need {FORMAT!r}")
    if (version := top.integer("version")) != VERSION:
        top.fail("version", f"{version}; this program reads version {VERSION}")
    model = _model_from(top.fields("model"))
    last_id = min(model.vocab_size, MAX_TOKEN_ID) - 1  # a replay draws from a trie, which takes no larger one
    run = RunRecord(
        prompt_ids=top.integers("prompt_ids", 0, last_id, MAX_TOKENS),
        steps=tuple(
            _step_from(Fields(step, f"steps[{place}]"), last_id)
            for place, step in enumerate(top.items("steps", MAX_TOKENS))
        ),
        config=_config_from(top.fields("config")),
        model=model,
        method=METHOD_WORDS[top.choice("method", tuple(METHOD_WORDS))],
        finish_reason=top.choice("finish_reason", get_args(FinishReason)),
        seconds=top.number("seconds", 0, 1e9),
        first_token_seconds=top.number("first_token_seconds", 0, 1e9) if top.has("first_token_seconds") else None,
        max_new_tokens=top.integer("max_new_tokens", 1, MAX_TOKENS),
        stop=top.texts("stop", MAX_STOPS, MAX_STOP_CHARACTERS),
        pass_costs=_costs_from(top),
        texts=_texts_from(top.fields("texts"), last_id) if top.has("texts") else None,
        created=_moment(top),
        version=top.text("program_version", 40),
    )
    top.done()
    return run


def _moment(top: Fields) -> str:
    moment = top.text("created", 40)
    try:
        known = datetime.fromisoformat(moment).tzinfo is not None
    except ValueError:
        known = False
    if not known:
        top.fail("created", "need an ISO 8601 time with its offset from UTC")
    return moment


def _model_from(fields: Fields) -> ModelInfo:
    model = ModelInfo(
        name=fields.text("name", 1000),
        device=fields.text("device", 40),
        dtype=fields.text("dtype", 40),
        parameters=fields.integer("parameters"),
        vocab_size=fields.integer("vocab_size", 1, 2**31),
    )
    fields.done()
    return model


def _config_from(fields: Fields) -> LookaheadConfig:
    """The settings; one that the file does not name takes its default (files made before it existed)."""
    values: dict[str, Any] = {}
    for setting in dataclasses.fields(LookaheadConfig):
        if setting.name not in fields or (setting.default is None and not fields.has(setting.name)):
            continue
        if isinstance(setting.default, float):
            values[setting.name] = fields.number(setting.name)
        elif isinstance(setting.default, str):
            values[setting.name] = fields.text(setting.name)
        elif isinstance(setting.default, tuple):
            values[setting.name] = fields.texts(setting.name, 16)
        else:
            values[setting.name] = fields.integer(setting.name)
    fields.done()
    try:
        return LookaheadConfig(**values)
    except ValueError as error:
        raise SchemaError(f"config: {error}") from None


def _costs_from(top: Fields) -> PassCosts | None:
    if not top.has("pass_costs"):
        return None
    fields = top.fields("pass_costs")
    lengths = fields.integers("lengths", 1, 4096, 4096)
    seconds = fields.numbers("seconds", 0, 1e6, 4096)
    fields.done()
    try:
        return PassCosts(lengths, seconds)
    except ValueError as error:
        raise SchemaError(f"pass_costs: {error}") from None


def _texts_from(fields: Fields, last_id: int) -> RunTexts:
    table = fields.take("tokens")
    if type(table) is not dict or len(table) > MAX_TOKENS:
        fields.fail("tokens", "need an object of token id to text")
    entries = Fields(table, fields.at("tokens"))
    tokens: dict[int, str] = {}
    for key in table:
        if not (key.isascii() and key.isdigit() and len(key) <= 10 and str(int(key)) == key and int(key) <= last_id):
            entries.fail(key[:20], f"need a token id, 0 to {last_id}")
        tokens[int(key)] = entries.text(key, 1000)
    texts = RunTexts(
        prompt=fields.text("prompt", _MAX_TEXT),
        output=fields.text("output", _MAX_TEXT),
        prompt_pieces=fields.texts("prompt_pieces", MAX_TOKENS, 10_000),
        output_pieces=fields.texts("output_pieces", MAX_TOKENS, 10_000),
        tokens=tokens,
    )
    fields.done()
    return texts


def _step_from(fields: Fields, last_id: int) -> StepRecord:
    match_length = fields.integer("match_length", 0, MAX_TOKENS)
    step = StepRecord(
        index=fields.integer("index", 0, MAX_TOKENS),
        context_length=fields.integer("context_length", 1, 2 * MAX_TOKENS),
        match_length=match_length,
        draft=_draft_from(fields.fields("draft"), match_length, last_id) if fields.has("draft") else None,
        target_ids=fields.integers("target_ids", -1, last_id, MAX_DECODING_LENGTH),
        accepted_nodes=fields.integers("accepted_nodes", 1, MAX_DECODING_LENGTH, MAX_DECODING_LENGTH),
        emitted_ids=fields.integers("emitted_ids", 0, last_id, MAX_DECODING_LENGTH),
        timings=_timings_from(fields.fields("timings")),
        trie=_trie_from(fields.fields("trie")),
        finish_reason=fields.choice("finish_reason", get_args(FinishReason)) if fields.has("finish_reason") else None,
    )
    fields.done()
    return step


def _draft_from(fields: Fields, match_length: int, last_id: int) -> DraftTree:
    letters = fields.text("sources", MAX_DECODING_LENGTH)
    if any(letter not in SOURCE_LETTERS for letter in letters):
        fields.fail("sources", f"need one letter a node, of {''.join(SOURCE_LETTERS)}")
    tree = DraftTree(
        token_ids=fields.integers("token_ids", 0, last_id, MAX_DECODING_LENGTH),
        parents=fields.integers("parents", -1, MAX_DECODING_LENGTH, MAX_DECODING_LENGTH),
        probabilities=fields.numbers("probabilities", 0, 1, MAX_DECODING_LENGTH),
        sources=tuple(SOURCE_LETTERS[letter] for letter in letters),
        counts=fields.integers("counts", 0, 2**53 - 1, MAX_DECODING_LENGTH),
        match_length=match_length,
    )
    fields.done()
    return tree


def _timings_from(fields: Fields) -> StepTimings:
    timings = StepTimings(*(fields.number(name, 0, 1e9) for name in _TIMINGS))
    fields.done()
    return timings


def _trie_from(fields: Fields) -> TrieChange:
    change = TrieChange(fields.integer("nodes"), fields.integer("added"), fields.integer("pruned"))
    fields.done()
    return change
