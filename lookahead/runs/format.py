"""The layout of a run file: the types that msgspec checks a file against, and a RunRecord both ways.

``{"format": "lookahead-run", "version": 1, ...}`` with the records of ``records.py``: the objects of a file have their
fields, within limits. A draft's sources are one letter per node, probabilities keep 6 decimals and times the tenth of a
microsecond. ``rules.py`` says how the fields must fit together and fit the vocabulary.
"""

from __future__ import annotations

import re
from dataclasses import fields
from datetime import datetime
from types import NoneType
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta
from msgspec.structs import asdict

from lookahead.config import MAX_NUMBER, MAX_TOKENS, LookaheadConfig, settings_of
from lookahead.costs import PassCosts
from lookahead.draft import DraftTree
from lookahead.records import (
    METHOD_WORDS,
    Candidate,
    LeftOut,
    ModelInfo,
    RunRecord,
    RunTexts,
    StepRecord,
    StepTimings,
    TokenGap,
    TrieChange,
)
from lookahead.sources.registry import ROOT_SOURCE, SOURCES
from lookahead.strict_json import SchemaError

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

_LIMITS: dict[Any, Any] = {
    int: Annotated[int, Meta(ge=0, le=MAX_NUMBER)],
    float: Annotated[float, Meta(ge=0, le=1e9)],
    str: Annotated[str, Meta(max_length=40)],
}
_IdOrNone = Annotated[int, Meta(ge=-1, le=MAX_NUMBER)]
_Share = Annotated[float, Meta(ge=0, le=1)]
_Score = Annotated[float, Meta(ge=0, le=1e15)]
_Text = Annotated[str, Meta(max_length=4_000_000)]
_Pieces = Annotated[tuple[Annotated[str, Meta(max_length=10_000)], ...], Meta(max_length=MAX_TOKENS)]


def _part(record: type, *left_out: str, **changed: Any) -> Any:
    """The object of a file that holds a record: its fields and no others; a field that may be null may be missing.

    Args:
        record: A dataclass.
        left_out: Its fields that are not in the file.
        changed: Fields that have another type in the file, or that only the file has.
    """
    hints = {name: _limited(hint) for name, hint in get_type_hints(record).items() if name not in left_out}
    layout = changed | {name: hint for name, hint in hints.items() if name not in changed}
    parts: list[Any] = [
        (name, hint, None) if NoneType in get_args(hint) else (name, hint) for name, hint in layout.items()
    ]
    return msgspec.defstruct(record.__name__, parts, forbid_unknown_fields=True, kw_only=True)


def _limited(hint: Any) -> Any:
    """The type of a record's field within the limits of a file."""
    if get_origin(hint) is tuple:
        inner = _limited(get_args(hint)[0])
        return Annotated[tuple[inner, ...], Meta(max_length=MAX_TOKENS)]  # pyright: ignore[reportInvalidTypeForm]
    return _LIMITS[float] | None if hint == float | None else _LIMITS.get(hint, hint)


_Candidate = _part(Candidate, probability=_Share)
_Draft = _part(
    DraftTree,
    "match_length",  # the step's
    parents=_limited(tuple[_IdOrNone, ...]),
    probabilities=_limited(tuple[_Share, ...]),
    sources=_Text,
)
_Step = _part(
    StepRecord,
    draft=_Draft | None,
    target_ids=_limited(tuple[_IdOrNone, ...]),
    timings=_part(StepTimings),
    trie=_part(TrieChange),
    left_out=_part(LeftOut, best=_Candidate | None) | None,
)
RunPart = _part(
    RunRecord,
    format=str,
    version=int,
    program_version=_LIMITS[str],
    model=_part(ModelInfo, name=Annotated[str, Meta(max_length=1000)], vocab_size=Annotated[int, Meta(ge=1, le=2**31)]),
    config=dict[str, Any],  # a setting that a file does not name takes its default: the file is older than the setting
    method=str,
    max_new_tokens=Annotated[int, Meta(ge=1, le=MAX_TOKENS)],
    stop=Annotated[tuple[Annotated[str, Meta(max_length=MAX_STOP_CHARACTERS)], ...], Meta(max_length=MAX_STOPS)],
    pass_costs=_part(PassCosts, lengths=_limited(tuple[Annotated[int, Meta(ge=1, le=4096)], ...])) | None,
    texts=_part(
        RunTexts,
        prompt=_Text,
        output=_Text,
        prompt_pieces=_Pieces,
        output_pieces=_Pieces,
        tokens=Annotated[dict[str, Any], Meta(max_length=MAX_TOKENS)],
    )
    | None,
    steps=_limited(tuple[_Step, ...]),
)
PairPart: Any = msgspec.defstruct(
    "Pair",
    [
        ("greedy", RunPart | None, None),
        ("parted", _part(TokenGap, gap=_Score, spacing=_Score, noise=_Score | None) | None, None),
    ],
    bases=(RunPart,),
    forbid_unknown_fields=True,
    kw_only=True,
)
"""A run, greedy decoding of the same prompt beside it, and how close the decision was where the two part."""


