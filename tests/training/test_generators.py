"""The task generators: right answers, values kept apart, and the bookkeeping that training relies on."""

import json
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.training.ambiguity import AFTER_FOUR, AFTER_ONE, AFTER_TWO, PLAIN, followers
from assets.training.documents import Document
from assets.training.edits import DECISION, edited_code, kept_and_new, places_in_request
from assets.training.encoding import Encoder, aligned
from assets.training.extraction import extraction_request
from assets.training.facts import domains, tell
from assets.training.grounded import Grounded
from assets.training.mixture import Mixture, Shares, tokenizer_texts, weights_of
from assets.training.names import Names, held_out
from assets.training.packing import Row, stack
from assets.training.problems import problem
from assets.training.random_copying import random_document
from assets.training.real_text import AskedPassage, RealText, split_sentences
from assets.training.rewriting import rewritten, written_function
from assets.training.scrambling import Scrambler
from assets.training.stories import told_story
from assets.training.tangling import NAME, tangled
from assets.training.tokenizer import train_tokenizer

SEEDS = st.integers(0, 10_000)
PASSAGES = (
    AskedPassage("Lamp", ("The lamp was made in 1901.", "Ida Berg sold it."), "who sold the lamp", ("Ida Berg",)),
    AskedPassage(
        "Sea", ("The sea is deep.", '"It is cold," he said.', "Fish live there."), "how is the sea", ("deep",)
    ),
)


@pytest.fixture(scope="module")
def encoder():
    return Encoder(train_tokenizer(tokenizer_texts(RealText(passages=PASSAGES), seed=0, size=200)))


@given(seed=SEEDS)
def test_every_fact_states_its_value_and_no_place_is_left_open(seed):
    rng = random.Random(seed)
    for fact in tell(rng, Names(rng), 8).facts:
        assert fact.value.lower() in fact.sentence.lower()
        assert fact.questions
        assert "{" not in fact.sentence + "".join(fact.questions)


def test_domains_are_complete():
    assert len(domains()) >= 12
    for domain in domains():
        assert any("{s}" in sentence for fact in domain.facts for sentence in fact.sentences)


@given(seed=SEEDS)
def test_extracted_values_are_in_the_passage(seed):
    rng = random.Random(seed)
    story = tell(rng, Names(rng), 6)
    request, answer = extraction_request(rng, story)
    for field, value in json.loads(answer).items():
        assert field in request
        assert value.lower() in story.passage.lower()


@given(seed=SEEDS)
def test_rewritten_code_still_compiles_and_differs(seed):
    rng = random.Random(seed)
    code = written_function(rng)
    edit = rewritten(rng, code)
    if edit is not None:
        compile(edit[1], "answer", "exec")
        assert edit[1] != code


@given(seed=SEEDS)
def test_every_token_of_tangled_code_is_copied_from_its_own_place(seed, encoder):
    rng = random.Random(seed)
    code = tangled(rng, written_function(rng))
    edit = rewritten(rng, code)
    if edit is None or "docstring" in edit[0]:
        return
    (branch,) = edited_code(encoder, code, [edit]).branches
    kept = [source for source in branch.sources or [] if 0 <= source <= len(encoder.ids(code))]
    assert kept == sorted(set(kept))


@given(seed=SEEDS)
def test_tangling_keeps_the_first_line_and_adds_no_name(seed):
    rng = random.Random(seed)
    code = written_function(rng)
    changed = tangled(rng, code)
    assert changed.split("\n")[0] == code.split("\n")[0]
    assert set(NAME.findall(changed)) <= {*NAME.findall(code), "or", "and", "in"}


@given(seed=SEEDS)
def test_stories_and_problems_are_finished_text(seed):
    rng = random.Random(seed)
    assert "{" not in " ".join(told_story(rng))
    assert problem(rng)[1].splitlines()[-1].startswith("The answer is ")


@given(seed=SEEDS)
def test_made_up_names_of_training_and_evaluation_never_meet(seed):
    assert not held_out(Names(random.Random(seed)).invented(["a", "en"]))
    assert held_out(Names(random.Random(seed), evaluation=True).invented(["a", "en"]))


def copied_tokens(document: Document) -> None:
    for branch in document.branches:
        for token, source in zip(branch.answer, branch.sources or (), strict=False):
            assert source < 0 or [*document.prefix, *branch.question][source] == token


@settings(max_examples=15)
@given(seed=SEEDS)
def test_sources_point_at_the_token_they_copy(seed, encoder):
    text = RealText(passages=PASSAGES)
    copied_tokens(random_document(np.random.default_rng(seed), 4, 9, 5))
    documents = Mixture(seed, encoder, text, Shares()).documents()
    for _ in range(4):
        copied_tokens(next(documents))


