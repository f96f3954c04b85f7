"""Recordings of other engines: every shape gives the same tokens, and a bad row is one line.

The files of llama.cpp and transformers serve were recorded (SmolLM2-135M and the embedded model), then trimmed; those
of vLLM, SGLang and TGI have the shapes of their sources, with tokens of the same recording. Ray Data wrote its own from
rows of the shape of its batch inference, with the ids as lists and as arrays.
"""

from __future__ import annotations

import builtins
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookahead import inputs
from lookahead.inputs import InputError
from lookahead.models import EMBEDDED_MODEL
from lookahead.study.material import Sample
from lookahead.study.reading import read_material
from lookahead.traffic.exchange import exchange
from lookahead.traffic.read import READERS, _rows, is_traffic, reader_of, traffic_in

HERE = Path(__file__).parent
FILES = sorted(path for path in HERE.iterdir() if path.suffix in {".jsonl", ".sse", ".parquet"})
OUTPUT = (33, 30, 1903, 22834, 274, 340, 39750, 3967, 340, 39750, 416, 14527)
"""Tokens of "1. **Avoiding Caffeine:** Caffeine can interfere", as SmolLM2 wrote them."""


def _first_line(path: Path) -> bytes:
    return path.read_bytes().split(b"\n", 1)[0]


def _all(path: Path, tokenizer: Any = None) -> tuple[list[Sample], list[str]]:
    notes: list[str] = []
    return list(traffic_in(path.read_bytes(), str(path), tokenizer, notes.append)), notes


def _plain(message: str) -> bool:
    """Whether a message is one line without the words of a parser."""
    return not re.search(r"\n|Expecting|Expected|Extra data|\bcolumn \d|\(char |codec|`|[Aa]rrow|msgspec|\$", message)


def _written(tmp_path: Path, *rows: Any) -> Path:
    path = tmp_path / "traffic.jsonl"
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_recording_is_told_apart_by_its_first_line(path: Path):
    assert is_traffic(_first_line(path))


@pytest.mark.parametrize(
    "line",
    [
        b'{"prompt": [1, 2], "output": [3]}',
        b'{"prompt": "Say hello", "category": "chat"}',
        b'{"prompt": "Say hello", "response": "Hello", "answer": "Hello"}',
        b'{"format": "lookahead-run", "version": 1}',
        b"prompt,category",
        b"Once upon a time",
        b'{"messages": [{"role": "user", "content": "only asked"}]}',
        b"\xff\xfe\x00",
        b"",
        b"[]",
        b"3",
    ],
)
def test_what_is_no_recording_is_left_to_others(line: bytes):
    assert not is_traffic(line)


@pytest.mark.parametrize(
    ("name", "outputs"),
    [
        ("vllm_chat.jsonl", [OUTPUT] * 3),
        ("vllm_completions.jsonl", [OUTPUT, OUTPUT[:3]] * 2),
        ("sglang.jsonl", [OUTPUT] * 6),
        ("tgi.jsonl", [OUTPUT] * 2),
        ("ray_data.parquet", [OUTPUT, OUTPUT[:3]]),
        ("ray_data_arrays.parquet", [OUTPUT, OUTPUT[:3]]),
    ],
)
def test_an_engines_shapes_all_give_the_recorded_tokens(name: str, outputs: list, tmp_path: Path):
    """Streamed or not, in chunks or as server-sent events, from either endpoint."""
    path = HERE / name
    if name == "vllm_chat.jsonl":  # its last two rows are responses alone
        path = _written(tmp_path, *path.read_text("utf-8").splitlines(keepends=True)[:3])
    samples, _ = _all(path)
    assert [sample.output_ids for sample in samples] == outputs
    assert {sample.prompt_ids[:3] for sample in samples} == {(1, 9690, 198)}
    assert len({sample.name for sample in samples}) == len(samples)


