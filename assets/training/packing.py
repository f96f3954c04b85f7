"""Documents with many questions each, packed into rows that the network reads in one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from .ambiguity import AFTER_FOUR, AFTER_ONE, AFTER_TWO, Followers, followers
from .documents import Branch, Document, sentences_of_tokens

LANGUAGE_WEIGHT = {AFTER_ONE: 1.5, AFTER_TWO: 3.0, AFTER_FOUR: 5.0}
"""What a copied token counts more in the loss where the tokens before it stand elsewhere too."""
COPY_WEIGHT = {AFTER_ONE: 0.6, AFTER_TWO: 2.0, AFTER_FOUR: 4.0}
"""What it counts for the heads that copy; otherwise 0.2, and 3 where a copied piece begins."""


@dataclass(slots=True)
class Batch:
    """Rows of equal length; every tensor is ``(rows, length)``, the mask ``(rows, 1, length, length)``.

    ``targets`` is the next token and ``weights`` what its loss counts. ``starts`` and ``sources`` hold the position a
    token should look at (-1: no matter), ``followed`` and ``pairs`` those of edits, ``copying`` what looking at
    ``sources`` counts, ``sentence`` the number of a prefix token's sentence within the row and
    ``gold`` the number of the sentence a question or answer token is about. ``telling`` is 1 for a question token that
    occurs in that sentence and in no other, and 2 for the answer tokens that should listen to it: the first few.
    """

    ids: Tensor
    positions: Tensor
    mask: Tensor
    targets: Tensor
    weights: Tensor
    starts: Tensor
    sources: Tensor
    sentence: Tensor
    gold: Tensor
    telling: Tensor
    followed: Tensor
    pairs: Tensor
    copying: Tensor


class Row:
    """One row while it is being filled."""

    NAMES = ("ids", "positions", "document", "branch", "targets", "starts", "sources", "sentence", "gold", "telling")
    NAMES += ("followed", "pairs")

    def __init__(self, length: int) -> None:
        self.length = length
        self.used = 0
        self.documents = 0
        self.sentences = 0
        self.columns = {name: np.full(length, -1, dtype=np.int64) for name in self.NAMES}
        for name in ("ids", "positions", "targets", "telling"):
            self.columns[name][:] = 0
        self.weights = np.zeros(length, dtype=np.float32)
        self.copying = np.zeros(length, dtype=np.float32)

    def put(self, name: str, at: int, values: list[int] | np.ndarray) -> None:
        self.columns[name][at : at + len(values)] = values

    def add(self, document: Document, at_least: int = 1) -> int:
        """How many of the document's branches were placed; nothing is placed if fewer than ``at_least`` fit."""
        size = len(document.prefix)
        room = self.length - self.used - size
        fitting = 0
        for branch in document.branches:
            room -= len(branch.question) + len(branch.answer)
            if room < 0:
                break
            fitting += 1
        if fitting < min(at_least, len(document.branches)):
            return 0
        base = self.used
        self._prefix(document, base)
        only = sentences_of_tokens(document)
        known = followers(document.prefix)
        for number, branch in enumerate(document.branches[:fitting], start=1):
            if branch.gold >= 0:
                self._telling(branch, only)
            self._branch(branch, base, size, number, known)
        self.documents += 1
        self.sentences += 1 + max(document.sentence or [-1])
        return fitting

    def _prefix(self, document: Document, base: int) -> None:
        size = len(document.prefix)
        self.put("ids", base, document.prefix)
        self.put("positions", base, np.arange(size))
        self.put("document", base, np.full(size, self.documents))
        self.put("branch", base, np.zeros(size))
        self.put("targets", base, document.prefix[1:])
        self.weights[base : base + size - 1] = document.prefix_weight
        if document.sentence is not None:
            numbers = np.asarray(document.sentence)
            at = np.arange(size)
            first = np.full(int(numbers.max()) + 1, size)
            np.minimum.at(first, numbers[numbers >= 0], at[numbers >= 0])
            starts = np.where(numbers >= 0, first[numbers], -1)
            self.put("starts", base, np.where((starts >= 0) & (starts < at), starts + base, -1))
            self.put("sentence", base, np.where(numbers >= 0, numbers + self.sentences, -1))
        self.used += size

    def _telling(self, branch: Branch, only: dict[int, int]) -> None:
        marks = [int(only.get(token, -1) == branch.gold) for token in branch.question]
        if any(marks):
            marks[-1:] = [2] * (1 + max(0, branch.first_tokens - 1))
            self.put("telling", self.used, marks)

    def _branch(self, branch: Branch, base: int, size: int, number: int, known: Followers) -> None:
        at, asked = self.used, len(branch.question)
        tokens = branch.question + branch.answer
        self.put("ids", at, tokens)
        self.put("positions", at, np.arange(size, size + len(tokens)))
        self.put("document", at, np.full(len(tokens), self.documents))
        self.put("branch", at, np.full(len(tokens), number))
        self.put("targets", at, tokens[1:])
        weights = np.full(len(tokens) - 1, branch.question_weight, dtype=np.float32)
        weights[asked - 1 :] = branch.weight
        weights[asked - 1 : asked - 1 + branch.first_tokens] = branch.first_weight
        self.weights[at : at + len(tokens) - 1] = weights
        if branch.sources is not None:
            self._sources(branch, at + asked - 1, lambda n: np.where(n < size, n + base, n - size + at), known)
        if branch.pair is not None:
            self.columns["pairs"][at + branch.pair[0]] = at + branch.pair[1]
        if branch.gold >= 0:
            self.put("gold", at, np.full(len(tokens), branch.gold + self.sentences))
        self.used += len(tokens)

    def _sources(self, branch: Branch, at: int, placed: Callable[[np.ndarray], np.ndarray], known: Followers) -> None:
        """Where the answer is copied from, and what each of its tokens counts; it is predicted from ``at`` on."""
        sources = np.asarray(branch.sources)
        span = slice(at, at + len(sources))
        begins = (sources >= 0) & (sources != np.roll(sources, 1) + 1)
        begins[0] = sources[0] >= 0
        hard = [
            known.hardness(s) if 1 < s < len(known.prefix) and not b else 0
            for s, b in zip(sources.tolist(), begins.tolist(), strict=True)
        ]
        self.weights[span] *= [LANGUAGE_WEIGHT.get(h, 1.0) for h in hard]
        self.weights[span][begins] *= branch.begin_weight
        if branch.emphasis is not None:
            self.weights[span] *= branch.emphasis
        self.copying[span] = np.where(begins, 3.0, [COPY_WEIGHT.get(h, 0.2) for h in hard])
        self.put("sources", at, np.where(sources >= 0, placed(sources), -1))
        followed = np.asarray(branch.followed or branch.sources)
        self.put("followed", at, np.where(followed >= 0, placed(followed), -1))


