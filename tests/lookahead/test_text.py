"""Text in and out: streamed pieces add up to the whole text, stop strings are seen at once, no second BOS."""

from __future__ import annotations

import copy
import os
import sys
from functools import cache, partial
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast, StopStringCriteria

from lookahead.backend import BackendError
from lookahead.hf import template_trial
from lookahead.hf.text import REPLACEMENT, OutputText, TextStream, Vocabulary, spelled

TEXTS = [
    "the quick brown fox jumps over the lazy dog",
    "hello, world! it's   me.",
    "naïve café – ünïcode ✓ 日本語 🎉",
] * 3
TEMPLATE = "{{ bos_token }}{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}[assistant]"


@cache
def byte_level() -> PreTrainedTokenizerFast:
    """Byte-level BPE like GPT-2's: a character may be split over tokens."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=320, initial_alphabet=alphabet, special_tokens=["<s>", "</s>", "<|end|>"])
    inner.train_from_iterator(TEXTS, trainer)
    inner.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>")


@cache
def byte_fallback() -> PreTrainedTokenizerFast:
    """Pieces with a space mark, and byte tokens for what they cannot spell, like Llama's."""
    pieces = [
        "<unk>",
        "<s>",
        "</s>",
        *(f"<0x{byte:02X}>" for byte in range(256)),
        "▁",
        "▁a",
        "a",
        "b",
        "▁the",
        "é",
        ".",
    ]
    inner = Tokenizer(
        models.BPE({piece: index for index, piece in enumerate(pieces)}, [], unk_token="<unk>", byte_fallback=True)
    )
    inner.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    inner.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    inner.add_special_tokens([AddedToken(token, special=True) for token in ("<unk>", "<s>", "</s>")])
    return PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>", bos_token="<s>", eos_token="</s>")


TOKENIZERS = {"byte-level": byte_level, "byte-fallback": byte_fallback}


@pytest.mark.parametrize("name", TOKENIZERS)
def test_an_expected_text_is_written_as_the_model_would_write_it(name):
    """After a prompt, without a beginning of its own: no BOS, and no space that stands for the start of a text."""
    vocabulary = Vocabulary(TOKENIZERS[name]())
    whole = vocabulary.encode("a the ab. the", raw=True)
    for split in range(1, len(whole)):
        before, rest = whole[:split], whole[split:]
        if not vocabulary.decode(before):
            continue  # only the space that stands for the start of a text
        text = vocabulary.decode(whole)[len(vocabulary.decode(before)) :]
        assert vocabulary.decode([*before, *vocabulary.encode_after(before, text)]) == vocabulary.decode(whole)
        assert vocabulary.encode_after(before, text) == rest
    assert vocabulary.encode_after(whole, "") == []


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("skip_special", [True, False])
@given(data=st.data())
def test_streamed_pieces_add_up_to_the_whole_text(name, skip_special, data):
    vocabulary = Vocabulary(TOKENIZERS[name]())
    size = len(TOKENIZERS[name]())
    ids = data.draw(st.lists(st.integers(0, size - 1), max_size=30))
    stream, pieces = TextStream(vocabulary, skip_special), []
    while ids[len(pieces) :]:
        pieces.append(stream.push(ids[len(pieces) : len(pieces) + 1]))
    assert "".join(pieces) + stream.finish() == vocabulary.decode(ids, skip_special)


@pytest.mark.parametrize("name", TOKENIZERS)
@given(data=st.data())
def test_decoding_is_the_tokenizers_own(name, data):
    tokenizer = TOKENIZERS[name]()
    ids = data.draw(st.lists(st.integers(0, len(tokenizer) - 1), max_size=30))
    assert Vocabulary(tokenizer).decode(ids) == tokenizer.decode(
        ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
    )


@given(st.text(max_size=30))
def test_valid_text_streams_without_replacement_characters(text):
    vocabulary = Vocabulary(byte_level())
    ids = vocabulary.encode(text, raw=True)
    stream = TextStream(vocabulary)
    pieces = [stream.push((token_id,)) for token_id in ids]
    assert "".join(pieces) + stream.finish() == text
    if "\ufffd" not in text:
        assert not any("\ufffd" in piece for piece in pieces), "half a character was shown"


def _stops(text: OutputText, token_id: int) -> bool:
    """Whether this token completes a stop string."""
    text.push((token_id,))
    return text.stopped


