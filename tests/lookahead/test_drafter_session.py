"""What a drafter keeps between concurrent requests: its bounds, threads, and its memory."""

from __future__ import annotations

import random
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookahead.config import LookaheadConfig
from lookahead.drafter import Drafter, Request
from lookahead.trie import MIN_BYTES, MIN_CAPACITY, Trie
from lookahead.trie.locus import Follower
from tests.lookahead.drafters import RANKINGS, copied, draft, drafter
from tests.lookahead.ngrams import check_trie, nodes_of, spelled, trie_of


def test_a_session_that_is_pruned_between_draft_and_commit_teaches_nothing_wrong():
    """Another request of the drafter ends meanwhile, so the session's nodes are no longer those of the draft."""
    generator = random.Random(0)

    def text(most: int, length: int) -> list[int]:
        return [generator.randrange(1, most) for _ in range(length)]

    def values(request: Request) -> list[list[float]]:
        return [list(request.confidence.of(source).values) for source in request.sources]

    for _ in range(20):
        owner = Drafter(LookaheadConfig(trie_capacity=2000, decoding_length=16))
        for _ in range(3):
            owner.keep(text(13, 400))
        request = owner.start(text(13, 20))
        for _ in range(10):
            request.draft(16, 15, None)
            version, before = owner.session.version, values(request)
            owner.keep(text(200, 600))
            request.commit(text(200, 3))
            assert owner.session.version == version or values(request) == before


def test_the_session_stays_within_its_bounds_while_a_request_follows_it():
    config = LookaheadConfig(trie_capacity=MIN_CAPACITY, trie_bytes=MIN_BYTES)
    owner, rng = Drafter(config), random.Random(0)
    owner.keep([rng.randrange(30) for _ in range(300)])
    running = owner.start([1, 2, 3])
    for _ in range(12):
        owner.keep([rng.randrange(300) for _ in range(200)])
        assert len(owner.session) + owner.session.leaves <= MIN_CAPACITY
        draft(running).check()
        running.commit([rng.randrange(30)])
    assert owner.session.pruned
    check_trie(owner.session)
    running.finish()


@settings(max_examples=10)
@given(
    prompt=st.lists(st.integers(0, 20), min_size=1, max_size=200),
    alphabet=st.sampled_from([15, 60, 400]),
    sources=st.sampled_from([("prompt", "output"), ("output",)]),
    seed=st.integers(0, 99),
)
def test_a_running_requests_output_stays_within_the_bounds_and_its_prompt_stays(prompt, alphabet, sources, seed):
    rng = random.Random(seed)
    request = drafter(trie_capacity=MIN_CAPACITY, trie_bytes=MIN_BYTES, sources=sources).start(prompt)
    first = request.trie.stats()
    kept = nodes_of(trie_of([prompt], request.trie.max_depth)) if "prompt" in sources else {}
    change = request.change()
    for _ in range(80):
        request.commit([rng.randrange(alphabet) for _ in range(20)])
        now = request.trie.stats()
        assert now.nodes + now.leaves <= first.nodes + first.leaves + MIN_CAPACITY
        assert now.bytes <= first.bytes + MIN_BYTES
        after = request.change()
        assert after.nodes == now.nodes + now.leaves == change.nodes + after.added - after.pruned
        change = after
    assert request.trie.pruned
    check_trie(request.trie)
    left = nodes_of(request.trie)
    assert all(left[ngram] >= count for ngram, count in kept.items())
    prompt_counts = {spelled(request.trie, n): c for n, c in enumerate(request.trie.prompt_counts) if n and c}
    assert all(prompt_counts[ngram] == count for ngram, count in kept.items())
    tail = prompt[-1:]
    request.commit(tail)
    draft(request).check()