class Header(msgspec.Struct):
    """What a file says it is; checked first, so that a file of another kind is refused as such."""

    format: str
    version: int | None = None


def check_header(header: Any) -> None:
    """Raise SchemaError unless this is a run file of this version."""
    if header.format != FORMAT:
        raise SchemaError(f"format: need {FORMAT!r}")
    if header.version not in (None, VERSION):
        raise SchemaError(f"version: {header.version}; this program reads version {VERSION}")


def written(run: RunRecord) -> dict[str, Any]:
    """The run as msgspec writes it, the long lists last."""
    found = _fields_of(run)
    last = {"prompt_ids": found.pop("prompt_ids"), "steps": [_written_step(step) for step in found.pop("steps")]}
    first = run.first_token_seconds
    return {
        "format": FORMAT,
        "version": VERSION,
        "program_version": found.pop("version"),
        **found,
        "seconds": round(run.seconds, 7),
        "first_token_seconds": None if first is None else round(first, 7),
        **last,
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
    found = _fields_of(draft)
    del found["match_length"]
    return found | {
        "probabilities": [round(value, 6) for value in draft.probabilities],
        "sources": "".join(LETTERS[source] for source in draft.sources),
    }


def _written_left_out(left_out: LeftOut) -> dict[str, Any]:
    best = left_out.best
    if best is None:
        return _fields_of(left_out)
    changed = {"probability": round(best.probability, 6), "source": LETTERS[best.source]}
    return _fields_of(left_out) | {"best": _fields_of(best) | changed}


def run_from(part: Any) -> RunRecord:
    """The run in a ``RunPart``; ``rules.check_run`` checks that it is consistent.

    Raises:
        SchemaError: If a field has a value that its type cannot tell from a valid one.
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


def _record(kind: type[Record], part: Any, **changed: Any) -> Record:
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


def _costs_from(part: Any) -> PassCosts:
    try:
        return PassCosts(part.lengths, part.seconds)
    except ValueError as error:
        raise SchemaError(f"pass_costs: {error}") from None


def _texts_from(part: Any) -> RunTexts:
    tokens: dict[int, str] = {}
    for key, text in part.tokens.items():
        if not _TOKEN_KEY.fullmatch(key):
            raise SchemaError(f"texts.tokens.{key[:40]}: unknown field; need a token id")
        if not isinstance(text, str) or len(text) > MAX_TOKEN_CHARACTERS:
            raise SchemaError(f"texts.tokens.{key}: need a string of length <= {MAX_TOKEN_CHARACTERS}")
        tokens[int(key)] = text
    return _record(RunTexts, part, tokens=tokens)


def _step_from(part: Any, place: str) -> StepRecord:
    return _record(
        StepRecord,
        part,
        draft=None if part.draft is None else _draft_from(part.draft, part.match_length, f"{place}.draft"),
        timings=_record(StepTimings, part.timings),
        trie=_record(TrieChange, part.trie),
        left_out=None if part.left_out is None else _left_out_from(part.left_out, f"{place}.left_out"),
    )


def _draft_from(part: Any, match_length: int, place: str) -> DraftTree:
    if not _SOURCE_OF.keys() >= set(part.sources):
        raise SchemaError(f"{place}.sources: need one letter per node, of {''.join(_SOURCE_OF)}")
    sources = tuple(_SOURCE_OF[letter] for letter in part.sources)
    return _record(DraftTree, part, sources=sources, match_length=match_length)


def _left_out_from(part: Any, place: str) -> LeftOut:
    best = part.best
    if best is None:
        return _record(LeftOut, part)
    source = _SOURCE_OF.get(best.source, ROOT_SOURCE)
    if source == ROOT_SOURCE:
        letters = "".join(info.letter for info in SOURCES.values())
        raise SchemaError(f"{place}.best.source: need one letter, of {letters}")
    return _record(LeftOut, part, best=_record(Candidate, best, source=source))
