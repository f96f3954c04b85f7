"""Models with a recurrent state draft chains: the tokens of ``generate``, whatever is drafted, and whoever errs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from itertools import zip_longest

import pytest
import torch
from transformers.cache_utils import LinearAttentionLayer

from lookahead.config import LookaheadConfig
from lookahead.draft import Chain, DraftTree
from lookahead.drafter import DraftRequest
from lookahead.engine import LookaheadEngine
from lookahead.hf import HFBackend
from lookahead.hf.chain_state import ChainState, _Saved
from lookahead.hf.recurrence import StatesOfPass, exchanges, stepwise
from tests.lookahead.drafters import NoisyOracle, tree_of
from tests.lookahead.tiny_models import RECURRENT, VOCAB_SIZE, drafted, hf_greedy, tiny_recurrent

PROMPTS = ([5], [(11 * place) % VOCAB_SIZE for place in range(13)])
NEW_TOKENS = 14


@pytest.mark.parametrize("family", RECURRENT)
def test_same_tokens_as_generate(family):
    model = tiny_recurrent(family)
    backend = HFBackend(model)
    assert backend.draft_shape == "chain", backend.notice
    assert "one chain of tokens" in (backend.notice or "")
    for seed, prompt in enumerate(PROMPTS):
        expected = hf_greedy(model, prompt, NEW_TOKENS)
        assert len(drafted(backend, prompt, expected, seed=seed, width=(9, 5)[seed])) < NEW_TOKENS


class Script:
    """Drafts chains by a plan: how many tokens, and the first of them that is wrong (None: none is)."""

    def __init__(self, answer: list[int], plan: list[tuple[int, int | None]]) -> None:
        self._answer, self._plan = answer, list(plan)
        self.read_again: list[int] = []

    def start(self, prompt_ids: Sequence[int]) -> ScriptRequest:
        """The request over this prompt."""
        return ScriptRequest(self._answer, self._plan, self.read_again, prompt_ids[-1])


class ScriptRequest(DraftRequest):
    """One run of a ``Script``."""

    def __init__(
        self, answer: list[int], plan: list[tuple[int, int | None]], read_again: list[int], last_id: int
    ) -> None:
        super().__init__([last_id])
        self._answer, self._plan, self._read_again, self._done = answer, plan, read_again, 0

    def draft(
        self, width: int, longest_branch: int, pass_seconds: Sequence[float] | None, chain: Chain | None = None
    ) -> DraftTree:
        """The next chain of the plan, as far as there is room."""
        assert chain is not None
        self._read_again.append(chain.reread)
        drafted, wrong = self._plan.pop(0) if self._plan else (0, None)
        ids = self._answer[self._done : self._done + min(drafted, width - 1, longest_branch)]
        if wrong is not None and wrong < len(ids):
            ids[wrong] = (ids[wrong] + 1) % VOCAB_SIZE
        return tree_of([self._last_id, *ids], range(-1, len(ids)))

    def commit(self, token_ids: Sequence[int]) -> None:
        """Count the emitted tokens."""
        super().commit(token_ids)
        self._done += len(token_ids)


PLAN: list[tuple[int, int | None]] = [(3, None), (3, 0), (4, 2), (2, 1), (0, None), (5, 4), (2, None)]


@pytest.mark.parametrize(
    ("family", "again"), [("qwen3_5_text", [0] * 8), ("lfm2", [0] * 8), ("rwkv", [0, 0, 1, 4, 6, 0, 5, 0])]
)
def test_right_wrong_and_half_right_chains(family, again):
    """Where the state cannot be noted after each token, the accepted ones of a rejected chain are read again."""
    model = tiny_recurrent(family)
    backend = HFBackend(model)
    prompt = PROMPTS[1]
    expected = hf_greedy(model, prompt, 24)
    script = Script(expected, PLAN)
    engine = LookaheadEngine(backend, LookaheadConfig(decoding_length=16, budget="fixed"), script)
    records = list(engine.generate(prompt, max_new_tokens=24))
    assert [token_id for record in records for token_id in record.emitted_ids] == expected
    assert [len(record.accepted_nodes) for record in records[1:8]] == [3, 0, 2, 1, 0, 4, 2]
    assert script.read_again[: len(again)] == again


@pytest.mark.parametrize("family", ["mamba", "rwkv"])
def test_chains_end_where_the_output_ends(family):
    model = tiny_recurrent(family)
    prompt = PROMPTS[1]
    expected = hf_greedy(model, prompt, NEW_TOKENS)
    eos = next(token_id for token_id in expected[2:] if token_id not in expected[:2])
    place = expected.index(eos) + 1
    model.generation_config.eos_token_id = eos
    backend = HFBackend(model)
    engine = LookaheadEngine(backend, LookaheadConfig(budget="fixed"), NoisyOracle(expected, VOCAB_SIZE, 1.0))
    records = list(engine.generate(prompt, max_new_tokens=NEW_TOKENS))
    assert [token_id for record in records for token_id in record.emitted_ids] == expected[:place]
    assert records[-1].finish_reason == "eos"
    stop = threading.Event()
    steps = engine.generate(prompt, max_new_tokens=NEW_TOKENS, cancelled=stop)
    next(steps)
    stop.set()
    assert next(steps).finish_reason in ("cancelled", "eos")
    assert next(steps, None) is None


@pytest.mark.parametrize("family", ["bamba", "zaya"])
def test_what_changes_the_logits_counts_along_a_chain(family):
    model = tiny_recurrent(family)
    model.generation_config.repetition_penalty = 1.5
    backend = HFBackend(model)
    prompt = PROMPTS[1]
    expected = hf_greedy(model, prompt, NEW_TOKENS)
    assert expected != hf_greedy(tiny_recurrent(family), prompt, NEW_TOKENS), "the penalty changes nothing"
    drafted(backend, prompt, expected, width=6)


@pytest.mark.parametrize("family", ["qwen3_next", "zaya"])
def test_two_runs_do_not_touch_each_other(family):
    backend = HFBackend(tiny_recurrent(family))
    expected = [hf_greedy(backend.model, prompt, NEW_TOKENS) for prompt in PROMPTS]
    config = LookaheadConfig(decoding_length=6, budget="fixed")
    runs = [
        LookaheadEngine(backend, config, NoisyOracle(answer, VOCAB_SIZE, 0.7)).generate(
            prompt, max_new_tokens=NEW_TOKENS
        )
        for prompt, answer in zip(PROMPTS, expected, strict=True)
    ]
    emitted: list[list[int]] = [[], []]
    for pair in zip_longest(*runs):
        for output, record in zip(emitted, pair, strict=True):
            output += record.emitted_ids if record else ()
    assert emitted == expected


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", ["falcon_h1", "jamba", "lfm2", "qwen3_5_moe_text", "zaya"])
def test_rounding_is_not_taken_for_a_wrong_pass(family, dtype):
    backend = HFBackend(tiny_recurrent(family, dtype))
    assert backend.draft_shape == "chain", backend.notice
    assert backend.exactness is not None
    assert backend.exactness.kind == "within rounding"


def _not_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Saved, "put_back", lambda self: None)
    monkeypatch.setattr(StatesOfPass, "after", lambda self, token: [states[-1] for states in self._after])


def _one_token_too_early(monkeypatch: pytest.MonkeyPatch) -> None:
    after, begin = StatesOfPass.after, ChainState.begin
    monkeypatch.setattr(StatesOfPass, "after", lambda self, token: after(self, max(0, token - 1)))

    def begin_late(self, chain_ids):
        return [*begin(self, chain_ids)[:-1], 0] if self.pending_ids else begin(self, chain_ids)

    monkeypatch.setattr(ChainState, "begin", begin_late)


def _read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    crop = LinearAttentionLayer.crop
    monkeypatch.setattr(LinearAttentionLayer, "crop", lambda self, count: crop(self, 0))
    put_back = _Saved.put_back

    def all_but_one(self):
        self._parts = self._parts[:-1]
        put_back(self)

    monkeypatch.setattr(_Saved, "put_back", all_but_one)


@pytest.mark.parametrize("mistake", [_not_put_back, _one_token_too_early, _read_twice])
@pytest.mark.parametrize("family", ["qwen3_5_text", "bamba", "zaya"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_trial_finds_a_mistake_in_what_is_put_back(family, mistake, dtype, monkeypatch):
    mistake(monkeypatch)
    backend = HFBackend(tiny_recurrent(family, dtype))
    assert backend.draft_shape == "none"
    assert "without chains as well" in (backend.notice or "")


def test_functions_of_transformers_are_exchanged_during_a_pass_over_a_chain_only():
    model, seen = tiny_recurrent("mamba2"), []
    code = sys.modules[type(model).__module__]
    own = code.mamba2_chunk_scan
    model.register_forward_hook(lambda *_: seen.append(code.mamba2_chunk_scan is own))
    assert HFBackend(model).draft_shape == "chain"
    assert False in seen
    assert code.mamba2_chunk_scan is own
    seen.clear()
    hf_greedy(model, PROMPTS[1], NEW_TOKENS)
    assert all(seen)


def test_a_function_is_put_back_when_the_last_of_several_passes_has_ended():
    code = sys.modules[type(model := tiny_recurrent("mamba2")).__module__]
    own, found = code.mamba2_chunk_scan, exchanges(model)
    with stepwise(found, StatesOfPass([], kept=False)):
        with stepwise(exchanges(model), StatesOfPass([], kept=False)):
            assert code.mamba2_chunk_scan is not own
        assert code.mamba2_chunk_scan is not own
    assert code.mamba2_chunk_scan is own


def test_attention_to_picked_tokens_that_a_trial_cannot_go_past_takes_no_chains():
    model = tiny_recurrent("lfm2")
    model.config.index_topk = 2048
    backend = HFBackend(model)
    assert backend.draft_shape == "none"
    assert "index_topk" in (backend.notice or "")
