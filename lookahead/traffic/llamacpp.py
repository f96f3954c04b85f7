"""llama.cpp's server: ``/completion`` with ``return_tokens``, and its OpenAI-compatible endpoints run with ``-v``."""

from __future__ import annotations

from collections.abc import Sequence

from lookahead.traffic.exchange import Answer, Fields, Pieces, Reader, object_in


def _own(chunk: Fields) -> Fields:
    """The fields of ``/completion``; with ``-v`` the OpenAI response has them too, though not that of a stream."""
    inner = object_in(chunk, "__verbose")
    return inner if inner.get("tokens") else chunk


def _matches(chunk: Fields) -> bool:
    own = _own(chunk)
    return isinstance(own.get("content"), str) and isinstance(own.get("tokens"), list) and "stop" in own


def _answers(chunks: Sequence[Fields]) -> list[Answer]:
    """One for each ``index``: a request may have several prompts."""
    found: dict[str, tuple[Pieces, Fields]] = {}
    for own in (_own(chunk) for chunk in chunks if _matches(chunk)):
        index = str(own.get("index"))
        pieces, _ = found.get(index, (Pieces(), own))
        pieces.add(own["tokens"], own["content"])
        found[index] = pieces, own
    answers = []
    for pieces, last in found.values():
        answer = pieces.answer(None, last.get("tokens_predicted"), last.get("tokens_evaluated"))
        answer.prompt = last.get("prompt")
        answers.append(answer)
    return answers


READER = Reader(
    "llama.cpp",
    _matches,
    _answers,
    'send llama.cpp "return_tokens": true and the prompt as ids (/tokenize)',
)
