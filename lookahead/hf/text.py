"""Text in and out of a tokenizer: prompts, streamed output, stop strings, the tokenizer's fingerprint."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from os.path import commonprefix
from typing import Any

from transformers import PreTrainedTokenizerBase

from lookahead.backend import BackendError
from lookahead.config import MAX_TOKENS
from lookahead.hf import template_trial

REPLACEMENT = "\ufffd"
_PRINTED = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_BYTES = {chr(byte): byte for byte in _PRINTED} | {
    chr(0x100 + place): byte for place, byte in enumerate(byte for byte in range(256) if byte not in _PRINTED)
}
"""How byte-level tokenizers write bytes: printable ones as they are, others from U+0100 on (Radford et al. 2019)."""
_RAW = "--raw sends the prompt as it is"
_ESCAPED = re.compile("[\udc80-\udcff]+")


def spelled(found: bytes) -> str:
    """UTF-8 as text; bytes that are not a whole character as numbers.

    >>> spelled(b"caf\\xc3")
    'caf⟨C3⟩'
    """
    text = found.decode("utf-8", "surrogateescape")
    return _ESCAPED.sub(lambda run: f"⟨{run[0].encode('utf-8', 'surrogateescape').hex(' ').upper()}⟩", text)


def _short(error: Exception) -> str:
    """The error in a few words."""
    message = " ".join(str(error).split()) or type(error).__name__
    return message if len(message) <= 160 else f"{message[:160]}..."


@contextmanager
def _one_line(what: str, advice: str = "") -> Iterator[None]:
    """Turn whatever a tokenizer's code raises (a template's errors are not even ValueErrors) into a BackendError."""
    try:
        yield
    except Exception as error:
        raise BackendError(f"{what} ({_short(error)})" + (f"; {advice}" if advice else "")) from error


def _tokens(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """The id of every token."""
    try:
        return dict(tokenizer.get_vocab())
    except (AttributeError, NotImplementedError):
        names: Any = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
        return {name: token_id for token_id, name in enumerate(names)}


def _spelling(tokenizer: PreTrainedTokenizerBase, token_id: int) -> dict[str, bool]:
    """The keyword arguments that make ``decode`` spell tokens as they are."""
    exact = {"clean_up_tokenization_spaces": False}
    try:
        tokenizer.decode([token_id], **exact)  # type: ignore[arg-type]
    except (TypeError, ValueError):  # not every class has that keyword
        return {}
    return exact


class Vocabulary:
    """A tokenizer as the backend uses it.

    Raises:
        BackendError: Here and in every method, if the code of the tokenizer or of its chat template fails.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        with _one_line(f"its tokenizer ({type(tokenizer).__name__}) cannot be used"):
            added = getattr(tokenizer, "added_tokens_decoder", None)
            if isinstance(added, dict):
                self._special_ids = {token_id for token_id, token in added.items() if token.special}
            else:  # mistral-common's tokenizer has a method of that name, which only raises
                self._special_ids = set(tokenizer.all_special_ids)
            self._tokens = _tokens(tokenizer)
            self._spelling = _spelling(tokenizer, next(iter(self._tokens.values())))
        tokens = self._tokens
        self.byte_ids = {tokens[name]: byte for byte in range(256) if (name := f"<0x{byte:02X}>") in tokens}
        self._alone: dict[int, str] = {}
        self._template_ends: bool | None = None  # tried before its first use

    @property
    def highest_id(self) -> int:
        """The largest token id that it knows."""
        return max(self._tokens.values())

    def from_id(self, first: int) -> list[int]:
        """The ids that it knows from this one on, without the special ones."""
        return self.shown([token_id for token_id in self._tokens.values() if token_id >= first])

    def encode(self, text: str, raw: bool = False) -> list[int]:
        """The prompt's token ids: unless ``raw`` the text is the user's message, if there is a chat template."""
        if not raw and self._chats:
            return self.encode_chat([{"role": "user", "content": text}])
        with _one_line("the tokenizer cannot encode the prompt"):
            ids = list(self._tokenizer(text)["input_ids"])  # type: ignore[arg-type]
        bos_id = self._tokenizer.bos_token_id
        return ids[1:] if bos_id is not None and ids[:2] == [bos_id, bos_id] else ids

    def encode_after(self, ids: Sequence[int], text: str) -> list[int]:
        """The token ids of a text as the model would write it after these tokens.

        Tokenizers write the beginning of a text otherwise than its middle (with a space, say, or a BOS), so it is
        encoded behind the end of what precedes it.
        """
        before = self.decode(ids[-8:], skip_special=False)
        with _one_line("the tokenizer cannot encode the expected text"):
            head, whole, alone = (
                list(self._tokenizer(one, add_special_tokens=False)["input_ids"])  # type: ignore[arg-type]
                for one in (before, before + text, text)
            )
        return whole[len(head) :] if whole[: len(head)] == head else alone

    @property
    def _own_template(self) -> bool:
        """Whether the tokenizer writes chats in code of its own (mistral-common's)."""
        return type(self._tokenizer).apply_chat_template is not PreTrainedTokenizerBase.apply_chat_template

    @property
    def _chats(self) -> bool:
        return self._own_template or self._tokenizer.chat_template is not None

    def encode_chat(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None = None) -> list[int]:
        """Messages as the chat template writes them, special tokens and BOS included.

        Args:
            tools: Descriptions of the tools that the model may call, as JSON schemas.
        """
        tokenizer: Any = self._tokenizer
        if isinstance(tokenizer.chat_template, dict) and "default" not in tokenizer.chat_template:
            names = ", ".join(map(str, tokenizer.chat_template))
            raise BackendError(f"none of its chat templates ({names}) is the default; {_RAW}")
        with _one_line("its chat template refused the prompt", _RAW):
            if self._own_template:
                return list(tokenizer.apply_chat_template(messages, tools=tools)["input_ids"])
            options = {"tools": tools, "add_generation_prompt": True, "tokenize": False}
            render = partial(tokenizer.apply_chat_template, messages, **options)
            if self._template_ends is None:
                self._template_ends = template_trial.ends(render)
            if not self._template_ends:
                raise TimeoutError("it takes too much time or memory")
            if len(prompt := render()) > 20 * MAX_TOKENS:
                raise ValueError(f"it writes {len(prompt):,} characters")
            if not prompt:
                raise ValueError("it writes nothing")
            return list(tokenizer(prompt, add_special_tokens=False)["input_ids"])

    def template_fault(self) -> str | None:
        """Why the chat template refuses even a short prompt; None if it accepts it or there is none."""
        try:
            if self._chats:
                self.encode("Hello")
        except BackendError as error:
            return str(error)
        return None

    def decode(self, ids: Sequence[int], skip_special: bool = True) -> str:
        """The text of these tokens, exactly as the tokenizer spells it."""
        shown = self.shown(ids) if skip_special else list(ids)
        with _one_line("the tokenizer cannot spell the output"):
            return str(self._tokenizer.decode(shown, **self._spelling)) if shown else ""

    def alone(self, token_id: int) -> str:
        """The text of a single token, special or not; remembered."""
        text = self._alone.get(token_id)
        if text is None:
            text = self._alone[token_id] = self.decode((token_id,), skip_special=False)
        return text

    def shown(self, ids: Sequence[int]) -> list[int]:
        """These tokens without the special ones."""
        return [token_id for token_id in ids if token_id not in self._special_ids]

    def label(self, token_id: int, text: str) -> str:
        """The label of a single token: its text, or its bytes if it is only a part of a character."""
        if REPLACEMENT not in text:
            return text
        if token_id in self.byte_ids:
            found = bytes([self.byte_ids[token_id]])
        else:
            with _one_line("the tokenizer cannot spell a token"):
                letters = str(self._tokenizer.convert_ids_to_tokens(token_id))
            if not all(letter in _BYTES for letter in letters):
                return text
            found = bytes(_BYTES[letter] for letter in letters)
        return spelled(found)

    def fingerprint(self) -> str:
        """A hash of every token and its id, 16 hex digits; the same on every machine."""
        digest = hashlib.sha256()
        for token, token_id in sorted(self._tokens.items(), key=lambda item: (item[1], item[0])):
            digest.update(f"{token_id}\0{token}\0".encode("utf-8", "surrogatepass"))
        return digest.hexdigest()[:16]


