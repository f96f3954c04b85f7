"""The layout of a run file: types that msgspec checks a file against, and a RunRecord both ways.

``{"format": "lookahead-run", "version": 1, ...}`` with the field names of ``records.py``; a draft's sources are one
letter per node, probabilities keep 6 decimals and times the tenth of a microsecond. What fields must be to each other,
and to the vocabulary, is said in ``rules.py``.
"""

from __future__ import annotations

import re
from dataclasses import fields
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta
from msgspec.structs import asdict

from lookahead.config import MAX_DECODING_LENGTH, MAX_NUMBER, MAX_TOKENS, LookaheadConfig, settings_of
from lookahead.costs import PassCosts
from lookahead.draft import DraftTree
from lookahead.records import (
    METHOD_WORDS,
    Candidate,
    FinishReason,
    LeftOut,
    ModelInfo,
    Reason,
    RunRecord,
    RunTexts,
    StepRecord,
    StepTimings,
    TrieChange,
)
from lookahead.sources.registry import ROOT_SOURCE, SOURCES
from lookahead.strict_json import SchemaError
from lookahead.trie import MAX_TOKEN_ID

FORMAT = "lookahead-run"
VERSION = 1
MAX_STOPS = 64
"""Most stop strings."""
MAX_STOP_CHARACTERS = 1000
"""Longest stop string."""
MAX_TOKEN_CHARACTERS = 1000
"""Longest text of one token."""
MAX_CHOICES = 16
"""Most words of one setting."""

LETTERS = {ROOT_SOURCE: "r", **{name: info.letter for name, info in SOURCES.items()}}
"""Source of a draft node and its letter."""
Record = TypeVar("Record")
_TOKEN_KEY = re.compile("0|[1-9][0-9]{0,9}")
_SOURCE_OF = {letter: source for source, letter in LETTERS.items()}

Count = Annotated[int, Meta(ge=0, le=MAX_NUMBER)]
TokenId = Annotated[int, Meta(ge=0, lt=MAX_TOKEN_ID)]
"""A replay draws from a trie, which takes no larger one; ``rules.py`` checks the model's vocabulary."""
_Choice = Annotated[int, Meta(ge=-1, lt=MAX_TOKEN_ID)]
_Node = Annotated[int, Meta(ge=0, le=MAX_DECODING_LENGTH)]
_Accepted = Annotated[int, Meta(ge=1, le=MAX_DECODING_LENGTH)]
_Parent = Annotated[int, Meta(ge=-1, le=MAX_DECODING_LENGTH)]
_Share = Annotated[float, Meta(ge=0, le=1)]
_Seconds = Annotated[float, Meta(ge=0, le=1e9)]
_Score = Annotated[float, Meta(ge=0, le=1e15)]
_Name = Annotated[str, Meta(max_length=40)]
_Text = Annotated[str, Meta(max_length=4_000_000)]
_Piece = Annotated[str, Meta(max_length=10_000)]
_PerNode = Meta(max_length=MAX_DECODING_LENGTH)
_PerToken = Meta(max_length=MAX_TOKENS)


class _Part(msgspec.Struct, forbid_unknown_fields=True):
    """One object of a run file."""


class ModelPart(_Part, kw_only=True):
    """``ModelInfo``."""

    name: Annotated[str, Meta(max_length=1000)]
    device: _Name
    dtype: _Name
    parameters: Count
    vocab_size: Annotated[int, Meta(ge=1, le=2**31)]


class CostsPart(_Part, kw_only=True):
    """``PassCosts``."""

    lengths: Annotated[tuple[Annotated[int, Meta(ge=1, le=4096)], ...], Meta(max_length=4096)]
    seconds: Annotated[tuple[Annotated[float, Meta(ge=0, le=1e6)], ...], Meta(max_length=4096)]


class TextsPart(_Part, kw_only=True):
    """``RunTexts``; JSON has texts for keys, so token ids are written as such."""

    prompt: _Text
    output: _Text
    prompt_pieces: Annotated[tuple[_Piece, ...], _PerToken]
    output_pieces: Annotated[tuple[_Piece, ...], _PerToken]
    tokens: Annotated[dict[str, Any], _PerToken]


class DraftPart(_Part, kw_only=True):
    """``DraftTree``, a letter per source; the step holds its match_length."""

    token_ids: Annotated[tuple[TokenId, ...], _PerNode]
    parents: Annotated[tuple[_Parent, ...], _PerNode]
    probabilities: Annotated[tuple[_Share, ...], _PerNode]
    sources: Annotated[str, _PerNode]
    counts: Annotated[tuple[Count, ...], _PerNode]


