"""Drafters for tests: the real one, and some that know all, some or nothing of the answer."""

from __future__ import annotations

import random
from collections.abc import Sequence

from hypothesis import strategies as st

from lookahead.config import LookaheadConfig
from lookahead.draft import Chain, DraftTree
from lookahead.drafter import Drafter, DraftRequest, Request

RANKINGS = ("probability", "frequency")
prompts = st.lists(st.integers(0, 5), min_size=1, max_size=30)


def drafter(**settings) -> Drafter:
    """The real one."""
    return Drafter(LookaheadConfig(**settings))


def draft(request: Request) -> DraftTree:
    """Its draft for a pass of 64 tokens."""
    return request.draft(64, 63, None)


def copied(tree: DraftTree) -> list[tuple[int, str]]:
    """Token and source of the nodes that count on from the root: 21 under 20, 22 under 21, and so on."""
    found = [0]
    for node in range(1, len(tree)):
        if tree.parents[node] == found[-1] and tree.token_ids[node] == tree.token_ids[found[-1]] + 1:
            found.append(node)
    return [(tree.token_ids[node], tree.sources[node]) for node in found[1:]]


def tree_of(token_ids: Sequence[int], parents: Sequence[int]) -> DraftTree:
    """A draft tree of these nodes, everything else filled in."""
    count = len(token_ids)
    sources = ("root",) + ("prompt",) * (count - 1)
    return DraftTree(tuple(token_ids), tuple(parents), (1.0,) + (0.5,) * (count - 1), sources, (0,) * count)


class NoisyOracle:
    """Drafts the known answer with wrong tokens in it and wrong branches beside it.

    Attributes:
        accuracy: Share of draft nodes that go on with the answer.
        finished: Output of every request that was finished, the prompt left out.
    """

    def __init__(self, answer: Sequence[int], vocab_size: int, accuracy: float = 0.8, seed: int = 0) -> None:
        self.answer = list(answer)
        self.vocab_size = vocab_size
        self.accuracy = accuracy
        self.random = random.Random(seed)
        self.finished: list[list[int]] = []

    def start(self, prompt_ids: Sequence[int]) -> OracleRequest:
        """A request that counts its output from here."""
        return OracleRequest(self, prompt_ids)


class OracleRequest(DraftRequest):
    """One run of a ``NoisyOracle``."""

    def __init__(self, oracle: NoisyOracle, prompt_ids: Sequence[int]) -> None:
        super().__init__(prompt_ids)
        self._oracle = oracle
        self._output: list[int] = []
        self._open = True

    def draft(
        self, width: int, longest_branch: int, pass_seconds: Sequence[float] | None, chain: Chain | None = None
    ) -> DraftTree:
        """Up to ``width`` nodes: the answer, its mistakes, and branches from anywhere, or one branch of both."""
        oracle, rng = self._oracle, self._oracle.random
        token_ids, parents, depths = [self._last_id], [-1], [0]
        right = [0]  # the nodes that spell the answer so far, the root first
        taken = set()
        for _ in range(width - 1):
            place = len(self._output) + len(right) - 1
            goes_on = rng.random() < oracle.accuracy and place < len(oracle.answer)
            parent = len(token_ids) - 1 if chain else right[-1] if goes_on else rng.randrange(len(token_ids))
            token_id = oracle.answer[place] if goes_on else rng.randrange(oracle.vocab_size)
            if depths[parent] >= longest_branch or (parent, token_id) in taken:
                continue
            taken.add((parent, token_id))
            token_ids.append(token_id)
            parents.append(parent)
            depths.append(depths[parent] + 1)
            if goes_on:
                right.append(len(token_ids) - 1)
        return tree_of(token_ids, parents)

    def commit(self, token_ids: Sequence[int]) -> None:
        """Grow the output."""
        super().commit(token_ids)
        self._output += token_ids

    def finish(self) -> None:
        """Hand the output to the oracle, once."""
        if self._open:
            self._oracle.finished.append(self._output)
        self._open = False
