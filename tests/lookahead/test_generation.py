"""A model's generation_config: honoured as ``generate(do_sample=False)`` does it, or refused by name."""

from __future__ import annotations

import math
import random
import re

import pytest
import torch

from lookahead.backend import BackendError
from lookahead.config import LEAST_TEMPERATURE, LookaheadConfig, Sampling
from lookahead.engine import LookaheadEngine
from lookahead.hf import HFBackend
from lookahead.hf.generation import GenerationRules
from tests.lookahead.drafters import NoisyOracle
from tests.lookahead.tiny_models import MOST_POSITIONS, VOCAB_SIZE, drafted, hf_greedy, tiny_model

HONOURED = [
    {"repetition_penalty": 1.3},
    {"no_repeat_ngram_size": 2},
    {"suppress_tokens": [3, 5, 8, 13, 21, 34]},
    {"begin_suppress_tokens": list(range(0, VOCAB_SIZE, 2))},
    {"bad_words_ids": [[4], [7, 9], [1, 2, 3]]},
    {"sequence_bias": [[[10], -5.0], [[11, 12], 3.0]]},
    {"min_new_tokens": 20, "eos_token_id": list(range(0, VOCAB_SIZE, 3))},
    {"min_length": 25, "eos_token_id": [5, 6, 7, 8]},
    {"forced_eos_token_id": 9, "eos_token_id": 9},
    {"exponential_decay_length_penalty": (5, 1.5), "eos_token_id": 9},
    {"encoder_repetition_penalty": 1.5},
    {"encoder_no_repeat_ngram_size": 2},
    {"remove_invalid_values": True, "renormalize_logits": True},
    {"repetition_penalty": 1.2, "no_repeat_ngram_size": 3, "suppress_tokens": [2], "eos_token_id": [50, 51]},
]
NEW_TOKENS = 30


@pytest.mark.parametrize("settings", HONOURED, ids=lambda settings: "+".join(settings))
def test_settings_are_honoured_along_the_accepted_path(settings):
    model = tiny_model("llama")
    for name, value in settings.items():
        setattr(model.generation_config, name, value)
    backend = HFBackend(model)
    rng = random.Random(11)
    for seed, length in enumerate((1, 9, 17)):
        prompt = [rng.randrange(VOCAB_SIZE) for _ in range(length)]
        expected = hf_greedy(model, prompt, NEW_TOKENS)
        config = LookaheadConfig(decoding_length=12, budget="fixed")
        engine = LookaheadEngine(backend, config, NoisyOracle(expected, VOCAB_SIZE, 0.7, seed))
        for method in ("plain", "lookahead"):
            records = list(engine.generate(prompt, max_new_tokens=NEW_TOKENS, method=method))
            assert [token_id for record in records for token_id in record.emitted_ids] == expected
            assert records[-1].finish_reason == ("eos" if expected[-1] in backend.eos_ids else "length")


def test_choices_off_the_path_are_left_out_where_they_depend_on_it():
    model = tiny_model("llama")
    prompt = [5, 6, 7]
    model.generation_config.repetition_penalty = 1.3
    expected = hf_greedy(model, prompt, NEW_TOKENS)
    for record in drafted(HFBackend(model), prompt, expected, 0.6, width=12)[1:-1]:
        on_path = {0, *record.accepted_nodes}
        for node, target_id in enumerate(record.target_ids):
            assert (target_id >= 0) == (node in on_path)


def test_sampling_settings_change_nothing():
    settings = {"do_sample": True, "temperature": 0.3, "top_k": 3, "top_p": 0.5, "min_p": 0.1}
    model = tiny_model("llama")
    expected = hf_greedy(model, [5, 6, 7], NEW_TOKENS)
    for name, value in settings.items():
        setattr(model.generation_config, name, value)
    drafted(HFBackend(model), [5, 6, 7], expected)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_beams", 4),
        ("num_return_sequences", 2),
        ("guidance_scale", 1.5),
        ("dola_layers", "low"),
        ("prompt_lookup_num_tokens", 10),
        ("token_healing", True),
        ("max_time", 5.0),
        ("watermarking_config", {"bias": 1.0}),
        ("force_words_ids", [[3]]),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(name, value):
    model = tiny_model("llama")
    setattr(model.generation_config, name, value)
    with pytest.raises(BackendError, match=name):
        HFBackend(model)


