"""The model's own bigrams: what it finds likely after each token by itself (``sources/recycled.py``).

They are computed once per model, when asked for, and kept in the cache folder beside T(n). Tokens are taken in the
order of their ids, which in most vocabularies is that of how frequent they are, so that a part is of use as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec
import numpy as np

from lookahead.atomic import write_whole
from lookahead.costs import cache_file
from lookahead.draft import DraftTree
from lookahead.hf.session import TreeSession
from lookahead.sources.recycled import ROW_BYTES, Bigrams

TOKENS_PER_PASS = 255
_FORMAT = "lookahead-bigrams 1"
_KEY = ("model", "parameters", "vocab_size", "hidden_size", "num_hidden_layers", "dtype")


class _Stored(msgspec.Struct):
    format: str
    key: dict[str, Any]
    rows: bytes


def key_of(setting: Mapping[str, Any], fingerprint: str) -> dict[str, Any]:
    """What the bigrams depend on: of what T(n) depends on, the model and its dtype, and the tokenizer."""
    return {**{name: setting[name] for name in _KEY}, "tokenizer": fingerprint}


def stored_path(key: Mapping[str, Any]) -> Path:
    """The file of one model."""
    return cache_file("bigrams", key)


def load_bigrams(key: Mapping[str, Any], vocab_size: int) -> Bigrams:
    """Those that are kept of this model; empty if there are none, or they cannot be read."""
    with suppress(OSError, ValueError, RecursionError):
        stored = msgspec.json.decode(stored_path(key).read_bytes(), type=_Stored)
        highest = int(np.frombuffer(stored.rows, "<u4").max(initial=0)) >> 8
        known = (stored.format, stored.key) == (_FORMAT, dict(key))
        if known and len(stored.rows) % ROW_BYTES == 0 and highest < vocab_size:
            return Bigrams(stored.rows)
    return Bigrams()


def store_bigrams(key: Mapping[str, Any], rows: bytes) -> None:
    """Keep them, instead of those before.

    Raises:
        OSError: If the folder cannot be written to.
    """
    path = stored_path(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, msgspec.json.encode(_Stored(_FORMAT, dict(key), rows)))


def computed_bigrams(
    new_session: Callable[[int], TreeSession],
    before: Sequence[int],
    vocab_size: int,
    seconds: float = math.inf,
    tell: Callable[[int], None] = lambda _: None,
) -> bytes:
    """A row for each token from 0 on, in passes whose tokens are the children of one root.

    Args:
        new_session: Makes an empty session of this many rows.
        before: Tokens that stand before each (>= 1): after nothing at all a model finds strange things likely.
        vocab_size: The tokens are those below this.
        seconds: No pass begins later.
        tell: Is told how many tokens are done, after every pass.

    Raises:
        PassError: If a pass fails.
    """
    found, started = bytearray(), perf_counter()
    session = new_session(len(before) + TOKENS_PER_PASS + 1)
    session.recycle()
    session.prefill(before)
    for first in range(0, vocab_size, TOKENS_PER_PASS):
        token_ids = range(first, min(first + TOKENS_PER_PASS, vocab_size))
        session.choose(DraftTree.on_trial([before[-1], *token_ids], [-1, *[0] * len(token_ids)]))
        found += session.successors[ROW_BYTES:]
        tell(len(found) // ROW_BYTES)
        if perf_counter() - started > seconds:
            break
    session.close()
    return bytes(found)
