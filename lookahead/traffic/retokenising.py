"""Text turned into token ids by a tokenizer, and how far that drifts from what an engine really generated."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from lookahead.backend import BackendError
from lookahead.inputs import InputError
from lookahead.strict_json import SchemaError
from lookahead.traffic.exchange import content_text


class Retokeniser:
    """A tokenizer for recordings, and a count of the outputs that it does not give back as they were.

    Where the tokenizer or its chat template fails, its methods raise BackendError.

    Args:
        tokenizer: A folder or a model id, or a tokenizer that is loaded.

    Raises:
        InputError: If there is no such tokenizer.
    """

    def __init__(self, tokenizer: str | os.PathLike[str] | Any) -> None:
        from lookahead.hf.loading import load_tokenizer
        from lookahead.hf.text import Vocabulary

        try:
            named = isinstance(tokenizer, (str, os.PathLike))
            self._vocabulary = Vocabulary(load_tokenizer(os.fspath(tokenizer)) if named else tokenizer)
        except BackendError as error:
            raise InputError(str(error)) from None
        self._highest = self._vocabulary.highest_id
        # Whether each of them differs from what the engine really had.
        self._prompts: list[bool] = []
        self._texts: list[bool] = []
        self._recorded: list[bool] = []

    def prompt(self, prompt: str | Sequence[Any], tools: Any = None, counted: Any = None) -> list[int]:
        """Token ids of a prompt: a text as it is, the messages of a chat by the tokenizer's chat template.

        It counts as drifted if the server counted another number of tokens.

        Raises:
            SchemaError: If a message is not text.
        """
        if isinstance(prompt, str):
            ids = self._vocabulary.encode(prompt, raw=True)
        else:
            ids = self._vocabulary.encode_chat([_plain(message) for message in prompt], tools or None)
        self._prompts.append(isinstance(counted, int) and counted != len(ids))
        return ids

    def output(self, prompt_ids: Sequence[int], text: str, counted: Any = None) -> list[int]:
        """Token ids of an output of which only the text is known.

        It counts as drifted if the ids do not spell the text, or if the server counted another number of tokens (one
        more is the end-of-sequence token, which has no text).
        """
        ids = self._vocabulary.encode_after(prompt_ids, text)
        spelled = self._vocabulary.decode(ids, skip_special=False)
        other_number = isinstance(counted, int) and counted not in (len(ids), len(ids) + 1)
        self._texts.append(spelled.strip() != text.strip() or other_number)
        return ids

    def compare(self, prompt_ids: Sequence[int], output_ids: Sequence[int]) -> None:
        """Count whether recorded ids would have changed, had only their text been recorded.

        Raises:
            SchemaError: If the tokenizer does not know an id.
        """
        if (found := max(max(prompt_ids), max(output_ids))) > self._highest:
            raise SchemaError(f"token id {found}; the tokenizer knows 0 to {self._highest}: it is of another model")
        shown = self._vocabulary.shown(output_ids)
        again = self._vocabulary.encode_after(prompt_ids, self._vocabulary.decode(shown))
        self._recorded.append(again != shown)

    def warnings(self) -> Iterator[str]:
        """What a reader has to know about ids made from text, a line each."""
        if self._texts:
            yield (
                f"outputs with only text: {len(self._texts)}, turned into tokens again, which drifts from what the "
                f"model generated (known to differ: {_share(self._texts)}); record token ids to be exact"
            )
        if any(self._prompts):
            yield (
                f"prompts with only text: {len(self._prompts)}, some of another length than the server counted "
                f"({_share(self._prompts)}): its chat template or system prompt is another one"
            )
        if self._recorded:
            yield (
                f"outputs with token ids: {len(self._recorded)}, used as they are "
                f"(other tokens, had only text been recorded: {_share(self._recorded)})"
            )


def _share(differ: Sequence[bool]) -> str:
    return f"{sum(differ)} of {len(differ)}, {100 * sum(differ) / len(differ):.0f} %"


def _plain(message: Any) -> dict[str, Any]:
    """A message whose content is one text."""
    if not isinstance(message, dict):
        raise SchemaError("messages: one is not an object")
    text = content_text(message.get("content"))
    if text is None and message.get("content") is not None:
        raise SchemaError("messages: a part is not text (an image, say); record token ids instead")
    return {**message, "content": text}
