"""The tokenizer: byte-level BPE in which a word is the same token everywhere.

"Nobel", "nobel" and the first word of a quotation are one token, after a mark for the capital (SHIFT) or a mark that
takes the space away (JOIN). A small model then finds a question's words in a passage, and copies them into an answer or
a JSON value, without learning a second spelling for each. Both marks are escaped where a text contains them, so that
every text comes back unchanged, and a mark at the end of an unfinished text is hidden until its letter follows.
"""

from __future__ import annotations

from collections.abc import Iterable
from string import ascii_lowercase, ascii_uppercase, digits

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from .alphabet import BYTES, JOIN, SHIFT, SPECIAL_TOKENS, VOCAB_SIZE

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}<bot>{{ message['content'] }}<end>"
    "{% else %}<user>{{ message['content'] }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<bot>{% endif %}"
)
PIECES = "|".join(
    (
        r" ?[\p{L}\p{M}]+",
        r" ?\p{N}{1,4}",
        rf"(?:{SHIFT}[a-z]){{2,}}",
        rf"{SHIFT}",
        rf"\s*[\r\n]+{JOIN}?",
        rf" ?[^\s\p{{L}}\p{{M}}\p{{N}}{SHIFT}]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)
"""Words, numbers, capitals, line ends, everything else: no merge crosses these borders."""


def empty_tokenizer() -> Tokenizer:
    """A tokenizer without merges: every rule is in place, the vocabulary is not."""
    tokenizer = Tokenizer(models.BPE())
    inside = r"(?<![\p{L}\p{M}\p{N} ])"
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(SHIFT, SHIFT + "!"),
            normalizers.Replace(JOIN, JOIN + "!"),
            *(normalizers.Replace(Regex(inside + c), f"{JOIN} {c}") for c in ascii_lowercase + digits),
            *(normalizers.Replace(Regex(inside + upper), f"{JOIN}{SHIFT} {lower}") for upper, lower in LETTERS),
            *(normalizers.Replace(" " + upper, SHIFT + " " + lower) for upper, lower in LETTERS),
            *(normalizers.Replace(upper, SHIFT + lower) for upper, lower in LETTERS),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.ByteLevel(),
            *(decoders.Replace(SHIFT + " " + lower, " " + upper) for upper, lower in LETTERS),
            *(decoders.Replace(SHIFT + lower, upper) for upper, lower in LETTERS),
            decoders.Replace(JOIN + " ", ""),
            decoders.Replace(Regex(rf"[{SHIFT}{JOIN}]+$"), ""),
            decoders.Replace(JOIN + "!", JOIN),
            decoders.Replace(SHIFT + "!", SHIFT),
        ]
    )
    return tokenizer


LETTERS = tuple(zip(ascii_uppercase, ascii_lowercase, strict=True))


def train_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """A tokenizer of ``VOCAB_SIZE`` entries learned from ``texts``; special tokens and bytes have fixed ids."""
    tokenizer = empty_tokenizer()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE,
        special_tokens=[AddedToken(t, normalized=False, special=True) for t in SPECIAL_TOKENS],
        initial_alphabet=BYTES,
        max_token_length=16,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return wrapped(tokenizer)


def wrapped(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    """The tokenizer as transformers loads it, with its chat template."""
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="<end>",
        additional_special_tokens=["<user>", "<bot>"],
        clean_up_tokenization_spaces=False,
        model_max_length=2048,
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast
