"""Tries on disk: safetensors with a versioned header and the tokenizer's fingerprint, checked when opened.

A file stores only what cannot be derived: token, parent, count and last position of every node, the leaves and the
token log. Children, suffix links and rankings follow from them, so a file cannot contradict itself there.
"""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from lookahead.atomic import write_whole
from lookahead.inputs import InputError, excerpt, opened
from lookahead.trie import MAX_TOKEN_ID, NO_TOKEN, ROOT, TOKEN_BITS, Trie
from lookahead.trie.prune import KEEP, most_used, take

if TYPE_CHECKING:
    from lookahead.config import LookaheadConfig
    from lookahead.hf.backend import HFBackend

FORMAT = "lookahead-trie"
VERSION = "1"
MAX_FILE_BYTES = 4_000_000_000
MOST_TOKENS = 1 << 30
"""Most tokens that a trie in a file has read: as many again fit before a position needs more than 31 bits."""
OVERFULL = 2
"""How many times as much as the bounds of the trie a file may hold; the trie is then pruned to them."""

_ARRAYS = ("tokens", "parents", "counts", "last", "leaf_parents", "leaf_positions", "log")


class TrieFileError(InputError):
    """A trie file cannot be used; the message says why."""


def save_trie(trie: Trie, path: str | os.PathLike[str], fingerprint: str) -> None:
    """Write a trie atomically: the file is complete or unchanged.

    Args:
        trie: A trie without a prompt (of a session or a corpus).
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
        fingerprint: Fingerprint of the tokenizer in use; a file with another one is refused.
        capacity, max_bytes: Bounds of the trie, as for ``Trie``.
        vocab_size: Token ids are below this (the model's; a tokenizer does not tell).

    Raises:
        TrieFileError: If the file is missing, cut short, not a trie file, of another version, made with another
            tokenizer, or inconsistent.
    """
    with _opened(path) as file:
        header = file.metadata() or {}
        _check_header(header, fingerprint)
        trie = Trie(_number(header, "max_depth"), capacity, max_bytes)
        _check_columns(file, trie)
        arrays = {name: file.get_tensor(name) for name in _ARRAYS}
        if header.get("digest") != _digest(arrays, header):
            raise ValueError("damaged (its digest does not fit)")
        _fill(trie, arrays, _number(header, "log_start"), _number(header, "root_count"), vocab_size)
        trie.make_room(0)  # its bounds may be narrower than those it was written with
    return trie


def fingerprint_of(path: str | os.PathLike[str]) -> str:
    """The fingerprint of the tokenizer that a trie file was made with, for material that names none.

    Raises:
        TrieFileError: If the file cannot be read or is not a trie file.
    """
    with _opened(path) as file:
        return (file.metadata() or {}).get("fingerprint", "")


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[Any]:
    """The file, open for reading; what is wrong with it inside the ``with`` becomes a ``TrieFileError``."""
    try:
        with opened(path) as plain:
            if os.fstat(plain.fileno()).st_size > MAX_FILE_BYTES:
                raise TrieFileError(f"{path}: larger than {MAX_FILE_BYTES} bytes, the limit for a trie file")
        with safe_open(path, framework="numpy") as file:
            yield file
    except InputError as error:
        raise TrieFileError(str(error)) from None
    except OSError as error:
        raise TrieFileError(f"{path}: cannot be read ({error.strerror or error})") from error
    except SafetensorError as error:
        raise TrieFileError(f"{path}: not a trie file, or cut short ({excerpt(error)})") from error
    except ValueError as error:
        raise TrieFileError(f"{path}: {error}") from error


def load_corpus(
    path: str | os.PathLike[str] | None, reader: HFBackend | None, config: LookaheadConfig
) -> tuple[Trie, ...]:
    """The tries of a run's corpus: the one in the file, within the settings' bounds; none without a file.

    Args:
        reader: Who reads its tokens; None takes the tokens of any tokenizer.

    Raises:
        TrieFileError: As ``load_trie``.
    """
    if path is None:
        return ()
    whose, size = (fingerprint_of(path), MAX_TOKEN_ID) if reader is None else (reader.fingerprint, reader.vocab_size)
    return (load_trie(path, whose, config.trie_capacity, config.trie_bytes, size),)