def test_a_response_alone_is_enough_where_it_has_both_ids():
    samples, _ = _all(HERE / "vllm_chat.jsonl")
    assert len({(sample.prompt_ids, sample.output_ids) for sample in samples}) == 1
    assert [sample.name for sample in samples] == [f"vllm_chat.jsonl:{line}" for line in range(1, 6)]
    assert samples[0].text == "Give me five tips for sleeping better before an exam."


def test_llama_cpp_as_recorded_streamed_and_not(tmp_path: Path):
    path = _written(tmp_path, *(HERE / "llamacpp.jsonl").read_text("utf-8").splitlines(keepends=True)[:2])
    (plain, streamed), notes = _all(path)
    assert plain.output_ids == streamed.output_ids
    assert plain.prompt_ids == streamed.prompt_ids
    assert (len(plain.prompt_ids), len(plain.output_ids or ())) == (37, 48)
    assert notes == []


def test_failed_requests_are_left_out_and_told():
    _, notes = _all(HERE / "ray_data.parquet")
    (line,) = notes
    assert line.endswith("failed requests left out: 1 (the first: row 3: ValueError: prompt too long)")


@pytest.mark.parametrize(
    "failed",
    [
        {"request": {"prompt": [1]}, "response": {"error": {"message": "overloaded", "code": 503}}},
        {"request": {"prompt": [1]}, "response": {"object": "error", "message": "overloaded"}},
        {"custom_id": "1", "response": {"status_code": 503, "body": {"detail": "overloaded"}}, "error": None},
        {"custom_id": "1", "response": None, "error": {"message": "overloaded"}},
        {"error": "overloaded", "error_type": "overloaded"},
    ],
)
def test_an_error_in_place_of_a_response_is_a_failed_request(failed: dict, tmp_path: Path):
    good = (HERE / "vllm_chat.jsonl").read_text("utf-8").splitlines(keepends=True)[0]
    samples, notes = _all(_written(tmp_path, good, failed))
    assert len(samples) == 1
    assert "failed requests left out: 1 (the first: line 2: " in notes[0]


def test_text_of_transformers_serve_through_its_tokenizer():
    samples, notes = _all(HERE / "transformers_serve.jsonl", EMBEDDED_MODEL)
    chat, chat_streamed, completion, completion_streamed = samples
    assert (len(chat.prompt_ids), len(chat.output_ids or ())) == (12, 40)  # as usage counted them
    assert (len(completion.prompt_ids), len(completion.output_ids or ())) == (8, 12)
    assert chat.output_ids == chat_streamed.output_ids
    assert completion.output_ids == completion_streamed.output_ids
    assert notes == [
        "transformers_serve.jsonl: outputs with only text: 4, turned into tokens again, which drifts from "
        "what the model generated (known to differ: 0 of 4, 0 %); record token ids to be exact"
    ]


def test_another_number_of_tokens_than_the_server_counted_is_drift(tmp_path: Path):
    row = json.loads((HERE / "transformers_serve.jsonl").read_text("utf-8").splitlines()[0])
    row["response"]["usage"]["completion_tokens"] = 47
    _, notes = _all(_written(tmp_path, row), EMBEDDED_MODEL)
    assert "known to differ: 1 of 1, 100 %" in notes[0]
    assert len(notes) == 1
    row["response"]["usage"]["prompt_tokens"] = 40
    _, notes = _all(_written(tmp_path, row), EMBEDDED_MODEL)
    assert "some of another length than the server counted (1 of 1, 100 %)" in notes[1]


def test_with_a_tokenizer_recorded_ids_stay_and_are_compared(tmp_path: Path):
    from lookahead.hf.loading import load_tokenizer
    from lookahead.hf.text import Vocabulary

    words = Vocabulary(load_tokenizer(str(EMBEDDED_MODEL)))
    whole = words.encode_after([300], " the river")
    apart = [token for letter in " the river" for token in words.encode_after([300], letter)]
    rows = [{"prompt_token_ids": [300], "generated_tokens": ids} for ids in (whole, apart)]
    samples, notes = _all(_written(tmp_path, *rows), EMBEDDED_MODEL)
    assert [sample.output_ids for sample in samples] == [tuple(whole), tuple(apart)]
    assert "other tokens, had only text been recorded: 1 of 2, 50 %" in notes[0]


