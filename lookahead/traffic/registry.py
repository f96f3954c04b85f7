"""The engines whose recordings can be read; the first one that knows a response reads it."""

from __future__ import annotations

from collections.abc import Sequence

from lookahead.traffic import llamacpp, openai, ray_data, sglang, tgi, vllm
from lookahead.traffic.exchange import Fields, Reader

READERS: tuple[Reader, ...] = (
    vllm.READER,
    sglang.READER,
    llamacpp.READER,
    ray_data.READER,
    tgi.READER,
    openai.READER,
)


def reader_of(chunks: Sequence[Fields]) -> Reader | None:
    """The reader that knows one of these chunks; None if nobody does."""
    return next((reader for reader in READERS if any(map(reader.matches, chunks))), None)
