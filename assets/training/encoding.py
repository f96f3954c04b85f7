"""From text to token ids, with the place in the passage that every quoted token comes from."""

from __future__ import annotations

from functools import lru_cache

from transformers import PreTrainedTokenizerFast

from .alphabet import BOT, END, USER
from .documents import Branch, Document


class Encoder:
    """Encodes passages sentence by sentence; a sentence met again costs nothing."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self.tokenizer = tokenizer
        self.ids = lru_cache(maxsize=60000)(self._ids)
        self.user, self.bot, self.end = USER, BOT, END

    def _ids(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def spans(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Token ids and the characters that each stands for."""
        encoded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        return encoded["input_ids"], encoded["offset_mapping"]

    def passage(self, sentences: list[str] | tuple[str, ...]) -> tuple[list[int], list[int], list[int]]:
        """Prefix ids, the sentence of each, and where each sentence begins; sentences are joined by spaces."""
        prefix, numbers, starts = [USER], [-1], []
        for number, sentence in enumerate(sentences):
            ids = self.ids(sentence if number == 0 else " " + sentence)
            starts.append(len(prefix))
            prefix += ids
            numbers += [number] * len(ids)
        starts.append(len(prefix))
        return prefix, numbers, starts

    def quotation(
        self, sentences: list[str] | tuple[str, ...], prefix: list[int], starts: list[int], first: int, last: int
    ) -> tuple[list[int], list[int]]:
        """Answer ids of sentences ``first`` to ``last`` and the prefix position of each, end mark included."""
        answer = list(self.ids(" ".join(sentences[first : last + 1])))
        shift = starts[last + 1] - len(answer)
        same = [n + shift >= starts[first] and token == prefix[n + shift] for n, token in enumerate(answer)]
        sources = [n + shift if kept else -1 for n, kept in enumerate(same)]
        return [*answer, END], [*sources, -1]

    def question(self, text: str) -> list[int]:
        """The rest of the user's message after the passage, and the assistant's mark."""
        return [*self.ids("\n\n" + text), BOT]

    def edited(self, material: str, requests: list[tuple[str, str]], weight: float = 1.0) -> Document:
        """A document of one text and answers that copy much of it, one a request; sources are found by alignment."""
        prefix = [USER, *self.ids(material)]
        branches = []
        for request, answer in requests:
            ids = [*self.ids(answer), END]
            question = self.question(request) if request else [BOT]
            branches.append(Branch(question, ids, aligned(prefix, ids), weight=weight, begin_weight=2.0))
        return Document(prefix, branches)


def aligned(prefix: list[int], answer: list[int]) -> list[int]:
    """For every answer token, the prefix position it was copied from, or -1.

    >>> aligned([9, 1, 2, 3, 4, 5, 6], [7, 1, 2, 3, 8, 5, 6])
    [-1, 1, 2, 3, -1, 5, 6]
    """
    pairs: dict[tuple[int, int], list[int]] = {}
    for at in range(len(prefix) - 1):
        pairs.setdefault((prefix[at], prefix[at + 1]), []).append(at)
    sources: list[int] = []
    at = -1
    for number, token in enumerate(answer):
        if at >= 0 and at + 1 < len(prefix) and prefix[at + 1] == token:
            at += 1
            sources.append(at)
            continue
        following = answer[number + 1] if number + 1 < len(answer) else -1
        places = pairs.get((token, following), [])
        if not places and prefix.count(token) == 1:
            places = [prefix.index(token)]
        ahead = [p for p in places if p > at]
        if ahead or places:
            at = ahead[0] if ahead else places[0]
            sources.append(at)
        else:
            sources.append(-1)
    return sources
