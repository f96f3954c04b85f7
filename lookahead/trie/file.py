"""Tries on disk: safetensors with a versioned header and the tokenizer's fingerprint, checked when opened.

A file stores only what cannot be derived: token, parent, count and last position of every node, the leaves and the
token log. Children, suffix links and rankings follow from them, so a file cannot contradict itself there.
"""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from lookahead.atomic import write_whole
from lookahead.inputs import InputError
from lookahead.trie import MAX_TOKEN_ID, NO_TOKEN, ROOT, Trie

if TYPE_CHECKING:
    from lookahead.config import LookaheadConfig

FORMAT = "lookahead-trie"
VERSION = "1"
MAX_FILE_BYTES = 4_000_000_000

_ARRAYS = ("tokens", "parents", "counts", "last", "leaf_parents", "leaf_positions", "log")


class TrieFileError(InputError):
    """A trie file cannot be used; the message says why."""


def save_trie(trie: Trie, path: str | os.PathLike[str], fingerprint: str) -> None:
    """Write a trie atomically: the file is complete or unchanged.

    Args:
        trie: A trie without a prompt (of a session or a corpus).
        path: File to write.
        fingerprint: Fingerprint of the tokenizer that the token ids belong to.

    Raises:
        ValueError: If the trie holds a running request's prompt.
        OSError: If the file cannot be written.
    """
    if trie.border:
        raise ValueError("a request's trie holds its prompt; save the trie of a session or a corpus")
    leaves = [(node, ~child) for node in range(len(trie.tokens)) for _, child in trie.children(node) if child < 0]
    parents, positions = zip(*leaves, strict=True) if leaves else ((), ())
    columns = (trie.tokens[1:], trie.parents[1:], trie.counts[1:], trie.last[1:], parents, positions, trie.log)
    tensors = {name: np.array(column, dtype=np.int32) for name, column in zip(_ARRAYS, columns, strict=True)}
    header = {
        "format": FORMAT,
        "version": VERSION,
        "fingerprint": fingerprint,
        "max_depth": str(trie.max_depth),
        "log_start": str(trie.log_start),
        "root_count": str(trie.counts[ROOT]),
    }
    header["digest"] = _digest(tensors, header)
    write_whole(path, save(tensors, metadata=header))


def load_trie(
    path: str | os.PathLike[str],
    fingerprint: str,
    capacity: int | None = None,
    max_bytes: int | None = None,
    vocab_size: int = MAX_TOKEN_ID,
) -> Trie:
    """Read a trie that ``save_trie`` wrote.

    Args:
        path: File to read.
        fingerprint: Fingerprint of the tokenizer in use; a file with another one is refused.
        capacity: Bound on nodes and leaves of the trie, as for ``Trie``.
        max_bytes: Bound on its bytes.
        vocab_size: Token ids are below this (the model's; a tokenizer does not tell).

    Raises:
        TrieFileError: If the file is missing, cut short, not a trie file, of another version, made with another
            tokenizer, or inconsistent.
    """
    try:
        if os.path.getsize(path) > MAX_FILE_BYTES:
            raise TrieFileError(f"{path}: larger than {MAX_FILE_BYTES} bytes, the limit for a trie file")
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            _check_header(path, header, fingerprint)
            if sorted(file.keys()) != sorted(_ARRAYS):
                raise TrieFileError(f"{path}: holds {sorted(file.keys())}; a trie file holds {sorted(_ARRAYS)}")
            arrays = {name: file.get_tensor(name) for name in _ARRAYS}
    except OSError as error:
        raise TrieFileError(f"{path}: cannot be read ({error.strerror or error})") from error
    except SafetensorError as error:
        raise TrieFileError(f"{path}: not a trie file, or cut short ({error})") from error
    except (TypeError, AttributeError) as error:
        raise TrieFileError(f"{path}: has a number type that trie files do not use ({error})") from error
    for name, values in arrays.items():
        if values.dtype != np.int32 or values.ndim != 1:
            raise TrieFileError(f"{path}: {name} is {values.dtype} of {values.ndim} dimensions; need int32 of one")
    if header.get("digest") != _digest(arrays, header):
        raise TrieFileError(f"{path}: damaged (its digest does not fit)")
    try:
        trie = Trie(_number(header, "max_depth"), capacity, max_bytes)
        _fill(trie, arrays, _number(header, "log_start"), _number(header, "root_count"), vocab_size)
        trie.fit()
    except ValueError as error:
        raise TrieFileError(f"{path}: {error}") from error
    return trie


