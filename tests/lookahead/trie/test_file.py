"""Trie files: a loaded trie behaves the same, and a damaged or foreign file is refused."""

from __future__ import annotations

import json
import os
import struct
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from lookahead.config import LookaheadConfig
from lookahead.drafter import Drafter
from lookahead.trie import MIN_BYTES, MIN_CAPACITY, Trie
from lookahead.trie import file as trie_file
from lookahead.trie.file import TrieFileError, load_corpus, load_trie, save_trie
from lookahead.trie.prune import prune
from tests.lookahead.ngrams import (
    check_order,
    check_trie,
    leaves_of,
    many_sequences,
    nodes_of,
    sequences,
    spelled,
    trie_of,
)

KEY = "tokenizer-1"


def saved(trie: Trie, folder: Path) -> Path:
    path = folder / "session.trie"
    save_trie(trie, path, KEY)
    return path


def links_of(trie: Trie) -> list:
    return sorted((spelled(trie, node), spelled(trie, trie.links[node])) for node in range(1, len(trie.tokens)))


def same(one: Trie, other: Trie) -> None:
    assert nodes_of(one) == nodes_of(other)
    assert leaves_of(one) == leaves_of(other)
    assert links_of(one) == links_of(other)
    assert one.bytes() == other.bytes()
    assert (one.counts[0], one.log, one.log_start) == (other.counts[0], other.log, other.log_start)


@settings(max_examples=15)
@given(many_sequences, sequences, sequences, st.sampled_from([None, 0.5, 0.8]))
def test_what_is_loaded_is_what_was_saved_and_grows_alike(tmp_path_factory, earlier, later, context, share):
    trie = trie_of(earlier)
    if share:
        trie.capacity = max(1, int(share * (len(trie) + trie.leaves)))
        prune(trie)
        trie.capacity = None
        trie.insert(later)
    loaded = load_trie(saved(trie, tmp_path_factory.mktemp("trie")), KEY)
    check_trie(loaded)
    same(loaded, trie)
    again = load_trie(saved(loaded, tmp_path_factory.mktemp("trie")), KEY)
    drafts = []
    for warm in (loaded, again):
        request = Drafter(LookaheadConfig(decoding_length=16), (warm,)).start([1, *context])
        drafts.append(request.draft(16, 15, None))
    drafts[0].check()
    assert drafts[0] == drafts[1]
    for warm in (trie, loaded):
        warm.insert(later)
    same(loaded, trie)


def small() -> Trie:
    return trie_of([[0, 1, 2, 0, 1, 3, 0, 1, 2, 2], [1, 2, 0, 7]], 4)


