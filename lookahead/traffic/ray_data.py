"""Ray Data: rows that its batch inference with vLLM or SGLang writes."""

from __future__ import annotations

from collections.abc import Sequence

from lookahead.traffic.exchange import Answer, Fields, Reader


def _matches(chunk: Fields) -> bool:
    return "generated_tokens" in chunk


def _answers(chunks: Sequence[Fields]) -> list[Answer]:
    return [
        Answer(
            row.get("prompt_token_ids"),
            row["generated_tokens"],
            prompt=row.get("messages") or row.get("prompt"),
            text=row.get("generated_text"),
            tokens=row.get("num_generated_tokens"),
            prompt_tokens=row.get("num_input_tokens"),
        )
        for row in chunks
        if _matches(row)
    ]


READER = Reader("Ray Data", _matches, _answers, "Ray Data has them in prompt_token_ids and generated_tokens")
