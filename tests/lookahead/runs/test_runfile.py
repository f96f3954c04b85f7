"""Run files: what is saved comes back; what is not a run is refused in one line, whatever it is."""

from __future__ import annotations

import json
import os
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookahead.config import LookaheadConfig, RunSettings, stop_strings
from lookahead.draft import Chain, DraftTree
from lookahead.engine import LookaheadEngine
from lookahead.records import Candidate, LeftOut, ModelInfo, RunRecord
from lookahead.runs import runfile
from lookahead.runs.recorder import RecordedRun
from lookahead.runs.runfile import RunFileError
from tests.lookahead.fake_backend import FakeBackend, row
from tests.lookahead.valid_runs import valid_runs

GOLDEN = Path(__file__).with_name("golden_run.json")


@given(valid_runs())
def test_what_is_saved_comes_back(run: RunRecord) -> None:
    text = runfile.to_json(run)
    assert runfile.from_json(text) == run
    assert runfile.to_json(runfile.from_json(text)) == text


@given(valid_runs(most_steps=2), st.data())
def test_a_file_with_broken_bytes_is_refused_or_valid(
    tmp_path_factory: pytest.TempPathFactory, run: RunRecord, data: st.DataObject
) -> None:
    content = bytearray(runfile.to_json(run).encode())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[place:]
    else:
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("run") / "run.json"
    path.write_bytes(content)
    try:
        loaded = runfile.load(path)
    except RunFileError as error:
        assert str(error).startswith(str(path))
    else:
        assert runfile.from_json(runfile.to_json(loaded)) == loaded


def _with(run: RunRecord, place: int, **changes: Any) -> RunRecord:
    steps = list(run.steps)
    steps[place] = replace(steps[place], **changes)
    return replace(run, steps=tuple(steps))


@pytest.fixture
def golden() -> RunRecord:
    return runfile.load(GOLDEN)


def test_the_golden_file_is_read_and_written_as_it_was(golden: RunRecord) -> None:
    """Files of version 1 stay readable; a changed layout needs a new version (a new setting in config does not)."""
    written, stored = json.loads(runfile.to_json(golden)), json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert stored.pop("config").keys() <= written.pop("config").keys()
    for step in stored["steps"]:  # made before what a search left out was kept
        step["left_out"] = step["successors"] = None  # and what the model found likely
    younger = {"repeat_seconds": None, "expected_ids": [], "model": {**stored["model"], "exactness": None}}
    stored |= younger
    assert written == stored
    assert len(golden.steps) == 4
    assert golden.token_ids == (7, 8, 9, 5, 6, 7, 8, 2)


def test_records_that_contradict_themselves_are_refused(golden: RunRecord) -> None:
    tree = golden.steps[1].draft
    assert tree is not None
    backwards = replace(tree, parents=(-1, 2, 0, *tree.parents[3:]))
    wrong = {
        "numbered from 0": _with(golden, 1, index=2),
        "committed before": _with(golden, 2, context_length=3),
        "a parent precedes": _with(golden, 1, draft=backwards),
        "last committed token": _with(golden, 1, draft=DraftTree.root_only(3), target_ids=(8,)),
        "longest path": _with(golden, 1, accepted_nodes=(2,)),
        "accepted path and the model's choice": _with(golden, 1, emitted_ids=(9, 9, 9)),
        "target_ids for": _with(golden, 1, target_ids=golden.steps[1].target_ids[:-1]),
        "only the last step of a run": _with(golden, 1, accepted_nodes=(1,), emitted_ids=(8,)),
        "only the last step": _with(golden, 1, finish_reason="eos"),
        "the last step says": replace(golden, finish_reason="length"),
        "the prefill has no draft": _with(golden, 0, draft=tree, target_ids=tuple([7] * len(tree))),
        "only the prefill": _with(golden, 1, draft=None),
        "nodes; need at most 2": replace(golden, config=replace(golden.config, decoding_length=2)),
        "tokens; need at most 1": replace(golden, config=replace(golden.config, branch_length=1)),
        "a plain run drafts nothing": replace(golden, method="plain"),
        "need 0 to 5": replace(golden, model=replace(golden.model, vocab_size=6)),
        "max_new_tokens is 3": replace(golden, max_new_tokens=3),
        "first token": replace(golden, first_token_seconds=None),
        "later than the end": replace(golden, first_token_seconds=99.0),
    }
    for message, run in wrong.items():
        with pytest.raises(RunFileError, match=message):
            runfile.to_json(run)


