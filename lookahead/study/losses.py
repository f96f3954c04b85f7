"""Where acceptance is lost: for every pass, why the token that ended it was not accepted as a draft token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lookahead.config import LookaheadConfig
from lookahead.costs import PassCosts
from lookahead.draft import Chain, DraftTree, plain_ids
from lookahead.drafter import Drafter, Request
from lookahead.replay import Replay
from lookahead.setting import MAX_NUMBER
from lookahead.sources.expected import ExpectedText
from lookahead.sources.recycled import LATELY_RANK, RecycledLogits
from lookahead.sources.source import Level, Locus, Source, longest_first
from lookahead.study.material import Sample
from lookahead.study.replayed import expected_of, output_of, replay_of
from lookahead.study.result import Loss
from lookahead.trie import Trie

Cause = Literal["unseen", "outranked", "pays", "width", "branch_length", "strategy", "pruned"]


@dataclass(frozen=True, slots=True)
class LostToken:
    """The token that ended a pass.

    Attributes:
        step: Index of the pass, the prefill's being 0.
        cause: Why it was not accepted.
        tokens: Tokens that would have come with the pass, had this token and the sources' next first guesses been
            drafted: this one, and those after it as long as the first guess is what the output continues with; 0 if no
            source had seen this one there.
        place: Index of this token in the output.
    """

    step: int
    cause: Cause
    tokens: int
    place: int


class _Watched(Request):
    """A request that says of every commit why the draft ended where it did.

    Args:
        everything: The same tries without bounds, to tell what was pruned from what was never seen; None where the
            bounds are never reached.
    """

    def __init__(self, drafter: Drafter, sample: Sample, everything: Request | None) -> None:
        super().__init__(drafter, plain_ids(sample.prompt_ids), expected_of(sample))
        self.lost: list[LostToken] = []
        self._settings = drafter.config
        self._all = output_of(sample)
        self._everything = everything
        self._commits = 0
        self._done = 0
        self._longest = self._width = 0
        self._one_branch = False
        self._draft = DraftTree.root_only(sample.prompt_ids[-1])

    def draft(
        self, width: int, longest_branch: int, pass_seconds: Sequence[float] | None, chain: Chain | None = None
    ) -> DraftTree:
        """The draft, and what bounds it."""
        self._draft = super().draft(width, longest_branch, pass_seconds, chain)
        self._longest = min(longest_branch, width - 1)
        self._width = width
        self._one_branch = chain is not None
        return self._draft

    def commit(self, token_ids: Sequence[int]) -> None:
        """Note why the pass ended with the last of these tokens, then learn and read them."""
        ended = self._done + len(token_ids) == len(self._all)
        if self._commits and not ended:
            self.lost.append(self._account(token_ids))
        super().commit(token_ids)
        if self._everything is not None:
            self._everything.commit(token_ids)
        self._commits += 1
        self._done += len(token_ids)

    def _account(self, token_ids: Sequence[int]) -> LostToken:
        *path, lost = token_ids
        cause = self._cause(path, lost)
        tokens, place = 0, self._done + len(token_ids)
        if cause != "unseen":
            known = self._everything if cause == "pruned" and self._everything is not None else self
            tokens = 1 + _guessed(known.sources, [*path, lost], self._all[place:], self._settings.decoding_length)
        return LostToken(self._commits, cause, tokens, place - 1)

    def _cause(self, path: Sequence[int], lost: int) -> Cause:
        """Why the token after this accepted path is not in the draft.

        What nobody saw there was unseen, or pruned. Of what was seen, the bounds of the shape come first (a full
        branch, a parent that may have one child only), because no ranking helps there; then others that the draft holds
        in its place; then whatever ended the search.
        """
        if not _seen(self.sources, path, lost):
            pruned = self._everything is not None and _seen(self._everything.sources, path, lost)
            return "pruned" if pruned else "unseen"
        tree, node = self._draft, 0
        for token_id in path:
            node = next(
                child for child in range(node + 1, len(tree))
                if tree.parents[child] == node and tree.token_ids[child] == token_id
            )  # fmt: skip
        if len(path) >= self._longest:
            # A branch of the whole width is cut by the width.
            return "branch_length" if self._longest < self._width - 1 else "width"
        others = node in tree.parents
        strategy = "single" if self._one_branch else self._settings.strategy
        if others and (strategy == "single" or (strategy == "parallel" and node)):
            return "strategy"
        if others:
            return "outranked"
        left = self.left_out()
        return "pays" if left is not None and left.pays else "width"


def _loci(sources: Sequence[Source], path: Sequence[int]) -> list[Locus]:
    """Where the context with these tokens after it is in every source."""
    loci = [source.locus() for source in sources]
    for token_id in path:
        loci = [source.advance(locus, token_id) for source, locus in zip(sources, loci, strict=True)]
    return loci


def _seen(sources: Sequence[Source], path: Sequence[int], token_id: int) -> bool:
    """Whether any source has seen a token after the last of the context and these tokens, or expects it in its place.

    Where no context matches, a draft holds tokens that are frequent, or were likely lately. That one of them comes next
    is no repeat.
    """
    return any(
        _has_context(sources[number], level) and sources[number].holds(level, token_id)
        for number, level in longest_first(sources, _loci(sources, path))
    )


def _has_context(source: Source, level: Level) -> bool:
    """Whether a level knows what follows the token before, or what is expected in its place."""
    if source.kind == RecycledLogits.kind:
        return level[0] > LATELY_RANK
    return level[0] > 0 or source.kind == ExpectedText.kind


def _guessed(sources: Sequence[Source], path: Sequence[int], following: Sequence[int], most: int) -> int:
    """How many of these tokens are the sources' first guess one after the other, ``most`` at most."""
    loci = _loci(sources, path)
    for count, token_id in enumerate(following[:most]):
        number, level = next(longest_first(sources, loci), (0, None))
        if level is None:
            return count
        (_, guess, _), *_ = sources[number].candidates(level)
        if guess != token_id:
            return count
        loci = [source.advance(locus, token_id) for source, locus in zip(sources, loci, strict=True)]
    return min(len(following), most)


