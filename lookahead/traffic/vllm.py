"""vLLM: chats and completions of its OpenAI-compatible server with ``return_token_ids``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from lookahead.traffic.exchange import Answer, Fields, Pieces, Reader, choice_text, choices


def _matches(chunk: Fields) -> bool:
    return any(choice.get("token_ids") is not None for _, choice in choices(chunk))


def _answers(chunks: Sequence[Fields]) -> list[Answer]:
    """A chat has the prompt's ids beside its choices, a completion in each; a stream sends them once."""
    sent: dict[int, Pieces] = defaultdict(Pieces)
    prompts: dict[int, object] = {}
    common = next((ids for chunk in chunks if (ids := chunk.get("prompt_token_ids")) is not None), None)
    for chunk in chunks:
        for index, choice in choices(chunk):
            sent[index].add(choice.get("token_ids"), choice_text(choice))
            if choice.get("prompt_token_ids") is not None:
                prompts[index] = choice["prompt_token_ids"]
    found = []
    for index, pieces in sorted(sent.items()):
        answer = pieces.answer()
        answer.prompt_ids = prompts.get(index, common)
        found.append(answer)
    return found


READER = Reader("vLLM", _matches, _answers, 'vLLM sends them with "return_token_ids": true')
