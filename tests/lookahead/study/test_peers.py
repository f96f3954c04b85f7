"""Peers: prompt lookup drafts what transformers drafts, and the others what they say."""

from __future__ import annotations

import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.generation.candidate_generator import PromptLookupCandidateGenerator

from lookahead.config import LookaheadConfig
from lookahead.study.material import Sample
from lookahead.study.peers import LOOKUP_NGRAM, LOOKUP_TOKENS, PromptLookup, SuffixChain, peers
from tests.lookahead.study.samples import FLAT, ids, recorded


@given(st.lists(ids, min_size=1, max_size=40), st.lists(ids, max_size=10))
def test_prompt_lookup_drafts_what_transformers_drafts(prompt, emitted):
    request = PromptLookup(prompt)
    request.commit(emitted)
    context = [*prompt, *emitted]
    theirs = PromptLookupCandidateGenerator(
        num_output_tokens=LOOKUP_TOKENS, max_matching_ngram_size=LOOKUP_NGRAM, max_length=1000
    )
    candidates, _ = theirs.get_candidates(torch.LongTensor([context]))
    tree = request.draft(LOOKUP_TOKENS + 1, LOOKUP_TOKENS, None)
    tree.check()
    assert list(tree.token_ids) == candidates[0].tolist()[len(context) - 1 :]


@given(st.lists(ids, min_size=1, max_size=40), st.integers(2, 12))
def test_a_suffix_chain_follows_the_longest_match(context, width):
    tree = SuffixChain(context).draft(width, width - 1, None)
    tree.check()
    assert tree.is_chain

    def agreeing(place: int) -> int:
        return next((n for n in range(place) if context[place - 1 - n] != context[-1 - n]), place)

    best = max(range(1, len(context)), key=lambda place: (agreeing(place), place), default=0)
    expected = context[best : best + width - 1] if best and agreeing(best) else []
    assert list(tree.token_ids[1:]) == expected


def test_the_peers_of_a_trace():
    generator = random.Random(1)
    prompts = [tuple(generator.randrange(9) for _ in range(30)) for _ in range(3)]
    samples = [Sample(str(n), prompt, prompt[5:25]) for n, prompt in enumerate(prompts)]
    found = peers(samples, LookaheadConfig(decoding_length=16), FLAT, jobs=1)
    assert [one.label for one in found] == ["prompt lookup", "suffix chain", "the paper's ranking"]
    for one in found:
        assert one.peer
        assert one.modelled_speedup is not None
        assert len(one.each) == 3
    assert [one.modelled_speedup for one in peers(samples, LookaheadConfig(), jobs=1)] == [None] * 3


@pytest.mark.parametrize("beside", [False, True])
def test_recycled_logits_are_a_peer_where_every_sample_has_a_run_that_kept_them(beside):
    run = recorded()
    samples = [Sample("run", run.prompt_ids, run=run)]
    if beside:
        samples.append(Sample("trace", (1, 2), (3, 4, 5)))
    labels = [one.label for one in peers(samples, run.config, FLAT, jobs=1)]
    assert ("recycled logits" in labels) is not beside