def _digest(arrays: Mapping[str, np.ndarray], header: Mapping[str, str]) -> str:
    """The digest of the whole content of a file."""
    digest = hashlib.sha256()
    for name in sorted(header.keys() - {"digest"}):
        digest.update(f"{name}={header[name]}\n".encode())
    for name in _ARRAYS:
        digest.update(f"{name}:{len(arrays[name])}\n".encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()


def _check_header(header: Mapping[str, str], fingerprint: str) -> None:
    if header.get("format") != FORMAT:
        raise ValueError(f"not a trie file (its header says {_quoted(header, 'format')})")
    if header.get("version") != VERSION:
        raise ValueError(f"version {_quoted(header, 'version')} of the format; this program reads {VERSION}")
    if header.get("fingerprint") != fingerprint:
        found = excerpt(header.get("fingerprint"))
        raise ValueError(f"made with another tokenizer ({found}); this model has {fingerprint}")


def _quoted(header: Mapping[str, str], name: str) -> str:
    return repr(excerpt(header[name], 40) if name in header else None)


def _number(header: Mapping[str, str], name: str) -> int:
    """A number of the header; room for as many tokens again before a count or a position needs more than 31 bits."""
    text = header.get(name, "")
    if not text.isascii() or not text.isdigit() or len(text) > 10 or int(text) > MOST_TOKENS:
        raise ValueError(f"header {name}={_quoted(header, name)}; need a whole number, at most {MOST_TOKENS}")
    return int(text)


def _check_columns(file: Any, trie: Trie) -> None:
    """Raise ValueError unless the file has the columns of a trie, not many more rows than its bounds allow."""
    if sorted(file.keys()) != sorted(_ARRAYS):
        raise ValueError(f"holds {excerpt(sorted(file.keys()))}; a trie file holds {sorted(_ARRAYS)}")
    rows = {}
    for name in _ARRAYS:
        shape, dtype = file.get_slice(name).get_shape(), file.get_slice(name).get_dtype()
        if dtype != "I32" or len(shape) != 1:
            raise ValueError(f"{name} is {dtype} of {len(shape)} dimensions; need I32 of one")
        rows[name] = shape[0]
    if len({rows[name] for name in _ARRAYS[:4]}) > 1 or rows["leaf_parents"] != rows["leaf_positions"]:
        raise ValueError("its arrays differ in length")
    ngrams, log_bytes = rows["tokens"] + rows["leaf_parents"], 4 * rows["log"]
    if trie.capacity is not None and ngrams > max(OVERFULL * trie.capacity, 1_000_000):
        raise ValueError(f"holds {ngrams} n-grams; a trie of at most {trie.capacity} does not load so many")
    if trie.max_bytes is not None and log_bytes > OVERFULL * trie.max_bytes:
        raise ValueError(f"holds {log_bytes} bytes of tokens; a trie of {trie.max_bytes} bytes does not load so many")


def _fill(trie: Trie, arrays: Mapping[str, np.ndarray], log_start: int, root_count: int, vocab_size: int) -> None:
    """Build the trie within its bounds, and check every value of the file on the way."""
    tokens, parents, counts, last, leaf_parents, positions, log = (arrays[name] for name in _ARRAYS)
    nodes, end = len(tokens), log_start + len(log)
    if end > MOST_TOKENS:
        raise ValueError(f"its positions go up to {end}; need at most {MOST_TOKENS}")
    _check_range("log", log, NO_TOKEN, min(vocab_size, MAX_TOKEN_ID) - 1)
    _check_range("tokens", tokens, 0, min(vocab_size, MAX_TOKEN_ID) - 1)
    _check_range("counts", counts, 1, max(1, root_count))
    _check_range("last", last, 0, end - 1)
    if nodes and not (np.all(parents >= 0) and np.all(parents <= np.arange(nodes))):
        raise ValueError("a parent does not precede its child")
    _check_range("leaf_parents", leaf_parents, 0, nodes)
    _check_range("leaf_positions", positions, log_start, end - 1)
    leaf_tokens = log[positions - log_start]
    if np.any(leaf_tokens < 0):
        raise ValueError("a leaf is at a position between sequences")
    children = np.concatenate([np.arange(1, nodes + 1), ~positions.astype(np.int64)])
    edges = np.concatenate([parents, leaf_parents]), np.concatenate([tokens, leaf_tokens]), children
    depths, links = _depths_and_links(edges, nodes, trie.max_depth)
    if np.any(depths[leaf_parents] >= trie.max_depth):
        raise ValueError("a leaf does not fit under its node")
    trie.log, trie.log_start = _array(log), log_start
    for name, column in (("tokens", tokens), ("parents", parents), ("links", links[1:]), ("last", last)):
        getattr(trie, name).extend(_array(column))
    trie.counts.extend(_array(counts))
    trie.counts[ROOT] = root_count
    trie.depths.frombytes(depths[1:].tobytes())
    trie.prompt_counts.extend(_array(np.zeros(nodes)))
    if trie.capacity is not None and len(children) > trie.capacity:
        edges = _trimmed(trie, edges, KEEP * trie.capacity / len(children))
    _set_children(trie, edges)


_Edges = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Parent, token and child (a node, or ``~position`` of a leaf) of every n-gram, the nodes first."""


def _array(values: np.ndarray) -> array:
    return array("i", values.astype(np.int32).tobytes())


def _depths_and_links(edges: _Edges, nodes: int, max_depth: int) -> tuple[np.ndarray, np.ndarray]:
    """Depth and suffix link of every node, the root first, shape ``(nodes + 1,)`` each.

    Raises:
        ValueError: If two children of a node have the same token, or a node is too deep or has no suffix before it.
    """
    parents, tokens, children = edges
    keys = (parents.astype(np.int64) << TOKEN_BITS) + tokens
    order = np.argsort(keys)
    keys, children = keys[order], children[order]
    if np.any(keys[1:] == keys[:-1]):
        raise ValueError("two children of a node have the same token")
    depths, links = np.zeros(nodes + 1, np.int8), np.zeros(nodes + 1, np.int64)
    links[0] = -1
    level = np.flatnonzero(parents[:nodes] == 0) + 1
    depth = 1
    while len(level):
        depths[level] = depth
        if depth > 1:
            wanted = (links[parents[level - 1]] << TOKEN_BITS) + tokens[level - 1]
            found = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            links[level] = np.where(keys[found] == wanted, children[found], 0)
            if np.any((links[level] <= 0) | (links[level] >= level)):
                raise ValueError("a node does not fit under its parent: its suffix is not a node before it")
        inside = np.zeros(nodes + 1, bool)
        inside[level] = True
        level = np.flatnonzero(inside[parents[:nodes]]) + 1
        depth += 1
        if len(level) and depth > max_depth:
            raise ValueError(f"a node does not fit under its parent: it is deeper than {max_depth}")
    return depths, links


def _trimmed(trie: Trie, edges: _Edges, share: float) -> _Edges:
    """Drop all but this share of the nodes and leaves of a new trie, which has no children yet; returns the rest."""
    parents, tokens, children = edges
    keep, counts = most_used(trie, share, decay=False)
    number = np.cumsum(keep, dtype=np.int64) - 1
    take(trie, keep, number, counts)
    inner = np.maximum(children, 0)
    leaves = np.flatnonzero((children < 0) & keep[parents])
    leaves = leaves[np.argsort(children[leaves])[: int(share * np.count_nonzero(children < 0))]]  # the latest
    stays = (children > 0) & keep[inner]
    stays[leaves] = True
    trie.pruned += int(len(stays) - np.count_nonzero(stays))
    cut = ~int(children[leaves].max()) if len(leaves) else trie.end
    del trie.log[: cut - trie.log_start]
    trie.log_start = cut
    return number[parents[stays]], tokens[stays], np.where(children > 0, number[inner], children)[stays]


def _set_children(trie: Trie, edges: _Edges) -> None:
    """Give the nodes of a new trie their children."""
    nodes = len(trie)
    order = np.argsort(edges[0], kind="stable")
    parents, tokens, children = (column[order] for column in edges)
    owners, starts, sizes = np.unique(parents, return_index=True, return_counts=True)
    only_token, only_child = np.full(nodes + 1, NO_TOKEN), np.zeros(nodes + 1)
    alone = sizes == 1
    only_token[owners[alone]], only_child[owners[alone]] = tokens[starts[alone]], children[starts[alone]]
    trie.only_token, trie.only_child = _array(only_token), _array(only_child)
    fans = {}
    several = zip(owners[~alone].tolist(), starts[~alone].tolist(), sizes[~alone].tolist(), strict=True)
    for node, start, size in several:
        part = slice(start, start + size)
        fans[node] = dict(zip(tokens[part].tolist(), children[part].tolist(), strict=True))
    trie.set_fans(fans)


def _check_range(name: str, values: np.ndarray, low: int, high: int) -> None:
    """Raise ValueError unless all values are from ``low`` to ``high``."""
    if len(values) and not (values.min() >= low and values.max() <= high):
        raise ValueError(f"{name} has a value outside {low} to {high}")
