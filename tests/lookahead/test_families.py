"""Every supported model family emits the tokens of ``generate``, whatever is drafted."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
import torch
from transformers import PreTrainedConfig

from lookahead.backend import BackendError, PassError, failure_line
from lookahead.config import GREEDY, LookaheadConfig, Sampling
from lookahead.engine import LookaheadEngine
from lookahead.hf import HFBackend
from lookahead.hf.masks import TreeMasks
from lookahead.hf.measure import measured_setting
from lookahead.hf.model_config import context_limit, rope_switch
from lookahead.hf.passes import choices
from lookahead.hf.session import TreeSession
from tests.lookahead.drafters import tree_of
from tests.lookahead.tiny_models import (
    FAMILIES,
    MOST_POSITIONS,
    VOCAB_SIZE,
    WINDOW,
    drafted,
    hf_greedy,
    tiny_gpt_neo,
    tiny_minimax,
    tiny_mixtral,
    tiny_model,
    tiny_moe,
    tiny_mpt,
)

LENGTHS = (1, 2, WINDOW - 1, WINDOW, WINDOW + 1, 24, 39)
"""Of the prompts: shorter and longer than the models' windows."""
NEW_TOKENS = 30


def configuration(**settings: Any) -> PreTrainedConfig:
    """A configuration with these settings alone."""
    return PreTrainedConfig(**settings)


def prompts() -> list[list[int]]:
    """Prompts of these lengths, token 0 among them."""
    rng = random.Random(3)
    return [[0, *(rng.randrange(VOCAB_SIZE) for _ in range(length - 1))] for length in LENGTHS]


def passes_of(backend: HFBackend, prompt: list[int], accuracy: float = 0.8, seed: int = 0, width: int = 16) -> int:
    """The forward passes of a run, whose tokens must be those of ``generate``."""
    return len(drafted(backend, prompt, hf_greedy(backend.model, prompt, NEW_TOKENS), accuracy, seed, width))


@pytest.mark.parametrize("family", FAMILIES)
def test_same_tokens_as_generate(family):
    backend = HFBackend(tiny_model(family))
    assert backend.draft_shape == "tree", backend.notice
    passes = 0
    for seed, prompt in enumerate(prompts()):
        expected = hf_greedy(backend.model, prompt, NEW_TOKENS)
        passes += len(drafted(backend, prompt, expected, 0.7, seed, width=(16, 5, 33)[seed % 3]))
        if seed % 3 == 0:
            assert len(drafted(backend, prompt, expected, width=1)) == NEW_TOKENS, "without drafts"
    assert passes < len(LENGTHS) * NEW_TOKENS / 2, "the trees were hardly ever accepted; the test proves little"


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma3", "mistral-window"])
def test_same_tokens_with_eager_attention(family):
    backend = HFBackend(tiny_model(family, attention="eager"))
    assert backend.draft_shape == "tree", backend.notice
    for seed, prompt in enumerate(prompts()[1::2]):
        passes_of(backend, prompt, 0.7, seed)


def test_a_model_that_takes_no_draft_decodes_plainly_and_says_so():
    backend = HFBackend(tiny_minimax())
    assert backend.draft_shape == "none"
    assert "one token at a time" in (backend.notice or "")
    for prompt in prompts()[1::2]:
        assert passes_of(backend, prompt, accuracy=1.0) == NEW_TOKENS


PRECISIONS = [torch.float64, torch.float32, torch.bfloat16, torch.float16]


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_a_model_that_goes_by_rows_is_found_out_in_every_precision(dtype):
    for scale in (0.02, 0.4):
        backend = HFBackend(tiny_mpt(dtype, initializer_range=scale))
        assert backend.draft_shape == "chain", backend.notice
        assert "positions by depth" in (backend.notice or "")
        if dtype in (torch.float64, torch.float32):
            assert passes_of(backend, [5, 6, 7]) < NEW_TOKENS


def test_a_model_with_a_window_that_is_not_known_takes_chains_and_says_so():
    backend = HFBackend(tiny_gpt_neo())
    assert "window_size=12" in (backend.notice or "")
    assert passes_of(backend, prompts()[-1] * 3) < NEW_TOKENS


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("family", FAMILIES)
def test_rounding_is_not_taken_for_a_wrong_pass(family, dtype):
    backend = HFBackend(tiny_model(family, dtype))
    assert backend.draft_shape == "tree", backend.notice