class TextStream:
    """Text of an output that grows token by token: the pieces add up to the text of the whole output.

    A piece is held back while later tokens may still change it: within a UTF-8 sequence, and within a run of byte
    tokens (if the run is not UTF-8, sentencepiece spells all of it with replacement characters).
    """

    def __init__(self, vocabulary: Vocabulary, skip_special: bool = True) -> None:
        self._vocabulary = vocabulary
        self._skip_special = skip_special
        self._before: list[int] = []  # the last tokens whose text is out: what follows is spelled after them
        self._before_text = ""
        self._held: list[int] = []
        self.held_text = ""

    def push(self, token_ids: Sequence[int]) -> str:
        """The text that these tokens complete (may be empty)."""
        self._held += self._vocabulary.shown(token_ids) if self._skip_special else token_ids
        if not self._held:
            return ""
        text = self._vocabulary.decode(self._before + self._held, skip_special=False)
        self.held_text = text[len(self._before_text) :]
        if text.endswith(REPLACEMENT) or self._held[-1] in self._vocabulary.byte_ids:
            return ""
        return self._settle()

    def finish(self) -> str:
        """The text still held back."""
        return self._settle()

    def _settle(self) -> str:
        piece, self.held_text = self.held_text, ""
        held = self._held
        alone = self._vocabulary.alone(held[0]) if len(held) == 1 else self._vocabulary.decode(held, skip_special=False)
        # Tokens without text on their own (a space that is stripped at the start) cannot serve as the context.
        if alone:
            self._before, self._before_text = held, alone
        else:
            self._before = self._before + held
            self._before_text = self._vocabulary.decode(self._before, skip_special=False)
        self._held = []
        return piece


