"""The layout of a run file: the types that msgspec checks a file against, and a RunRecord both ways.

``{"format": "lookahead-run", "version": 1, ...}`` with the records of ``records.py``: the objects of a file have their
fields, within limits. A draft's sources are one letter per node, probabilities keep 6 decimals and times the tenth of a
microsecond; ``successors`` and ``bigrams`` are base64. ``rules.py`` says how the fields must fit together and fit the
vocabulary.
"""

from __future__ import annotations

import re
from datetime import datetime
from types import NoneType
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta
from msgspec.structs import asdict

from lookahead.config import GREEDY, MAX_STOP_CHARACTERS, MAX_STOPS, MAX_TOKENS, LookaheadConfig, Sampling
from lookahead.costs import PassCosts
from lookahead.draft import Chain, DraftTree
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
from lookahead.setting import MAX_NUMBER, python_number, settings_of
from lookahead.sources.registry import ROOT_SOURCE, SOURCES
from lookahead.strict_json import SchemaError, checked

FORMAT = "lookahead-run"
VERSION = 1
MAX_TOKEN_CHARACTERS = 1000
"""Longest text of one token."""
MAX_SUCCESSORS = 2_000_000
"""Most characters for what the model found likely (``successors`` and ``bigrams`` of all steps); a file that needs more
has none of it."""

LETTERS = {ROOT_SOURCE: "r", **{name: info.letter for name, info in SOURCES.items()}}
"""Source of a draft node and its letter."""
_Settings = TypeVar("_Settings", LookaheadConfig, Sampling)
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
    chain=_part(Chain) | None,
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
    sampling=dict[str, Any] | None,  # missing: greedy
    texts=_part(
        RunTexts,
        prompt=_Text,
        output=_Text,
        prompt_pieces=_Pieces,
        output_pieces=_Pieces,
        tokens=Annotated[dict[str, Any], Meta(max_length=MAX_TOKENS)],
    )
    | None,
    expected_ids=_limited(tuple[int, ...]) | None,
    steps=_limited(tuple[_Step, ...]),
    repeat_seconds=_limited(tuple[float, ...]) | None,
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
    """The run as plain data for JSON, the long lists last; numbers of numpy and torch as Python's own.

    Raises:
        TypeError: If a field has a value that JSON does not have.
    """
    found = msgspec.to_builtins(run, str_keys=True, enc_hook=_number)
    first, again = run.first_token_seconds, run.repeat_seconds
    last = {name: found.pop(name) for name in ("prompt_ids", "expected_ids", "steps")}
    found_likely = ("successors", "bigrams")
    too_many = sum(len(step[name] or "") for step in last["steps"] for name in found_likely) > MAX_SUCCESSORS
    for step in last["steps"]:
        if too_many:
            step |= dict.fromkeys(found_likely)
        _write_step(step)
    if run.sampling.greedy:
        del found["sampling"]
    return {
        "format": FORMAT,
        "version": VERSION,
        "program_version": found.pop("version"),
        **found,
        "seconds": round(run.seconds, 7),
        "first_token_seconds": None if first is None else round(first, 7),
        "repeat_seconds": again and [round(seconds, 7) for seconds in again],
        **last,
    }


def _number(value: Any) -> Any:
    """What msgspec asks for where it does not know a type."""
    number = python_number(value)
    if number is value:
        raise TypeError(f"a run file has no {type(value).__name__}")
    return number


def _write_step(step: dict[str, Any]) -> None:
    """Make a step's plain data what the file holds."""
    step["timings"] = {name: round(seconds, 7) for name, seconds in step["timings"].items()}
    if draft := step["draft"]:
        del draft["match_length"]
        draft["probabilities"] = [round(value, 6) for value in draft["probabilities"]]
        draft["sources"] = "".join(LETTERS[source] for source in draft["sources"])
    if (left_out := step["left_out"]) and (best := left_out["best"]):
        best |= {"probability": round(best["probability"], 6), "source": LETTERS[best["source"]]}
    for name in ("chain", "bigrams"):
        if step[name] is None:
            del step[name]


def run_from(part: Any) -> RunRecord:
    """The run in a ``RunPart``, which is used up; ``rules.check_run`` checks that it is consistent.

    Raises:
        SchemaError: If a field has a value that its type cannot tell from a valid one.
    """
    check_header(part)
    if part.method not in METHOD_WORDS:
        raise SchemaError(f"method: need one of {', '.join(METHOD_WORDS)}")
    part.method, part.version = METHOD_WORDS[part.method], part.program_version
    _check_moment(part.created)
    part.config = _settings_from("config", LookaheadConfig, part.config)
    part.sampling = GREEDY if part.sampling is None else _settings_from("sampling", Sampling, part.sampling)
    if part.texts is not None:
        part.texts.tokens = _tokens_from(part.texts.tokens)
    part.expected_ids = part.expected_ids or ()
    part.steps = tuple(_step_from(step, f"steps[{place}]") for place, step in enumerate(part.steps))
    return checked(part, RunRecord, from_attributes=True)


def _step_from(part: Any, place: str) -> StepRecord:
    """The step; a file has the match length of its draft only once."""
    if (draft := part.draft) is not None:
        if not _SOURCE_OF.keys() >= set(draft.sources):
            raise SchemaError(f"{place}.draft.sources: need one letter per node, of {''.join(_SOURCE_OF)}")
        changed = {"sources": tuple(_SOURCE_OF[letter] for letter in draft.sources), "match_length": part.match_length}
        part.draft = DraftTree(**asdict(draft) | changed)
    if part.left_out is not None and (best := part.left_out.best) is not None:
        letters = "".join(info.letter for info in SOURCES.values())
        if len(best.source) != 1 or best.source not in letters:
            raise SchemaError(f"{place}.left_out.best.source: need one letter, of {letters}")
        best.source = _SOURCE_OF[best.source]
    return checked(part, StepRecord, from_attributes=True)


def _check_moment(moment: str) -> None:
    try:
        known = datetime.fromisoformat(moment).tzinfo is not None
    except ValueError:
        known = False
    if not known:
        raise SchemaError("created: need an ISO 8601 time with its offset from UTC")


def _settings_from(place: str, kind: type[_Settings], values: dict[str, Any]) -> _Settings:
    if unknown := values.keys() - settings_of(kind):
        raise SchemaError(f"{place}.{min(unknown)[:40]}: unknown field")
    try:
        return kind(**values)
    except ValueError as error:
        raise SchemaError(f"{place}.{error}") from None


def _tokens_from(texts: dict[str, Any]) -> dict[int, str]:
    for key, text in texts.items():
        if not _TOKEN_KEY.fullmatch(key):
            raise SchemaError(f"texts.tokens.{key[:40]}: unknown field; need a token id")
        if not isinstance(text, str) or len(text) > MAX_TOKEN_CHARACTERS:
            raise SchemaError(f"texts.tokens.{key}: need a string of length <= {MAX_TOKEN_CHARACTERS}")
    return {int(key): text for key, text in texts.items()}
