"""The drafter: tries in, a draft tree out, a step at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lookahead.draft import DraftTree
from lookahead.records import TrieChange


class DraftRequest(Protocol):
    """The drafting side of one run: everything it learns about one context as that context grows."""

    def draft(self, width: int, longest_branch: int, pass_seconds: Sequence[float] | None) -> DraftTree:
        """A tree under the last committed token.

        Args:
            width: Most nodes, the root included (>= 1); 1 gives the root alone.
            longest_branch: Most draft tokens in one branch (>= 0).
            pass_seconds: ``pass_seconds[n - 1]`` is the time of a forward pass of n tokens, for n up to ``width``
                at least; the tree is cut where more nodes no longer pay. None drafts up to ``width``.
        """
        ...

    def commit(self, token_ids: Sequence[int]) -> None:
        """Append the tokens that the model emitted to the context."""
        ...

    def change(self) -> TrieChange:
        """What the tries hold now, and what the last commit added and pruned."""
        ...

    def finish(self) -> None:
        """End the request: its prompt branches vanish, its output stays for later requests. Safe to call twice."""
        ...


class NoDrafts:
    """A request that proposes nothing: plain greedy decoding in the same loop."""

    def __init__(self, context_ids: Sequence[int]) -> None:
        self._last_id = context_ids[-1]

    def draft(self, width: int, longest_branch: int, pass_seconds: Sequence[float] | None) -> DraftTree:
        """The root alone."""
        return DraftTree.root_only(self._last_id)

    def commit(self, token_ids: Sequence[int]) -> None:
        """Remember the last token, the next root."""
        if token_ids:
            self._last_id = token_ids[-1]

    def change(self) -> TrieChange:
        """Nothing, ever."""
        return TrieChange()

    def finish(self) -> None:
        """Nothing to end."""
