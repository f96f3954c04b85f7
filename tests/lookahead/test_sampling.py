"""Sampling: the distribution is the model's, and a text depends on prompt, settings and seed alone."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
import torch
from transformers import LogitsProcessorList
from transformers.generation import logits_process

from lookahead.backend import BackendError
from lookahead.config import GREEDY, LookaheadConfig, Sampling
from lookahead.drafter import Drafter
from lookahead.engine import LookaheadEngine
from lookahead.hf import HFBackend
from lookahead.hf.choosing import Chooser
from lookahead.hf.noise import noise
from lookahead.hf.passes import NO_CHOICE
from lookahead.hf.reference import run_reference
from lookahead.hf.sampling import Dice, likeliest
from lookahead.hf.ties import token_gap
from lookahead.records import ModelInfo
from lookahead.runs import runfile
from lookahead.runs.recorder import RecordedRun
from tests.lookahead.drafters import NoisyOracle
from tests.lookahead.tiny_models import VOCAB_SIZE, tiny_mamba, tiny_model

PROMPT = [5, 6, 7]
SETTINGS: list[dict[str, Any]] = [
    {},
    {"top_k": 5},
    {"top_p": 0.8},
    {"min_p": 0.1},
    {"top_k": 20, "top_p": 0.9, "min_p": 0.02},
]


def _emitted(backend: HFBackend, sampling: Sampling, drafter: Any = None, count: int = 16, **more: Any) -> list[int]:
    config = LookaheadConfig(decoding_length=12, budget="fixed")
    method = "plain" if drafter is None else "lookahead"
    run = LookaheadEngine(backend, config, drafter).generate(
        PROMPT, max_new_tokens=count, method=method, sampling=sampling, **more
    )
    return [token_id for step in run for token_id in step.emitted_ids]


# ------------------------------------------------------------------ draws


def _rows(count: int, size: int, scale: float, rounded: bool = False) -> torch.Tensor:
    rows = torch.randn(count, size, generator=torch.Generator().manual_seed(size)) * scale
    return rows.bfloat16().float() if rounded else rows


def _dense(seed: int, row: torch.Tensor, position: int) -> int:
    """The draw by the definition: the largest sum of score and noise over the whole vocabulary."""
    tokens = np.arange(len(row))
    return int(np.argmax(row.double().numpy() + noise(seed, np.full(len(row), position), tokens)))


@pytest.mark.parametrize("size", [1, 7, 256, 300, 5000])
@pytest.mark.parametrize("scale", [0.1, 3.0, 1000.0])
def test_a_draw_is_the_largest_sum_and_independent_of_the_rows_beside_it(size, scale):
    rows, positions = _rows(12, size, scale), [(7 * row) % 40 for row in range(12)]
    found = Dice(3).draw(rows, positions)
    assert found == [_dense(3, row, position) for row, position in zip(rows, positions, strict=True)]
    order = random.Random(size).sample(range(12), 12)
    assert Dice(3).draw(rows[order], [positions[row] for row in order]) == [found[row] for row in order]
    assert [Dice(3).draw(rows[row : row + 1], [positions[row]])[0] for row in range(12)] == found


def test_rows_without_a_finite_largest_score_have_no_choice():
    infinite = torch.tensor([[math.nan, 1.0, 2.0], [-math.inf] * 3, [1.0, math.inf, 0.0], [-math.inf, -math.inf, 5.0]])
    assert Dice(1).draw(infinite, range(4)) == [NO_CHOICE, NO_CHOICE, NO_CHOICE, 2]


@pytest.mark.parametrize("rounded", [False, True])
def test_the_likeliest_tokens_come_from_their_blocks(rounded):
    rows = _rows(5, 10_000 + 13, 2.0, rounded)
    values, tokens = likeliest(rows, 20)
    assert torch.equal(values.sort(descending=True).values, rows.topk(20).values)
    assert torch.equal(values, rows.gather(-1, tokens))
    assert bool((tokens.diff(dim=-1) > 0).all())


WARPERS = [
    [logits_process.TopKLogitsWarper(9)],
    [logits_process.TopPLogitsWarper(0.7)],
    [logits_process.TopPLogitsWarper(0.999)],
    [logits_process.MinPLogitsWarper(0.05)],
    [logits_process.TopKLogitsWarper(40), logits_process.TopPLogitsWarper(0.9), logits_process.MinPLogitsWarper(0.01)],
    [logits_process.TopPLogitsWarper(0.9), logits_process.TypicalLogitsWarper(0.8)],
]


@pytest.mark.parametrize("warpers", WARPERS, ids=lambda found: "+".join(type(one).__name__[:6] for one in found))
@pytest.mark.parametrize("rounded", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_narrowing_draws_what_the_warpers_of_transformers_leave(warpers, rounded, scale):
    """Narrowed rows have few tokens, whole ones 12,000. Of equal scores (bfloat16 has many) any may be the one left."""
    rows, positions = _rows(24, 12_000, scale, rounded), list(range(24))
    whole = rows
    for warper in warpers:
        whole = warper(None, whole)
    dice = _Seen(8)
    chooser = Chooser(LogitsProcessorList(warpers), 0, dice)
    drawn = chooser.pick(chooser.scores(rows, rows), positions)
    for row in positions:
        found, expected = dice.left[row], _finite(whole[row])
        same = min(len(found), len(expected))
        assert found[-same:] == expected[-same:]
        # transformers sums in float32: at a border among thousands of tokens that is a few of them.
        assert same == len(expected) or abs(len(found) - len(expected)) < 0.01 * len(expected)
    assert drawn == [chooser.pick(chooser.scores(rows[row : row + 1], rows), [row])[0] for row in positions]
    if not rounded and dice.left == {row: _finite(whole[row]) for row in positions}:
        assert drawn == Dice(8).draw(whole, positions)


class _Seen(Dice):
    """Keeps the scores that are left for the draw at each position."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.left: dict[int, list[float]] = {}

    def draw(self, scores: torch.Tensor, positions: Any) -> list[int]:
        self._see(scores, positions)
        return super().draw(scores, positions)

    def draw_among(self, scores: torch.Tensor, token_ids: torch.Tensor, positions: Any) -> list[int]:
        self._see(scores, positions)
        return super().draw_among(scores, token_ids, positions)

    def _see(self, scores: torch.Tensor, positions: Any) -> None:
        self.left.update({position: _finite(row) for position, row in zip(positions, scores, strict=True)})


