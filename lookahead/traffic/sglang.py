"""SGLang: its own ``/generate``, and its OpenAI-compatible server where that was asked for token ids."""

from __future__ import annotations

from collections.abc import Sequence

from lookahead.traffic.exchange import Answer, Fields, Reader, choice_text, choices, object_in


def _matches(chunk: Fields) -> bool:
    if "output_ids" in chunk and "meta_info" in chunk:
        return True
    return object_in(chunk, "sglext").get("output_ids") is not None or any(
        choice.get("response_token_ids") is not None for _, choice in choices(chunk)
    )


def _answers(chunks: Sequence[Fields]) -> list[Answer]:
    if any("meta_info" in chunk for chunk in chunks):
        return [_generated([chunk for chunk in chunks if "meta_info" in chunk])]
    last = next(chunk for chunk in reversed(chunks) if _matches(chunk))
    extension = object_in(last, "sglext")
    outputs = extension.get("output_ids")
    if isinstance(outputs, list):  # the end of a stream has them in a chunk without choices
        texts: dict[int, str] = {}
        for chunk in chunks:
            for index, choice in choices(chunk):
                texts[index] = texts.get(index, "") + (choice_text(choice) or "")
        return [Answer(extension.get("input_ids"), ids, text=texts.get(i)) for i, ids in enumerate(outputs)]
    return [
        Answer(choice.get("prompt_token_ids"), choice.get("response_token_ids"), text=choice_text(choice))
        for _, choice in choices(last)
    ]


def _generated(chunks: Sequence[Fields]) -> Answer:
    """The output of ``/generate``. Each chunk has all tokens so far, or (incremental streaming) only the new ones."""
    last = chunks[-1]
    meta = object_in(last, "meta_info")
    counted = meta.get("completion_tokens")
    prompt_ids = next((ids for chunk in chunks if (ids := chunk.get("prompt_token_ids")) is not None), None)
    ids, text = last["output_ids"], last.get("text")
    if len(chunks) > 1 and isinstance(ids, list) and len(ids) != counted:
        ids = [one for chunk in chunks for one in chunk.get("output_ids") or ()]
        text = "".join(chunk.get("text") or "" for chunk in chunks)
    return Answer(prompt_ids, ids, text=text, tokens=counted, prompt_tokens=meta.get("prompt_tokens"))


READER = Reader("SGLang", _matches, _answers, 'send SGLang "input_ids", or "return_prompt_token_ids": true')