def lost_tokens(
    sample: Sample,
    config: LookaheadConfig,
    costs: PassCosts | None = None,
    corpus: Sequence[Trie] = (),
) -> Iterator[LostToken]:
    """The token that ended each pass of a replay, but of the pass that ended with the output.

    Args:
        costs: T(n) for an adaptive width; without it the width is always used in full.
        corpus: Tries to draft from.
    """
    replay, lost = watched(sample, config, costs, corpus)
    for _ in replay:
        yield from lost
        lost.clear()


def watched(
    sample: Sample, config: LookaheadConfig, costs: PassCosts | None = None, corpus: Sequence[Trie] = ()
) -> tuple[Replay, list[LostToken]]:
    """A replay, and the list that gets what ``lost_tokens`` says while its steps are iterated."""
    drafter, everything = Drafter(config, corpus), None
    if _may_prune(drafter, sample):
        unbounded = replace(config, trie_capacity=MAX_NUMBER, trie_bytes=MAX_NUMBER)
        everything = Drafter(unbounded, corpus).start(sample.prompt_ids, expected_of(sample))
    request = _Watched(drafter, sample, everything)
    return replay_of(sample, request, config, costs), request.lost


def _may_prune(drafter: Drafter, sample: Sample) -> bool:
    """Whether anything may be pruned while the output grows."""
    trie = drafter.sources(())[0].trie  # the bounds are for what comes after the prompt
    trie.capacity = drafter.config.trie_capacity + len(trie) + trie.leaves
    trie.max_bytes = drafter.config.trie_bytes + trie.bytes()
    return not trie.has_room(len(output_of(sample)))


def losses(
    sample: Sample,
    config: LookaheadConfig,
    costs: PassCosts | None = None,
    corpus: Sequence[Trie] = (),
) -> tuple[tuple[Loss, ...], LostToken | None]:
    """Where one sample lost acceptance, most passes first, and what was lost in the pass that lost most tokens.

    None if no source knew any of the lost tokens.
    (See ``lost_tokens`` for the arguments.)
    """
    return losses_of(list(lost_tokens(sample, config, costs, corpus)))


def losses_of(lost: Sequence[LostToken]) -> tuple[tuple[Loss, ...], LostToken | None]:
    """What ``losses`` says of these."""
    worst = max(lost, key=lambda one: one.tokens, default=None)
    return summed(list(_once(lost))), worst if worst is not None and worst.tokens else None


def _once(lost: Sequence[LostToken]) -> Iterator[LostToken]:
    """The same, a token of the output counted once per cause: several passes may lose it one after the other."""
    counted: dict[str, int] = {}
    for one in lost:
        begin, end = max(one.place, counted.get(one.cause, 0)), one.place + one.tokens
        counted[one.cause] = max(begin, end)
        yield replace(one, tokens=max(0, end - begin))


def summed(lost: Sequence[LostToken | Loss]) -> tuple[Loss, ...]:
    """Lost tokens, or the losses of several samples, added up by cause, most passes first."""
    sums: dict[str, Loss] = {}
    for one in lost:
        passes = one.passes if isinstance(one, Loss) else 1
        before = sums.get(one.cause, Loss(one.cause, 0, 0))
        sums[one.cause] = Loss(one.cause, before.passes + passes, before.tokens + one.tokens)
    return tuple(sorted(sums.values(), key=lambda loss: (-loss.passes, loss.cause)))