@dataclass(slots=True)
class Packer:
    """Fills batches of ``rows`` rows of ``length`` tokens from an endless stream of documents."""

    rows: int
    length: int
    open_rows: int = 4
    pending: list[Row] = field(default_factory=list)

    def batches(self, documents: Iterable[Document]) -> Iterator[Batch]:
        done: list[Row] = []
        for document in documents:
            self._place(document)
            while len(self.pending) > self.open_rows:
                fullest = max(self.pending, key=lambda row: row.used)
                self.pending.remove(fullest)
                done.append(fullest)
            if len(done) == self.rows:
                yield stack(done)
                done = []

    def _place(self, document: Document) -> None:
        for row in self.pending:
            if row.add(document, at_least=max(1, len(document.branches) * 2 // 3)):
                return
        row = Row(self.length)
        if row.add(document):
            self.pending.append(row)


def stack(rows: list[Row]) -> Batch:
    """The rows as tensors, with the mask that keeps documents and branches apart."""
    columns = {name: torch.from_numpy(np.stack([row.columns[name] for row in rows])) for name in Row.NAMES}
    document, branch = columns["document"], columns["branch"]
    same = document[:, :, None] == document[:, None, :]
    visible = (branch[:, None, :] == 0) | (branch[:, :, None] == branch[:, None, :])
    length = document.shape[1]
    allowed = same & visible & torch.ones(length, length, dtype=torch.bool).tril()
    mask = torch.zeros(allowed.shape).masked_fill(~allowed, -30000.0)
    return Batch(
        ids=columns["ids"],
        positions=columns["positions"],
        mask=mask[:, None],
        targets=columns["targets"],
        weights=torch.from_numpy(np.stack([row.weights for row in rows])),
        starts=columns["starts"],
        sources=columns["sources"],
        sentence=columns["sentence"],
        gold=columns["gold"],
        telling=columns["telling"],
        followed=columns["followed"],
        pairs=columns["pairs"],
        copying=torch.from_numpy(np.stack([row.copying for row in rows])),
    )