class _Reader(Protocol):
    """The part of a backend that loading needs."""

    vocab_size: int

    @property
    def fingerprint(self) -> str: ...


def load_corpus(path: str | os.PathLike[str] | None, reader: _Reader, config: LookaheadConfig) -> tuple[Trie, ...]:
    """The tries of a run's corpus: the one in the file, within the settings' bounds; none without a file.

    Raises:
        TrieFileError: As ``load_trie``.
    """
    if path is None:
        return ()
    return (load_trie(path, reader.fingerprint, config.trie_capacity, config.trie_bytes, reader.vocab_size),)


def _digest(arrays: Mapping[str, np.ndarray], header: Mapping[str, str]) -> str:
    """The digest of the whole content of a file."""
    digest = hashlib.sha256()
    for name in sorted(header.keys() - {"digest"}):
        digest.update(f"{name}={header[name]}\n".encode())
    for name in _ARRAYS:
        digest.update(f"{name}:{len(arrays[name])}\n".encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()


def _check_header(path: object, header: dict[str, str], fingerprint: str) -> None:
    if header.get("format") != FORMAT:
        raise TrieFileError(f"{path}: not a trie file (its header says {header.get('format')!r})")
    if header.get("version") != VERSION:
        raise TrieFileError(f"{path}: version {header.get('version')!r} of the format; this program reads {VERSION}")
    if header.get("fingerprint") != fingerprint:
        found = header.get("fingerprint")
        raise TrieFileError(f"{path}: made with another tokenizer ({found}); this model has {fingerprint}")


def _number(header: dict[str, str], name: str) -> int:
    text = header.get(name, "")
    if not text.isascii() or not text.isdigit() or len(text) > 10:
        raise ValueError(f"header {name}={text!r}; need a whole number")
    return int(text)


def _fill(trie: Trie, arrays: dict[str, np.ndarray], log_start: int, root_count: int, vocab_size: int) -> None:
    """Build the trie, and check every value of the file on the way."""
    tokens, parents, counts, last = (arrays[name] for name in _ARRAYS[:4])
    leaf_parents, positions, log = (arrays[name] for name in _ARRAYS[4:])
    nodes = len(tokens)
    if not len(parents) == len(counts) == len(last) == nodes or len(leaf_parents) != len(positions):
        raise ValueError("its arrays differ in length")
    end = log_start + len(log)
    if end > 2**31 - 1 or root_count > 2**31 - 1:
        raise ValueError("its positions do not fit into 31 bits")
    _check_range("log", log, NO_TOKEN, vocab_size - 1)
    _check_range("tokens", tokens, 0, vocab_size - 1)
    _check_range("counts", counts, 1, max(1, root_count))
    _check_range("last", last, 0, end - 1)
    if nodes and not (np.all(parents >= 0) and np.all(parents <= np.arange(nodes))):
        raise ValueError("a parent does not precede its child")
    _check_range("leaf_parents", leaf_parents, 0, nodes)
    _check_range("leaf_positions", positions, log_start, end - 1)
    trie.log, trie.log_start = array("i", log.tobytes()), log_start
    trie.counts[ROOT] = root_count
    children: list[dict[int, int]] = [{} for _ in range(nodes + 1)]
    for number, (token_id, parent) in enumerate(zip(tokens.tolist(), parents.tolist(), strict=True), start=1):
        depth = trie.depths[parent] + 1
        link = children[trie.links[parent]].get(token_id, 0) if depth > 1 else ROOT
        if depth > trie.max_depth or token_id in children[parent] or (depth > 1 and link <= 0):
            raise ValueError(f"node {number} does not fit under its parent")
        children[parent][token_id] = number
        trie.append_node(token_id, parent, link, int(counts[number - 1]), int(last[number - 1]), depth)
    for parent, position in zip(leaf_parents.tolist(), positions.tolist(), strict=True):
        token_id = trie.log[position - log_start]
        if token_id < 0 or token_id in children[parent] or trie.depths[parent] >= trie.max_depth:
            raise ValueError(f"the leaf at position {position} does not fit under node {parent}")
        children[parent][token_id] = ~position
    for node, branches in enumerate(children):
        if len(branches) == 1:
            trie.only_token[node], trie.only_child[node] = next(iter(branches.items()))
    trie.set_fans({node: branches for node, branches in enumerate(children) if len(branches) > 1})


def _check_range(name: str, values: np.ndarray, low: int, high: int) -> None:
    """Raise ValueError unless all values are from ``low`` to ``high``."""
    if len(values) and not (values.min() >= low and values.max() <= high):
        raise ValueError(f"{name} has a value outside {low} to {high}")
