"""Records of a run: the one interface between the engine and everything that shows, counts or stores it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lookahead.draft import DraftTree

FinishReason = Literal["eos", "stop", "length", "context", "cancelled", "error"]


@dataclass(frozen=True, slots=True)
class StepTimings:
    """Where the time of one step went, in seconds."""

    retrieve_seconds: float = 0.0
    forward_seconds: float = 0.0
    verify_seconds: float = 0.0
    commit_seconds: float = 0.0

    @property
    def total_seconds(self) -> float:
        """The four parts together."""
        return self.retrieve_seconds + self.forward_seconds + self.verify_seconds + self.commit_seconds


@dataclass(frozen=True, slots=True)
class TrieChange:
    """What the tries of a run held after a step: nodes in all, nodes added and nodes pruned by this step."""

    nodes: int = 0
    added: int = 0
    pruned: int = 0


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One forward pass.

    Attributes:
        index: 0 for the prefill, then 1, 2, ...
        context_length: Committed tokens before the pass, the root included (the prompt's length for the prefill).
        match_length: How many of the last tokens the trie recognised (0 for the prefill).
        draft: The draft tree that went through the model; None for the prefill.
        target_ids: The model's choice at every node of the draft, shape ``(n,)``; one for the prefill. -1 where
            the choice depends on the path (a repetition penalty, say) and the node is off the accepted path.
        accepted_nodes: Indices of the accepted nodes, the root's child first. A stop inside the path cuts it there.
        emitted_ids: Tokens that the step added to the output, in order.
        timings: Seconds a phase.
        trie: What the tries held after the step.
        finish_reason: None until the last step.
    """

    index: int
    context_length: int
    match_length: int
    draft: DraftTree | None
    target_ids: tuple[int, ...]
    accepted_nodes: tuple[int, ...]
    emitted_ids: tuple[int, ...]
    timings: StepTimings
    trie: TrieChange
    finish_reason: FinishReason | None = None