def test_messages_with_their_answer():
    samples, _ = _all(HERE / "answers.jsonl", EMBEDDED_MODEL)
    assert len({(sample.prompt_ids, sample.output_ids) for sample in samples}) == 1
    assert len(samples) == 3


def test_lines_of_server_sent_events_are_one_stream_each(tmp_path: Path):
    stream = json.loads((HERE / "vllm_chat.jsonl").read_text("utf-8").splitlines()[2])["response"]
    samples, _ = _all(_written(tmp_path, ": ping\n\n", stream, "event: message\n", stream.replace("data: [DONE]", "")))
    assert [sample.output_ids for sample in samples] == [OUTPUT] * 2
    assert [sample.name for sample in samples] == ["traffic.jsonl:3", "traffic.jsonl:18"]
    # llama.cpp ends its own streams without a mark
    assert [len(chunks) for _, chunks in _rows((HERE / "llamacpp.sse").read_bytes(), "x")] == [49, 49]


def test_a_stream_without_its_request_needs_the_tokenizer_of_its_model():
    with pytest.raises(InputError, match=r"llamacpp.sse, line 1: no token ids of the prompt: .*/tokenize.*--tokenizer"):
        _all(HERE / "llamacpp.sse")
    with pytest.raises(InputError, match=r"line 1: token id \d+; the tokenizer knows 0 to \d+: it is of another model"):
        _all(HERE / "llamacpp.sse", EMBEDDED_MODEL)


VLLM = {"choices": [{"index": 0, "text": "a", "token_ids": [5]}], "prompt_token_ids": [1]}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", r"line 2: not JSON \(it breaks off\); need one JSON object per line \(JSONL\)$"),
        ("{'a': 1}\n", r"""line 2: not JSON \(unexpected "'a': 1}"\); need one JSON object per line"""),
        ("7", "line 2: not an object"),
        ({"request": {}, "response": {"ok": True}}, "line 2: need a response of vLLM, SGLang"),
        ({**VLLM, "prompt_token_ids": [1, -1]}, r"line 2: prompt\[1\]: need an integer >= 0"),
        ({**VLLM, "prompt_token_ids": [2**40]}, r"line 2: prompt\[0\]: need an integer <="),
        ({**VLLM, "prompt_token_ids": ["1"]}, r"line 2: prompt\[0\]: need an integer, got a string"),
        ({**VLLM, "prompt_token_ids": "11"}, "line 2: prompt: need a list or null, got a string"),
        ({**VLLM, "prompt_token_ids": None}, "line 2: no token ids of the prompt: vLLM sends them with"),
        ({**VLLM, "choices": [{"token_ids": [None]}]}, r"line 2: output\[0\]: need an integer, got null"),
        ({"choices": [{"text": "a"}]}, "line 2: no token ids of the prompt: this is text .* --tokenizer"),
        ({"choices": [{"text": "\ud800"}]}, "line 2: response: half a surrogate pair"),
        ({"request": {"prompt": "\udfff"}, "response": VLLM}, "line 2: prompt: half a surrogate pair"),
        ({"request": {}, "response": "data: {\n\n"}, r"line 2: not JSON \(it breaks off\); need .* after data:$"),
        ("data: {\n", r"line 2: not JSON \(it breaks off\); need one JSON object, or \[DONE\], after data:$"),
        ("data: [1]\n", "line 2: not an object; need one JSON object"),
        ({"generated_tokens": [5], "prompt": "x"}, "line 2: no token ids of the prompt: Ray Data has them"),
        ({"response": [{"generated_tokens": [5]}, {"generated_tokens": [6]}]}, "line 2: no token ids of the prompt"),
        ({"output_ids": 5, "meta_info": 3, "prompt_token_ids": [1]}, "line 2: output: need a list, got an integer"),
        ({"generated_text": "a", "details": {"tokens": 5}}, "line 2: .*"),
        ({"content": "a", "tokens": [5], "stop": True, "index": [1]}, "line 2: no token ids of the prompt"),
        (
            {"request": {"body": 5}, "response": {**VLLM, "prompt_token_ids": None}},
            "line 2: no token ids of the prompt",
        ),
        (
            {"response": [{"output_ids": [5], "meta_info": {}}, {"output_ids": 7, "meta_info": {}}]},
            "line 2: output: need a list, got an integer",
        ),
        (
            {"response": [{"output_ids": 7, "meta_info": {}}, {"output_ids": [5], "meta_info": {}}]},
            "line 2: a field is not what a response has there .*need a response of",
        ),
    ],
)
def test_a_bad_row_is_one_line_with_its_number(row: Any, message: str, tmp_path: Path):
    path = _written(tmp_path, VLLM, row)
    with pytest.raises(InputError, match=message) as refusal:
        _all(path)
    assert _plain(str(refusal.value))


