"""Token ids that are known before the tokenizer is trained: special tokens first, then the 256 bytes."""

from __future__ import annotations

from tokenizers.pre_tokenizers import ByteLevel

VOCAB_SIZE = 6144
SPECIAL_TOKENS = ("<pad>", "<end>", "<user>", "<bot>")
PAD, END, USER, BOT = range(4)

SHIFT = "\x0e"
"""Stands before a lower-case letter (or its space) that is a capital in the text."""
JOIN = "\x0f"
"""Stands before the space of a word that has none in the text."""

BYTES = sorted(ByteLevel.alphabet())


def byte_id(character: str) -> int:
    """The token id of one ASCII character or control character."""
    code = ord(character)
    shown = character if "!" <= character <= "~" else chr(256 + code) if code <= 32 else None
    if shown is None:
        raise ValueError(f"character {character!r}; need one below 127")
    return len(SPECIAL_TOKENS) + BYTES.index(shown)


FIRST_MERGED = len(SPECIAL_TOKENS) + len(BYTES)