def test_a_character_is_held_back_until_it_is_whole():
    vocabulary = Vocabulary(byte_level())
    ids = byte_level().encode("ж", add_special_tokens=False)
    assert len(ids) == 2
    stream = TextStream(vocabulary)
    assert [stream.push((ids[0],)), stream.push((ids[1],))] == ["", "ж"]


@pytest.mark.parametrize("name", TOKENIZERS)
@given(data=st.data())
def test_a_stop_string_is_seen_at_the_first_token_after_which_the_text_holds_it(name, data):
    tokenizer = TOKENIZERS[name]()
    vocabulary = Vocabulary(tokenizer)
    ids = data.draw(st.lists(st.integers(0, len(tokenizer) - 1), min_size=1, max_size=25))
    letter = vocabulary.encode("a", raw=True)
    before = len(vocabulary.decode(letter, skip_special=False))
    text = vocabulary.decode(letter + ids, skip_special=False)[before:]
    if text and data.draw(st.booleans()):
        start = data.draw(st.integers(0, len(text) - 1))
        stop = [text[start : start + data.draw(st.integers(1, 6))], "zzz"]
    else:
        stop = data.draw(st.lists(st.text("abthe .<s>", min_size=1, max_size=4), min_size=1, max_size=3))
    watched = OutputText(vocabulary, stop)
    for count, token_id in enumerate(ids, start=1):
        so_far = vocabulary.decode(letter + ids[:count], skip_special=False)[before:]
        found = any(string in so_far for string in stop)
        assert _stops(watched, token_id) == found
        if found:
            break


@pytest.mark.parametrize("name", TOKENIZERS)
@given(data=st.data())
def test_a_stop_string_ends_an_output_where_transformers_ends_it(name, data):
    tokenizer = TOKENIZERS[name]()
    vocabulary = Vocabulary(tokenizer)
    plain = [token_id for token_id in range(len(tokenizer)) if vocabulary.alone(token_id).strip().isascii()]
    plain = [token_id for token_id in plain if token_id not in (*vocabulary.byte_ids, *tokenizer.all_special_ids)]
    ids = data.draw(st.lists(st.sampled_from(plain), min_size=2, max_size=20))
    prompt = data.draw(st.integers(1, len(ids) - 1))
    text = vocabulary.decode(ids)
    start = data.draw(st.integers(0, max(0, len(text) - 1)))
    stop = [text[start : start + data.draw(st.integers(1, 6))] or "x", "zzz"]
    theirs = StopStringCriteria(tokenizer, stop)
    watched = OutputText(vocabulary, stop, ids[:prompt])
    for count in range(prompt + 1, len(ids) + 1):
        found = bool(theirs(torch.tensor([ids[:count]]), None))  # pyright: ignore[reportArgumentType]
        assert _stops(watched, ids[count - 1]) == found
        if found:
            break


def test_a_space_that_a_text_begins_with_counts_as_it_does_for_transformers():
    tokenizer = byte_fallback()
    space = tokenizer.get_vocab()["▁"]
    assert tokenizer.decode([space, space]) == " ", "one of the two is dropped"
    assert StopStringCriteria(tokenizer, ["  "])(torch.tensor([[space, space]]), None)  # pyright: ignore[reportArgumentType]
    assert _stops(OutputText(Vocabulary(tokenizer), ["  "], [space]), space)


def test_letters_that_a_later_byte_changes_count_as_new():
    watched = OutputText(Vocabulary(byte_fallback()), [" a\ufffd"])
    first = byte_fallback().get_vocab()["<0x00>"]
    assert [_stops(watched, token_id) for token_id in (byte_fallback().get_vocab()["▁a"], first, first + 128)] == [
        False,
        False,
        True,
    ]


def test_a_stop_string_may_begin_in_the_prompt_but_not_end_there():
    vocabulary = Vocabulary(byte_level())
    prompt, output = (vocabulary.encode(text, raw=True)[1:] for text in ("a fox", "ox jumps"))
    for stop, wanted in (("foxo", True), ("o", True), ("fox", False), ("x", False), ("a", False)):
        text = OutputText(vocabulary, [stop, "far too long for that"], prompt)
        assert _stops(text, output[0]) == wanted, stop


