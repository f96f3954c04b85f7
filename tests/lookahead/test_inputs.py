"""Input files are read to their limit and no further, and nothing waits for ever."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from lookahead import inputs
from lookahead.inputs import InputError, excerpt, prompt_lines, read_text, read_trace
from lookahead.runs import runfile
from lookahead.trie.file import load_trie

READERS = [read_text, prompt_lines, read_trace, lambda path: load_trie(path, "key"), runfile.load]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("name", ["/dev/zero", "/dev/null", "fifo", "."])
def test_what_is_not_a_regular_file_is_refused_at_once(read, name: str, tmp_path: Path):
    path = tmp_path / name if name == "fifo" else Path(name)
    if name == "fifo":
        os.mkfifo(path)
    with pytest.raises(ValueError, match=r"not a regular file|cannot be read"):
        read(path)


@pytest.mark.parametrize(
    ("read", "bound", "most"),
    [
        (read_text, (inputs, "MAX_TEXT_BYTES"), 1000),
        (prompt_lines, (inputs, "MAX_FILE_BYTES"), 1000),
        (read_trace, (inputs, "MAX_LINE_BYTES"), 1000),
        (runfile.load, (runfile, "MAX_FILE_BYTES"), 1000),
    ],
)
def test_a_huge_file_costs_no_more_than_the_limit(read, bound, most: int, tmp_path: Path, monkeypatch):
    """The file is sparse: 20 GB that nobody wrote."""
    path = tmp_path / "huge"
    with open(path, "wb") as file:
        file.truncate(20_000_000_000)
    monkeypatch.setattr(*bound, most)
    monkeypatch.setattr(inputs, "MAX_LINE_BYTES", most)
    with pytest.raises(ValueError, match=f"(larger|longer) than {most} bytes"):
        read(path)


def test_limits_count_bytes(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(inputs, "MAX_TEXT_BYTES", 10)
    path = tmp_path / "text"
    path.write_text("é" * 5, encoding="utf-8")
    assert read_text(path) == "é" * 5
    path.write_text("é" * 6, encoding="utf-8")
    with pytest.raises(InputError, match="larger than 10 bytes"):
        read_text(path)
    path.write_text('{"prompt": "éééééé"}', encoding="utf-8")
    with pytest.raises(InputError, match="line 1: prompt: larger than 10 bytes"):
        prompt_lines(path)


def test_an_endless_standard_input_is_read_to_the_limit(monkeypatch):
    class Endless(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer) -> int:
            buffer[:] = b" " * len(buffer)
            return len(buffer)

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(Endless())))
    with pytest.raises(InputError, match="-: larger than 4000000 bytes"):
        read_text("-")
    with pytest.raises(InputError, match="longer than"):
        read_trace("-")
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match="no standard input"):
        read_text("-")


def test_standard_input_holds_rows(monkeypatch):
    text = io.BytesIO(b'{"prompt": "a"}\n\n{"prompt": "b"}\n')
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(text))
    assert [text for _, text in prompt_lines("-")] == ["a", "b"]


def test_an_excerpt_is_short_and_says_nothing_to_a_terminal():
    assert excerpt("x" * 80) == "x" * 80
    assert len(excerpt("x" * 100_000)) <= 80
    assert excerpt("a\x1b[2J\x07\u202eb\r\nc") == "a\\x1b[2J\\x07\\u202eb c"
    assert excerpt("\udcff").isascii()