HOSTILE = {
    "not an object": ("[]", "need an object"),
    "nothing": ("", "it is empty"),
    "foreign": ('{"format": "other"}', "need 'lookahead-run'"),
    "next version": ('{"format": "lookahead-run", "version": 2}', "reads version 1"),
    "true is no number": ('{"format": "lookahead-run", "version": true}', "true/false"),
    "deep": ("[" * 100_000, "nested too deeply|not JSON"),
    "deep objects": ('{"a":' * 100_000, "nested too deeply|not JSON"),
}
HOSTILE |= {
    f"{name} {depth} deep": (opening * depth + inside + closing * depth, "not a run file")
    for name, opening, closing in (("list", "[", "]"), ("object", '{"config":{"decoding_length":', "}}"))
    for inside in ("NaN", r'"\ud800"', "1")
    for depth in (100, 450, 900)
}
HOSTILE["deep setting"] = (
    GOLDEN.read_text(encoding="utf-8").replace('"branch_length":null', f'"branch_length":{"[" * 900 + "]" * 900}'),
    "config.branch_length|nested too deeply",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_input_is_refused_with_one_line(name: str) -> None:
    text, message = HOSTILE[name]
    with pytest.raises(RunFileError, match=message) as caught:
        runfile.from_json(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_file_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.json"
    path.write_text("[" + "0," * 100 + "0]")
    monkeypatch.setattr(runfile, "MAX_FILE_BYTES", 100)
    with pytest.raises(RunFileError, match="larger than 100 bytes"):
        runfile.load(path)


def test_a_run_that_would_make_a_file_too_large_is_refused(golden: RunRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted in bytes, as they are when the file is read."""
    run = replace(golden, stop=("é" * 1000,))
    size = len(runfile.to_json(run).encode())
    monkeypatch.setattr(runfile, "MAX_FILE_BYTES", size)
    assert runfile.from_json(runfile.to_json(run)) == run
    monkeypatch.setattr(runfile, "MAX_FILE_BYTES", size - 1)
    with pytest.raises(RunFileError, match=f"{size} bytes; a run file has at most {size - 1}"):
        runfile.to_json(run)


def test_limits_known_before_a_run_are_those_of_the_file(golden: RunRecord) -> None:
    for limit, stop in ((10**6, ("x" * 1000,) * 64), (10**6 + 1, ()), (9, ("x",) * 65), (9, ("x" * 1001,))):
        refused: list[bool] = []
        for check in (
            lambda limit=limit, stop=stop: (RunSettings(limit), stop_strings(stop)),
            lambda limit=limit, stop=stop: runfile.to_json(replace(golden, max_new_tokens=limit, stop=stop)),
        ):
            try:
                check()
                refused.append(False)
            except ValueError:
                refused.append(True)
        assert refused in ([True, True], [False, False])


def test_a_token_id_that_no_trie_takes_is_refused(golden: RunRecord) -> None:
    model = replace(golden.model, vocab_size=2**25)
    text = runfile.to_json(replace(golden, model=model))
    tree = json.loads(text)
    tree["prompt_ids"][0] = 2**24
    with pytest.raises(RunFileError, match=r"prompt_ids\[0\]: need 0 to 16777215, got 16777216"):
        runfile.from_json(json.dumps(tree))


def test_targets_that_cannot_be_written_are_refused_and_nothing_is_left(tmp_path: Path, golden: RunRecord) -> None:
    with pytest.raises(RunFileError, match="is a folder"):
        runfile.save(golden, tmp_path)
    with pytest.raises(RunFileError, match="does not exist"):
        runfile.save(golden, tmp_path / "none" / "run.json")
    with pytest.raises(RunFileError, match="cannot be read"):
        runfile.load(tmp_path / "none.json")
    runfile.save(golden, tmp_path / "run.json")
    with pytest.raises(RunFileError):
        runfile.save(_with(golden, 1, index=7), tmp_path / "run.json")
    assert runfile.load(tmp_path / "run.json") == golden
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_only_an_ordinary_file_is_replaced(tmp_path: Path, golden: RunRecord) -> None:
    pipe, link, real = (tmp_path / name for name in ("pipe", "link.json", "real.json"))
    os.mkfifo(pipe)
    with pytest.raises(RunFileError, match="not an ordinary file"):
        runfile.save(golden, pipe)
    assert pipe.is_fifo()
    link.symlink_to(real)
    for _ in range(2):
        runfile.save(golden, link)
        assert link.is_symlink()
        assert runfile.load(real) == golden


def test_a_long_wide_run_stays_small(golden: RunRecord) -> None:
    """500 steps of 64 nodes with tokens of a large vocabulary: about a megabyte."""
    draws = random.Random(0)
    model = replace(golden.model, vocab_size=150_000)
    steps, context = [golden.steps[0]], len(golden.prompt_ids) + 1
    root = golden.steps[0].emitted_ids[0]
    for index in range(1, 501):
        token_ids = (root, *draws.sample(range(100, 150_000), 63))
        tree = DraftTree(
            token_ids=token_ids,
            parents=(-1, *(draws.randrange(node) for node in range(1, 64))),
            probabilities=(1.0, *(draws.random() for _ in range(63))),
            sources=("root", *["output"] * 63),
            counts=(0, *(draws.randrange(100) for _ in range(63))),
        )
        target_ids = tuple(draws.randrange(100) for _ in range(64))
        chosen = {"target_ids": target_ids, "accepted_nodes": (), "emitted_ids": target_ids[:1]}
        steps.append(
            replace(golden.steps[1], index=index, context_length=context, match_length=0, draft=tree, **chosen)
        )
        root, context = target_ids[0], context + 1
    config = replace(golden.config, decoding_length=64)
    run = replace(golden, steps=tuple(steps), model=model, config=config, max_new_tokens=501, texts=None)
    run = replace(run, finish_reason="cancelled")
    assert len(runfile.to_json(run)) < 1_500_000


LEFT_OUT = LeftOut(1, 2, 0, 3, 0, Candidate(5, 4, 0.25, "corpus", "pays"))


def test_what_the_model_found_likely_comes_back(golden: RunRecord) -> None:
    rows = b"".join(row(token_id, 511) for token_id in golden.steps[1].target_ids)
    run = replace(_with(golden, 1, successors=rows), expected_ids=(7, 8))
    assert runfile.from_json(runfile.to_json(run)) == run


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (b"", "0 bytes for 1 nodes; need 32 per node"),
        (row(1) + row(2), "64 bytes for 1 nodes; need 32 per node"),
        (row(1, 2, shares=(5, 6)), "row 0: need shares that fall"),
        (row(1, 2, shares=(5, 0)), "row 0: need shares that fall"),
        (row(1)[4:] + row(1)[:4], "row 0: need shares that fall, and zeros behind them"),
        (row(3, 3), "row 0: need different tokens, 0 to 511"),
        (row(3, 512), "row 0: need different tokens, 0 to 511"),
    ],
)
def test_rows_that_no_model_has_are_refused(golden: RunRecord, rows: bytes, message: str) -> None:
    with pytest.raises(RunFileError, match=rf"steps\[0\]\.successors: {message}"):
        runfile.to_json(_with(golden, 0, successors=rows))


def test_a_file_has_no_rows_where_they_would_be_too_large(golden: RunRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    run = _with(golden, 0, successors=row(1))
    monkeypatch.setattr("lookahead.runs.format.MAX_SUCCESSORS", 44)  # 32 bytes in base64
    assert runfile.from_json(runfile.to_json(run)) == run
    monkeypatch.setattr("lookahead.runs.format.MAX_SUCCESSORS", 43)
    assert runfile.from_json(runfile.to_json(run)) == golden


def test_what_a_search_left_out_comes_back(golden: RunRecord) -> None:
    for left_out in (None, LeftOut(), LEFT_OUT):
        run = _with(golden, 1, left_out=left_out)
        assert runfile.from_json(runfile.to_json(run)) == run
    text = runfile.to_json(_with(golden, 1, left_out=LEFT_OUT))
    best = '{"token_id":5,"parent":4,"probability":0.25,"source":"c","reason":"pays"}'
    assert f'{{"unseen":1,"pays":2,"branch_length":0,"width":3,"strategy":0,"best":{best}}}' in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pays": -1}, "pays: need an integer >= 0"),
        ({"width": True}, "width: need an integer, got true/false"),
        ({"another": 1}, "another: unknown field"),
        ({"best": 7}, "best: need an object or null, got an integer"),
        ({"best": {"parent": 5}}, "best.parent: 5; the draft has 5 nodes"),
        ({"best": {"parent": -1}}, "best.parent: need an integer >= 0"),
        ({"best": {"token_id": 512}}, "best.token_id: need 0 to 511, got 512"),
        ({"best": {"probability": 1.01}}, "best.probability: need a number <= 1"),
        ({"best": {"source": "r"}}, "best.source: need one letter, of pocm"),
        ({"best": {"source": "?"}}, "best.source: need one letter"),
        ({"best": {"reason": "bored"}}, "best.reason: unknown value 'bored'"),
    ],
)
def test_what_cannot_have_been_left_out_is_refused(golden: RunRecord, change: dict[str, Any], message: str) -> None:
    data = json.loads(runfile.to_json(_with(golden, 1, left_out=LEFT_OUT)))
    left_out = data["steps"][1]["left_out"]
    best = change.get("best")
    left_out |= {"best": left_out["best"] | best} if isinstance(best, dict) else change
    with pytest.raises(RunFileError, match=rf"steps\[1\]\.left_out\.{message}"):
        runfile.from_json(json.dumps(data))


def test_the_prefill_left_nothing_out(golden: RunRecord) -> None:
    with pytest.raises(RunFileError, match=r"steps\[0\]\.left_out: the prefill"):
        runfile.to_json(_with(golden, 0, left_out=LeftOut()))


HALVES = {
    "escaped value": ('"8":"<b>"', r'"8":"\ud800"'),
    "raw value": ('"8":"<b>"', '"8":"\ud800"'),
    "capital escape": ('"8":"<b>"', r'"8":"\uDFFF"'),
    "key": ('"8":"<b>"', r'"\ud800":"<b>"'),
    "raw key": ('"8":"<b>"', '"\ud800":"<b>"'),
    "name of an unknown field": ('{"format"', r'{"\ud800":1,"format"'),
    "raw name of an unknown field": ('{"format"', '{"\udfff":1,"format"'),
    "repeated name": ('{"format"', r'{"\ud800":1,"\ud800":2,"format"'),
    "name of NaN": ('{"format"', r'{"\ud800":NaN,"format"'),
    "setting": ('"strategy":"hierarchical"', r'"strategy":"\ud800"'),
    "name of a setting": ('"config":{', r'"config":{"\udc00":1,'),
    "control letters in a name": ('{"format"', r'{"\u001b[31m\nx":1,"format"'),
    "control letters in the name of a setting": ('"config":{', r'"config":{"\u001b[31m\u2028":1,'),
}


@pytest.mark.parametrize("name", HALVES)
def test_half_a_surrogate_pair_anywhere_is_refused_in_one_line_of_text(name: str) -> None:
    old, new = HALVES[name]
    text = GOLDEN.read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(RunFileError, match="not a run file: ") as caught:
        runfile.from_json(text.replace(old, new, 1))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def test_a_run_with_half_a_surrogate_pair_in_its_texts_is_written_without_it(golden: RunRecord) -> None:
    """A folder whose name is not UTF-8 gives a model such a name; the run is not lost for it."""
    assert golden.texts is not None
    texts = replace(golden.texts, prompt="a\ud800b", tokens={8: "\udfff"})
    run = runfile.from_json(runfile.to_json(replace(golden, texts=texts, model=replace(golden.model, name="\udce4"))))
    assert run.texts == replace(golden.texts, prompt="a?b", tokens={8: "?"})
    assert run.model.name == "?"


@pytest.mark.parametrize("letter", ["x", "é", "\u20ac", "\U0001f600", "\ud800"])
def test_sizes_are_counted_in_bytes(letter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runfile, "MAX_FILE_BYTES", 1000)
    size = len(letter.encode(errors="surrogatepass"))
    for letters, says in (
        (1000 // size, "^not a run file: (not JSON|.*half)"),
        (1000 // size + 1, "a run file has at most 1000"),
    ):
        with pytest.raises(RunFileError, match=says):
            runfile.pair_from_json(letter * letters)


def test_letters_beyond_the_first_plane_are_text_however_they_are_written() -> None:
    text = GOLDEN.read_text(encoding="utf-8").replace('"8":"<b>"', r'"8":"\ud83d\ude00"')
    run = runfile.from_json(text)
    assert run.texts is not None
    assert run.texts.tokens[8] == "\U0001f600"
    assert runfile.from_json(runfile.to_json(run)) == run


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ((1, "chain"), {"reread": 3, "rereads": True}, r"steps\[1\].chain.reread: 3; the step before it leaves 0"),
        ((2, "chain"), None, r"steps\[2\].chain: need one in every step or in none"),
        ((1, "chain"), {"reread": -1, "rereads": True}, "reread"),
        ((0, "chain"), {"reread": 0, "rereads": True}, r"steps\[0\].chain: the prefill"),
    ],
)
def test_what_is_read_again_follows_from_the_step_before(path, value, message):
    backend = FakeBackend(lambda context: len(context) % 5, chain=Chain())
    engine = LookaheadEngine(backend, LookaheadConfig(budget="fixed"))
    run = RecordedRun(engine, [1, 2, 3, 4, 0, 1, 2, 7], ModelInfo("fake", "cpu", "float32", 1, 50), max_new_tokens=24)
    data = json.loads(runfile.to_json(run.whole()))
    assert any(step["chain"]["reread"] for step in data["steps"][1:]), "nothing was read again"
    place, name = path
    data["steps"][place][name] = value
    with pytest.raises(runfile.RunFileError, match=message):
        runfile.from_json(json.dumps(data))
