"""The OpenAI API: text without token ids, as most servers and clients record it; with ids as vLLM sends them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from lookahead.traffic.exchange import Answer, Fields, Pieces, Reader, choice_text, choices


def _has_ids(chunk: Fields) -> bool:
    return any(choice.get("token_ids") is not None for _, choice in choices(chunk))


def _has_text(chunk: Fields) -> bool:
    return isinstance(chunk.get("answer"), str) or any(
        isinstance(choice.get("message") or choice.get("delta"), dict) or isinstance(choice.get("text"), str)
        for _, choice in choices(chunk)
    )


def _answers(chunks: Sequence[Fields]) -> list[Answer]:
    """A chat has the prompt's ids beside its choices, a completion in each; a stream sends them once."""
    if isinstance(chunks[0].get("answer"), str):
        return [Answer(text=chunks[0]["answer"])]
    sent: dict[int, Pieces] = defaultdict(Pieces)
    prompts: dict[int, object] = {}
    common = next((ids for chunk in chunks if (ids := chunk.get("prompt_token_ids")) is not None), None)
    for chunk in chunks:
        for index, choice in choices(chunk):
            sent[index].add(choice.get("token_ids"), choice_text(choice))
            if choice.get("prompt_token_ids") is not None:
                prompts[index] = choice["prompt_token_ids"]
    usage = next((found for chunk in reversed(chunks) if isinstance(found := chunk.get("usage"), dict)), {})
    if len(sent) > 1:  # it counts the tokens of all choices together
        usage = {}
    counted = usage.get("completion_tokens"), usage.get("prompt_tokens")
    return [pieces.answer(prompts.get(index, common), *counted) for index, pieces in sorted(sent.items())]


VLLM = Reader("vLLM", _has_ids, _answers, 'vLLM sends them with "return_token_ids": true')
READER = Reader("the OpenAI API", _has_text, _answers, 'this is text (vLLM sends them with "return_token_ids": true)')
