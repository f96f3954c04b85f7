"""Replay: recorded outputs drafted and verified again without a model, exactly as greedy verification would go."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from lookahead.config import LookaheadConfig
from lookahead.draft import DraftTree
from lookahead.drafter import Drafter, DraftRequest
from lookahead.records import TrieChange
from lookahead.verify import verify


@dataclass(frozen=True, slots=True)
class ReplayStep:
    """One replayed decode step.

    Attributes:
        draft: The tree that was drafted.
        accepted: Draft tokens that the recorded output agreed with.
        emitted: Tokens the step added: the accepted ones and the next recorded one, where there is one.
        retrieve_seconds: Time of the draft.
        insert_seconds: Time of the commit.
    """

    draft: DraftTree
    accepted: int
    emitted: int
    retrieve_seconds: float
    insert_seconds: float


def replay_output(
    request: DraftRequest,
    output_ids: Sequence[int],
    config: LookaheadConfig,
    pass_seconds: Sequence[float] | None = None,
    accept_last: bool = False,
) -> Iterator[ReplayStep]:
    """Decode steps of one recorded output, as they happen; ends the request.

    The first token is the prefill's. A path is accepted up to the last token but one, and the next recorded
    token is the bonus.

    Args:
        request: A request over the row's prompt.
        output_ids: The recorded output, shape ``(m,)``; fewer than 2 tokens make no step.
        config: Width and strategy.
        pass_seconds: T(n) for an adaptive width; None drafts up to the full width.
        accept_last: Whether the last token is accepted, too, where it was drafted, as in a real run that ends by it
            (a trace counts it as the bonus).
    """
    request.commit(output_ids[:1])
    done = 1
    most = len(output_ids) if accept_last else len(output_ids) - 1
    while done < len(output_ids):
        started = time.perf_counter()
        tree = request.draft(config.decoding_length, config.longest_branch, pass_seconds)
        drafted = time.perf_counter()
        accepted = len(verify(tree, _choices(tree, output_ids[done : min(most, done + len(tree))])).accepted_nodes)
        emitted = min(accepted + 1, len(output_ids) - done)
        verified = time.perf_counter()
        request.commit(output_ids[done : done + emitted])
        committed = time.perf_counter()
        done += emitted
        yield ReplayStep(tree, accepted, emitted, drafted - started, committed - verified)
    request.finish()


def _choices(tree: DraftTree, following_ids: Sequence[int]) -> list[int]:
    """What a model that goes on with these tokens would choose after each node; -1 beyond them."""
    return [following_ids[depth] if depth < len(following_ids) else -1 for depth in tree.depths()]


class _TimedReading:
    """A request, and the time that its tries take to read (``seconds``)."""

    def __init__(self, drafter: Drafter, prompt_ids: Sequence[int]) -> None:
        started = time.perf_counter()
        self._request = drafter.start(prompt_ids)
        self.seconds = time.perf_counter() - started
        self.trie = self._request.trie

    def draft(self, width: int, longest_branch: int, pass_seconds: Sequence[float] | None) -> DraftTree:
        return self._request.draft(width, longest_branch, pass_seconds)

    def commit(self, token_ids: Sequence[int]) -> None:
        started = time.perf_counter()
        self._request.commit(token_ids)
        self.seconds += time.perf_counter() - started

    def change(self) -> TrieChange:
        return self._request.change()

    def finish(self) -> None:
        started = time.perf_counter()
        self._request.finish()
        self.seconds += time.perf_counter() - started


@dataclass(frozen=True, slots=True)
class ReplaySummary:
    """What ``replay --json`` prints; times in microseconds, sizes of the tries after the last row.

    ``mean_accepted_tokens``, ``draft_tokens_per_step`` and the times are None when no step was made.
    ``insert_us_per_token`` is the time of reading, learning from drafts included, over the tokens read: prompt and
    output by the request's trie, the output once more by the session's.
    """

    steps: int
    tokens: int
    mean_accepted_tokens: float | None
    draft_tokens_per_step: float | None
    retrieve_us_mean: float | None
    retrieve_us_p99: float | None
    insert_us_per_token: float | None
    trie_nodes: int
    trie_bytes: int


def replay_rows(
    rows: Iterable[tuple[Sequence[int], Sequence[int]]], config: LookaheadConfig, shared: bool = False
) -> ReplaySummary:
    """Replay (prompt, output) rows in order and sum up.

    Args:
        rows: Prompt (at least one token) and output of each row.
        config: Width and strategy; the width is always filled.
        shared: Whether the trie keeps the outputs of earlier rows (never their prompts). Otherwise every row
            starts with an empty one.
    """
    config = replace(config, budget="fixed")
    drafter = Drafter(config)
    retrieve: list[float] = []
    insert_seconds = 0.0
    inserted = 0
    steps = tokens = drafted = nodes = size = 0
    for prompt_ids, output_ids in rows:
        if not shared:
            drafter = Drafter(config)
        request = _TimedReading(drafter, prompt_ids)
        for step in replay_output(request, output_ids, config):
            steps += 1
            tokens += step.emitted
            drafted += len(step.draft) - 1
            retrieve.append(step.retrieve_seconds)
        insert_seconds += request.seconds
        inserted += len(prompt_ids) + 2 * len(output_ids)
        session = drafter.session.stats()
        own = request.trie.stats()
        nodes, size = own.nodes + own.leaves + session.nodes + session.leaves, own.bytes + session.bytes
    retrieve.sort()
    return ReplaySummary(
        steps=steps,
        tokens=tokens,
        mean_accepted_tokens=tokens / steps if steps else None,
        draft_tokens_per_step=drafted / steps if steps else None,
        retrieve_us_mean=1e6 * sum(retrieve) / steps if steps else None,
        retrieve_us_p99=1e6 * retrieve[min(steps - 1, int(steps * 0.99))] if steps else None,
        insert_us_per_token=1e6 * insert_seconds / inserted if steps else None,
        trie_nodes=nodes,
        trie_bytes=size,
    )
