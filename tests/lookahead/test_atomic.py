"""A file is complete or unchanged, and has the user's usual permissions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lookahead.atomic import write_whole


def test_a_file_is_written_whole_and_replaced(tmp_path: Path):
    path = tmp_path / "file"
    for data in (b"one", b""):
        write_whole(path, data)
        assert path.read_bytes() == data
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(os.name == "nt", reason="no modes, and links need a privilege")
def test_the_umask_says_who_may_read_it_and_a_link_stays_one(tmp_path: Path):
    link, target = tmp_path / "link", tmp_path / "target"
    link.symlink_to(target)
    before = os.umask(0o027)
    try:
        write_whole(link, b"data")
    finally:
        os.umask(before)
    assert link.is_symlink()
    assert (target.read_bytes(), target.stat().st_mode & 0o777) == (b"data", 0o640)


def test_what_was_there_stays_where_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "file"
    write_whole(path, b"old")

    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("lookahead.atomic.os.replace", full)
    with pytest.raises(OSError, match="no space"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]
