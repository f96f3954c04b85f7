"""Drafts are verified bit for bit: the same logits as one token at a time, and the same tokens as ``generate``."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from lookahead.config import LookaheadConfig
from lookahead.draft import DraftTree
from lookahead.engine import LookaheadEngine
from lookahead.hf import HFBackend, linears
from lookahead.hf.attention import BLOCK, NAME
from lookahead.hf.masks import Mask
from lookahead.hf.session import TreeSession
from lookahead.hf.ties import token_gap
from lookahead.records import TokenGap
from tests.lookahead.drafters import NoisyOracle
from tests.lookahead.tiny_models import EAGER_FAMILIES, FAMILIES, VOCAB_SIZE, drafted, hf_greedy, tiny_model

ROUNDING = ("mixtral", "qwen3-moe", "gpt-oss", "llama4", "llama4-chunks")
"""Not exact in float32: experts multiply as many rows as are routed to them."""


@pytest.fixture(
    scope="module",
    params=[
        (family, dtype)
        for family in (*FAMILIES, *EAGER_FAMILIES)
        for dtype in (torch.bfloat16, torch.float32)
        if dtype == torch.bfloat16 or family not in ROUNDING
    ],
    ids=lambda case: f"{case[0]}-{case[1]}".replace("torch.", ""),
)
def exact(request: pytest.FixtureRequest) -> HFBackend:
    family, dtype = request.param
    return HFBackend(tiny_model(family, dtype), exact=True)


def random_tree(generator: random.Random, count: int, reach: int) -> DraftTree:
    """Nodes that hang on one of the last ``reach`` before them: 1 makes a chain."""
    parents = (-1, *(generator.randrange(max(0, node - reach), node) for node in range(1, count)))
    token_ids = tuple(generator.randrange(VOCAB_SIZE) for _ in range(count))
    return DraftTree.on_trial(token_ids, parents)


def one_at_a_time(session: TreeSession, tree: DraftTree, path: Sequence[int]) -> Tensor:
    """The logits along a path of the tree, one pass per token; the session stays as long as it was."""
    rows = []
    for node in (0, *path):
        alone = DraftTree((tree.token_ids[node],), (-1,), (1.0,), ("prompt",), (0,))
        rows.append(session.logits(alone)[0].clone())
        session.keep(())
    return torch.stack(rows)


def open_session(backend: HFBackend, length: int, capacity: int) -> TreeSession:
    session = backend.new_session(capacity)
    assert isinstance(session, TreeSession)
    session.prefill([(5 * row + 3) % VOCAB_SIZE for row in range(length)])
    return session


def test_logits_are_those_of_one_token_at_a_time(exact: HFBackend) -> None:
    assert exact.exactness is not None
    assert exact.exactness.kind == "bitwise"
    assert exact.model.config._attn_implementation == NAME
    generator = random.Random(4)
    for length, count, reach in ((1, 9, 3), (BLOCK - 4, 17, 1), (BLOCK - 1, 24, 24), (90, 7, 3), (BLOCK, 64, 8)):
        tree = random_tree(generator, count, reach)
        path = tree.path(max(range(count), key=lambda node: tree.depths()[node]))
        session = open_session(exact, length, length + count)
        with torch.inference_mode():
            together = session.logits(tree)[[0, *path]].clone()
            assert torch.equal(together, one_at_a_time(session, tree, path)), (length, count, reach)


def test_every_way_of_decoding_writes_the_tokens_of_generate(exact: HFBackend) -> None:
    """Past the windows, and past the border of a block of keys, on a cache that drops rows as well."""
    assert exact.draft_shape == "tree"  # from the first use on the model computes as runs do
    prompt = [(7 * row + 2) % VOCAB_SIZE for row in range(BLOCK - 9)]
    expected = hf_greedy(exact.model, prompt, 24)
    plain = LookaheadEngine(exact, LookaheadConfig()).generate(prompt, max_new_tokens=24, method="plain")
    assert [token_id for step in plain for token_id in step.emitted_ids] == expected
    assert len(drafted(exact, prompt, expected, 0.7, 1, width=33)) < 20


def test_float32_and_float16_of_an_everyday_shape_are_exact() -> None:
    for dtype in (torch.float32, torch.float16):
        sizes = {"hidden_size": 128, "intermediate_size": 192, "head_dim": 32, "vocab_size": 256}
        backend = HFBackend(tiny_model("llama", dtype, "sdpa", **sizes), exact=True)
        assert backend.exactness is not None
        assert backend.exactness.kind == "bitwise", dtype


@pytest.fixture
def own_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers that stay as they were loaded: float32 products whose bits depend on the number of rows."""
    monkeypatch.setattr(linears, "_can_change", lambda layer: False)


