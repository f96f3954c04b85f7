"""Verification: a draft tree against the target model's own choices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lookahead.draft import DraftTree


@dataclass(frozen=True, slots=True)
class Verification:
    """The target model's verdict on one draft tree.

    Attributes:
        accepted_nodes: Indices of the accepted nodes from the root's child down, shape ``(k,)``, k >= 0.
        bonus_id: The target model's own token after the last accepted node.
    """

    accepted_nodes: tuple[int, ...]
    bonus_id: int

    def emitted_ids(self, tree: DraftTree) -> tuple[int, ...]:
        """The tokens this step adds to the output, shape ``(k + 1,)``: the accepted ones, then the bonus."""
        return (*(tree.token_ids[node] for node in self.accepted_nodes), self.bonus_id)


def verify(tree: DraftTree, target_ids: Sequence[int]) -> Verification:
    """The longest path from the root on which every token is the target model's choice at its parent.

    Args:
        tree: A well-formed draft tree of ``n`` nodes.
        target_ids: The model's choice after every node, shape ``(n,)``.

    Raises:
        ValueError: If there is not one choice per node.
    """
    if len(target_ids) != len(tree):
        raise ValueError(f"{len(target_ids)} choices for {len(tree)} nodes; need one per node")
    accepted: list[int] = []
    current = 0
    # Parents precede children, so one loop over the nodes walks the whole accepted path.
    for node in range(1, len(tree)):
        if tree.parents[node] == current and tree.token_ids[node] == target_ids[current]:
            accepted.append(node)
            current = node
    return Verification(tuple(accepted), target_ids[current])
