"""``custom_generate``: the call that people have, its settings honoured or refused by name, the same tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import (
    AutoTokenizer,
    DynamicCache,
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
)
from transformers.generation.streamers import BaseStreamer

import lookahead
from lookahead import Drafter, LookaheadConfig
from tests.lookahead.tiny_models import tiny_mamba, tiny_model

REPOSITORY = Path(__file__).parents[2] / "assets" / "custom_generate"
PROMPT = torch.tensor([[5, 6, 7, 8, 5, 6, 7]])


class _Ban(LogitsProcessor):
    """Bans the last token, and keeps the lengths at which it was asked."""

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        self.lengths.append(input_ids.shape[1])
        return scores.index_fill(1, input_ids[0, -1:], -torch.inf)


class _EndAt(StoppingCriteria):
    def __init__(self, length: int) -> None:
        self.length = length

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Any:
        return torch.tensor([input_ids.shape[1] >= self.length])


class _Streamer(BaseStreamer):
    def __init__(self) -> None:
        self.pieces: list[list[int]] = []
        self.ended = 0

    def put(self, value: Tensor) -> None:
        self.pieces.append(value.flatten().tolist())

    def end(self) -> None:
        self.ended += 1


@pytest.fixture(scope="module")
def model() -> Any:
    return tiny_model("llama", torch.float32)


def passes(model: Any, **arguments: Any) -> tuple[Any, int]:
    """What ``generate`` returns, and how many forward passes it took."""
    count = 0

    def counted(*_: Any) -> None:
        nonlocal count
        count += 1

    handle = model.register_forward_pre_hook(counted)
    try:
        return model.generate(**arguments), count
    finally:
        handle.remove()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"repetition_penalty": 1.3},
        {"min_new_tokens": 12, "eos_token_id": [3, 9, 40]},
        {"eos_token_id": 5},
        {"no_repeat_ngram_size": 3, "bad_words_ids": [[9]]},
        {"max_length": 20, "max_new_tokens": None},
        {"generation_config": GenerationConfig(max_new_tokens=9, pad_token_id=0)},
    ],
)
def test_the_tokens_of_generate(model: Any, settings: dict[str, Any]) -> None:
    arguments = {"input_ids": PROMPT, "attention_mask": torch.ones_like(PROMPT), "max_new_tokens": 40, **settings}
    if "generation_config" in settings:
        del arguments["max_new_tokens"]
    expected = model.generate(**arguments)
    assert torch.equal(model.generate(**arguments, custom_generate=lookahead.generate), expected)


def test_a_drafter_that_is_passed_again_knows_the_output(model: Any) -> None:
    config = LookaheadConfig(decoding_length=16, budget="fixed")
    drafter = Drafter(config)
    mine = {"custom_generate": lookahead.generate, "drafter": drafter, "lookahead_config": config}
    expected, plain = passes(model, input_ids=PROMPT, max_new_tokens=40)
    _, cold = passes(model, input_ids=PROMPT, max_new_tokens=40, **mine)
    output, warm = passes(model, input_ids=PROMPT, max_new_tokens=40, **mine)
    assert torch.equal(output, expected)
    assert warm < plain / 3
    assert warm < cold


def test_processors_are_asked_once_per_token_and_criteria_end_it(model: Any) -> None:
    ban, mine = _Ban(), _Ban()
    criteria = StoppingCriteriaList([_EndAt(PROMPT.shape[1] + 23)])
    arguments = {"input_ids": PROMPT, "max_new_tokens": 60, "stopping_criteria": criteria}
    expected = model.generate(**arguments, logits_processor=LogitsProcessorList([ban]))
    found = model.generate(
        **arguments, logits_processor=LogitsProcessorList([mine]), custom_generate=lookahead.generate
    )
    assert torch.equal(found, expected)
    assert found.shape == (1, PROMPT.shape[1] + 23)
    assert mine.lengths[: len(ban.lengths)] == ban.lengths


@pytest.mark.parametrize("way", [lookahead.generate, str(REPOSITORY)])
def test_a_streamer_gets_the_prompt_and_every_token(model: Any, way: Any) -> None:
    plain, mine = _Streamer(), _Streamer()
    expected = model.generate(PROMPT, max_new_tokens=20, streamer=plain)
    trust = {"trust_remote_code": True} if isinstance(way, str) else {}
    found = model.generate(PROMPT, max_new_tokens=20, streamer=mine, custom_generate=way, **trust)
    assert torch.equal(found, expected)
    assert (mine.pieces, mine.ended) == (plain.pieces, plain.ended)


def test_an_output_object(model: Any) -> None:
    found = model.generate(PROMPT, max_new_tokens=9, return_dict_in_generate=True, custom_generate=lookahead.generate)
    expected = model.generate(PROMPT, max_new_tokens=9, return_dict_in_generate=True)
    assert type(found) is type(expected)
    assert torch.equal(found.sequences, expected.sequences)


def test_a_model_without_drafts_decodes_plainly() -> None:
    mamba: Any = tiny_mamba()
    expected = mamba.generate(PROMPT, max_new_tokens=12)
    assert torch.equal(mamba.generate(PROMPT, max_new_tokens=12, custom_generate=lookahead.generate), expected)


def test_the_folder_of_a_hub_repository(tiny_model: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(tiny_model)
    inputs = tokenizer("abcabcabc", return_tensors="pt")
    ends = tokenizer.decode(model.generate(**inputs, max_new_tokens=30)[0, 19:21])
    for settings in ({}, {"stop_strings": [ends], "tokenizer": tokenizer}, {"repetition_penalty": 1.2}):
        expected = model.generate(**inputs, max_new_tokens=30, **settings)
        found = model.generate(
            **inputs, max_new_tokens=30, custom_generate=str(REPOSITORY), trust_remote_code=True, **settings
        )
        assert torch.equal(found, expected), settings
    with pytest.raises(ValueError, match="trust_remote_code"):
        model.generate(**inputs, custom_generate=str(REPOSITORY))
    with pytest.raises(ValueError, match="stop_strings needs the tokenizer"):
        model.generate(**inputs, custom_generate=str(REPOSITORY), trust_remote_code=True, stop_strings="a")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_ids": PROMPT.repeat(2, 1)}, "2 sequences"),
        ({"do_sample": True, "num_return_sequences": 3}, "num_return_sequences=3"),
        ({"num_beams": 2}, "num_beams=2"),
        ({"lookahead_config": {"decoding_length": 16}}, "need a LookaheadConfig"),
        ({"drafter": 3}, "drafter=3; need a Drafter"),
        ({"attention_mask": torch.tensor([[0, 1, 1, 1, 1, 1, 1]])}, "without padding"),
        ({"position_ids": torch.arange(3, 10)[None]}, "position_ids"),
        ({"output_scores": True, "return_dict_in_generate": True}, "output_scores=True"),
        ({"output_hidden_states": True, "return_dict_in_generate": True}, "output_hidden_states=True"),
        ({"guidance_scale": 1.5}, "guidance_scale=1.5"),
        ({"prompt_lookup_num_tokens": 3}, "prompt_lookup_num_tokens=3"),
        ({"inputs_embeds": torch.zeros(1, 7, 32)}, "inputs_embeds cannot be honoured"),
        ({"input_ids": None, "inputs_embeds": torch.zeros(1, 7, 32)}, "inputs_embeds cannot be honoured"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(model: Any, arguments: dict[str, Any], message: str) -> None:
    given = {"input_ids": PROMPT, "max_new_tokens": 4, **arguments}
    with pytest.raises(ValueError, match=message):
        model.generate(**given, custom_generate=lookahead.generate)


@pytest.mark.parametrize("way", [lookahead.generate, str(REPOSITORY)])
def test_an_assistant_model_is_refused(model: Any, way: Any) -> None:
    trust = {"trust_remote_code": True} if isinstance(way, str) else {}
    with pytest.raises(ValueError, match="assistant_model cannot be combined"):
        model.generate(PROMPT, max_new_tokens=4, assistant_model=model, custom_generate=way, **trust)


@pytest.mark.parametrize("name", ["past_key_values", "cache"])
@pytest.mark.parametrize("filled", [False, True])
def test_a_cache_of_the_caller_is_refused(model: Any, name: str, filled: bool) -> None:
    cache = DynamicCache(config=model.config)
    if filled:
        model(PROMPT, past_key_values=cache)
    with pytest.raises(ValueError, match="whole prompt and no cache"):
        model.generate(PROMPT, max_new_tokens=4, custom_generate=lookahead.generate, **{name: cache})


def test_draws_are_those_of_the_seed_and_of_torchs_generator(model: Any) -> None:
    settings = {"do_sample": True, "temperature": 0.9, "top_k": 20, "repetition_penalty": 1.1, "max_new_tokens": 30}
    drafter = Drafter(LookaheadConfig())

    def drawn(**more: Any) -> list[int]:
        return model.generate(PROMPT, custom_generate=lookahead.generate, **settings, **more)[0].tolist()

    first = drawn(seed=3)
    assert drawn(seed=3, drafter=drafter) == drawn(seed=3, drafter=drafter) == first
    assert drawn(seed=4) != first
    torch.manual_seed(11)
    by_torch = drawn()
    torch.manual_seed(11)
    assert drawn() == by_torch
    with pytest.raises(ValueError, match="seed"):
        drawn(seed=-1)