@pytest.mark.usefixtures("own_layers")
def test_passes_of_one_width_are_exact_where_those_of_several_are_not() -> None:
    several = HFBackend(tiny_model("gpt2", torch.float32), exact=True)
    assert several.exactness is not None
    assert several.exactness.kind == "within rounding"
    backend = HFBackend(tiny_model("gpt2", torch.float32), exact=True, exact_width=24)
    assert backend.exactness is not None
    assert backend.exactness.kind == "bitwise at one width"
    assert (backend.exactness.largest_noise or 0) > 0  # of passes of other widths, as generate makes
    generator = random.Random(6)
    for length, count, reach in ((1, 9, 3), (BLOCK - 4, 17, 1), (BLOCK - 1, 24, 24), (90, 2, 1)):
        tree = random_tree(generator, count, reach)
        path = tree.path(max(range(count), key=lambda node: tree.depths()[node]))
        session = open_session(backend, length, length + count)
        with torch.inference_mode():
            together = session.logits(tree)[[0, *path]].clone()
            assert torch.equal(together, one_at_a_time(session, tree, path)), (length, count, reach)


@pytest.mark.usefixtures("own_layers")
def test_filled_up_passes_reach_the_end_of_the_context() -> None:
    backend = HFBackend(tiny_model("gpt2", torch.float32), exact=True, exact_width=8)
    limit = backend.context_limit
    assert limit is not None
    prompt = [(7 * row + 2) % VOCAB_SIZE for row in range(limit - 6)]
    expected = hf_greedy(backend.model, prompt, 6)
    for method in ("plain", "lookahead"):
        steps = LookaheadEngine(backend, LookaheadConfig(decoding_length=8)).generate(
            prompt, max_new_tokens=20, method=method
        )
        assert [token_id for step in steps for token_id in step.emitted_ids] == expected


def test_the_models_own_attention_is_never_called_exact() -> None:
    model = tiny_model("llama", torch.float32)
    backend = HFBackend(model, exact=False)
    assert backend.exactness is not None
    assert (backend.exactness.kind, model.config._attn_implementation) == ("within rounding", "sdpa")
    assert backend.exactness.noise[-1] > 0
    assert token_gap(backend, (5, 6), (7,), 1, 2).noise == backend.exactness.largest_noise


def test_the_attention_is_right() -> None:
    """Not only the same at every width: close to the models' own."""
    for family in ("llama", "gemma3", "gemma2", "gpt-oss"):
        own = tiny_model(family, torch.float32)
        exact = HFBackend(tiny_model(family, torch.float32), exact=True)
        assert exact.draft_shape == "tree", exact.notice
        ids = torch.tensor([[(7 * row + 2) % VOCAB_SIZE for row in range(BLOCK + 8)]])
        logits = [_stepwise(model, ids) for model in (own, exact.model)]
        error = (logits[0] - logits[1]).abs().max() / logits[0].abs().max()
        assert error < 64 * torch.finfo(torch.float32).eps, family


