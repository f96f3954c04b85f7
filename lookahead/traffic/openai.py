"""The OpenAI API as such: text without token ids, as most servers and clients record it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from lookahead.traffic.exchange import Answer, Fields, Pieces, Reader, choice_text, choices


def _matches(chunk: Fields) -> bool:
    return isinstance(chunk.get("answer"), str) or any(
        isinstance(choice.get("message") or choice.get("delta"), dict) or isinstance(choice.get("text"), str)
        for _, choice in choices(chunk)
    )


def _answers(chunks: Sequence[Fields]) -> list[Answer]:
    if isinstance(chunks[0].get("answer"), str):
        return [Answer(text=chunks[0]["answer"])]
    sent: dict[int, Pieces] = defaultdict(Pieces)
    for chunk in chunks:
        for index, choice in choices(chunk):
            sent[index].add(None, choice_text(choice))
    usage = next((found for chunk in reversed(chunks) if isinstance(found := chunk.get("usage"), dict)), {})
    answers = [pieces.answer() for _, pieces in sorted(sent.items())]
    if len(answers) == 1:  # it counts the tokens of all choices together
        answers[0].tokens = usage.get("completion_tokens")
        answers[0].prompt_tokens = usage.get("prompt_tokens")
    return answers


READER = Reader("the OpenAI API", _matches, _answers, 'this is text (vLLM sends them with "return_token_ids": true)')
