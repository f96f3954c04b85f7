"""Samples for the tests of studies: rows of a trace, and recorded runs of a fake model."""

from __future__ import annotations

import random

from hypothesis import strategies as st

from lookahead.config import LookaheadConfig
from lookahead.costs import PassCosts
from lookahead.draft import Chain
from lookahead.drafter import Drafter
from lookahead.engine import LookaheadEngine
from lookahead.records import ModelInfo, RunRecord
from lookahead.runs.recorder import RecordedRun
from lookahead.sources.recycled import Bigrams
from lookahead.sources.registry import OFFERED
from lookahead.study.material import Sample
from lookahead.trie import Trie
from tests.lookahead.fake_backend import VOCAB_SIZE, FakeBackend, row

FLAT = PassCosts((1, 4, 16, 64), (1.0, 1.1, 1.3, 1.9))
STEEP = PassCosts((1, 2, 4, 16, 64), (1.0, 1.9, 1.6, 5.0, 9.0))

ids = st.integers(0, 5)
outputs = st.one_of(
    st.lists(ids, max_size=30),
    st.tuples(st.lists(ids, min_size=1, max_size=6), st.integers(1, 6)).map(lambda pair: pair[0] * pair[1]),
)
traces = st.lists(st.tuples(st.lists(ids, min_size=1, max_size=20), outputs), min_size=1, max_size=4).map(
    lambda rows: [
        Sample(f"trace:{number}", tuple(prompt), tuple(output)) for number, (prompt, output) in enumerate(rows)
    ]
)
configs = st.builds(
    LookaheadConfig,
    decoding_length=st.integers(1, 20),
    branch_length=st.sampled_from([None, 1, 2, 4, 30]),
    strategy=st.sampled_from(["hierarchical", "parallel", "single"]),
    budget=st.sampled_from(["fixed", "adaptive"]),
    ranking=st.sampled_from(["probability", "probability", "frequency"]),
    sources=st.sampled_from([OFFERED, OFFERED, ("prompt",), ("output",), ("corpus", "output"), ("model",), ()]),
    prompt_weight=st.sampled_from([2.0, 0.5]),
)


def corpus() -> Trie:
    """A small one."""
    trie = Trie(12)
    trie.insert([0, 1, 2, 3, 4, 5, 0, 1, 2, 0, 1, 3])
    return trie


def text_of(seed: int, vocabulary: int, phrases: int, length: int) -> list[int]:
    """A text of phrases that come again."""
    generator = random.Random(seed)
    known = [[generator.randrange(vocabulary) for _ in range(generator.randrange(2, 9))] for _ in range(phrases)]
    return [token_id for _ in range(length) for token_id in (*generator.choice(known), generator.randrange(vocabulary))]


def recorded(chain: Chain | None = None, period: int = 7, most: int = 60, expected: tuple[int, ...] = ()) -> RunRecord:
    """A run of a fake model whose output nearly repeats, with the rows that its passes found likely."""
    backend = FakeBackend(
        lambda context: (5 * context[-1] + len(context) // period) % VOCAB_SIZE,
        recycles=chain is None,
        chain=chain,
        bigrams=Bigrams(b"".join(row(5 * one % VOCAB_SIZE, one + 1) for one in range(VOCAB_SIZE - 1))),
    )
    config = LookaheadConfig(decoding_length=12)
    info = ModelInfo("fake", "cpu", "float32", 1, VOCAB_SIZE)
    engine = LookaheadEngine(backend, config, Drafter(config))
    return RecordedRun(engine, [1, 2, 3, 1], info, max_new_tokens=most, expected=expected).whole()