@given(seed=SEEDS)
def test_every_token_of_an_edit_has_a_source_and_new_ones_come_from_the_request(seed, encoder):
    rng = random.Random(seed)
    code = written_function(rng)
    edit = rewritten(rng, code)
    if edit is None or "docstring" in edit[0]:
        return
    document = edited_code(encoder, code, [edit])
    (branch,) = document.branches
    sources = branch.sources or []
    assert sources.count(-1) <= 2  # the end, and a mark that the new name does without
    decisions = [n for n, weight in enumerate(branch.emphasis or []) if weight == DECISION]
    assert decisions
    for number in decisions:
        assert sources[number] >= len(document.prefix)
        assert (branch.followed or [])[number] == sources[number - 1] + 1


def test_what_is_new_is_found_in_the_request_as_a_whole_word():
    request, answer = "Use 74 instead of 874.", "return 74"
    found = places_in_request(answer, kept_and_new("return 874", answer), request)
    assert found == [-1] * 7 + [4, 5]


def test_a_token_is_hard_to_copy_where_the_words_before_it_stand_elsewhere():
    known = followers([9, 1, 2, 3, 1, 2, 4, 5])
    assert [known.hardness(n) for n in (2, 3, 4, 6, 7)] == [PLAIN, AFTER_TWO, PLAIN, AFTER_TWO, PLAIN]
    assert followers([9, 1, 2, 3, 6, 2, 4]).hardness(3) == AFTER_ONE
    alike = followers([9, 1, 2, 3, 4, 5, 8, 1, 2, 3, 4, 6])
    assert [alike.hardness(n) for n in (5, 11)] == [AFTER_FOUR, AFTER_FOUR]


@given(seed=SEEDS)
def test_scrambling_keeps_the_words_it_is_told_to_keep(seed):
    rng = random.Random(seed)
    sentences = [s for p in PASSAGES for s in p.sentences]
    changed = Scrambler(rng, sentences).scrambled(sentences, {"lamp", "sea"})
    assert len(changed) == len(sentences)
    for old, new in zip(sentences, changed, strict=True):
        assert new.split()[-1] == old.split()[-1]
        assert not {"lamp", "sea"} & set(old.split()) - set(new.split())


@given(seed=SEEDS)
def test_a_list_goes_into_a_sentence_and_leaves_its_words_in_order(seed):
    sentences = ["Ida Berg sold the old lamp in 1901.", "The sea is deep and very cold in May."]
    words = sentences[0].split()
    Scrambler(random.Random(seed), sentences).add_list(words)
    added = len(words) - len(sentences[0].split())
    assert added >= 2
    assert words[-1] == "1901."
    assert any(words[:at] + words[at + added :] == sentences[0].split() for at in range(len(words) - added))


def test_training_and_chat_template_give_the_same_tokens(encoder):
    rng = random.Random(0)
    grounded = Grounded(rng, encoder, PASSAGES, weights_of(RealText(passages=PASSAGES)))
    for passage, _ in grounded.passages:
        prefix, _, starts = encoder.passage(passage.sentences)
        messages = [{"role": "user", "content": f"{passage.text}\n\n{passage.question}"}]
        ids = encoder.tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]
        assert ids == prefix + encoder.question(passage.question)
        answer, sources = encoder.quotation(passage.sentences, prefix, starts, 1, 1)
        assert encoder.tokenizer.decode(answer[:-1]) == passage.sentences[1]
        assert sum(source >= 0 for source in sources) >= len(answer) - 3


@given(seed=SEEDS)
def test_a_branch_sees_its_document_and_itself_alone(seed):
    rng = np.random.default_rng(seed)
    row = Row(160)
    for _ in range(3):
        row.add(random_document(rng, 3, 5, 4))
    batch = stack([row])
    i, j = np.nonzero((batch.mask[0, 0] == 0).numpy())
    document, branch = row.columns["document"], row.columns["branch"]
    positions = batch.positions[0].numpy()
    assert len(i) >= len(positions), "each sees itself"
    assert (j <= i).all()
    assert (document[i] == document[j]).all()
    assert ((branch[j] == 0) | (branch[j] == branch[i])).all()
    assert (positions[j] <= positions[i]).all()


def test_alignment_prefers_to_go_on():
    assert aligned([9, 1, 2, 3, 4, 5, 6], [7, 1, 2, 3, 8, 5, 6]) == [-1, 1, 2, 3, -1, 5, 6]


def test_sentences_end_neither_at_initials_nor_at_titles():
    text = "In 1901 J. R. Smith met Dr. Brown.  They spoke. 20 people came."
    assert split_sentences(text) == ("In 1901 J. R. Smith met Dr. Brown.", "They spoke.", "20 people came.")
