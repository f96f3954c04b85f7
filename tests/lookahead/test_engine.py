"""The loop: it stops exactly where greedy decoding stops, says why, and leaves nothing open."""

from __future__ import annotations

import threading
from dataclasses import replace
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookahead.config import LookaheadConfig
from lookahead.costs import PassCosts
from lookahead.draft import Chain
from lookahead.drafter import Drafter, DraftRequest
from lookahead.engine import LookaheadEngine
from lookahead.records import ModelInfo, StepTimings
from lookahead.runs import runfile
from lookahead.runs.recorder import RecordedRun
from lookahead.verify import verify
from tests.lookahead.drafters import NoisyOracle, OracleRequest, tree_of
from tests.lookahead.fake_backend import VOCAB_SIZE, FakeBackend, FakeSession

FIXED = LookaheadConfig(decoding_length=8, budget="fixed")


def oracle(prompt: list[int], accuracy: float = 1.0, seed: int = 0) -> NoisyOracle:
    """Knows that the numbers go on counting."""
    return NoisyOracle([(prompt[-1] + 1 + step) % VOCAB_SIZE for step in range(300)], VOCAB_SIZE, accuracy, seed)


def emitted(records) -> list[int]:
    return [token_id for record in records for token_id in record.emitted_ids]


def generate(backend: FakeBackend, prompt: list[int], drafter=None, config=FIXED, **arguments):
    return list(LookaheadEngine(backend, config, drafter or oracle(prompt)).generate(prompt, **arguments))


def test_a_run_in_records():
    backend = FakeBackend()
    records = generate(backend, [3, 4], max_new_tokens=12)
    assert emitted(records) == list(range(5, 17))
    prefill, first, second = records
    assert (prefill.index, prefill.context_length, prefill.draft, prefill.emitted_ids) == (0, 2, None, (5,))
    assert prefill.target_ids == (5,)
    assert (first.index, first.context_length, first.accepted_nodes) == (1, 3, (1, 2, 3, 4, 5, 6, 7))
    assert first.draft is not None
    assert first.draft.token_ids[0] == 5
    assert first.emitted_ids == tuple(range(6, 14))
    assert (second.context_length, second.emitted_ids, second.finish_reason) == (11, (14, 15, 16), "length")
    assert second.draft is not None
    assert max(second.draft.depths()) == 2, "never deeper than what may be emitted, less the bonus"
    assert all(record.finish_reason is None for record in records[:-1])
    assert all(session.closed for session in backend.sessions)


@given(
    prompt=st.lists(st.integers(0, VOCAB_SIZE - 1), min_size=1, max_size=6),
    width=st.integers(1, 12),
    new_tokens=st.integers(1, 40),
    eos_ids=st.lists(st.integers(0, VOCAB_SIZE - 1), max_size=3),
    limit=st.none() | st.integers(7, 30),
    stop=st.lists(st.integers(0, VOCAB_SIZE - 2).map(lambda token_id: f"{token_id}><{token_id + 1}"), max_size=2),
    seed=st.integers(0, 9),
)
def test_lookahead_stops_where_greedy_does_and_for_the_same_reason(
    prompt, width, new_tokens, eos_ids, limit, stop, seed
):
    backend = FakeBackend(eos_ids=eos_ids, context_limit=limit)
    config = LookaheadConfig(decoding_length=width, budget="fixed")
    drafter = oracle(prompt, accuracy=0.7, seed=seed)
    engine = LookaheadEngine(backend, config, drafter)
    greedy = list(engine.generate(prompt, max_new_tokens=new_tokens, stop=stop, method="plain"))
    drafted = list(engine.generate(prompt, max_new_tokens=new_tokens, stop=stop))
    assert emitted(drafted) == emitted(greedy)
    assert drafted[-1].finish_reason == greedy[-1].finish_reason
    assert drafter.finished == [emitted(drafted)], "the request ends with all of the output, once"
    assert len(prompt) + len(emitted(drafted)) <= (limit or 1000)
    for record in drafted[1:]:
        assert record.draft is not None
        path = [record.draft.token_ids[node] for node in record.accepted_nodes]
        assert list(record.emitted_ids[: len(path)]) == path
        assert len(record.emitted_ids) in (len(path), len(path) + 1)
        assert len(record.target_ids) == len(record.draft) <= width


