"""The model's own bigrams: what it finds likely after each token by itself (``sources/recycled.py``).

Computed once per model and machine, as far as a few seconds go, and kept in the cache folder beside T(n). Tokens are
taken in the order of their ids, which in most vocabularies is that of how frequent they are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec

from lookahead.atomic import write_whole
from lookahead.backend import PASS_ERRORS
from lookahead.costs import cache_folder
from lookahead.draft import DraftTree
from lookahead.hf.session import TreeSession
from lookahead.sources.recycled import ROW_BYTES, Bigrams

SECONDS = 4.0
"""No pass begins that would take longer than this in all."""
_FIRST, _MOST = 16, 256
"""Tokens of the first pass and of the longest."""
_FORMAT = "lookahead-bigrams 1"


class _Stored(msgspec.Struct):
    format: str
    key: dict[str, Any]
    rows: bytes


def known_bigrams(
    key: Mapping[str, Any], new_session: Callable[[int], TreeSession], before: Sequence[int], vocab_size: int
) -> Bigrams:
    """The bigrams of this model, remembered or computed now.

    Args:
        key: What they depend on.
        new_session: Makes an empty session of this many rows.
        before: Tokens that stand before each (>= 1): after nothing at all a model finds strange things likely.
        vocab_size: The tokens are those below this.
    """
    path = _path(key)
    with suppress(OSError, ValueError):
        stored = msgspec.json.decode(path.read_bytes(), type=_Stored)
        if (stored.format, stored.key) == (_FORMAT, dict(key)) and len(stored.rows) % ROW_BYTES == 0:
            return Bigrams(stored.rows)
    rows = _computed(new_session, before, vocab_size)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, msgspec.json.encode(_Stored(_FORMAT, dict(key), rows)))
    return Bigrams(rows)


def _path(key: Mapping[str, Any]) -> Path:
    digest = hashlib.sha256(json.dumps(dict(key), sort_keys=True).encode()).hexdigest()[:24]
    return cache_folder() / "bigrams" / f"{digest}.json"


def _computed(new_session: Callable[[int], TreeSession], before: Sequence[int], vocab_size: int) -> bytes:
    """Rows of the tokens from 0 on: every pass has as many as there are children of one root."""
    found, done, count = bytearray(), 0, _FIRST
    started = perf_counter()
    session = new_session(len(before) + _MOST)
    with suppress(*PASS_ERRORS):  # without them it drafts as well
        session.recycle()
        session.prefill(before)
        pace = 0.0
        while done < vocab_size and perf_counter() - started + pace * count < SECONDS:
            count = min(count, vocab_size - done)
            token_ids = [before[-1], *range(done, done + count)]
            began = perf_counter()
            session.choose(DraftTree.on_trial(token_ids, [-1, *[0] * count]))
            pace = (perf_counter() - began) / count
            found += session.successors[ROW_BYTES:]
            done += count
            count = min(2 * count, _MOST - 1)
    session.close()
    return bytes(found)
