"""The T(n) of a machine as a file, for studies on another machine: ``costs --write`` writes it."""

from __future__ import annotations

import os
from typing import Annotated

import msgspec
from msgspec import Meta

from lookahead.costs import PassCosts
from lookahead.inputs import InputError, excerpt, read_bytes
from lookahead.strict_json import SchemaError, checked, parse_json, refuse_half_pairs
from lookahead.study.result import Machine

FORMAT, VERSION = "lookahead-machine", 1
MAX_FILE_BYTES = 1_000_000

_Length = Annotated[int, Meta(ge=1, le=4096)]
_Seconds = Annotated[float, Meta(gt=0, le=1e6)]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    format: str
    version: int
    name: Annotated[str, Meta(min_length=1, max_length=1000)]
    lengths: Annotated[tuple[_Length, ...], Meta(max_length=4096)]
    seconds: Annotated[tuple[_Seconds, ...], Meta(max_length=4096)]


def machine_json(name: str, costs: PassCosts) -> bytes:
    """The content of a file with the T(n) of a machine."""
    file = _File(FORMAT, VERSION, excerpt(name, 200), costs.lengths, costs.seconds)
    return msgspec.json.format(msgspec.json.encode(file), indent=1) + b"\n"


def read_machine(path: str | os.PathLike[str]) -> Machine:
    """The machine in a file.

    Raises:
        InputError: If it cannot be read or is not such a file.
    """
    data = read_bytes(path, MAX_FILE_BYTES)
    try:
        value = parse_json(data.decode())
        refuse_half_pairs(value)
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            raise SchemaError(f"format: need {FORMAT!r}")
        if value.get("version") != VERSION:
            raise SchemaError(f"version: need {VERSION}")
        file = checked(value, _File)
        costs = PassCosts(file.lengths, file.seconds)
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8 text; need a file of costs --write") from None
    except ValueError as error:
        raise InputError(f"{path}: {error}; need a file of costs --write") from None
    return Machine(name=excerpt(file.name, 200), lengths=costs.lengths, seconds=costs.seconds)