def test_bytes_that_are_not_text_are_one_line_with_its_number(tmp_path: Path):
    path = tmp_path / "x.jsonl"
    for line in (b"data: \xff\n", b'{"response": "\xff"}\n'):
        path.write_bytes(json.dumps(VLLM).encode() + b"\n" + line)
        with pytest.raises(InputError, match="line 2: is not UTF-8 text; need one JSON object") as refusal:
            _all(path)
        assert _plain(str(refusal.value))


@pytest.mark.parametrize("content", ["", "\n\n", "data: [DONE]\n", json.dumps({**VLLM, "choices": []}) + "\n"])
def test_a_file_without_an_answer_is_refused(content: str, tmp_path: Path):
    with pytest.raises(InputError, match=r"need a response of|has no answer"):
        _all(_written(tmp_path, content))


def test_answers_without_a_token_are_left_out(tmp_path: Path):
    empty = {**VLLM, "choices": [{"index": 0, "text": "", "token_ids": []}]}
    samples, notes = _all(_written(tmp_path, VLLM, empty))
    assert [sample.name for sample in samples] == ["traffic.jsonl:1"]
    assert notes[0].endswith("answers without a token left out: 1")


def test_limits_of_input_files_hold(tmp_path: Path, monkeypatch):
    path = _written(tmp_path, VLLM, VLLM)
    monkeypatch.setattr(inputs, "MAX_LINE_BYTES", 40)
    with pytest.raises(InputError, match="line 1: longer than 40 bytes"):
        _all(path)


def test_without_pyarrow_parquet_is_refused_in_one_line(monkeypatch):
    real = builtins.__import__

    def none_here(name: str, *rest: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *rest)

    for name in [name for name in sys.modules if name.startswith("pyarrow")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", none_here)
    with pytest.raises(InputError, match=r"to read Parquet install pyarrow: pip install lookahead-trie\[parquet\]$"):
        _all(HERE / "ray_data.parquet")


@pytest.mark.parametrize("damage", [lambda data: data[:300], lambda data: data[:40] + b"\0" * 40 + data[80:]])
def test_damaged_parquet_is_one_line(damage, tmp_path: Path):
    path = tmp_path / "x.parquet"
    path.write_bytes(damage((HERE / "ray_data.parquet").read_bytes()))
    with pytest.raises(InputError, match="not valid Parquet; need a whole, undamaged file") as refusal:
        _all(path)
    assert _plain(str(refusal.value))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 60000) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "index", "a"]), inner),
    max_leaves=5,
)
_ROWS = [json.loads(line) for path in FILES if path.suffix == ".jsonl" for line in path.read_text("utf-8").splitlines()]