class TimingsPart(_Part, kw_only=True):
    """``StepTimings``."""

    retrieve_seconds: _Seconds
    forward_seconds: _Seconds
    verify_seconds: _Seconds
    commit_seconds: _Seconds


class TriePart(_Part, kw_only=True):
    """``TrieChange``."""

    nodes: Count
    added: Count
    pruned: Count


class CandidatePart(_Part, kw_only=True):
    """``Candidate``, its source a letter."""

    token_id: TokenId
    parent: _Node
    probability: _Share
    source: Annotated[str, Meta(max_length=1)]
    reason: Reason


class LeftOutPart(_Part, kw_only=True):
    """``LeftOut``."""

    unseen: Count
    pays: Count
    branch_length: Count
    width: Count
    strategy: Count
    best: CandidatePart | None


class StepPart(_Part, kw_only=True):
    """``StepRecord``; files of before it was kept have no ``left_out``."""

    index: Annotated[int, Meta(ge=0, le=MAX_TOKENS)]
    context_length: Annotated[int, Meta(ge=1, le=2 * MAX_TOKENS)]
    match_length: Annotated[int, Meta(ge=0, le=MAX_TOKENS)]
    draft: DraftPart | None = None
    target_ids: Annotated[tuple[_Choice, ...], _PerNode]
    accepted_nodes: Annotated[tuple[_Accepted, ...], _PerNode]
    emitted_ids: Annotated[tuple[TokenId, ...], _PerNode]
    timings: TimingsPart
    trie: TriePart
    finish_reason: FinishReason | None = None
    left_out: LeftOutPart | None = None


class RunPart(_Part, kw_only=True):
    """``RunRecord``; a setting that ``config`` does not name takes its default (files made before it existed)."""

    format: str
    version: int
    created: _Name
    program_version: _Name
    model: ModelPart
    config: dict[str, Any]
    method: str
    max_new_tokens: Annotated[int, Meta(ge=1, le=MAX_TOKENS)]
    stop: Annotated[tuple[Annotated[str, Meta(max_length=MAX_STOP_CHARACTERS)], ...], Meta(max_length=MAX_STOPS)]
    finish_reason: FinishReason
    seconds: _Seconds
    first_token_seconds: _Seconds | None = None
    pass_costs: CostsPart | None = None
    texts: TextsPart | None = None
    prompt_ids: Annotated[tuple[TokenId, ...], _PerToken]
    steps: Annotated[tuple[StepPart, ...], _PerToken]


class GapPart(_Part, kw_only=True):
    """``TokenGap``."""

    gap: _Score
    spacing: _Score


class PairPart(RunPart, kw_only=True):
    """A run, greedy decoding of the same prompt beside it, and how close the decision was where the two part."""

    greedy: RunPart | None = None
    parted: GapPart | None = None


class Header(msgspec.Struct):
    """What a file says of itself; looked at before anything else, so that a file of another kind is called that."""

    format: str
    version: int | None = None


def check_header(header: Header | RunPart) -> None:
    """Raise SchemaError unless this is a run file of this version."""
    if header.format != FORMAT:
        raise SchemaError(f"format: need {FORMAT!r}")
    if header.version not in (None, VERSION):
        raise SchemaError(f"version: {header.version}; this program reads version {VERSION}")


def written(run: RunRecord) -> dict[str, Any]:
    """The run as msgspec writes it: the objects of ``RunPart``, their fields named as in the records."""
    first = run.first_token_seconds
    return {
        "format": FORMAT,
        "version": VERSION,
        "created": run.created,
        "program_version": run.version,
        "model": run.model,
        "config": run.config,
        "method": run.method,
        "max_new_tokens": run.max_new_tokens,
        "stop": run.stop,
        "finish_reason": run.finish_reason,
        "seconds": round(run.seconds, 7),
        "first_token_seconds": None if first is None else round(first, 7),
        "pass_costs": run.pass_costs,
        "texts": run.texts,
        "prompt_ids": run.prompt_ids,
        "steps": [_written_step(step) for step in run.steps],
    }


def _written_step(step: StepRecord) -> dict[str, Any]:
    return _fields_of(step) | {
        "draft": None if step.draft is None else _written_draft(step.draft),
        "timings": {name: round(seconds, 7) for name, seconds in _fields_of(step.timings).items()},
        "left_out": None if step.left_out is None else _written_left_out(step.left_out),
    }


def _fields_of(record: Any) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _written_draft(draft: DraftTree) -> dict[str, Any]:
    return {
        "token_ids": draft.token_ids,
        "parents": draft.parents,
        "probabilities": [round(value, 6) for value in draft.probabilities],
        "sources": "".join(LETTERS[source] for source in draft.sources),
        "counts": draft.counts,
    }