def _finite(row: torch.Tensor) -> list[float]:
    return sorted(row[row > -torch.inf].tolist())


# ------------------------------------------------------------------ distribution

DRAWS, SEEDS = 4000, 8


def _probabilities(logits: torch.Tensor, sampling: Sampling, context: list[int], penalty: float) -> np.ndarray:
    """The exact distribution by its textbook definition, shape ``(vocab,)``."""
    scores = logits.double().numpy().copy()
    seen = np.unique(context)
    scores[seen] = np.where(scores[seen] > 0, scores[seen] / penalty, scores[seen] * penalty)
    scores /= sampling.temperature
    order = np.argsort(-scores)
    probabilities = np.exp(scores - scores.max())
    if sampling.top_k is not None:
        probabilities[order[sampling.top_k :]] = 0
    if sampling.top_p is not None:
        before = np.cumsum(probabilities[order] / probabilities.sum()) - probabilities[order] / probabilities.sum()
        probabilities[order[before >= sampling.top_p]] = 0
    if sampling.min_p is not None:
        probabilities[probabilities < sampling.min_p * probabilities.max()] = 0
    return probabilities / probabilities.sum()


def _chi_square_is_plausible(counts: np.ndarray, expected: np.ndarray) -> bool:
    """Whether chi-square is below its mean plus 4.5 standard deviations; rare outcomes are counted together."""
    assert not counts[expected == 0].any(), "an outcome that has no probability was drawn"
    rare = expected < 5
    seen, wanted = (np.append(one[~rare], one[rare].sum()) for one in (counts, expected))
    seen, wanted = seen[wanted > 0], wanted[wanted > 0]
    degrees = len(wanted) - 1
    return float(((seen - wanted) ** 2 / wanted).sum()) < degrees + 4.5 * math.sqrt(2 * max(degrees, 1)) + 4