def _stepwise(model: PreTrainedModel, ids: Tensor) -> Tensor:
    """Logits after each of the last tokens, from a prompt and then passes of one token."""
    cache = DynamicCache(config=model.config)
    with torch.inference_mode():
        model(input_ids=ids[:, : BLOCK - 4], cache=cache)
        rows = [
            model(input_ids=ids[:, row : row + 1], cache=cache).logits[0, 0] for row in range(BLOCK - 4, ids.shape[1])
        ]
    return torch.stack(rows).float()


def test_where_passes_are_exact_another_token_is_a_mistake_unless_the_scores_are_equal() -> None:
    backend = HFBackend(tiny_model("llama", torch.bfloat16))
    logits = backend.model(torch.tensor([[5, 6, 7]])).logits[0, -1]
    best, second = logits.topk(2).indices.tolist()
    assert not token_gap(backend, (5, 6), (7,), best, second).near_tie
    assert token_gap(backend, (5, 6), (7,), best, best).near_tie


def planted(monkeypatch: pytest.MonkeyPatch, mistake: str) -> None:
    """Drafts see one token too few, or take each token to be one place further."""
    forward = TreeSession._forward

    def wrong(session: TreeSession, ids: Tensor, position_ids: Tensor, mask: Mask | None, **more: int) -> Tensor:
        if ids.shape[1] > 1 and mask is not None:
            if mistake == "position":
                position_ids = position_ids + 1
            elif isinstance(mask, dict):  # one for each kind of attention
                mask = {kind: None if part is None else _one_less(part) for kind, part in mask.items()}
            else:
                mask = _one_less(mask)
        return forward(session, ids, position_ids, mask, **more)

    monkeypatch.setattr(TreeSession, "_forward", wrong)


def _one_less(mask: Tensor) -> Tensor:
    """The token before the root is hidden."""
    mask = mask.clone()
    mask[..., mask.shape[-1] - mask.shape[-2] - 1] = torch.finfo(mask.dtype).min
    return mask


def partings(backend: HFBackend, prompt: list[int], expected: list[int], seeds: int) -> list[TokenGap]:
    """The gaps at which drafts, with whatever was planted, first write another token than expected."""
    gaps = []
    for seed in range(seeds):
        oracle = NoisyOracle(expected, backend.vocab_size, 0.7, seed)
        engine = LookaheadEngine(backend, LookaheadConfig(decoding_length=8, budget="fixed"), oracle)
        steps = engine.generate(prompt, max_new_tokens=len(expected))
        output = [token_id for step in steps for token_id in step.emitted_ids]
        place = next((n for n, pair in enumerate(zip(output, expected, strict=False)) if pair[0] != pair[1]), None)
        if place is not None:
            gaps.append(token_gap(backend, prompt, expected[:place], expected[place], output[place]))
    return gaps