class OutputText:
    """The text of one output as it grows, up to its first stop string.

    A stop string is looked for in the text with special tokens spelled out, and it may begin in the prompt.
    ``push`` returns the text without special tokens, and holds back what may still become a stop string.

    Args:
        stop: The stop strings, none empty.
        prompt_ids: The tokens before the output, which is spelled after them; a stop string that ends there does not
            count.

    Attributes:
        text: All text that ``push`` and ``finish`` have returned so far.
        stopped: Whether a stop string, or at least its last character, is in the output.
    """

    def __init__(self, vocabulary: Vocabulary, stop: Sequence[str] = (), prompt_ids: Sequence[int] = ()) -> None:
        self.text = ""
        self.stopped = False
        self._stop = tuple(stop)
        self._longest = max(map(len, self._stop), default=1)
        self._stream = TextStream(vocabulary)
        self._held = ""
        self._cut = False
        self._spelled, self._tail = TextStream(vocabulary, skip_special=False), ""
        if self._stop:
            # After a letter, because some tokenizers drop a leading space, and generate counts it.
            self._spelled.push(vocabulary.encode("a", raw=True))
            self._tail = self._last(self._spelled.push(prompt_ids))

    def push(self, token_ids: Sequence[int]) -> str:
        """The text that may be shown now (may be empty)."""
        for token_id in token_ids if self._stop else ():
            self.stopped = self.stopped or self._stops(token_id)
        return self._shown(self._stream.push(token_ids), last=False)

    def finish(self) -> str:
        """The rest of the text."""
        return self._shown(self._stream.finish(), last=True)

    def _stops(self, token_id: int) -> bool:
        """Whether this token completes a stop string."""
        before = self._tail + self._spelled.held_text
        settled = self._tail + self._spelled.push((token_id,))
        text = settled + self._spelled.held_text
        # A later byte may have changed the text that was held back.
        known = len(commonprefix((before, text)))  # noqa: RUF071, these are not paths
        self._tail = self._last(settled)
        return any(text.find(string, max(0, known - len(string) + 1)) >= 0 for string in self._stop)

    def _last(self, text: str) -> str:
        """The end of the text, as much as a stop string can begin in."""
        return text[max(0, len(text) - self._longest + 1) :]

    def _shown(self, piece: str, last: bool) -> str:
        if self._cut:
            return ""
        text = self._held + piece
        found = [place for string in self._stop if (place := text.find(string)) >= 0]
        if found:
            self._cut, keep = True, min(found)
        else:
            keep = len(text) if last else len(text) - self._possible_start(text)
        self._held = text[keep:]
        self.text += text[:keep]
        return text[:keep]

    def _possible_start(self, text: str) -> int:
        """Length of the longest end of the text that a stop string begins with."""
        for length in range(min(self._longest - 1, len(text)), 0, -1):
            if any(string.startswith(text[-length:]) for string in self._stop):
                return length
        return 0