@given(st.lists(st.lists(st.integers(0, 1), max_size=4)), st.lists(st.text("ab", min_size=1, max_size=4), max_size=3))
def test_the_shown_text_is_the_text_before_the_first_stop(chunks, stop):
    vocabulary = Vocabulary(byte_level())
    letters = [byte_level().get_vocab()[name] for name in "ab"]
    output = OutputText(vocabulary, stop)
    shown = [output.push([letters[which] for which in chunk]) for chunk in chunks] + [output.finish()]
    # A run ends with the token that completes a stop string; what follows in the text never came.
    text = "".join("ab"[which] for chunk in chunks for which in chunk)
    assert "".join(shown) == output.text
    assert output.stopped == any(string in text for string in stop)
    assert output.text == text[: len(output.text)]
    assert output.text == text if not output.stopped else not any(string in output.text for string in stop)


def test_special_tokens_are_seen_as_stop_strings():
    vocabulary = Vocabulary(byte_level())
    watched = OutputText(vocabulary, ["<|end|>"])
    assert [_stops(watched, token_id) for token_id in (5, 60, 2)] == [False, False, True]


def test_prompts_with_a_chat_template_get_one_bos():
    tokenizer = byte_level()
    plain = Vocabulary(tokenizer).encode("hello")
    assert plain[0] == 0
    assert plain.count(0) == 1
    tokenizer.chat_template = TEMPLATE
    try:
        vocabulary = Vocabulary(tokenizer)
        chat = vocabulary.encode("hello")
        assert tokenizer.decode(chat) == "<s>[user]hello[assistant]"
        assert chat.count(0) == 1
        assert vocabulary.encode("hello", raw=True) == plain
        assert vocabulary.encode("<s>hello", raw=True) == plain, "a BOS that is written out is not added again"
    finally:
        tokenizer.chat_template = None


def test_the_fingerprint_tells_tokenizers_apart_and_is_stable():
    first, second = Vocabulary(byte_level()).fingerprint(), Vocabulary(byte_fallback()).fingerprint()
    assert first != second
    assert second == Vocabulary(byte_fallback()).fingerprint()
    assert len(second) == 16


def test_a_trained_tokenizer_reads_what_it_wrote(stories260k):
    from transformers import AutoTokenizer

    vocabulary = Vocabulary(AutoTokenizer.from_pretrained(stories260k))
    text = "Once upon a time, in a land far away – ünïcode 🎉"
    assert vocabulary.decode(vocabulary.encode(text)) == text


@pytest.mark.parametrize("name", TOKENIZERS)
@given(letter=st.characters(min_codepoint=0x80, exclude_categories=["Cs"]))
def test_the_parts_of_a_letter_are_called_by_their_bytes(name, letter):
    tokenizer = TOKENIZERS[name]()
    vocabulary = Vocabulary(tokenizer)
    parts = tokenizer(letter, add_special_tokens=False)["input_ids"]
    labels = [vocabulary.label(part, vocabulary.decode((part,), skip_special=False)) for part in parts]
    if len(letter.encode()) == len(parts) and letter not in labels:  # one token a byte
        assert labels == [f"⟨{byte:02X}⟩" for byte in letter.encode()]
    assert letter == REPLACEMENT or not any(REPLACEMENT in label for label in labels)


def test_whole_letters_beside_a_part_of_one_stay_letters():
    assert spelled("né".encode()[:-1]) == "n⟨C3⟩"
    assert spelled(b"\xe2\x82 ok \xff") == "⟨E2 82⟩ ok ⟨FF⟩"
    assert spelled(REPLACEMENT.encode()) == REPLACEMENT


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ raise_exception('roles must alternate') }}", "roles must alternate"),
        ("{% for m in %}", "Expected an expression"),
        ("{{ missing.field }}", "'missing' is undefined"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ messages.content }}", "it writes nothing"),
        ({"rag": "x", "tool_use": "y"}, "none of its chat templates (rag, tool_use) is the default"),
    ],
)
def test_a_chat_template_that_refuses_is_one_line(template, reason):
    tokenizer = copy.deepcopy(byte_level())
    tokenizer.chat_template = template
    vocabulary = Vocabulary(tokenizer)
    with pytest.raises(BackendError) as error:
        vocabulary.encode("hello")
    assert str(error.value) == vocabulary.template_fault()
    assert "\n" not in str(error.value)
    assert reason in str(error.value)
    assert str(error.value).endswith("--raw sends the prompt as it is")
    assert vocabulary.encode("hello", raw=True)


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
        "{{ 9 ** (9 ** 9) }}",
        "{% set n = namespace(s='ab' * 999) %}{% for a in range(60) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
    ],
)
def test_a_chat_template_that_does_not_end_is_one_line(template, monkeypatch):
    monkeypatch.setattr(template_trial, "SECONDS", 0.3)
    tokenizer = copy.deepcopy(byte_level())
    tokenizer.chat_template = template
    vocabulary = Vocabulary(tokenizer)
    line = "its chat template refused the prompt (it takes too much time or memory); --raw sends the prompt as it is"
    assert vocabulary.template_fault() == line
    monkeypatch.setattr(template_trial, "ends", None)  # it is tried once
    with pytest.raises(BackendError, match="time or memory"):
        vocabulary.encode("hello")
    assert vocabulary.encode("hello", raw=True)