def _written_left_out(left_out: LeftOut) -> dict[str, Any]:
    best = left_out.best
    if best is None:
        return _fields_of(left_out)
    changed = {"probability": round(best.probability, 6), "source": LETTERS[best.source]}
    return _fields_of(left_out) | {"best": _fields_of(best) | changed}


def run_from(part: RunPart) -> RunRecord:
    """The run that a file holds; ``rules.check_run`` checks that it agrees with itself.

    Raises:
        SchemaError: If a field has a value that its type does not tell from a right one.
    """
    check_header(part)
    if part.method not in METHOD_WORDS:
        raise SchemaError(f"method: need one of {', '.join(METHOD_WORDS)}")
    _check_moment(part.created)
    kept = {field.name for field in fields(RunRecord)}
    values = {name: value for name, value in asdict(part).items() if name in kept}
    changed = {
        "steps": tuple(_step_from(step, f"steps[{place}]") for place, step in enumerate(part.steps)),
        "config": _config_from(part.config),
        "model": _record(ModelInfo, part.model),
        "method": METHOD_WORDS[part.method],
        "pass_costs": None if part.pass_costs is None else _costs_from(part.pass_costs),
        "texts": None if part.texts is None else _texts_from(part.texts),
        "version": part.program_version,
    }
    return RunRecord(**(values | changed))


def _record(kind: type[Record], part: msgspec.Struct, **changed: Any) -> Record:
    """The record whose fields the part holds, some of them changed."""
    return kind(**(asdict(part) | changed))


def _check_moment(moment: str) -> None:
    try:
        known = datetime.fromisoformat(moment).tzinfo is not None
    except ValueError:
        known = False
    if not known:
        raise SchemaError("created: need an ISO 8601 time with its offset from UTC")


def _config_from(values: dict[str, Any]) -> LookaheadConfig:
    settings = settings_of(LookaheadConfig)
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name not in settings:
            raise SchemaError(f"config.{name[:40]}: unknown field")
        if isinstance(value, list) and len(value) > MAX_CHOICES:
            raise SchemaError(f"config.{name}: {len(value)} words; need at most {MAX_CHOICES}")
        try:
            settings[name].check(tuple(value) if isinstance(value, list) else value)
        except ValueError as error:
            raise SchemaError(f"config.{name}: {str(error).removeprefix(f'{name}=')}") from None
        found[name] = tuple(value) if isinstance(value, list) else value
        if settings[name].kind == "number" and type(value) is int:
            found[name] = float(value)  # JSON may leave a fraction of zero out
    return LookaheadConfig(**found)


def _costs_from(part: CostsPart) -> PassCosts:
    try:
        return PassCosts(part.lengths, part.seconds)
    except ValueError as error:
        raise SchemaError(f"pass_costs: {error}") from None


def _texts_from(part: TextsPart) -> RunTexts:
    tokens: dict[int, str] = {}
    for key, text in part.tokens.items():
        if not _TOKEN_KEY.fullmatch(key):
            raise SchemaError(f"texts.tokens.{key[:40]}: unknown field; need a token id")
        if not isinstance(text, str) or len(text) > MAX_TOKEN_CHARACTERS:
            raise SchemaError(f"texts.tokens.{key}: need a string of length <= {MAX_TOKEN_CHARACTERS}")
        tokens[int(key)] = text
    return _record(RunTexts, part, tokens=tokens)


def _step_from(part: StepPart, place: str) -> StepRecord:
    return _record(
        StepRecord,
        part,
        draft=None if part.draft is None else _draft_from(part.draft, part.match_length, f"{place}.draft"),
        timings=_record(StepTimings, part.timings),
        trie=_record(TrieChange, part.trie),
        left_out=None if part.left_out is None else _left_out_from(part.left_out, f"{place}.left_out"),
    )


def _draft_from(part: DraftPart, match_length: int, place: str) -> DraftTree:
    if not _SOURCE_OF.keys() >= set(part.sources):
        raise SchemaError(f"{place}.sources: need one letter per node, of {''.join(_SOURCE_OF)}")
    sources = tuple(_SOURCE_OF[letter] for letter in part.sources)
    return _record(DraftTree, part, sources=sources, match_length=match_length)


def _left_out_from(part: LeftOutPart, place: str) -> LeftOut:
    best = part.best
    if best is None:
        return _record(LeftOut, part)
    source = _SOURCE_OF.get(best.source, ROOT_SOURCE)
    if source == ROOT_SOURCE:
        letters = "".join(info.letter for info in SOURCES.values())
        raise SchemaError(f"{place}.best.source: need one letter, of {letters}")
    return _record(LeftOut, part, best=_record(Candidate, best, source=source))
