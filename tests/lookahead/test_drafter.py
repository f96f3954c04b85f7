"""A drafter's requests: what each may see, what it leaves behind, and when."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lookahead.config import LookaheadConfig
from lookahead.draft import DraftTree
from lookahead.drafter import Drafter, DraftRequest
from tests.lookahead.drafters import RANKINGS, copied, draft, drafter, prompts
from tests.lookahead.ngrams import sequences, trie_of


@given(prompts, sequences, prompts, st.sampled_from(RANKINGS))
def test_a_prompt_never_appears_in_another_request(prompt, output, other, ranking):
    """Its tokens are in no other draft, during the run and afterwards, and not in the session."""
    secret = [token_id + 100 for token_id in prompt]
    owner = drafter(ranking=ranking)
    first = owner.start([*secret, 1])
    beside = owner.start(other)
    first.commit(output)
    seen = {*draft(beside).token_ids}
    first.finish()
    beside.commit([1])
    seen |= {*draft(beside).token_ids, *draft(owner.start([*other, 1])).token_ids, *draft(first).token_ids[1:]}
    assert not seen & set(secret)
    assert not set(owner.session.log) & set(secret)


@example(prompt=[1, 2, 1, 2, 1, 2], output=[], sources={"prompt"}, ranking="probability")
@given(prompts, sequences, st.sets(st.sampled_from(["prompt", "output", "corpus"])), st.sampled_from(RANKINGS))
def test_prompt_branches_are_gone_when_the_request_has_ended(prompt, output, sources, ranking):
    request = drafter(sources=tuple(sources), ranking=ranking).start(prompt)
    request.commit(output)
    draft(request)
    request.finish()
    assert len(request.trie) + request.trie.leaves == 0
    for _ in range(2):
        tree = draft(request)
        tree.check()
        assert "prompt" not in tree.sources
        request.commit([1])


@given(prompts, prompts, sequences, sequences, st.sampled_from(RANKINGS))
def test_overlapping_requests_do_not_touch_each_other(prompt, other, output, more, ranking):
    alone = drafter(ranking=ranking).start(prompt)
    owner = drafter(ranking=ranking)
    request, beside = owner.start(prompt), owner.start(other)
    for token_id in output:
        beside.commit(more[:3])
        draft(beside)
        assert draft(request) == draft(alone)
        request.commit([token_id])
        alone.commit([token_id])
    beside.commit([7, 7])
    assert draft(request) == draft(alone)
    pairs = zip(request.sources, alone.sources, strict=True)
    assert all(request.confidence.of(one).values == alone.confidence.of(other).values for one, other in pairs)


@given(prompts, sequences)
def test_finishing_twice_keeps_the_output_once(prompt, output):
    owner = drafter()
    request = owner.start(prompt)
    request.commit(output)
    request.finish()
    after = owner.session.stats()
    request.finish()
    assert owner.session.stats() == after
    assert [token for token in owner.session.log if token >= 0] == output


@pytest.mark.parametrize("ranking", RANKINGS)
def test_an_output_is_drafted_in_the_next_request_and_called_output(ranking):
    """Also one without a repeated token: all of it is leaves."""
    owner = drafter(ranking=ranking)
    first = owner.start([1])
    first.commit([20, 21, 22, 23, 24])
    first.finish()
    tree = draft(owner.start([3, 20]))
    assert copied(tree) == [(21, "output"), (22, "output"), (23, "output"), (24, "output")]
    assert tree.match_length == 1


def test_a_corpus_is_drafted_and_called_corpus_and_never_written():
    warm = trie_of([[20, 21, 22, 23]], 12)
    before = warm.stats()
    owner = Drafter(LookaheadConfig(), (warm,))
    request = owner.start([3, 20])
    tree = draft(request)
    assert copied(tree) == [(21, "corpus"), (22, "corpus"), (23, "corpus")]
    request.commit([21, 30, 31])
    request.finish()
    assert warm.stats() == before


def test_without_outputs_nothing_is_kept():
    owner = drafter(sources=("prompt",))
    request = owner.start([1, 2, 3, 1])
    request.commit([2, 3])
    request.finish()
    assert len(owner.session.log) == 0


@given(prompts, sequences, st.sampled_from(["hierarchical", "single"]))
def test_a_width_of_one_or_a_branch_of_none_is_the_root_alone(prompt, output, strategy):
    request = drafter(strategy=strategy).start(prompt)
    request.commit(output)
    root = DraftTree.root_only((output[-1:] or prompt[-1:])[0])
    assert request.draft(1, 63, None) == root
    assert request.draft(64, 0, None) == root


_FEW_WIDTHS_PAY = [{4: 0.3, 30: 0.47}.get(n, 10.0) for n in range(1, 65)]


@given(prompts, sequences, st.lists(st.floats(0.1, 10), min_size=64, max_size=64))
@example([0, 0, 3], [0, 2, 2, 0, 1, 1, 0], _FEW_WIDTHS_PAY)
def test_an_adaptive_draft_is_a_part_of_the_full_one(prompt, output, seconds):
    """The same nodes first, so its probabilities are those of the full draft."""
    trees = []
    for pass_seconds in (seconds, None):
        request = drafter().start(prompt)
        request.commit(output)
        trees.append(request.draft(64, 63, pass_seconds))
    narrow, full = trees
    narrow.check()
    assert narrow.token_ids == full.token_ids[: len(narrow)]
    assert narrow.probabilities == full.probabilities[: len(narrow)]
    rate = narrow.expected_tokens() / seconds[len(narrow) - 1]
    assert rate >= (1 - 1e-9) / seconds[0]


def test_a_pass_that_costs_its_width_drafts_nothing_and_a_free_one_everything():
    request = drafter().start([1, 2, 3, 4, 5, 1, 2])
    assert len(request.draft(16, 15, [float(n) for n in range(1, 17)])) == 1
    assert len(request.draft(16, 15, [1.0] * 16)) == len(request.draft(16, 15, None))


@settings(max_examples=30)
@given(prompts, st.lists(sequences, max_size=6))
def test_change_tells_the_nodes_held_and_added(prompt, outputs):
    request = drafter().start(prompt)
    held = request.change().nodes
    for output in outputs:
        request.commit(output)
        change = request.change()
        assert change.nodes == len(request.trie) + request.trie.leaves
        if output:
            assert change.added == change.nodes - held
        held = change.nodes


@pytest.mark.parametrize("ranking", RANKINGS)
@pytest.mark.parametrize(("times", "source"), [(1, "prompt"), (2, "prompt"), (3, "corpus"), (50, "corpus")])
def test_a_node_of_several_tries_carries_the_source_with_the_larger_share(times, source, ranking):
    owner = Drafter(LookaheadConfig(ranking=ranking), (trie_of([[1, 2, 3]] * times, 12),))
    tree = draft(owner.start([1, 2, 3, 9, 1, 2]))
    node = tree.token_ids.index(3)
    assert (tree.sources[node], tree.counts[node]) == (source, 1 if source == "prompt" else times)


def test_a_longer_match_is_not_called_by_what_is_frequent_after_a_shorter_one():
    owner = Drafter(LookaheadConfig(), (trie_of([[2, 3]] * 50, 12),))
    tree = draft(owner.start([1, 2, 3, 9, 1, 2]))
    assert tree.sources[tree.token_ids.index(3)] == "prompt"


def test_no_drafts_is_the_last_token_alone():
    request = DraftRequest([1, 2])
    assert request.draft(64, 63, None) == DraftTree.root_only(2)
    request.commit([])
    request.commit([3, 0])
    assert request.draft(64, 63, None) == DraftTree.root_only(0)
    request.finish()
    assert request.change().nodes == 0