def test_a_chat_template_that_writes_more_than_can_run_is_one_line(monkeypatch):
    monkeypatch.setattr("lookahead.hf.text.MAX_TOKENS", 100)
    tokenizer = copy.deepcopy(byte_level())
    tokenizer.chat_template = "{{ 'a' * 2001 }}"
    assert "it writes 2,001 characters" in (Vocabulary(tokenizer).template_fault() or "")


@pytest.mark.parametrize(
    ("call", "ended"), [(int, True), (lambda: 1 / 0, True), (partial(os._exit, 3), False), (sys.exit, False)]
)
def test_what_a_trial_says(call, ended):
    assert template_trial.ends(call) is ended


def test_a_named_default_template_is_taken():
    tokenizer = copy.deepcopy(byte_level())
    tokenizer.chat_template = {"rag": "x", "default": TEMPLATE}
    vocabulary = Vocabulary(tokenizer)
    assert vocabulary.template_fault() is None
    assert tokenizer.decode(vocabulary.encode("hello")) == "<s>[user]hello[assistant]"


class OtherTokenizer(PreTrainedTokenizerBase):
    """A tokenizer class that lacks what MistralCommonBackend or an older class lacks, and writes chats itself."""

    chat_template = None
    bos_token_id = 0
    all_special_ids = (0, 1, 2)  # type: ignore[assignment]
    inner: Any

    def __init__(self) -> None:
        self.__dict__["inner"] = byte_level()

    def __len__(self) -> int:
        return len(self.inner)

    def __call__(self, text, add_special_tokens=True):  # type: ignore[override]
        return self.inner(text, add_special_tokens=add_special_tokens)

    def added_tokens_decoder(self):  # type: ignore[override]
        raise NotImplementedError

    def convert_ids_to_tokens(self, ids):  # type: ignore[override]
        return self.inner.convert_ids_to_tokens(ids)

    def decode(self, token_ids, skip_special_tokens=False):  # type: ignore[override]
        return self.inner.decode(token_ids, skip_special_tokens, clean_up_tokenization_spaces=False)

    def apply_chat_template(self, conversation, **options):  # type: ignore[override]
        assert options.get("tokenize", True)
        return {"input_ids": [0, 2, *self(conversation[0]["content"], False)["input_ids"]]}


def test_a_tokenizer_class_with_other_parts():
    ordinary, vocabulary = Vocabulary(byte_level()), Vocabulary(OtherTokenizer())
    text = "naïve – 日本語"
    assert vocabulary.encode(text, raw=True) == ordinary.encode(text, raw=True)
    assert vocabulary.decode(vocabulary.encode(text, raw=True)) == text
    assert vocabulary.encode(text)[:2] == [0, 2]
    assert vocabulary.highest_id == ordinary.highest_id
    assert vocabulary.fingerprint() == ordinary.fingerprint()
    part = vocabulary.encode("日", raw=True)[-1]
    assert vocabulary.label(part, vocabulary.alone(part)).startswith("⟨")


@pytest.mark.parametrize("part", ["__call__", "decode", "convert_ids_to_tokens", "get_vocab"])
def test_whatever_a_tokenizer_raises_is_one_line(monkeypatch, part):
    def fail(*_: object, **__: object) -> None:
        raise KeyError("several\nlines")

    monkeypatch.setattr(OtherTokenizer, part, fail)
    with pytest.raises(BackendError, match=r"several.*lines") as error:  # noqa: PT012, each part fails elsewhere
        vocabulary = Vocabulary(OtherTokenizer())
        ids = vocabulary.encode("日", raw=True)
        vocabulary.label(ids[-1], vocabulary.decode(ids[-1:]))
    assert "\n" not in str(error.value)