def test_attention_that_is_scaled_by_row_takes_chains():
    """Each row of a tree would be scaled as if all rows before it were tokens before it."""
    backend = HFBackend(tiny_model("llama4", attn_temperature_tuning=True, floor_scale=5, attn_scale=2.0))
    assert backend.draft_shape == "chain"
    assert "attn_temperature_tuning" in (backend.notice or "")
    passes_of(backend, prompts()[-1], width=8)


SEEDS = range(30)


def test_experts_that_round_by_their_neighbours_draft_whatever_the_seed():
    """Other siblings go to other experts, whose matrix products have other sizes then."""
    notices = {seed: HFBackend(tiny_mixtral(seed)).notice for seed in SEEDS}
    assert set(notices.values()) == {None}, notices


@pytest.mark.parametrize("family", ["aria_text", "jetmoe", "laguna", "phimoe", "granitemoe", "olmoe"])
def test_families_of_experts_draft_in_float32(family):
    backends = [HFBackend(tiny_moe(family, seed)) for seed in range(3)]
    assert [backend.notice for backend in backends] == [None] * 3
    assert passes_of(backends[0], [5, 6, 7], 0.7) < NEW_TOKENS


def _see_siblings(mask: torch.Tensor, columns: slice) -> None:
    mask[..., -1, columns] = 0.0


def _miss_parent(mask: torch.Tensor, columns: slice) -> None:
    mask[..., -1, columns.stop] = torch.finfo(mask.dtype).min


def _plant(monkeypatch, bug: str) -> None:
    """Build a mistake into the passes of a trial tree (root, 12 children, a child of the last)."""
    if bug == "positions by row":
        forward = TreeSession._forward

        def by_row(self, ids, position_ids, mask, **options):
            rows = torch.arange(ids.shape[1])[None]
            return forward(self, ids, position_ids[:, :1] + rows, mask, **options)

        monkeypatch.setattr(TreeSession, "_forward", by_row)
        return
    change = {"siblings seen": _see_siblings, "parent not seen": _miss_parent}[bug]
    build = TreeMasks.tree

    def tree(self, parents, depths, length):
        mask = build(self, parents, depths, length)
        if max(depths) == 2:  # the trial tree, not the chain
            assert isinstance(mask, torch.Tensor)
            mask = mask.clone()
            change(mask, slice(length + 1, length + len(parents) - 2))
        return mask

    monkeypatch.setattr(TreeMasks, "tree", tree)


@pytest.mark.parametrize("bug", ["siblings seen", "parent not seen", "positions by row"])
def test_a_mistake_in_a_tree_pass_is_found_whatever_the_seed(bug, monkeypatch):
    models = [tiny_mixtral(seed) for seed in range(6)]
    _plant(monkeypatch, bug)
    assert all(HFBackend(model).notice is not None for model in models)


@pytest.mark.parametrize(("name", "value"), [("layer_window_pattern", 2), ("windows_per_block", [1, 4])])
def test_an_unknown_setting_that_is_not_a_window_does_not_hinder_drafts(name, value):
    model = tiny_model("llama")
    setattr(model.config, name, value)
    assert HFBackend(model).draft_shape == "tree"


def test_the_layer_pattern_of_cohere2_moe_drafts():
    backend = HFBackend(tiny_moe("cohere2_moe", 0, sliding_window=WINDOW))
    assert backend.draft_shape == "tree", backend.notice
    passes_of(backend, prompts()[-1] * 2, 0.7)


@pytest.mark.parametrize("value", [2048, [4, 2048], True, "all", {"a": 4}, -1])
def test_an_unknown_window_that_a_trial_cannot_pass_is_refused_by_name(value):
    model = tiny_model("llama")
    model.config.some_window_size = value
    assert "some_window_size" in (HFBackend(model).notice or "")


def _differs_by_layer() -> bool:
    """Whether this transformers has settings that differ by layer, whose common value cannot be read."""
    config = configuration(sliding_window=8, num_hidden_layers=2)
    config.per_layer_config = {1: {"sliding_window": 4}}
    try:
        return config.sliding_window is None
    except RuntimeError:
        return True


by_layer = pytest.mark.skipif(not _differs_by_layer(), reason="an older transformers has no settings by layer")


