"""The model's own bigrams: drafted from where a run has no row, recorded where they were looked up, kept on disk."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from lookahead.cli.main import main
from lookahead.config import LookaheadConfig
from lookahead.engine import LookaheadEngine
from lookahead.hf import bigrams as computing
from lookahead.hf.backend import HFBackend
from lookahead.records import ModelInfo, RunRecord
from lookahead.replay import recorded_steps, replay_run
from lookahead.runs import runfile
from lookahead.runs.recorder import RecordedRun
from lookahead.sources.recycled import BIGRAM_BYTES, BIGRAM_RANK, RANKS, Bigrams, RecycledLogits, bigrams_from
from tests.lookahead.drafters import tree_of
from tests.lookahead.fake_backend import VOCAB_SIZE, FakeBackend, row
from tests.lookahead.tiny_models import tiny_model as tiny

DEVICE = os.environ.get("LOOKAHEAD_TEST_DEVICE", "cpu")
WIDE = LookaheadConfig(decoding_length=16, budget="fixed")


def counts(context: Sequence[int]) -> int:
    """A model that counts by three."""
    return (context[-1] + 3) % VOCAB_SIZE


def knowing() -> FakeBackend:
    """It knows by itself what comes after the even tokens; the rows of the odd ones are empty."""
    after = [row(counts([one]), 1) if one % 2 == 0 else row() for one in range(VOCAB_SIZE)]
    return FakeBackend(counts, recycles=True, bigrams=Bigrams(b"".join(after)))


def run_of(backend: FakeBackend, config: LookaheadConfig = WIDE) -> RunRecord:
    info = ModelInfo("counting", "cpu", "float32", 1, VOCAB_SIZE)
    return RecordedRun(LookaheadEngine(backend, config), [4, 1], info, max_new_tokens=16).whole()


def test_a_mapping_of_packed_rows():
    found = Bigrams(row(5, 6) + row() + row(7))
    assert dict(found) == {0: found[0], 2: found[2]}
    assert [number >> 8 for number in found[0] if number] == [5, 6]
    assert (len(found), found.get(1), found.get(3), dict(Bigrams())) == (2, None, None, {})


def test_a_bigram_is_asked_where_the_run_has_no_row_and_recorded_once():
    source = RecycledLogits()
    source.bigrams = Bigrams(row(1) + row(5, 6) + row(7))
    source.follow([0, 2])
    assert list(source.levels(source.locus())) == []  # no pass was read
    source.read([2], [-1], row(3))
    source.follow([1])
    (level, last) = source.levels(source.locus())
    assert (level[0], last[0]) == (BIGRAM_RANK, BIGRAM_RANK)
    assert [token for _, token, _ in source.candidates(level)] == [5, 6]
    assert source.holds(level, 6)
    assert not source.holds(level, 7)
    assert [token for _, token, _ in source.candidates(last)] == [3]
    assert len(asked := source.asked()) == BIGRAM_BYTES
    assert bigrams_from(asked) == {1: source.bigrams[1]}
    list(source.levels(source.locus()))
    assert source.asked() == b""
    source.read([1], [-1], row(8))
    assert next(iter(source.levels(source.advance(0, 1))))[0] == RANKS[1]


def test_drafts_take_it_and_a_replay_of_the_run_file_drafts_the_same():
    with_bigrams, without = run_of(knowing()), run_of(FakeBackend(counts, recycles=True))
    assert with_bigrams.token_ids == without.token_ids
    assert len(with_bigrams.steps) < len(without.steps)
    known = bigrams_from(b"".join(step.bigrams or b"" for step in with_bigrams.steps))
    assert known
    assert all(token % 2 == 0 for token in known)
    assert all(step.bigrams is None for step in without.steps)
    again = runfile.from_json(runfile.to_json(with_bigrams))
    assert [step.bigrams for step in again.steps] == [step.bigrams for step in with_bigrams.steps]
    assert replay_run(again, WIDE) == recorded_steps(again)
    bare = replace(again, steps=tuple(replace(step, bigrams=None) for step in again.steps))
    assert replay_run(bare, WIDE) != recorded_steps(again)


def test_a_file_too_large_for_rows_has_no_bigrams_either(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("lookahead.runs.format.MAX_SUCCESSORS", 100)
    run = runfile.from_json(runfile.to_json(run_of(knowing())))
    assert all(step.successors is None and step.bigrams is None for step in run.steps)


@pytest.mark.parametrize(
    ("packed", "message"),
    [
        (b"\0" * 35, "35 bytes; need 36 each"),
        ((VOCAB_SIZE).to_bytes(4, "little") + row(1), "token 50; need 0 to 49"),
        (bytes(4) + row(1, 2, shares=(5, 6)), "row 0: need shares that fall"),
        (bytes(4) + row(1) + bytes(4) + row(3, 50), "row 1: need different tokens, 0 to 49"),
    ],
)
def test_bigrams_that_no_model_has_are_refused(packed: bytes, message: str):
    run = run_of(knowing())
    first = replace(run.steps[0], bigrams=packed)
    with pytest.raises(runfile.RunFileError, match=rf"steps\[0\]\.bigrams: {message}"):
        runfile.to_json(replace(run, steps=(first, *run.steps[1:])))


@pytest.mark.parametrize("config", [LookaheadConfig(sources=("prompt", "output")), LookaheadConfig(decoding_length=1)])
def test_nothing_is_computed_for_runs_that_do_not_recycle(config: LookaheadConfig):
    backend = knowing()
    list(LookaheadEngine(backend, config).generate([1], max_new_tokens=4))
    assert backend.looked_up == 0


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOOKAHEAD_CACHE", str(tmp_path))
    return tmp_path / "bigrams"


def loaded(folder: Path) -> HFBackend:
    return HFBackend.from_pretrained(str(folder), device=DEVICE)


def test_they_are_what_a_session_finds_likely_after_a_line_break_and_the_token(cache: Path, tiny_model: Path):
    backend = loaded(tiny_model)
    found = backend.find_bigrams()
    assert len(found) == backend.vocab_size
    before = backend.encode("\n", raw=True)
    for token_id in (0, 1, 7, backend.vocab_size - 1):
        session = backend.new_session(len(before) + 4)
        session.recycle()  # type: ignore[attr-defined]
        session.prefill(before)
        session.choose(tree_of([before[-1], token_id], [-1, 0]))
        expected = Bigrams(session.successors)  # type: ignore[attr-defined]
        likely = [number >> 8 for number in found[token_id] if number]
        assert likely[:3] == [number >> 8 for number in expected[1] if number][:3]


def test_they_are_kept_and_a_broken_file_is_as_none(cache: Path, tiny_model: Path):
    assert not loaded(tiny_model).bigrams()
    found = loaded(tiny_model).find_bigrams()
    assert loaded(tiny_model).bigrams() == found
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    stored = json.loads(whole)
    beyond = {**stored, "rows": b64encode(row(loaded(tiny_model).vocab_size)).decode()}
    for broken in (
        json.dumps(beyond).encode(),
        b"",
        b"{}",
        b"[" * 100_000,
        whole[:-20],
        whole.replace(b"lookahead-bigrams", b"lookahead-trigrams"),
    ):
        file.write_bytes(broken)
        assert not loaded(tiny_model).bigrams()


def test_runs_draft_from_them_once_they_are_found(cache: Path, tiny_model: Path):
    backend = loaded(tiny_model)
    outputs = []
    for _ in range(2):
        steps = list(LookaheadEngine(backend, WIDE).generate(backend.encode("hello"), max_new_tokens=24))
        outputs.append([token_id for step in steps for token_id in step.emitted_ids])
        assert any(step.bigrams for step in steps) is bool(backend.bigrams())
        backend.find_bigrams()
    assert outputs[0] == outputs[1]


def test_the_command_says_what_it_did(cache: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["bigrams", "--model", str(tiny_model), "--device", DEVICE, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["tokens"] == result["vocab_size"] == loaded(tiny_model).vocab_size
    assert [Path(result["file"])] == list(cache.iterdir())


def test_a_time_limit_keeps_the_first_tokens(cache: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(computing, "TOKENS_PER_PASS", 16)
    found = loaded(tiny_model).find_bigrams(seconds=1e-9)
    assert list(found) == list(range(16))


def test_a_folder_that_cannot_be_written_to_is_said_before_the_work(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LOOKAHEAD_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(computing, "TOKENS_PER_PASS", 0)  # a pass would fail otherwise
    assert main(["bigrams", "--model", str(tiny_model), "--device", DEVICE]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_without_a_tokenizer_there_are_none():
    backend = HFBackend(tiny("llama"))
    assert not backend.takes_bigrams
    assert not backend.bigrams()