@pytest.mark.parametrize(("eos_ids", "last"), [((9,), 9), ((30, 9, 11), 9), ((), 24)])
def test_eos_ends_the_output_inside_an_accepted_path(eos_ids, last):
    records = generate(FakeBackend(eos_ids=eos_ids), [4], max_new_tokens=20)
    assert emitted(records) == list(range(5, last + 1))
    assert records[-1].finish_reason == ("eos" if eos_ids else "length")
    if eos_ids:
        assert records[-1].accepted_nodes == (1, 2, 3, 4), "the path is cut at the stop"


def test_eos_in_the_prompt_ends_nothing():
    records = generate(FakeBackend(eos_ids=[2]), [1, 2, 3], max_new_tokens=5)
    assert emitted(records) == [4, 5, 6, 7, 8]


def test_eos_as_the_first_token():
    records = generate(FakeBackend(eos_ids=[4]), [3], max_new_tokens=5)
    assert (emitted(records), len(records), records[0].finish_reason) == ([4], 1, "eos")


def test_token_zero_is_a_token():
    records = generate(FakeBackend(), [0], max_new_tokens=3)
    assert emitted(records) == [1, 2, 3]
    records = generate(FakeBackend(), [48], max_new_tokens=5)
    assert emitted(records) == [49, 0, 1, 2, 3], "0 as a drafted token and as a root"
    assert emitted(generate(FakeBackend(), [49], max_new_tokens=4)) == [0, 1, 2, 3]


@pytest.mark.parametrize("stop", ["<8>", ["<30>", "8>"], ["7><8"]])
def test_a_stop_string_ends_the_output_at_the_token_that_completes_it(stop):
    records = generate(FakeBackend(), [4], max_new_tokens=20, stop=stop)
    assert emitted(records) == [5, 6, 7, 8]
    assert records[-1].finish_reason == "stop"


def test_the_models_own_stop_strings_count():
    records = generate(FakeBackend(stop_strings=["<8>"]), [4], max_new_tokens=20)
    assert (emitted(records)[-1], records[-1].finish_reason) == (8, "stop")


def test_the_context_limit_ends_the_output():
    records = generate(FakeBackend(context_limit=12), [4, 5], max_new_tokens=20)
    assert (len(emitted(records)), records[-1].finish_reason) == (10, "context")
    records = generate(FakeBackend(context_limit=12), [4, 5], max_new_tokens=10)
    assert (len(emitted(records)), records[-1].finish_reason) == (10, "length")


def test_an_output_of_one_token_is_the_prefill():
    records = generate(FakeBackend(), [4], max_new_tokens=1)
    assert (emitted(records), len(records), records[0].finish_reason) == ([5], 1, "length")


def test_a_cancelled_run_ends_after_the_pass_at_hand():
    backend, cancelled = FakeBackend(), threading.Event()
    drafter = oracle([4])
    records = []
    for record in LookaheadEngine(backend, FIXED, drafter).generate([4], max_new_tokens=40, cancelled=cancelled):
        records.append(record)
        cancelled.set()
    assert len(records) == 2
    assert records[-1].finish_reason == "cancelled"
    assert backend.sessions[0].closed
    assert drafter.finished == [emitted(records)]


def test_a_closed_generator_ends_the_request():
    backend, drafter = FakeBackend(), oracle([4])
    steps = LookaheadEngine(backend, FIXED, drafter).generate([4], max_new_tokens=40)
    output = [*next(steps).emitted_ids, *next(steps).emitted_ids]
    steps.close()  # type: ignore[attr-defined]
    assert backend.sessions[0].closed
    assert drafter.finished == [output]


def test_a_request_is_ended_before_the_last_record_is_out():
    drafter = oracle([4])
    steps = LookaheadEngine(FakeBackend(), FIXED, drafter).generate([4], max_new_tokens=3)
    while next(steps).finish_reason is None:
        assert not drafter.finished
    assert drafter.finished == [[5, 6, 7]]


def test_an_error_ends_the_request():
    def failing(context):
        if len(context) > 12:
            raise RuntimeError("out of memory")
        return (context[-1] + 1) % VOCAB_SIZE

    backend, drafter = FakeBackend(failing), oracle([4])
    with pytest.raises(RuntimeError, match="out of memory"):
        list(LookaheadEngine(backend, FIXED, drafter).generate([4], max_new_tokens=40))
    assert backend.sessions[0].closed
    assert len(drafter.finished) == 1