def test_contrastive_search_is_refused():
    model = tiny_model("llama")
    model.generation_config.penalty_alpha = 0.6
    model.generation_config.top_k = 4
    with pytest.raises(BackendError, match="contrastive"):
        HFBackend(model)


@pytest.mark.parametrize(
    ("eos", "expected"),
    [
        (None, ()),
        (0, (0,)),
        ([3, 0], (3, 0)),
        ((3, 0), (3, 0)),
        (torch.tensor([3, 0]), (3, 0)),
        (torch.tensor(3), (3,)),
    ],
)
def test_eos_ids(eos, expected):
    model = tiny_model("llama")
    model.generation_config.eos_token_id = eos
    assert HFBackend(model).eos_ids == expected


def test_a_cache_that_lacks_its_library_is_refused_by_name():
    model = tiny_model("llama")
    model.generation_config.cache_implementation = "quantized"
    model.generation_config.cache_config = {"backend": "none-such"}
    with pytest.raises(BackendError, match="none-such"):
        HFBackend(model)


@pytest.mark.parametrize("cache", [None, "static"])
def test_room_for_more_tokens_than_the_context_holds_costs_nothing(cache):
    model = tiny_model("llama")
    model.generation_config.repetition_penalty = 1.3
    model.generation_config.cache_implementation = cache
    for method in ("greedy", "lookahead"):
        records = list(LookaheadEngine(HFBackend(model)).generate([5, 6], max_new_tokens=10**6, method=method))
        assert records[-1].finish_reason == "context"
        assert 2 + sum(len(record.emitted_ids) for record in records) == MOST_POSITIONS


def test_stop_strings_of_the_model():
    model = tiny_model("llama")
    model.generation_config.stop_strings = ["\nUser:", "END"]
    assert HFBackend(model).stop_strings == ("\nUser:", "END")


@pytest.mark.parametrize(
    ("given", "suggested"), [(1e-5, LEAST_TEMPERATURE), (1e-300, LEAST_TEMPERATURE), (0.7, 0.7), (0.0, 1.0), (1e9, 1.0)]
)
def test_the_temperature_that_is_suggested_can_be_used(given, suggested):
    model = tiny_model("llama")
    model.generation_config.update(do_sample=True, temperature=given)
    rules = GenerationRules(model)
    assert rules.notice is not None
    (said,) = re.findall(r"--temperature ([\d.e-]+)", rules.notice)
    assert Sampling(float(said)).temperature == rules.suggested_temperature == suggested


UNUSABLE = [
    ("eos_token_id", [[1]]),
    ("eos_token_id", []),
    ("eos_token_id", "</s>"),
    ("eos_token_id", 2.5),
    ("eos_token_id", {"a": 1}),
    ("stop_strings", 5),
    ("stop_strings", [""]),
    ("stop_strings", [5]),
    ("forced_eos_token_id", 10**9),
    ("forced_bos_token_id", "x"),
    ("bad_words_ids", "nonsense"),
    ("bad_words_ids", [[10**9]]),
    ("repetition_penalty", math.nan),
    ("repetition_penalty", "high"),
    ("no_repeat_ngram_size", "2"),
    ("exponential_decay_length_penalty", "a"),
    ("sequence_bias", [[[10], math.nan]]),
    ("sequence_bias", [[[10], math.inf]]),
    ("min_length", "5"),
    ("num_beams", "4"),
]


@pytest.mark.parametrize(("name", "value"), UNUSABLE)
def test_a_value_that_cannot_be_used_is_one_line_with_its_name(name, value):
    model = tiny_model("llama")
    setattr(model.generation_config, name, value)
    with pytest.raises(BackendError, match=f"generation_config.{name}=") as refusal:
        HFBackend(model)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 400


def test_a_long_value_is_not_repeated_in_full():
    model = tiny_model("llama")
    model.generation_config.stop_strings = [""] * 10_000
    with pytest.raises(BackendError, match="stop_strings") as refusal:
        HFBackend(model)
    assert len(str(refusal.value)) < 400