def test_truncations_are_refused(tmp_path):
    path = saved(small(), tmp_path)
    whole = path.read_bytes()
    for length in [*range(0, len(whole), 3), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(TrieFileError, match=r"session\.trie"):
            load_trie(path, KEY)
    path.write_bytes(whole + b"\0")
    with pytest.raises(TrieFileError):
        load_trie(path, KEY)


def test_every_flipped_bit_is_refused(tmp_path):
    """In the header and in the body; one bit of every byte, each of the eight in turn."""
    path = saved(small(), tmp_path)
    whole = path.read_bytes()
    for place in range(len(whole)):
        broken = bytearray(whole)
        broken[place] ^= 1 << place % 8
        path.write_bytes(broken)
        with pytest.raises(TrieFileError, match=r"session\.trie"):
            load_trie(path, KEY)


def test_another_tokenizer_is_named(tmp_path):
    with pytest.raises(TrieFileError, match=r"another tokenizer \(tokenizer-1\); this model has tokenizer-2"):
        load_trie(saved(small(), tmp_path), "tokenizer-2")


def test_another_version_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(trie_file, "VERSION", "2")
    path = saved(small(), tmp_path)
    monkeypatch.undo()
    with pytest.raises(TrieFileError, match="version '2'"):
        load_trie(path, KEY)


def test_a_file_of_someone_else_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file({"weight": np.zeros(3, np.float32)}, path)
    for content in (path.read_bytes(), b"", b"{}", b"PK\3\4", json.dumps({"format": "lookahead-trie"}).encode()):
        path.write_bytes(content)
        with pytest.raises(TrieFileError, match="not a trie file"):
            load_trie(path, KEY)
    for missing in (tmp_path / "nothing", tmp_path):
        with pytest.raises(TrieFileError):
            load_trie(missing, KEY)


def forged(folder: Path, change: Callable[[dict[str, Any], dict[str, str]], None]) -> Path:
    """A file made by someone who knows the format, its digest right, with these changes."""
    path = saved(small(), folder)
    arrays: dict[str, Any] = load_file(path)
    with safe_open(path, framework="numpy") as file:
        header = file.metadata()
    change(arrays, header)
    if "digest" in header and "last" in arrays:
        header["digest"] = trie_file._digest(arrays, header)
    save_file(arrays, path, metadata=header)
    return path


def setting(name: str, place: int, value: int):
    return lambda arrays, _: arrays[name].__setitem__(place, value)


HOSTILE: dict[str, Callable[[dict[str, Any], dict[str, str]], Any]] = {
    "a negative token": setting("tokens", 0, -2),
    "a huge token": setting("log", 1, 2**31 - 1),
    "a parent after its child": setting("parents", 0, 3),
    "a negative parent": setting("parents", 1, -1),
    "a count of zero": setting("counts", 0, 0),
    "a count above all tokens": setting("counts", 0, 10**6),
    "a position after the end": setting("last", 0, 10**6),
    "a leaf after the end": setting("leaf_positions", 0, 99),
    "a leaf of no node": setting("leaf_parents", 0, 99),
    "a leaf between sequences": setting("leaf_positions", 0, 10),
    "two leaves of one token": lambda arrays, _: arrays.update(
        leaf_parents=arrays["leaf_parents"][[0, 0]], leaf_positions=arrays["leaf_positions"][[0, 0]]
    ),
    "columns of different length": lambda arrays, _: arrays.update(counts=arrays["counts"][1:]),
    "floats": lambda arrays, _: arrays.update(counts=arrays["counts"].astype(np.float32)),
    "wider integers": lambda arrays, _: arrays.update(counts=arrays["counts"].astype(np.int64)),
    "two dimensions": lambda arrays, _: arrays.update(log=arrays["log"][None]),
    "a missing column": lambda arrays, _: arrays.pop("last"),
    "one column more": lambda arrays, _: arrays.update(more=arrays["last"]),
    "a depth of no trie": lambda _, header: header.update(max_depth="1"),
    "a depth that the nodes exceed": lambda _, header: header.update(max_depth="2"),
    "a depth that is no number": lambda _, header: header.update(max_depth="-3"),
    "a log that starts too late": lambda _, header: header.update(log_start="2147483640"),
    "a count that leaves no room for more": lambda _, header: header.update(root_count=str(2**31 - 1)),
    "a count just above the bound": lambda _, header: header.update(root_count=str(trie_file.MOST_TOKENS + 1)),
    "a log that leaves no room for more": lambda _, header: header.update(log_start=str(trie_file.MOST_TOKENS - 1)),
    "a number without dimensions": lambda arrays, header: (
        header.pop("digest"),
        arrays.update(log=np.array(1, np.int32)),
    ),
    "a number of many digits": lambda _, header: header.update(root_count="9" * 5000),
    "digits of another script": lambda _, header: header.update(root_count="٣"),
    "no depth": lambda _, header: header.pop("max_depth"),
    "no digest": lambda _, header: header.pop("digest"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_forged_file_is_refused(tmp_path, what):
    path = forged(tmp_path, HOSTILE[what])
    with pytest.raises(TrieFileError, match=r"session\.trie"):
        load_trie(path, KEY)


def test_an_unchanged_forgery_is_a_trie(tmp_path):
    """The forger above changes only what it says."""
    same(load_trie(forged(tmp_path, lambda *_: None), KEY), small())


@settings(max_examples=15)
@given(st.lists(st.tuples(st.integers(1, 14), st.integers(0, 14)), min_size=8, max_size=8))
def test_counts_that_contradict_each_other_do_no_harm(tmp_path_factory, values):
    def change(arrays, _):
        columns = np.array(values, dtype=np.int32)[: len(arrays["counts"])]
        arrays.update(counts=columns[:, 0].copy(), last=columns[:, 1].copy())

    trie = load_trie(forged(tmp_path_factory.mktemp("trie"), change), KEY)
    check_trie(trie)
    trie.capacity = 12
    prune(trie)
    check_trie(trie)
    check_order(trie)
    Drafter(LookaheadConfig(), (trie,)).start([0, 1]).draft(16, 15, None).check()


@pytest.mark.parametrize("dtype", ["BF16", "F16", "F8_E4M3", "U32", "BOOL"])
def test_types_that_numpy_may_not_know_are_refused(tmp_path, dtype):
    path = saved(small(), tmp_path)
    whole = path.read_bytes()
    (length,) = struct.unpack("<Q", whole[:8])
    header = json.loads(whole[8 : 8 + length])
    size = {"BF16": 2, "F16": 2, "F8_E4M3": 1, "U32": 4, "BOOL": 1}[dtype]
    for name in trie_file._ARRAYS:
        start, end = header[name]["data_offsets"]
        header[name] |= {"dtype": dtype, "shape": [(end - start) // size]}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + whole[8 + length :])
    with pytest.raises(TrieFileError, match=r"session\.trie"):
        load_trie(path, KEY)


def test_a_trie_larger_than_the_bounds_is_pruned_when_loaded(tmp_path):
    trie = trie_of([range(6000)], 4)
    loaded = load_trie(saved(trie, tmp_path), KEY, capacity=MIN_CAPACITY)
    assert 0 < len(loaded) + loaded.leaves <= MIN_CAPACITY
    check_trie(loaded)
    (corpus,) = load_corpus(saved(trie, tmp_path), None, LookaheadConfig(trie_capacity=MIN_CAPACITY))
    same(corpus, loaded)


def test_the_largest_counts_of_a_file_leave_room_for_more(tmp_path):
    def change(arrays, header):
        header["root_count"] = str(trie_file.MOST_TOKENS)
        arrays["counts"][:] = trie_file.MOST_TOKENS

    trie = load_trie(forged(tmp_path, change), KEY)
    trie.insert([0, 1, 2] * 1000)
    assert trie.counts[0] == trie_file.MOST_TOKENS + 3000


def test_what_a_trie_keeps_of_a_larger_file_is_what_was_read_most_and_last(tmp_path):
    trie = trie_of([*[[1, 2, 3]] * 9, range(10, 6000)], 4)
    loaded = load_trie(saved(trie, tmp_path), KEY, capacity=MIN_CAPACITY)
    check_trie(loaded)
    check_order(loaded)
    assert nodes_of(loaded) == {(3,): 9}
    assert (5999,) in leaves_of(loaded)
    assert (10,) not in leaves_of(loaded)
    assert loaded.pruned == len(trie) + trie.leaves - len(loaded) - loaded.leaves
    assert loaded.log_start > 0
    loaded.insert(range(5990, 6010))
    check_trie(loaded)


def test_a_file_far_beyond_the_bounds_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(trie_file, "_fill", None)
    arrays = {name: np.zeros(1_000_001 if name != "log" else 1, np.int32) for name in trie_file._ARRAYS}
    path = forged(tmp_path, lambda columns, _: columns.update(arrays))
    with pytest.raises(TrieFileError, match="holds 2000002 n-grams; a trie of at most 2000 "):
        load_trie(path, KEY, capacity=MIN_CAPACITY)
    path = forged(tmp_path, lambda columns, _: columns.update(log=np.zeros(600_000, np.int32)))
    with pytest.raises(TrieFileError, match="holds 2400000 bytes of tokens"):
        load_trie(path, KEY, max_bytes=MIN_BYTES)


def test_a_header_says_nothing_to_a_terminal(tmp_path):
    path = tmp_path / "session.trie"
    save_trie(small(), path, "\x1b[2J" * 5000)
    with pytest.raises(TrieFileError) as refusal:
        load_trie(path, KEY)
    assert len(str(refusal.value)) < 80 + 80 + len(str(path))
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize("broken", ["save", "os.replace"])
def test_an_interrupted_save_leaves_the_old_file_whole(tmp_path, monkeypatch, broken):
    path = saved(small(), tmp_path)

    def fail(*_: object, **__: object):
        raise KeyboardInterrupt

    monkeypatch.setattr(*((trie_file, "save", fail) if broken == "save" else (os, "replace", fail)))
    with pytest.raises(KeyboardInterrupt):
        save_trie(trie_of([[9, 9, 9]]), path, KEY)
    monkeypatch.undo()
    same(load_trie(path, KEY), small())
    assert list(tmp_path.iterdir()) == [path]


def test_a_prompt_is_never_saved(tmp_path):
    trie = Trie(4)
    trie.border = 2
    trie.extend([1, 2, 1, 2])
    with pytest.raises(ValueError, match="prompt"):
        save_trie(trie, tmp_path / "file", KEY)
    assert not list(tmp_path.iterdir())


def test_an_empty_trie_is_saved_too(tmp_path):
    loaded = load_trie(saved(Trie(4), tmp_path), KEY)
    assert (len(loaded), loaded.leaves, loaded.log, loaded.max_depth) == (0, 0, array("i"), 4)
