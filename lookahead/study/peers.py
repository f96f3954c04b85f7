"""Other ways to draft, replayed on the same material: what they would accept, and what that would be worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from lookahead.config import LookaheadConfig
from lookahead.costs import PassCosts
from lookahead.draft import ROOT_SOURCE, Chain, DraftTree
from lookahead.drafter import DraftRequest
from lookahead.study.grid import Drafting, Jobs, Point, Work, explored, variant
from lookahead.study.joint import Outcome
from lookahead.study.material import Sample
from lookahead.study.replayed import known_rows, replay_of
from lookahead.study.result import Variant

LOOKUP_TOKENS = 10
"""Draft tokens of a prompt lookup, as in transformers' documentation (``prompt_lookup_num_tokens=10``)."""
LOOKUP_NGRAM = 2
"""Longest n-gram of a prompt lookup: transformers' default for ``max_matching_ngram_size``."""
LONGEST_MATCH = 64
"""Tokens of a suffix that a suffix chain compares at most."""
NO_TIME = Drafting()


class _OneBranch(DraftRequest):
    """A request that drafts one branch out of the context itself; subclasses say from where."""

    def __init__(self, context_ids: Sequence[int]) -> None:
        super().__init__(context_ids)
        self.ids: list[int] = []
        self._read(context_ids)

    def draft(
        self, width: int, longest_branch: int, pass_seconds: Sequence[float] | None, chain: Chain | None = None
    ) -> DraftTree:
        """The branch under the last token."""
        place = self.place()
        branch = self.ids[place : place + min(width - 1, longest_branch)]
        count = len(branch)
        return DraftTree(
            (self._last_id, *branch),
            tuple(range(-1, count)),
            (1.0,) * (count + 1),
            (ROOT_SOURCE, *["prompt"] * count),
            (0, *[1] * count),
        )

    def place(self) -> int:
        """Index in the context where the branch begins; its length where nothing is drafted."""
        raise NotImplementedError

    def commit(self, token_ids: Sequence[int]) -> None:
        """Read the emitted tokens."""
        super().commit(token_ids)
        self._read(token_ids)

    def _read(self, token_ids: Sequence[int]) -> None:
        self.ids += token_ids


class PromptLookup(_OneBranch):
    """What transformers' ``PromptLookupCandidateGenerator`` drafts (5.24, ``generation/candidate_generator.py``).

    The tokens after the first occurrence, from the left, of the context's last ``LOOKUP_NGRAM`` tokens; where they
    occur nowhere else, of the last one.
    """

    def __init__(self, context_ids: Sequence[int]) -> None:
        self._first: dict[tuple[int, ...], int] = {}
        super().__init__(context_ids)

    def place(self) -> int:
        """The index after that occurrence."""
        for size in range(min(LOOKUP_NGRAM, len(self.ids) - 1), 0, -1):
            place = self._first[tuple(self.ids[-size:])]
            if place < len(self.ids):
                return place
        return len(self.ids)

    def _read(self, token_ids: Sequence[int]) -> None:
        for token_id in token_ids:
            self.ids.append(token_id)
            for size in range(1, min(LOOKUP_NGRAM, len(self.ids)) + 1):
                self._first.setdefault(tuple(self.ids[-size:]), len(self.ids))


class SuffixChain(_OneBranch):
    """The tokens after the longest suffix of the context that occurs earlier in it, the latest of equally long ones."""

    def __init__(self, context_ids: Sequence[int]) -> None:
        self._places: dict[int, list[int]] = {}
        super().__init__(context_ids)

    def place(self) -> int:
        """The index after that occurrence."""
        ids = self.ids
        best, longest = len(ids), 0
        for place in reversed(self._places[ids[-1]][:-1]):
            most = min(place, LONGEST_MATCH)
            length = next((back for back in range(1, most) if ids[place - 1 - back] != ids[-1 - back]), most)
            if length > longest:
                best, longest = place, length
            if longest == LONGEST_MATCH:
                break
        return best

    def _read(self, token_ids: Sequence[int]) -> None:
        for token_id in token_ids:
            self.ids.append(token_id)
            self._places.setdefault(token_id, []).append(len(self.ids))


def peers(
    samples: Sequence[Sample],
    base: LookaheadConfig,
    costs: PassCosts | None = None,
    jobs: Jobs = None,
    drafting: Drafting = NO_TIME,
) -> tuple[Variant, ...]:
    """Other methods on all samples.

    ``prompt lookup`` (transformers' rule) and ``suffix chain`` (one branch after the longest match) know their own
    context only, and their drafts are taken to cost no time. ``the paper's ranking`` is this program with raw counts
    and the full width. ``recycled logits`` drafts from the model's own earlier choices alone; it is left out unless
    every sample has a run that kept them.

    Args:
        base: The study's own settings: width and shape of the drafts.
        costs: T(n); without it no time is modelled.
        drafting: Time of the drafts of this program.
    """
    lookup = LookaheadConfig(decoding_length=LOOKUP_TOKENS + 1, budget="fixed")
    chains = (
        _chains("prompt lookup", PromptLookup, samples, lookup, costs),
        _chains("suffix chain", SuffixChain, samples, replace(base, budget="fixed"), costs),
    )
    points = {"the paper's ranking": Point(replace(base, ranking="frequency", budget="fixed"))}
    if samples and all(known_rows(sample) is not None for sample in samples):
        points["recycled logits"] = Point(replace(base, sources=("model",)))
    found = explored(Work(samples, list(points.values()), costs), jobs)
    ours = [
        variant([row[place] for row in found], costs, drafting, name, peer=True) for place, name in enumerate(points)
    ]
    return (*chains, *ours)


def _chains(
    name: str,
    request: Callable[[Sequence[int]], _OneBranch],
    samples: Sequence[Sample],
    config: LookaheadConfig,
    costs: PassCosts | None,
) -> Variant:
    """One branch per pass on all samples, on a model that takes trees."""
    outcomes = []
    for sample in samples:
        outcome = Outcome()
        for step in replay_of(sample, request(sample.prompt_ids), config, None):
            outcome.add(len(step.draft), step.accepted, step.emitted)
        outcomes.append(outcome)
    return variant(outcomes, costs, NO_TIME, name, peer=True)