@pytest.mark.parametrize("family", ["llama", "gemma3"])
@pytest.mark.parametrize("mistake", ["mask", "position"])
def test_a_planted_mistake_is_not_taken_for_rounding(
    family: str, mistake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gaps at which it takes another token are larger than what was measured of this model: nothing."""
    backend = HFBackend(tiny_model(family, torch.bfloat16))
    assert backend.exactness is not None
    planted(monkeypatch, mistake)
    expected = hf_greedy(backend.model, [5, 6, 7, 8], 40)
    assert any(not gap.near_tie for gap in partings(backend, [5, 6, 7, 8], expected, 6))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("smollm2-135m", "Write a short story about a lighthouse and a cat."),
        ("gemma3-270m", "1, 2, 3, 4, 5, 6, 7,"),
    ],
)
def test_a_planted_mistake_in_a_real_model_is_called_a_mistake(
    name: str, text: str, real_models: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = HFBackend.from_pretrained(str(real_models(name)), device="cpu", dtype="bfloat16")
    assert backend.exactness is not None
    prompt = backend.encode(text)
    expected = hf_greedy(backend.model, prompt, 12)
    gaps = []  # a mistake that changes no token in so short a text is called nothing
    for mistake in ("mask", "position"):
        with monkeypatch.context() as patch:
            planted(patch, mistake)
            gaps += partings(backend, prompt, expected, 2)
    assert any(not gap.near_tie for gap in gaps), (backend.exactness, gaps)


@pytest.mark.parametrize(("dtype", "changed"), [(torch.float32, False), (torch.bfloat16, True), (torch.float16, True)])
def test_a_small_model_in_float32_stays_as_it_was_loaded(dtype: torch.dtype, changed: bool) -> None:
    model = tiny_model("llama", dtype)
    own = model.config._attn_implementation
    assert HFBackend(model).draft_shape == "tree"
    assert (model.config._attn_implementation != own) is changed
    assert any(type(module).__name__ == "PackedLinear" for module in model.modules()) <= changed


@pytest.mark.parametrize(("free", "packed"), [(0.0, False), (1e12, True)])
def test_layers_are_widened_only_where_memory_is_free(
    free: float, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a processor that packs no bfloat16, and whose own layers depend on the number of rows."""
    pack = linears._packed

    def only_wide(layer: torch.nn.Linear, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
        if dtype == torch.bfloat16:
            raise RuntimeError("bf16 path needs a newer processor")
        return pack(layer, dtype)

    monkeypatch.setattr(linears, "_packed", only_wide)
    monkeypatch.setattr(linears, "_free_bytes", lambda: free)
    monkeypatch.setattr(linears, "_seconds", lambda ways, rows: [float(-place) for place in range(len(ways))])
    model = torch.nn.Sequential(torch.nn.Linear(64, 64).to(torch.bfloat16))
    linears.choose_linears(model)
    assert isinstance(model[0], linears.PackedLinear) == packed


def _in_two_blocks(rows: Tensor, weight: Tensor) -> Tensor:
    """The product as kernels compute it that add up blocks of the inner size one after the other, exact to the end."""
    rows, weight = rows.float(), weight.float()
    border = rows.shape[-1] * 2 // 3
    return (rows[..., :border] @ weight[:, :border].T + rows[..., border:] @ weight[:, border:].T).bfloat16()


def test_another_order_of_additions_shows_in_16_bits() -> None:
    """On ordinary weights it changes so few results that a trial on some rows can miss it."""
    trial, rows = linears._cancelling(torch.nn.Linear(1537, 64, bias=True).bfloat16())
    assert trial.weight.shape == (64, 1537)
    expected = _in_two_blocks(rows, trial.weight)
    assert (rows.float() @ trial.weight.float().T).bfloat16().ne(expected).double().mean() > 0.5
    assert expected.abs().max() < 0.01


@pytest.mark.parametrize("places", [(), (0,), (0, 1), (0, 1, 2)])
def test_a_layer_whose_single_rows_come_out_otherwise_computes_them_as_two(
    places: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever ways of computing it do that; one that is exact as it is wins if it is as fast."""
    ways = linears._ways

    def one_row_otherwise(layers: Sequence[torch.nn.Linear], widens: bool) -> list[tuple[Any, Any]]:
        def computed(linear: Callable[[Tensor], Tensor], layer: torch.nn.Linear, rows: Tensor) -> Tensor:
            return linear(rows) if rows.numel() > rows.shape[-1] else _in_two_blocks(rows, layer.weight)

        return [
            (way, [partial(computed, *pair) for pair in zip(exact, layers, strict=True)] if place in places else exact)
            for place, (way, exact) in enumerate(ways(layers, widens))
        ]

    monkeypatch.setattr(linears, "_ways", one_row_otherwise)
    monkeypatch.setattr(linears, "_seconds", lambda ways, rows: [1.0] * len(ways))
    monkeypatch.setattr(linears, "_GAIN", 1.0)
    layer = torch.nn.Linear(640, 96).bfloat16()
    stored, input = layer.weight.clone(), torch.randn(1, 1, 640).bfloat16()
    linears.choose_linears(torch.nn.Sequential(layer))
    assert getattr(layer, "least_rows", 1) == (2 if 0 in places else 1)
    assert torch.equal(layer.weight, stored)
    assert torch.equal(layer(input), layer(input.repeat(1, 2, 1))[:, :1])


@pytest.mark.parametrize("way", [0, 1, 2])
def test_layers_of_gpt2_are_saved_and_loaded_as_they_were(way: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its weights are stored the other way round."""
    monkeypatch.setattr(linears, "_seconds", lambda ways, rows: [float(n != way) for n in range(len(ways))])
    monkeypatch.setattr(linears, "_least_rows", lambda layer, widens: [2] * 3)
    model = tiny_model("gpt2", torch.float32)
    stored = {name: value.clone() for name, value in model.state_dict().items()}
    ids = torch.tensor([[5, 6, 7]])
    expected = model(ids).logits
    assert linears.choose_linears(model) == 9
    assert (model(ids).logits - expected).abs().max() < 1e-4
    for _ in range(2):
        assert {name: value.shape for name, value in model.state_dict().items()} == {
            name: value.shape for name, value in stored.items()
        }
        assert all(torch.equal(stored[name], value) for name, value in model.state_dict().items())
        assert not model.load_state_dict(stored).missing_keys
    assert {type(module).__name__ for module in model.modules()} & {"Conv1D", "ChangedLinear"} == {"Conv1D"}
    assert torch.equal(model(ids).logits, expected)


@pytest.mark.parametrize(
    ("seconds", "kind"),
    [
        ((1.0, 0.5, 0.7), linears.WeightFirstLinear),
        ((1.0, 0.7, 0.5), linears.PackedLinear),
        ((1.0, 0.95, 0.92), torch.nn.Linear),
    ],
)
def test_layers_in_float32_are_computed_in_the_way_that_is_fastest(
    seconds: tuple[float, ...], kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a measurement, whether exact or not; small layers stay, and a gain within the noise changes nothing."""
    monkeypatch.setattr(linears, "_seconds", lambda ways, rows: list(seconds))
    monkeypatch.setattr(linears, "_independent", lambda linear, rows: False)
    model = torch.nn.Sequential(*(torch.nn.Linear(size, size) for size in (256, 64, 256, 256, 256)))
    assert linears.choose_linears(model, exact=False) == (0 if kind is torch.nn.Linear else 4)
    assert [type(layer) for layer in model] == [kind, torch.nn.Linear, kind, kind, kind]


def test_layers_of_one_shape_are_timed_together_and_no_more_than_leave_the_cache(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A single layer would be read from the processor's cache, as no pass reads it."""
    timed = []
    monkeypatch.setattr(linears, "_seconds", lambda ways, rows: [timed.append(len(one)) or 1.0 for one in ways])
    monkeypatch.setattr(linears, "_COLD_BYTES", 3 * 4 * 256 * 256)
    model = torch.nn.Sequential(*(torch.nn.Linear(256, 256) for _ in range(5)), torch.nn.Linear(256, 512))
    assert linears.choose_linears(model, exact=False) == 0
    assert timed == [3, 3, 3, 1, 1, 1]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("rows", [0, 1, 2, 7, 64, 65])
def test_weights_first_compute_the_same_and_are_stored_as_they_were(bias: bool, rows: int) -> None:
    layer = torch.nn.Linear(48, 80, bias=bias, dtype=torch.float64)
    stored = {name: value.clone() for name, value in layer.state_dict().items()}
    input = torch.randn(1, rows, 48, dtype=torch.float64)
    expected = layer(input)
    linears._put_weight_first(layer)
    assert torch.allclose(layer(input), expected, rtol=1e-12, atol=1e-12)
    assert layer(input).shape == expected.shape
    assert layer(input).is_contiguous()  # torch's fast attention takes no other
    assert layer(input[0]).shape == expected[0].shape
    assert all(torch.equal(stored[name], value) for name, value in layer.state_dict().items())
