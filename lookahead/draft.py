"""The draft tree: what a drafter proposes for one forward pass, as flat tuples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import index
from typing import Literal, SupportsIndex

from lookahead.config import MAX_TOKENS
from lookahead.sources.registry import ROOT_SOURCE

DraftShape = Literal["tree", "chain", "none"]
"""What a model's forward pass can verify."""


def plain_ids(token_ids: Iterable[SupportsIndex]) -> tuple[int, ...]:
    """Token ids as Python's own numbers, whatever library they come from.

    Raises:
        ValueError: If they are not whole numbers in one flat list, or more than any run has (they may never end).
    """
    try:
        found = tuple(int(index(token_id)) for token_id in islice(token_ids, MAX_TOKENS + 1))
    except TypeError as error:
        raise ValueError(f"token ids: need whole numbers in one flat list ({error})") from None
    if len(found) > MAX_TOKENS:
        raise ValueError(f"token ids: need at most {MAX_TOKENS}, got more")
    return found


@dataclass(frozen=True, slots=True)
class Chain:
    """What a pass reads besides its draft, on a model that takes one branch instead of a tree.

    Such a model keeps a state that cannot drop a rejected token. If the pass rejects any, the state returns to
    what it was before, and the accepted tokens are read again at the head of the next pass.

    Attributes:
        reread: Tokens that the next pass reads again, before its root.
        rereads: Whether that ever happens: some models can drop the tokens at the end of a branch.
    """

    reread: int = 0
    rereads: bool = True

    def after(self, drafted: int, accepted: int) -> Chain:
        """What the pass after one with so many draft tokens, so many of them accepted, reads again.

        >>> Chain(2).after(drafted=4, accepted=1), Chain(2).after(drafted=4, accepted=4)
        (Chain(reread=4, rereads=True), Chain(reread=0, rereads=True))
        """
        again = self.reread + 1 + accepted if self.rereads and accepted < drafted else 0
        return Chain(again, self.rereads)


@dataclass(frozen=True, slots=True)
class DraftTree:
    """A tree of draft tokens under the last committed token.

    Node 0 is the root, the last committed token; parents precede their children, siblings have different
    tokens. One index names the node, its row of the attention mask and its row of the logits. All tuples
    have the same length ``n >= 1``.

    Attributes:
        token_ids: Token of every node.
        parents: Index of every node's parent, -1 for the root.
        probabilities: Estimated probability that the node will be accepted (its whole path), 1.0 for the root.
        sources: Name of the source with the largest share in every node (``sources/registry.py``); ``root`` for the
            root.
        counts: How often the node's token followed the context it was found in, in that source; 0 for the root.
        match_length: Tokens in the longest suffix of the context that a trie has read with something after it.
    """

    token_ids: tuple[int, ...]
    parents: tuple[int, ...]
    probabilities: tuple[float, ...]
    sources: tuple[str, ...]
    counts: tuple[int, ...]
    match_length: int = 0

    @classmethod
    def root_only(cls, root_id: int) -> DraftTree:
        """An empty draft: the root alone. The pass is then a plain decode step."""
        return cls((root_id,), (-1,), (1.0,), (ROOT_SOURCE,), (0,))

    @classmethod
    def on_trial(cls, token_ids: Sequence[int], parents: Sequence[int] | None = None) -> DraftTree:
        """A tree of these nodes (None: one branch) whose estimates and sources mean nothing, to try a model out."""
        count = len(token_ids)
        parents = range(-1, count - 1) if parents is None else parents
        return cls(tuple(token_ids), tuple(parents), (1.0,) * count, ("prompt",) * count, (0,) * count)

    def __len__(self) -> int:
        return len(self.token_ids)

    @property
    def is_chain(self) -> bool:
        """Whether it is one branch, in order."""
        return self.parents == tuple(range(-1, len(self.parents) - 1))

    def check(self, width: int | None = None, longest_branch: int | None = None) -> None:
        """Raise ValueError unless lengths, order of parents and distinct siblings are right, within these limits."""
        n = len(self.token_ids)
        if n == 0:
            raise ValueError("a draft tree needs its root")
        if any(len(part) != n for part in (self.parents, self.probabilities, self.sources, self.counts)):
            raise ValueError(f"a draft tree of {n} nodes needs {n} entries in every field")
        if self.parents[0] != -1:
            raise ValueError(f"parents[0]={self.parents[0]}; the root's parent is -1")
        if min(self.token_ids) < 0:
            raise ValueError("token ids are not negative")
        seen: set[tuple[int, int]] = set()
        for node in range(1, n):
            parent, token_id = edge = self.parents[node], self.token_ids[node]
            if not 0 <= parent < node:
                raise ValueError(f"parents[{node}]={parent}; a parent precedes its child")
            if edge in seen:
                raise ValueError(f"node {node}: token {token_id} occurs twice under node {parent}")
            seen.add(edge)
        if width is not None and n > width:
            raise ValueError(f"a draft tree of {n} nodes; need at most {width}")
        if longest_branch is not None and (deepest := max(self.depths())) > longest_branch:
            raise ValueError(f"a draft branch of {deepest} tokens; need at most {longest_branch}")

    def depths(self) -> list[int]:
        """Distance of every node from the root, shape ``(n,)``; the root's is 0."""
        depths = [0] * len(self.parents)
        for node in range(1, len(self.parents)):
            depths[node] = depths[self.parents[node]] + 1
        return depths

    def filled_up(self, width: int) -> DraftTree:
        """The same nodes, and behind them copies of the root as its children up to ``width`` nodes; nobody reads them.

        Siblings of one token make it a tree for a forward pass only.
        """
        more = max(0, width - len(self))
        return DraftTree.on_trial(self.token_ids + self.token_ids[:1] * more, self.parents + (0,) * more)

    def path(self, node: int) -> list[int]:
        """Indices from the root's child down to ``node`` (empty for the root)."""
        path = []
        while node > 0:
            path.append(node)
            node = self.parents[node]
        return path[::-1]

    def expected_tokens(self) -> float:
        """Tokens that the step is expected to emit: the bonus plus the sum of the path probabilities."""
        return 1.0 + sum(self.probabilities[1:])
