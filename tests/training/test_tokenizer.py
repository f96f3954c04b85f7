"""The tokenizer: every text comes back, a word is one token wherever it stands, unfinished texts are beginnings."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.training.alphabet import END, JOIN, SHIFT, VOCAB_SIZE, byte_id
from assets.training.mixture import tokenizer_texts
from assets.training.real_text import RealText
from assets.training.tokenizer import train_tokenizer

AWKWARD = st.text(
    alphabet=st.one_of(
        st.sampled_from(list(f'aBzZ{SHIFT}{JOIN}! .é\u0301"_\n\t<9')),
        st.characters(codec="utf-8"),
    )
)


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(tokenizer_texts(RealText(), seed=0, size=300))


@settings(max_examples=400, deadline=None)
@given(text=AWKWARD)
def test_any_text_comes_back(tokenizer, text):
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


@settings(max_examples=100, deadline=None)
@given(text=st.text(alphabet=st.sampled_from(list("abT Z.\n\"'(_1")), max_size=40))
def test_what_is_decoded_of_an_unfinished_text_is_its_beginning(tokenizer, text):
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    for end in range(len(ids) + 1):
        assert text.startswith(tokenizer.decode(ids[:end]))


def test_a_word_is_the_same_token_everywhere(tokenizer):
    word = tokenizer(" company", add_special_tokens=False)["input_ids"]
    assert len(word) == 1
    for text in ("Company", "the Company", 'the "company"', "company", "my_company(x)"):
        assert word[0] in tokenizer(text, add_special_tokens=False)["input_ids"]


def test_ids_known_beforehand(tokenizer):
    assert len(tokenizer) <= VOCAB_SIZE
    assert tokenizer.eos_token_id == END
    assert byte_id(".") == tokenizer.convert_tokens_to_ids(".")
    assert tokenizer(SHIFT, add_special_tokens=False)["input_ids"][0] == byte_id(SHIFT)
