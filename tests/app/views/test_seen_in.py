"""Where a draft token came from: its place in an expected text."""

from __future__ import annotations

from app.run.stored_run import from_record
from lookahead.config import LookaheadConfig
from lookahead.engine import LookaheadEngine
from lookahead.metrics import decode_steps
from lookahead.records import ModelInfo
from lookahead.runs.recorder import RecordedRun
from tests.app.making import asked
from tests.lookahead.fake_backend import FakeBackend

EXPECTED = (*range(10, 25), 3, *range(26, 40))


def test_a_node_of_an_expected_text_tells_its_place_there() -> None:
    info = ModelInfo(name="none", device="cpu", dtype="float32", parameters=1, vocab_size=50)
    config = LookaheadConfig(decoding_length=6, budget="fixed", sources=("prompt", "expected"))
    engine = LookaheadEngine(FakeBackend(), config)  # its output counts on: one token of the text is another there
    run = RecordedRun(engine, (1, 2, 9), info, max_new_tokens=28, expected=EXPECTED)
    stored, places = from_record(run.whole()), []
    ask = asked(stored)
    for step, draft in decode_steps(stored.steps):
        for node in range(1, len(draft)):
            if draft.sources[node] == "expected":
                seen = ask("node_seen", step.index, node=node)
                assert seen["where"] == "the expected text", (step.index, node, seen)
                place, count = seen["place"]
                assert count == len(EXPECTED)
                assert EXPECTED[place - 1] == draft.token_ids[node]
                assert seen["token"] == f"#{draft.token_ids[node]}"
                places.append(place)
    assert {2, 16, 25} < set(places)