@pytest.mark.parametrize("passes", [0, 1, 3])
@pytest.mark.parametrize("error", [RuntimeError("the logits of a choice are NaN"), MemoryError(), ValueError("NaN")])
def test_a_pass_that_fails_ends_the_run_and_the_steps_before_it_are_kept(passes, error):
    """Whatever the backend raises, NaN logits say: nothing of that pass is accepted, and the record can be saved."""

    class Failing(FakeSession):
        def prefill(self, prompt_ids):
            return super().prefill(prompt_ids) if passes else self._fail()

        def choose(self, tree):
            return super().choose(tree) if len(self._backend.widths) < passes - 1 else self._fail()

        def _fail(self):
            raise error

    class Backend(FakeBackend):
        def new_session(self, capacity, prompt_length=0, sampling=None):
            self.sessions.append(Failing(self))
            return self.sessions[-1]

    whole = generate(FakeBackend(), [4], max_new_tokens=40)
    backend, drafter = Backend(), oracle([4])
    info = ModelInfo("fake", "cpu", "float32", 1, VOCAB_SIZE)
    run = RecordedRun(LookaheadEngine(backend, FIXED, drafter), [4], info, max_new_tokens=40)
    with pytest.raises(type(error)):
        list(run)
    record = run.record("error")
    assert (len(record.steps), record.finish_reason) == (passes, "error")
    assert list(record.token_ids) == emitted(whole[:passes])
    assert runfile.from_json(runfile.to_json(record)).token_ids == record.token_ids
    assert backend.sessions[0].closed
    assert drafter.finished == [list(record.token_ids)], "an error ends the request"


def test_a_model_without_trees_decodes_one_token_at_a_time():
    backend = FakeBackend(notice="it cannot")
    engine = LookaheadEngine(backend, LookaheadConfig(), oracle([4]))
    assert engine.pass_costs is None
    records = list(engine.generate([4], max_new_tokens=5))
    assert emitted(records) == [5, 6, 7, 8, 9]
    assert set(backend.widths) == {1}


def test_a_draft_of_width_one_is_plain_decoding():
    backend = FakeBackend()
    records = generate(backend, [4], config=LookaheadConfig(decoding_length=1), max_new_tokens=5)
    assert (len(records), set(backend.widths), backend.measured) == (5, {1}, 0)


class Watched(DraftRequest):
    """Remembers its requests."""

    asked: list

    def draft(self, width, longest_branch, pass_seconds, chain=None):
        self.asked.append((width, longest_branch, pass_seconds))
        return super().draft(width, longest_branch, pass_seconds)


class Watcher:
    def __init__(self):
        self.asked = []

    def start(self, prompt_ids):
        request = Watched(prompt_ids)
        request.asked = self.asked
        return request


def test_the_drafter_is_told_width_depth_and_costs():
    watcher, costs = Watcher(), PassCosts((1, 2), (1.0, 1.5))
    config = LookaheadConfig(decoding_length=4, branch_length=2)
    engine = LookaheadEngine(FakeBackend(), config, watcher, costs)
    list(engine.generate([4], max_new_tokens=5))
    assert watcher.asked == [(4, 2, [1.0, 1.5, 2.0, 2.5])] * 2 + [
        (4, 1, [1.0, 1.5, 2.0, 2.5]),
        (1, 0, [1.0, 1.5, 2.0, 2.5]),
    ]
    watcher.asked.clear()
    list(LookaheadEngine(FakeBackend(), FIXED, watcher, costs).generate([4], max_new_tokens=3))
    assert watcher.asked == [(8, 1, None), (1, 0, None)]


def test_costs_are_asked_for_once_a_run_and_only_when_a_width_is_chosen_by_them():
    backend, watcher, known = FakeBackend(), Watcher(), PassCosts((1, 4), (1.0, 4.0))
    engine = LookaheadEngine(backend, LookaheadConfig(decoding_length=4), watcher)
    list(engine.generate([4], max_new_tokens=3, method="plain"))
    assert backend.measured == 0
    list(engine.generate([4], max_new_tokens=3))
    list(engine.generate([4], max_new_tokens=3))
    assert (backend.measured, engine.pass_costs) == (2, PassCosts((1, 4), (1.01, 1.04)))
    watcher.asked.clear()
    list(engine.generate([4], max_new_tokens=3, pass_costs=known))
    assert [seconds for _, _, seconds in watcher.asked] == [known.table(4)] * 2
    assert backend.measured == 3, "by the assertion above"