@pytest.mark.parametrize("penalty", [1.0, 1.3])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("temperature", [0.7, 1.5])
def test_first_and_second_token_have_the_models_exact_joint_distribution(settings, temperature, penalty):
    """First tokens and pairs of many draws against the exact probabilities, worked out apart from the library."""
    model = tiny_model("llama")
    model.generation_config.repetition_penalty = penalty
    backend, sampling = HFBackend(model), Sampling(temperature=temperature, **settings)
    prompt = torch.tensor([PROMPT])
    with torch.inference_mode():
        first = _probabilities(model(prompt).logits[0, -1], sampling, PROMPT, penalty)
        texts = torch.tensor([[*PROMPT, token_id] for token_id in range(VOCAB_SIZE)])
        logits = model(texts).logits  # (vocab, 4, vocab)
    second = np.stack([_probabilities(logits[t, -1], sampling, [*PROMPT, t], penalty) for t in range(VOCAB_SIZE)])
    processors = backend.rules.processors(prompt, 20, sampling)
    rows = Chooser(processors, 3, Dice(0))  # the processed scores do not depend on the seed
    after_prompt = _warped(rows, logits[:1, 2], prompt)
    after_first = torch.cat([_warped(rows, logits[t : t + 1, 3], texts[t : t + 1]) for t in range(VOCAB_SIZE)])
    counts = np.zeros((VOCAB_SIZE, VOCAB_SIZE))
    for seed in range(SEEDS):
        dice, positions = Dice(seed), range(0, 2 * DRAWS // SEEDS, 2)
        one = dice.draw(after_prompt.expand(len(positions), -1), positions)
        two = dice.draw(after_first[one], [position + 1 for position in positions])
        np.add.at(counts, (one, two), 1)
    assert _chi_square_is_plausible(counts.sum(axis=1), DRAWS * first)
    assert _chi_square_is_plausible(counts.ravel(), (DRAWS * first[:, None] * second).ravel())


def _warped(chooser: Chooser, logits: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
    scores = chooser.scores(logits, context)
    for warper in chooser._rest:
        scores = warper(context, scores)
    return scores


# ------------------------------------------------------------------ runs


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_in_bfloat16_with_exact_passes_too(settings):
    model = tiny_model("llama", torch.bfloat16)
    backend = HFBackend(model)
    assert backend.exactness is not None
    assert backend.exactness.kind == "bitwise"
    for seed in range(3):
        sampling = Sampling(temperature=1.0, seed=seed, **settings)
        plain = _emitted(backend, sampling)
        assert _emitted(backend, sampling, NoisyOracle(plain, VOCAB_SIZE, 0.7, seed)) == plain


def test_a_model_that_takes_no_drafts_draws_the_same_as_transformers():
    backend, sampling = HFBackend(tiny_mamba()), Sampling(temperature=1.0, seed=2, top_k=30)
    assert backend.draft_shape != "tree"
    drawn = tuple(_emitted(backend, sampling))
    assert run_reference(backend, PROMPT, 16, (), False, sampling).token_ids == drawn
    assert tuple(_emitted(backend, GREEDY)) != drawn


@pytest.mark.parametrize("penalty", [None, 1.3], ids=["free", "penalty"])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_plain_lookahead_and_transformers_write_the_same_tokens(settings, penalty):
    model = tiny_model("llama")
    model.generation_config.repetition_penalty = penalty
    backend, texts = HFBackend(model), set()
    for seed in range(3):
        sampling = Sampling(temperature=(0.5, 1.0, 2.0)[seed], seed=seed, **settings)
        plain = _emitted(backend, sampling)
        assert _emitted(backend, sampling, NoisyOracle(plain, VOCAB_SIZE, 0.7, seed)) == plain
        assert run_reference(backend, PROMPT, 16, (), seed == 0, sampling).token_ids == tuple(plain)
        texts.add(tuple(plain))
    assert len(texts) == 3, "another seed writes another text"


def test_drafts_are_accepted_and_every_node_has_its_own_draw():
    backend, sampling = HFBackend(tiny_model("llama")), Sampling(temperature=1.5, seed=3)
    expected = _emitted(backend, sampling)
    config = LookaheadConfig(decoding_length=12, budget="fixed")
    engine = LookaheadEngine(backend, config, NoisyOracle(expected, VOCAB_SIZE, 0.7))
    steps = list(engine.generate(PROMPT, max_new_tokens=16, sampling=sampling))
    assert len(steps) < 12
    assert all(target_id >= 0 for step in steps for target_id in step.target_ids)
    followed = [step for step in steps[1:] if len(step.draft or ()) > len(step.accepted_nodes) + 1]
    for step in followed:  # the draw off the path is the one of a run that went there
        tree = step.draft
        assert tree is not None
        node = next(node for node in range(1, len(tree)) if node not in step.accepted_nodes and tree.parents[node] == 0)
        done = step.context_length - len(PROMPT)
        session = backend.new_session(40, len(PROMPT), sampling)
        session.prefill(PROMPT)
        for token_id in expected[: done - 1]:
            session.choose(_root(token_id))
            session.keep(())
        session.choose(_root(expected[done - 1]))
        session.keep(())
        assert session.choose(_root(tree.token_ids[node])) == (step.target_ids[node],)
    assert followed


def _root(token_id: int) -> Any:
    from lookahead.draft import DraftTree

    return DraftTree.root_only(token_id)


@pytest.mark.parametrize("typical", [True, False])
def test_the_generation_config_fills_in_what_is_not_asked_for(typical):
    """top-k of the model holds unless the caller gives one; transformers' own default of 50 never does."""
    model = tiny_model("llama")
    if typical:
        model.generation_config.typical_p = 0.5
    model.generation_config.top_k = 2
    backend, prompt = HFBackend(model), torch.tensor([PROMPT])
    names = {type(one).__name__: one for one in backend.rules.processors(prompt, 9, Sampling(temperature=0.7))}
    assert names["TopKLogitsWarper"].top_k == 2
    assert names["TemperatureLogitsWarper"].temperature == 0.7
    assert ("TypicalLogitsWarper" in names) == typical
    model.generation_config.top_k = None
    names = {type(one).__name__ for one in backend.rules.processors(prompt, 9, Sampling(temperature=0.7, min_p=0.2))}
    assert names - {"TypicalLogitsWarper"} == {"TemperatureLogitsWarper", "MinPLogitsWarper"}
    assert not backend.rules.processors(prompt, 9, GREEDY)


def test_do_sample_of_a_generation_config_is_said_once_and_changes_nothing():
    model = tiny_model("llama")
    greedy = _emitted(HFBackend(model), GREEDY)
    model.generation_config.do_sample, model.generation_config.temperature = True, 0.3
    backend = HFBackend(model)
    assert "--temperature 0.3" in str(backend.rules.notice)
    assert _emitted(backend, GREEDY) == greedy


def test_a_setting_of_the_model_that_cannot_be_used_to_draw_is_one_line():
    model = tiny_model("llama")
    model.generation_config.typical_p = "high"
    backend = HFBackend(model)
    with pytest.raises(BackendError, match="draw tokens") as refusal:
        _emitted(backend, Sampling(temperature=1.0))
    assert "\n" not in str(refusal.value)
    assert _emitted(backend, GREEDY)


def test_runs_with_different_seeds_share_the_trie():
    """The second run drafts from what the first one wrote, and both write what they would have written alone."""
    backend, config = HFBackend(tiny_model("llama")), LookaheadConfig(budget="fixed")
    drafter = Drafter(config)
    engine = LookaheadEngine(backend, config, drafter)
    for seed in (1, 2):
        sampling = Sampling(temperature=0.3, seed=seed)
        steps = list(engine.generate(PROMPT, max_new_tokens=40, sampling=sampling))
        sources = {source for step in steps if step.draft for source in step.draft.sources}
        assert [token_id for step in steps for token_id in step.emitted_ids] == _emitted(backend, sampling, count=40)
    first = next(step.draft for step in steps if step.draft)
    assert "output" in first.sources, "before it wrote anything, it knew the other run's output"
    assert "output" in sources


def test_the_gap_of_a_draw_includes_the_noise_and_the_temperature():
    model = tiny_model("llama")
    backend, sampling = HFBackend(model), Sampling(temperature=0.5, seed=9)
    with torch.inference_mode():
        scores = model(torch.tensor([[*PROMPT, 8]])).logits[0, -1].double()
    added = noise(9, np.array([1, 1]), np.array([3, 4]))
    expected = abs(float(scores[3] - scores[4]) / 0.5 + added[0] - added[1])
    found, greedy = (token_gap(backend, PROMPT, (8,), 3, 4, one) for one in (sampling, GREEDY))
    assert found.gap == pytest.approx(expected, abs=1e-5)
    assert greedy.gap == pytest.approx(abs(float(scores[3] - scores[4])), abs=1e-5)
    assert found.spacing == pytest.approx(2 * greedy.spacing)


def test_a_run_file_keeps_how_tokens_were_chosen():
    backend, info = HFBackend(tiny_model("llama")), ModelInfo("tiny", "cpu", "float32", 1, VOCAB_SIZE)
    for sampling in (GREEDY, Sampling(temperature=0.9, seed=7, top_k=5, min_p=0.1)):
        run = RecordedRun(LookaheadEngine(backend), PROMPT, info, max_new_tokens=8, sampling=sampling)
        list(run)
        text = runfile.to_json(run.record())
        assert ('"sampling"' in text) != sampling.greedy, "a greedy run's file is as it always was"
        assert runfile.from_json(text).sampling == sampling
    for broken, named in (('"top_k":0.5', "sampling.top_k"), ('"heat":1', "sampling.heat")):
        with pytest.raises(runfile.RunFileError, match=named):
            runfile.from_json(text.replace('"top_k":5', broken))


def test_a_temperature_that_would_overflow_is_refused():
    assert Sampling(temperature=0.001).temperature == 0.001
    with pytest.raises(ValueError, match="need 0"):
        Sampling(temperature=1e-30)
