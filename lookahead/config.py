"""What a run may choose: the width and shape of the draft, how it is ranked, and how large the trie may grow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from lookahead.trie import MIN_BYTES, MIN_CAPACITY

Strategy = Literal["hierarchical", "parallel", "single"]
Budget = Literal["adaptive", "fixed"]
Ranking = Literal["probability", "frequency"]
Source = Literal["prompt", "output", "corpus"]

DTYPES = ("auto", "float32", "bfloat16", "float16")
"""What ``--dtype`` takes."""

MAX_DECODING_LENGTH = 1024
"""Widest pass that is accepted; far beyond what pays on any hardware, and a bound for run files."""


@dataclass(frozen=True, slots=True)
class LookaheadConfig:
    """The settings of one engine or one replay; checked when made, never changed afterwards.

    Attributes:
        decoding_length: Most tokens in one forward pass, the root included (1 drafts nothing).
        branch_length: Most draft tokens in one branch; None takes ``decoding_length - 1``.
        strategy: ``hierarchical`` (one tree with shared prefixes), ``parallel`` (branches that part at
            the root) or ``single`` (one branch).
        budget: ``adaptive`` drafts as wide as the measured pass costs pay for, ``fixed`` always up to
            ``decoding_length``.
        ranking: ``probability`` (estimated path probability) or ``frequency`` (the paper's plain counts).
        sources: Where draft nodes may come from.
        prompt_weight: How many occurrences in the output so far one occurrence in the prompt counts for; where
            several tries propose a node, it also decides which source the node carries.
        trie_capacity: Most nodes of a trie, the prompt of a running request left out.
        trie_bytes: Most bytes of one, likewise.

    Raises:
        ValueError: If a value is out of its range; the message names the value and the rule.
    """

    decoding_length: int = 64
    branch_length: int | None = None
    strategy: Strategy = "hierarchical"
    budget: Budget = "adaptive"
    ranking: Ranking = "probability"
    sources: tuple[Source, ...] = ("prompt", "output", "corpus")
    prompt_weight: float = 2.0
    trie_capacity: int = 4_000_000
    trie_bytes: int = 1_000_000_000

    def __post_init__(self) -> None:
        for name in ("decoding_length", "branch_length", "trie_capacity", "trie_bytes"):
            value = getattr(self, name)
            if type(value) is not int and (name, value) != ("branch_length", None):
                raise ValueError(f"{name}={value!r}; need a whole number")
        if not 1 <= self.decoding_length <= MAX_DECODING_LENGTH:
            rule = f"need 1 (the root alone) to {MAX_DECODING_LENGTH}"
            raise ValueError(f"decoding_length={self.decoding_length}; {rule}")
        if self.branch_length is not None and self.branch_length < 1:
            raise ValueError(f"branch_length={self.branch_length}; need at least 1 draft token")
        for name, allowed in (("strategy", Strategy), ("budget", Budget), ("ranking", Ranking)):
            if getattr(self, name) not in get_args(allowed):
                raise ValueError(f"{name}={getattr(self, name)!r}; choose one of {', '.join(get_args(allowed))}")
        if unknown := [source for source in self.sources if source not in get_args(Source)]:
            raise ValueError(f"sources={unknown!r}; choose among {', '.join(get_args(Source))}")
        if not 0 < self.prompt_weight < math.inf:
            raise ValueError(f"prompt_weight={self.prompt_weight}; need a finite number above 0")
        if self.trie_capacity < MIN_CAPACITY:
            raise ValueError(f"trie_capacity={self.trie_capacity}; need at least {MIN_CAPACITY} nodes")
        if self.trie_bytes < MIN_BYTES:
            raise ValueError(f"trie_bytes={self.trie_bytes}; need at least {MIN_BYTES}")

    @property
    def longest_branch(self) -> int:
        """Most draft tokens in one branch, the default resolved (0 when nothing is drafted)."""
        widest = self.decoding_length - 1
        return widest if self.branch_length is None else min(self.branch_length, widest)
