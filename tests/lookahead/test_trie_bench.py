"""The benchmark of the trie: its numbers are consistent, and its text is always the same."""

from __future__ import annotations

from itertools import islice

import pytest

from lookahead import trie_bench
from lookahead.config import LookaheadConfig
from lookahead.trie_bench import bench_trie, synthetic_sequences

CONFIG = LookaheadConfig(decoding_length=16)


@pytest.fixture(autouse=True)
def _few_drafts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trie_bench, "_ASKED_TOKENS", 1000)


def short(count: int) -> list[list[int]]:
    return [sequence[:200] for sequence in islice(synthetic_sequences(3), count)]


def test_the_numbers_belong_together():
    read: list[int] = []
    result = bench_trie(short(10), 1100, CONFIG, read.append)
    assert result["tokens"] == sum(read) == 1100
    assert result["trie_bytes"] == pytest.approx(result["bytes_per_token"] * 1100)
    assert 0 < result["retrieve_us_p50"] <= result["retrieve_us_p99"]
    assert result["insert_us_per_token"] > 0
    assert result["commit_us_per_token"] > 0
    assert result["steps"] > 0
    assert result["mean_accepted_tokens"] >= 1
    assert 0 <= result["draft_tokens_per_step"] <= 15
    assert result["tokens"] == 1100


def test_the_held_out_sequences_are_not_in_the_trie():
    """Otherwise a whole sequence could be copied."""
    apart = [list(range(start, start + 200)) for start in range(0, 2000, 200)]
    result = bench_trie(apart, 1000, CONFIG)
    assert result["mean_accepted_tokens"] == 1.0
    assert bench_trie([apart[0], apart[0]], 200, CONFIG)["mean_accepted_tokens"] > 10


def test_drafts_of_adaptive_width_are_measured_apart():
    dear = [0.001 * width for width in range(1, 17)]
    result = bench_trie(synthetic_sequences(3), 1100, CONFIG, pass_seconds=dear)
    assert result["adaptive_draft_tokens_per_step"] is not None
    assert result["adaptive_draft_tokens_per_step"] < result["draft_tokens_per_step"]
    assert 0 < (result["adaptive_retrieve_us_mean"] or 0) <= 10 * (result["adaptive_retrieve_us_p99"] or 0)
    assert (result["adaptive_mean_accepted_tokens"] or 0) >= 1
    assert bench_trie(short(20), 1100, CONFIG)["adaptive_retrieve_us_mean"] is None


def test_too_few_tokens_are_refused():
    with pytest.raises(ValueError, match="only 400 tokens"):
        bench_trie(short(2), 1000, CONFIG)
    with pytest.raises(ValueError, match="ask for fewer"):
        bench_trie(short(2), 400, CONFIG)


def test_an_empty_sequence_is_no_end():
    result = bench_trie([[], *short(3), [], *short(2)], 800, CONFIG)
    assert result["tokens"] == 800


def test_the_synthetic_text_is_always_the_same_and_another_seed_another():
    first, second, other = (list(islice(synthetic_sequences(seed), 20)) for seed in (0, 0, 1))
    assert first == second != other
    assert all(len(sequence) == len(first[0]) for sequence in first)
    assert all(0 <= token_id < 30_000 for sequence in first for token_id in sequence)