def test_requests_of_one_drafter_may_run_in_threads():
    """A session grows and is pruned while another thread drafts from it."""
    owner = Drafter(LookaheadConfig(trie_capacity=MIN_CAPACITY, decoding_length=16))
    owner.keep([token_id % 50 for token_id in range(300)])
    errors: list[BaseException] = []

    def run(seed: int) -> None:
        rng = random.Random(seed)
        try:
            for _ in range(12):
                request = owner.start([rng.randrange(50)])
                for _ in range(12):
                    request.draft(16, 15, None).check()
                    request.commit([rng.randrange(50) for _ in range(4)])
                request.finish()
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            errors.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=run, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not errors
    check_trie(owner.session)


def test_a_session_that_is_filled_while_a_request_starts_takes_no_other_tries_name(monkeypatch):
    owner = Drafter(LookaheadConfig(sources=("output", "corpus")), (trie_of([[20, 21, 22, 23]], 12),))
    keeping = threading.Thread(target=owner.keep, args=([7, 8, 9] * 5,))

    def follower(trie: Trie) -> Follower:
        if not keeping.ident:
            keeping.start()
            keeping.join(0.2)
        return Follower(trie)

    monkeypatch.setattr("lookahead.sources.tries.Follower", follower)
    request = owner.start([3, 20])
    keeping.join()
    tree = draft(request)
    assert copied(tree) == [(21, "corpus"), (22, "corpus"), (23, "corpus")]


def test_a_step_tells_what_other_requests_pruned_from_the_session():
    owner = drafter(trie_capacity=MIN_CAPACITY)
    owner.keep(random.Random(1).choices(range(400), k=300))
    request, other = owner.start([1, 2, 3]), owner.start([4])
    request.commit([5])
    assert request.change().pruned == 0
    other.commit(random.Random(2).choices(range(400), k=3000))
    other.finish()
    request.commit([6])
    assert request.change().pruned == owner.session.pruned > 0
    request.commit([7])
    assert request.change().pruned == 0


def test_what_drafts_remember_of_a_trie_is_bounded_and_leaves_the_trie_as_it_was(monkeypatch):
    monkeypatch.setattr("lookahead.sources.tries.ANSWERS", 5)
    corpus = trie_of([[n, n + 1 + m, 7] for n in range(40) for m in range(12)], 12)
    before = corpus.stats()
    owner = Drafter(LookaheadConfig(), (corpus,))
    request = owner.start([1, 2, 3])
    for token_id in range(30):
        draft(request).check()
        assert all(len(known) <= 5 for known in owner._known)
        request.commit([token_id])
    assert any(len(known) for known in owner._known), "something was remembered"
    assert corpus.stats() == before


def test_a_corpus_is_never_written_to():
    """Drafting leaves its arrays, dicts and rankings the same objects with the same content."""
    corpus = trie_of([[7, token_id, 9] for token_id in range(20, 60) for _ in range(60 - token_id)], 12)
    before = {name: repr(value) for name, value in vars(corpus).items()}
    owner = Drafter(LookaheadConfig(), (corpus,))
    for prompt in ([7], [20, 9], [1, 7]):
        request = owner.start(prompt)
        draft(request).check()
        request.left_out()
        request.commit([25, 9, 7])
        draft(request).check()
        request.finish()
    assert {name: repr(value) for name, value in vars(corpus).items()} == before


@pytest.mark.parametrize("ranking", RANKINGS)
def test_what_was_remembered_of_a_corpus_holds_for_requests_that_ask_more_tries(ranking):
    """The session is empty for the first request and asked by the second: the corpus has another number there."""
    corpus = trie_of([[7, token_id, 9] for token_id in range(20, 60) for _ in range(60 - token_id)], 12)
    owner = Drafter(LookaheadConfig(ranking=ranking), (corpus,))
    first = owner.start([7])
    wanted = {*range(20, 50)}
    draft(first).check()
    first.commit([20, 9])
    first.finish()
    second = owner.start([7])
    tree = draft(second)
    tree.check()
    second.commit([59, 9])
    fresh = Drafter(
        LookaheadConfig(ranking=ranking), (trie_of([[7, t, 9] for t in range(20, 60) for _ in range(60 - t)], 12),)
    )
    fresh.keep([20, 9])
    assert draft(fresh.start([7])) == tree
    assert len({*tree.token_ids} & wanted) > 10
