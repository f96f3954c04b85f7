"""Every field of a run file, changed in every way: refused in one line that names the field, or known to be harmless.

The lists of harmless changes were made with the hand-written reader of version 0.1; no later reader may take more.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lookahead.runs import runfile
from lookahead.runs.runfile import RunFileError
from tests.lookahead.fake_backend import row

GOLDEN = Path(__file__).with_name("golden_run.json").read_text(encoding="utf-8")
TWICE = "\ue000"  # at the end of a key: written without it, so that the key is there twice

WRONG_TYPES: dict[str, Any] = {
    "true": True,
    "text": "x",
    "fraction": 0.5,
    "list": [],
    "nested list": [[0]],
    "object": {},
    "whole float": "1.0",  # written without the quotes
}
OUT_OF_RANGE: dict[str, Any] = {
    "negative": -2,
    "huge": 10**30,
    "beyond doubles": 2**53,
    "1e999": "1e999",  # these four are written without their quotes
    "NaN": "NaN",
    "-Infinity": "-Infinity",
    "digits": "9" * 5000,
    "half a surrogate pair": "\ud800",
    "long text": "\ue001",  # these two stand for what is written in their place
    "long list": ["\ue002"],
}
LONG = {"\\ue001": "y" * 4_000_001, '"\\ue002"': "0, " * 1_000_000 + "0"}
BARE = ("1.0", "1e999", "NaN", "-Infinity", "9" * 5000)


@dataclass(frozen=True)
class Mutation:
    """One change: where, which, and the text of the file then."""

    path: str
    kind: str
    text: str


def _places(value: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Path, container and key of every value; of a list of plain values the first and the last one."""
    if isinstance(value, dict):
        entries = list(value.items())
    elif isinstance(value, list) and value and not isinstance(value[0], dict):
        entries = sorted({0: value[0], len(value) - 1: value[-1]}.items())
    else:
        entries = list(enumerate(value)) if isinstance(value, list) else []
    for key, inner in entries:
        at = f"{path}[{key}]" if isinstance(value, list) else f"{path}.{key}".lstrip(".")
        yield at, value, key
        yield from _places(inner, at)


def _written(data: Any) -> str:
    text = json.dumps(data).replace('\\ue000"', '"')
    for bare in BARE:
        text = text.replace(f'"{bare}"', bare)
    for short, long in LONG.items():
        text = text.replace(short, long)
    return text


def mutations() -> Iterator[Mutation]:
    """Every mutation of the golden file; of its steps the prefill and the first decode step are enough."""
    data = json.loads(GOLDEN)
    data["expected_ids"] = [7, 8]
    for step in data["steps"][:2]:
        step["successors"] = b64encode(b"".join(row(one, 511) for one in step["target_ids"])).decode()
        step["bigrams"] = b64encode(b"".join(one.to_bytes(4, "little") + row(one) for one in (7, 511))).decode()
    for path, holder, key in list(_places(data)):
        if path.startswith(("steps[2]", "steps[3].")):
            continue
        old, before = holder[key], dict(holder) if isinstance(holder, dict) else list(holder)
        for kind, value in {"null": None, **WRONG_TYPES, **OUT_OF_RANGE}.items():
            long = kind.startswith("long") and type(value) is not type(old)
            if not long and not (type(value) is type(old) and value == old):
                holder[key] = value
                yield Mutation(path, kind, _written(data))
        holder[key] = old
        if isinstance(holder, dict):
            holder[f"{key}{TWICE}"] = old
            yield Mutation(path, "repeated", _written(data))
            del holder[f"{key}{TWICE}"]
        if isinstance(old, dict):
            old["another"] = 1
            yield Mutation(f"{path}.another", "unknown field", _written(data))
            del old["another"]
        del holder[key]
        yield Mutation(path, "removed", _written(data))
        holder.clear()
        holder.update(before) if isinstance(holder, dict) else holder.extend(before)


NUMBERS = ("fraction", "whole float")
HARMLESS: dict[str, tuple[str, ...]] = {
    r"program_version|model\.(name|device|dtype)|texts\.(prompt|output)": ("text",),
    r"config": ("object",),
    r"config\.sources": ("list", "removed"),
    r"config\.prompt_weight": (*NUMBERS, "removed"),
    r"config\.(\w+|sources\[\d\])": ("removed",),
    r"stop|texts\.(prompt|output)_pieces": ("list",),
    r"stop\[0\]|texts\.tokens\.\d": ("text", "removed"),
    r"texts\.(prompt|output)_pieces\[\d\]": ("text",),
    r"texts\.tokens": ("object",),
    r"seconds|pass_costs\.seconds\[\d\]|steps\[\d\]\.timings\.\w+|steps\[1\]\.draft\.probabilities\[\d\]": NUMBERS,
    r"pass_costs|texts": ("null", "removed"),
    r"steps\[\d\]\.finish_reason|steps\[0\]\.draft": ("removed",),
    r"steps\[\d\]\.(successors|bigrams)": ("null", "removed"),
    r"expected_ids": ("null", "removed", "list"),
    r"expected_ids\[\d\]": ("removed",),
}
"""Fields (the first pattern that fits counts) and the mutations after which the file is still a run."""


def _harmless(mutation: Mutation) -> bool:
    kinds = (kinds for pattern, kinds in HARMLESS.items() if re.fullmatch(pattern, mutation.path))
    return mutation.kind in next(kinds, ())


ELSEWHERE = {
    ("prompt_ids[0]", "removed"): "steps[0].context_length",
    ("prompt_ids[3]", "removed"): "steps[0].context_length",
    ("steps", "list"): "finish_reason",
    ("steps[3]", "removed"): "finish_reason",
    ("steps[1].emitted_ids", "list"): "steps[1].accepted_nodes",
}
"""Where a list without an entry is well formed and another field shows that one is missing."""


def _place(mutation: Mutation) -> str:
    """What the message has to name: the field; where a list is too short, at least what the list belongs to."""
    path, kind = mutation.path, mutation.kind
    if (path, kind) in ELSEWHERE:
        return ELSEWHERE[path, kind]
    if path.startswith("config.sources["):
        return "config.sources"
    item_removed = kind == "removed" and path.endswith("]") and not re.fullmatch(r"steps\[\d\]", path)
    belongs = re.match(r"(pass_costs|steps\[1\]\.draft)\.", path)
    if belongs and (item_removed or kind == "list"):
        return belongs[1]
    return path.rpartition("[")[0] if item_removed else path


def test_every_mutation_is_refused_by_its_field_or_harmless() -> None:
    wrong = []
    for mutation in mutations():
        message = _outcome(mutation.text)
        if _harmless(mutation):
            right = message is None
        else:
            right = message is not None and f": {_place(mutation)}" in message
        if not right or len((message or "").splitlines()) > 1 or len(message or "") > 300:
            wrong.append((mutation.path, mutation.kind, message))
    assert not wrong


def _outcome(text: str) -> str | None:
    """The message of the refusal; None if the file opens."""
    try:
        run = runfile.from_json(text)
    except RunFileError as error:
        return str(error)
    assert runfile.from_json(runfile.to_json(run)) == run
    return None
