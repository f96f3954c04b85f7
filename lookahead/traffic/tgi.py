"""Text Generation Inference: ``/generate`` and ``/generate_stream`` with ``details``."""

from __future__ import annotations

from collections.abc import Sequence

from lookahead.traffic.exchange import Answer, Fields, Reader, ids_of, object_in


def _matches(chunk: Fields) -> bool:
    return isinstance(chunk.get("generated_text"), str) or "id" in object_in(chunk, "token")


def _answers(chunks: Sequence[Fields]) -> list[Answer]:
    streamed = [chunk["token"] for chunk in chunks if chunk.get("token")]
    whole = next((chunk for chunk in reversed(chunks) if isinstance(chunk.get("generated_text"), str)), {})
    details = object_in(whole, "details")
    return [
        Answer(
            ids_of(details.get("prefill")) or None,
            ids_of(streamed or details.get("tokens")),
            text=whole.get("generated_text"),
            tokens=details.get("generated_tokens"),
            prompt_tokens=details.get("input_length"),
        )
    ]


READER = Reader("TGI", _matches, _answers, 'TGI sends them with "details": true and "decoder_input_details": true')