@st.composite
def _damaged(draw: st.DrawFn) -> Any:
    """A recorded row in which one value has become another, or is gone."""
    row = json.loads(json.dumps(draw(st.sampled_from(_ROWS))))
    inside = row
    while True:
        keys = range(len(inside)) if isinstance(inside, list) else list(inside)
        key = draw(st.sampled_from(keys))
        if not (isinstance(inside[key], (list, dict)) and inside[key]) or draw(st.integers(0, 3)) == 0:
            break
        inside = inside[key]
    if draw(st.booleans()):
        inside[key] = draw(_JSON)
    else:
        del inside[key]
    return row


@pytest.fixture(scope="module")
def tokenizer():
    from lookahead.hf.loading import load_tokenizer

    return load_tokenizer(str(EMBEDDED_MODEL))


@given(row=_damaged(), known=st.booleans())
def test_whatever_a_row_holds_the_answer_is_samples_or_one_line(row: Any, known: bool, tokenizer, tmp_path_factory):
    path = _written(tmp_path_factory.mktemp("rows"), row)
    is_traffic(path.read_bytes())
    try:
        samples, _ = _all(path, tokenizer if known else None)
    except InputError as error:
        assert _plain(str(error))
    else:
        assert all(sample.prompt_ids and sample.output_ids for sample in samples)


def test_every_reader_has_a_file_of_its_engine():
    found = {"Ray Data"}
    for path in FILES:
        for line in path.read_bytes().splitlines() if path.suffix == ".jsonl" else ():
            reader = reader_of(exchange(json.loads(line)).chunks)
            found |= {reader.name} if reader else set()
    assert found == {reader.name for reader in READERS}


def test_a_study_reads_recordings_among_its_other_material(tmp_path: Path):
    (tmp_path / "a.jsonl").write_bytes((HERE / "vllm_completions.jsonl").read_bytes())
    (tmp_path / "b.jsonl").write_text('{"prompt": [1], "output": [2]}\n')
    (tmp_path / "c.parquet").write_bytes((HERE / "ray_data.parquet").read_bytes())
    notes: list[str] = []
    samples = read_material(tmp_path, note=notes.append)
    assert [sample.name for sample in samples] == [
        *("a.jsonl:1", "a.jsonl:1#2", "a.jsonl:2", "a.jsonl:2#2"),
        *("b.jsonl:1", "c.parquet:1", "c.parquet:2"),
    ]
    assert [note.split(":")[0] for note in notes] == ["c.parquet"]


def test_how_far_text_drifts_is_told_where_only_the_first_rows_are_read():
    notes: list[str] = []
    read_material(HERE / "transformers_serve.jsonl", 2, str(EMBEDDED_MODEL), notes.append)
    assert "outputs with only text: 2" in notes[0]


@pytest.mark.parametrize("path", sorted(Path(EMBEDDED_MODEL).parent.glob("runs/*.json")), ids=lambda path: path.name)
def test_run_files_are_no_recordings(path: Path):
    assert not is_traffic(_first_line(path))


@pytest.mark.parametrize("name", ["vllm_chat.jsonl", "sglang.jsonl", "ray_data.parquet"])
def test_study_of_a_recording_and_of_its_trace_are_one(name: str, tmp_path: Path, capsys):
    from lookahead.cli.main import main

    def told(path: Path, *more: str) -> dict:
        assert main(["study", str(path), "--grid", "none", "--json", *more]) == 0
        return json.loads(capsys.readouterr().out.splitlines()[-1])["total"]

    trace = tmp_path / "trace.jsonl"
    assert told(HERE / name, "--write-trace", str(trace)) == told(trace)


def test_text_without_a_tokenizer_is_refused_by_the_command_in_one_line(capsys):
    from lookahead.cli.main import main

    assert main(["study", str(HERE / "transformers_serve.jsonl")]) == 2
    out = capsys.readouterr()
    assert out.err.count("\n") == 1
    assert "line 1: no token ids of the prompt" in out.err
    assert "--tokenizer" in out.err
