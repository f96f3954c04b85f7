"""Material is told apart by its content, and every bad file is one line with its name and line number."""

from __future__ import annotations

import codecs
import json
import os
from pathlib import Path

import pytest

from lookahead.inputs import InputError
from lookahead.study.material import to_trace
from lookahead.study.reading import read_material

GOLDEN = Path(__file__).parents[1] / "runs" / "golden_run.json"

PROMPTS = '{"prompt": "a b", "kind": "chat", "other": [1]}\n\n{"prompt": "c", "category": "code", "id": "second"}\n'
TABLE = 'prompt,category\n"a b",chat\n"c\nd",code\n'
TRACE = '{"prompt": [1, 2], "output": [3, 4], "task": "copy"}\n{"prompt": [1], "output": []}\n'


def _read(tmp_path: Path, content: str | bytes, name: str = "file"):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_material(path)


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
def test_each_kind_is_known_by_its_content(tmp_path: Path, mark: bytes):
    prompts = _read(tmp_path, mark + PROMPTS.encode())
    assert [(one.name, one.text, one.category, one.output_ids) for one in prompts] == [
        ("file:1", "a b", "chat", None),
        ("second", "c", "code", None),
    ]
    table = _read(tmp_path, mark + TABLE.encode())
    assert [(one.name, one.text, one.category) for one in table] == [
        ("file:2", "a b", "chat"),
        ("file:3", "c\nd", "code"),
    ]
    trace = _read(tmp_path, mark + TRACE.encode())
    assert [(one.name, one.prompt_ids, one.output_ids, one.category) for one in trace] == [
        ("file:1", (1, 2), (3, 4), "copy"),
        ("file:2", (1,), (), ""),
    ]
    (text,) = _read(tmp_path, mark + b"{ int x; }\nprompt, more")
    assert (text.name, text.text) == ("file", "{ int x; }\nprompt, more")
    (run,) = _read(tmp_path, mark + GOLDEN.read_bytes())
    assert run.run is not None
    assert run.output_ids == run.run.token_ids


@pytest.mark.parametrize("name", ["a.jsonl", "b.NDJSON"])
def test_a_file_of_json_lines_whose_first_line_is_broken_is_refused(tmp_path: Path, name: str):
    (tmp_path / name).write_text("prompt: broken\n" + PROMPTS)
    with pytest.raises(InputError, match=r"line 1: .*JSON"):
        read_material(tmp_path / name)
    (tmp_path / name).write_text(TABLE)
    assert len(read_material(tmp_path / name)) == 2


NO_COLUMN = {
    "by its name": ("bad_col.csv", "text,kind\nhello,chat\n", "text, kind"),
    "by its name, one column": ("a.CSV", "question\nhello\n", "question"),
    "by its name, other separators": ("a.csv", "prompt;kind\nhello;chat\n", "prompt;kind"),
    "by its rows": ("data", 'text,kind\n"hello, you",chat\n"a\nb",code\n', "text, kind"),
    "a long header": (
        "a.csv",
        ",".join(f"a column {n}" for n in range(99)) + "\n" + "1," * 98 + "1\n",
        "a column 0, a",
    ),
    "hostile": ("a.csv", "a\x1b[31m,b\n1,2\n", r"a\x1b[31m, b"),
}


@pytest.mark.parametrize(("name", "content", "has"), NO_COLUMN.values(), ids=NO_COLUMN)
def test_a_table_without_prompts_is_not_one_prompt(tmp_path: Path, name: str, content: str, has: str):
    with pytest.raises(InputError) as error:
        _read(tmp_path, content, name)
    assert str(error.value).startswith(f'{tmp_path / name}: no column "prompt"; it has {has}')
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("name", ["file", "a.txt", "a.md", "a.csv.txt"])
@pytest.mark.parametrize(
    "content",
    [
        "Dear all,\nplease note, as ever, the date.\n",
        "Hello, world\nfoo, bar\n",
        "a,b,c\n1,2\n",
        "text,kind",
        "one word\nanother\n",
        "Write this as a table: name,age\nAda,36\n",
        'say "a,b\nc,d\n',
    ],
)
def test_text_with_commas_is_one_prompt(tmp_path: Path, name: str, content: str):
    (sample,) = _read(tmp_path, content, name)
    assert sample.text == content


