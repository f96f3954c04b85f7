"""A study's outputs as a trace, the file that ``replay`` and further studies read."""

from __future__ import annotations

import os
from collections.abc import Iterable

import msgspec

from lookahead.atomic import write_whole
from lookahead.inputs import InputError
from lookahead.study.material import Sample


def write_trace(path: str | os.PathLike[str], samples: Iterable[Sample]) -> None:
    """Write one ``{"id", "category", "prompt": [ids], "output": [ids]}`` per line, whole or not at all.

    Raises:
        InputError: If the file cannot be written.
    """
    rows = [
        {"id": one.name, "category": one.category, "prompt": one.prompt_ids, "output": one.output_ids or ()}
        for one in samples
    ]
    try:
        write_whole(path, msgspec.json.Encoder().encode_lines(rows))
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None