def test_the_backend_learns_the_passes_of_a_run_however_it_ends():
    for steps in (None, 3):
        backend = FakeBackend()
        running = LookaheadEngine(backend, FIXED, oracle([4])).generate([4], max_new_tokens=40)
        records = list(islice(running, steps))
        running.close()  # pyright: ignore[reportAttributeAccessIssue]
        ((*passes,),) = backend.learned
        decoded = [len(record.draft) for record in records if record.draft and record.finish_reason is None]
        assert [width for width, _ in passes] == decoded
        assert decoded
        assert all(seconds > 0 for _, seconds in passes)
    backend = FakeBackend(notice="it cannot")
    list(LookaheadEngine(backend, FIXED, oracle([4])).generate([4], max_new_tokens=5))
    assert backend.learned == [], "its passes are of another kind"


def test_timings_are_told_apart(monkeypatch):
    """By a clock that only the four parts of a step move."""
    clock = [0.0]

    def taking(seconds, call):
        def slow(*arguments):
            clock[0] += seconds
            return call(*arguments)

        return slow

    monkeypatch.setattr("lookahead.engine.perf_counter", lambda: clock[0])
    monkeypatch.setattr(OracleRequest, "draft", taking(1, OracleRequest.draft))
    monkeypatch.setattr(FakeSession, "choose", taking(20, FakeSession.choose))
    monkeypatch.setattr("lookahead.engine.verify", taking(300, verify))
    monkeypatch.setattr(FakeSession, "keep", taking(4000, FakeSession.keep))
    monkeypatch.setattr(OracleRequest, "commit", taking(5000, OracleRequest.commit))
    record = generate(FakeBackend(), [4], max_new_tokens=40)[1]
    assert record.timings == StepTimings(1, 20, 300, 9000)


@given(st.integers(0, 20), st.integers(2, 10), st.booleans())
def test_chains_for_a_model_that_takes_no_trees(seed, width, rereads):
    backend = FakeBackend(notice="it goes back", chain=Chain(0, rereads))
    config = LookaheadConfig(decoding_length=width, budget="fixed")
    records = generate(backend, [4], oracle([4], 0.7, seed), config, max_new_tokens=40)
    assert emitted(records) == [(5 + step) % VOCAB_SIZE for step in range(40)]
    assert max(backend.widths) <= width, "tokens read again are width"
    assert [tokens for tokens, _ in backend.learned[0]] == backend.widths[: len(backend.learned[0])]


@pytest.mark.parametrize("budget", ["fixed", "adaptive"])
def test_every_strategy_becomes_one_branch_for_a_model_that_takes_no_trees(budget):
    backend = FakeBackend(lambda context: (0, 1, 0, 2, 0, 3)[len(context) % 6], chain=Chain())
    config = LookaheadConfig(decoding_length=8, budget=budget)
    prompt = [0, 1, 0, 2, 0, 3, 0, 1, 0, 2]
    records = generate(backend, prompt, Drafter(config), config, max_new_tokens=30)  # the session checks the shape
    assert len(records) < 20
    for strategy in ("parallel", "hierarchical"):
        trees = replace(config, strategy=strategy, budget="fixed")
        others = generate(FakeBackend(backend.choice), prompt, Drafter(trees), trees, max_new_tokens=30)
        assert not all(record.draft.is_chain for record in others if record.draft), "this prompt makes trees"


def test_a_tree_for_a_model_that_takes_chains_is_refused():
    class Bushy(DraftRequest):
        def draft(self, width, longest_branch, pass_seconds, chain=None):
            return tree_of([self._last_id, 1, 2], [-1, 0, 0])

    class Maker:
        def start(self, prompt_ids):
            return Bushy(prompt_ids)

    with pytest.raises(ValueError, match="one chain per pass"):
        generate(FakeBackend(chain=Chain()), [4], Maker(), max_new_tokens=9)