@by_layer
@pytest.mark.parametrize(
    ("family", "name", "value"),
    [
        ("llama", "sliding_window", WINDOW),
        ("mistral-window", "sliding_window", 5),
        ("gpt-neox", "use_sliding_window", True),
    ],
)
def test_a_window_that_differs_by_layer_decodes_plainly_or_is_refused_in_one_line(family, name, value):
    model = tiny_model(family)
    if not hasattr(model.config, name):
        setattr(model.config, name, None)
    model.config.per_layer_config = {1: {name: value}}
    with pytest.raises(RuntimeError, match="per-layer"):
        getattr(model.config, name)
    backend = HFBackend(model)
    measured_setting(model)
    prompt = prompts()[-1]
    try:
        hf_greedy(model, prompt, NEW_TOKENS)
    except RuntimeError:  # transformers cannot run it, either
        with pytest.raises(BackendError, match=name):
            backend.draft_shape  # noqa: B018
        return
    assert backend.notice is None or name in backend.notice
    passes_of(backend, prompt)


@by_layer
def test_a_context_length_that_cannot_be_read_is_no_limit():
    config = configuration(max_position_embeddings=64, num_hidden_layers=2)
    config.per_layer_config = {1: {"max_position_embeddings": 32}}
    assert context_limit(config) is None
    assert rope_switch(config) is None


ROPES = [
    ({"rope_type": "yarn", "factor": 4.0}, 256),
    ({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}, 64),
    ({"rope_type": "linear", "factor": 4.0}, 256),
    ({"rope_type": "dynamic", "factor": 2.0}, 128),
    (
        {
            "rope_type": "llama3",
            "factor": 4.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 32,
        },
        128,
    ),
    ({"rope_type": "default"}, 64),
]


@pytest.mark.parametrize(
    ("rope", "limit"), ROPES, ids=lambda value: str(value.get("rope_type")) if isinstance(value, dict) else None
)
def test_the_context_limit_knows_scaled_positions(rope, limit):
    model = tiny_model("llama", max_position_embeddings=64, rope_parameters={"rope_theta": 10000.0, **rope})
    backend = HFBackend(model)
    assert backend.context_limit == limit
    prompt = list(range(50))
    expected = hf_greedy(model, prompt, 30)[: limit - len(prompt)]
    if hf_greedy(model, prompt, 30)[: limit - len(prompt)] != expected:
        pytest.skip("an older transformers keeps the positions of the last long run")
    records = list(LookaheadEngine(backend, LookaheadConfig(budget="fixed")).generate(prompt, max_new_tokens=30))
    assert [token_id for record in records for token_id in record.emitted_ids] == expected
    assert records[-1].finish_reason == ("context" if limit < 80 else "length")


@pytest.mark.parametrize("name", ["max_seq_len", "n_positions", "n_ctx", "max_sequence_length"])
def test_the_context_limit_has_many_names(name):
    config = configuration(**{name: 48})
    assert context_limit(config) == 48
    assert context_limit(configuration(**{name: None})) is None


def test_a_kind_of_layer_with_unscaled_positions_limits_the_context():
    ropes = {"full_attention": {"rope_type": "linear", "factor": 8.0}, "sliding_attention": {"rope_type": "default"}}
    assert context_limit(configuration(max_position_embeddings=64, rope_parameters=ropes)) == 64


def test_a_run_ends_where_mpt_has_no_more_rows():
    backend = HFBackend(tiny_mpt())
    records = list(LookaheadEngine(backend).generate([5] * (MOST_POSITIONS - 4), max_new_tokens=20))
    assert records[-1].finish_reason == "context"
    assert sum(len(record.emitted_ids) for record in records) == 4


ERRORS = [TypeError("no"), KeyError("layer"), AssertionError(), IndexError("0"), ValueError("x"), StopIteration()]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("make", [tiny_model, tiny_minimax])
def test_whatever_a_pass_raises_is_one_line(make, error, monkeypatch):
    backend = HFBackend(make("llama") if make is tiny_model else make())
    plain = backend.draft_shape == "none"
    steps = LookaheadEngine(backend, LookaheadConfig(budget="fixed")).generate([5, 6, 5, 6, 5], max_new_tokens=9)
    next(steps)

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(backend.model, "forward", fail)
    with pytest.raises(PassError, match=type(error).__name__) as failure:
        list(steps)
    line = failure_line(failure.value)
    assert line == str(failure.value)
    assert "\n" not in line
    assert not plain or "decoding_length" not in line