def test_a_table_in_a_text_file_is_one_prompt(tmp_path: Path):
    (sample,) = _read(tmp_path, "name,age\nAda,36\n", "question.txt")
    assert sample.text == "name,age\nAda,36\n"


def test_an_indented_run_file_is_one_too(tmp_path: Path):
    assert _read(tmp_path, json.dumps(json.loads(GOLDEN.read_text()), indent=1))[0].run is not None


def test_a_folder_is_read_file_by_file_and_names_are_told_apart(tmp_path: Path):
    (tmp_path / "b.jsonl").write_text(PROMPTS)
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "c.csv").write_text("id,prompt\nsecond,x\nsecond,y\n")
    (tmp_path / ".hidden").write_bytes(b"\xff")
    names = [one.name for one in read_material(tmp_path)]
    assert names == ["a.txt", "b.jsonl:1", "second", "second (2)", "second (3)"]
    assert [one.name for one in read_material(tmp_path, limit=2)] == names[:2]


BAD = {
    "nothing": (b"", "file: is empty"),
    "blank": (b" \n", "file: is empty"),
    "a key too few": (b'{"prompt": [1], "output": [2]}\n{"prompt": [1]}', "line 2: output: missing"),
    "other json": (b'{"question": "x"}', 'line 1: no field "prompt"; it has question; need'),
    "later": (b'{"prompt": "x"}\n{"text": "a", "kind": "b"}', 'line 2: no field "prompt"; it has text, kind; '),
    "an empty object": (b"{}", 'line 1: no field "prompt"; need'),
    "broken": (b'{"prompt": "a"}\n{"prompt": ', "line 2: not JSON"),
    "broken at once": (b'{"prompt": "a"', "line 1: not JSON"),
    "a list": (b'{"prompt": "a"}\n[1]', "line 2: not an object"),
    "kinds mixed": (b'{"prompt": "a"}\n{"prompt": [1], "output": [2]}', "line 2: prompt: need a string"),
    "half a pair": (b'{"prompt": "\\ud800"}', "line 1: prompt: half a surrogate pair"),
    "huge id": (b'{"prompt": [1], "output": [' + b"9" * 5000 + b"]}", "line 1"),
    "negative id": (b'{"prompt": [-1], "output": [1]}', "line 1: prompt"),
    "no prompt ids": (b'{"prompt": [], "output": [1]}', "line 1: prompt: is empty"),
    "not utf-8": (b'{"prompt": "\xff"}', "not UTF-8"),
    "utf-16": ("prompt".encode("utf-16"), "not UTF-8"),
    "nul": (b"one\ntwo\0", "line 2: a NUL character"),
    "csv without a cell": (b"prompt,kind\na,b\n,c\n", "line 3: prompt: is empty"),
    "csv with a bare quote": (b'prompt\n"a"b\n', "line 2"),
    "csv without an end": (b'prompt\na\n"b\n', "line 3"),
    "csv header only": (b"prompt,kind\n", "holds nothing to study"),
    "a run of another version": (b'{"format": "lookahead-run", "version": 9}', "version: 9"),
    "half a run": (GOLDEN.read_bytes()[:500], "not JSON"),
    "a table": (b"SQLite format 3\0" + bytes(100), "give its folder"),
}


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD)
def test_bad_files_are_one_line(tmp_path: Path, content: bytes, message: str):
    with pytest.raises(InputError, match=message) as error:
        _read(tmp_path, content)
    line = str(error.value)
    assert str(tmp_path) in line
    assert "\n" not in line
    assert len(line) < 600


@pytest.mark.parametrize("name", ["fifo", "missing", "empty"])
def test_what_cannot_be_read_is_one_line(tmp_path: Path, name: str):
    path = tmp_path / name
    if name == "fifo":
        os.mkfifo(path)
    if name == "empty":
        path.mkdir()
    with pytest.raises(InputError, match=r"regular file|cannot be read|holds nothing"):
        read_material(path)


def test_a_written_trace_is_read_as_it_was(tmp_path: Path):
    samples = _read(tmp_path, TRACE)
    (tmp_path / "again").write_bytes(to_trace(samples))
    assert read_material(tmp_path / "again") == samples