def test_only_a_pass_with_a_draft_advises_to_do_without():
    backend = HFBackend(tiny_model("llama"))
    assert backend.draft_shape == "tree"
    session = backend.new_session(20)
    session.prefill([5, 6, 7])
    backend.model.forward = None  # type: ignore[assignment]
    with pytest.raises(PassError, match="decoding_length 1 runs without drafts"):
        session.choose(tree_of([1, 2, 3], [-1, 0, 0]))
    for call in (lambda: session.choose(tree_of([1], [-1])), lambda: backend.new_session(9).prefill([1])):
        with pytest.raises(PassError) as failure:
            call()
        assert "decoding_length" not in str(failure.value)


def test_a_model_that_cannot_run_at_all_is_not_taken_for_one_that_cannot_draft():
    model = tiny_model("llama", torch.float32)
    model.model.layers[1].mlp.down_proj.to(torch.bfloat16)
    backend = HFBackend(model)
    with pytest.raises(BackendError, match="--dtype bfloat16"):
        backend.notice  # noqa: B018


@pytest.mark.parametrize("make", [tiny_model, tiny_minimax])
@pytest.mark.parametrize(
    ("value", "found"),
    [(torch.nan, "NaN after 3 tokens"), (torch.inf, "infinite after 3"), (-torch.inf, "minus infinity after 3")],
)
def test_logits_without_a_largest_one_fail_the_pass(make, value, found):
    model = make("llama") if make is tiny_model else make()
    head = model.get_output_embeddings()
    assert head is not None
    head.register_forward_hook(lambda *call: torch.full_like(call[2], value))
    backend = HFBackend(model)
    with pytest.raises(PassError, match=found):
        list(LookaheadEngine(backend).generate([5, 6, 7], max_new_tokens=9))


def put_logits(model, tokens, value):
    """Let these tokens have this logit from now on."""

    def put(module, inputs, logits):
        logits[..., tokens] = value

    return model.get_output_embeddings().register_forward_hook(put)


DRAWS = [GREEDY, Sampling(1.0), Sampling(1.0, top_k=4), Sampling(1.0, top_p=0.5), Sampling(1.0, min_p=0.1)]


@pytest.mark.parametrize("suppressed", [None, [9]])
def test_one_logit_that_is_not_finite_fails_the_pass_even_where_a_processor_hides_it(suppressed):
    model = tiny_model("llama")
    model.generation_config.suppress_tokens = suppressed
    backend = HFBackend(model)
    for sampling, (value, name) in itertools.product(DRAWS, [(torch.nan, "NaN"), (torch.inf, "infinite")]):
        session = backend.new_session(20, sampling=sampling)
        root = session.prefill([5, 6, 7])
        hook = put_logits(model, slice(9, 10), value)
        with pytest.raises(PassError, match=f"{name} after 4"):
            session.choose(tree_of([root, 3], [-1, 0]))
        hook.remove()


def test_minus_infinity_and_what_the_settings_remove_leave_a_choice():
    model = tiny_model("llama")
    put_logits(model, slice(9, None), -torch.inf)
    assert HFBackend(model).new_session(20).prefill([5, 6, 7]) < 9
    put_logits(model, slice(1, 2), torch.nan)
    model.generation_config.remove_invalid_values = True
    backend = HFBackend(model)
    assert backend.new_session(20).prefill([5, 6, 7]) == hf_greedy(model, [5, 6, 7], 1)[0]


def test_nan_where_nothing_is_accepted_changes_nothing():
    backend = HFBackend(tiny_model("llama"))
    right = hf_greedy(backend.model, [5, 6, 7], 3)
    assert backend.draft_shape == "tree"
    spoilt: list[int] = []

    def spoil(module, inputs, logits):
        logits[:, spoilt] = torch.nan
        return logits

    head = backend.model.get_output_embeddings()
    assert head is not None
    head.register_forward_hook(spoil)
    session = backend.new_session(20)
    assert session.prefill([5, 6, 7]) == right[0]
    tree = tree_of([right[0], (right[1] + 1) % VOCAB_SIZE, right[1]], [-1, 0, 0])
    spoilt.append(1)
    assert session.choose(tree) == (right[1], -1, right[2])
    spoilt[0] = 2
    with pytest.raises(PassError, match="NaN after 5 tokens"):
        session.choose(tree)


def test_choices_are_those_of_argmax():
    torch.manual_seed(0)
    logits = torch.randn(40, 300).to(torch.bfloat16).mul(2).round()  # many are equal
    assert choices(logits) == logits.argmax(dim=-1).tolist()
