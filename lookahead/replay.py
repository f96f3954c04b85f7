"""Replay: recorded outputs drafted and verified again without a model, exactly as greedy verification would.

Traces, the timing of a trie and the what-if of a recorded run use ``Replay``. A study leads many settings along an
output together (``study/joint.py``), with the same outcomes, which is tested (tests/lookahead/study/test_grid.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lookahead.config import LookaheadConfig
from lookahead.costs import PassCosts
from lookahead.draft import Chain, DraftTree
from lookahead.drafter import Drafter, DraftRequest, Request
from lookahead.metrics import decode_seconds, decode_steps
from lookahead.records import RunRecord
from lookahead.sources.recycled import ROW_BYTES, bigrams_from
from lookahead.trie import Trie
from lookahead.verify import verify


@dataclass(frozen=True, slots=True)
class ReplayStep:
    """One replayed decode step.

    Attributes:
        accepted: Draft tokens that agree with the recorded output.
        emitted: Tokens the step added: the accepted ones and the next recorded one, if there is one.
        retrieve_seconds: Time of the draft.
        insert_seconds: Time of the commit.
    """

    draft: DraftTree
    accepted: int
    emitted: int
    retrieve_seconds: float
    insert_seconds: float


class RecordedRows:
    """What a run's passes found likely, for the nodes of other drafts of the same output.

    The row of a context is known if the run's own drafts had that context: always on the accepted path, elsewhere as
    far as the run drafted it, too.
    """

    def __init__(self, run: RunRecord) -> None:
        self._output = run.token_ids
        self.prefill = (run.steps[0].successors if run.steps else None) or b""
        self.bigrams = bigrams_from(b"".join(step.bigrams or b"" for step in run.steps))
        self._passes: dict[int, tuple[DraftTree, bytes]] = {}
        self._rows: dict[tuple[int, tuple[int, ...]], bytes] = {}
        for step in run.steps[1:]:
            if step.draft is not None and step.successors is not None:
                done = step.context_length - len(run.prompt_ids)
                self._passes[done] = step.draft, step.successors
                for node, context in enumerate(self._contexts(step.draft, done)):
                    self._rows[context] = step.successors[ROW_BYTES * node : ROW_BYTES * (node + 1)]

    def of(self, tree: DraftTree, done: int) -> bytes:
        """The rows of a draft's nodes, zeros where one is unknown; empty if none is known.

        Args:
            tree: A draft under the last of the output's first ``done`` tokens.
        """
        if not self._rows:
            return b""
        own, rows = self._passes.get(done, (None, b""))
        # A pass of another width may have rounded otherwise, so the run's own one comes first.
        if own is not None and (own.token_ids, own.parents) == (tree.token_ids, tree.parents):
            return rows
        return b"".join([self._rows.get(context, bytes(ROW_BYTES)) for context in self._contexts(tree, done)])

    def _contexts(self, tree: DraftTree, done: int) -> list[tuple[int, tuple[int, ...]]]:
        """Of every node, how much of the output it agrees with, and its tokens after that."""
        contexts: list[tuple[int, tuple[int, ...]]] = [(done, ())]
        for token_id, parent in zip(tree.token_ids[1:], tree.parents[1:], strict=True):
            agreed, others = contexts[parent]
            goes_on = not others and agreed < len(self._output) and self._output[agreed] == token_id
            contexts.append((agreed + 1, ()) if goes_on else (agreed, (*others, token_id)))
        return contexts


@dataclass(slots=True)
class Replay:
    """One recorded output, replayed. Iterate it once for the decode steps; the end of the iteration ends the request.

    The first token belongs to the prefill. A path is accepted up to the second to last token at most; the next recorded
    token is the bonus.

    Attributes:
        request: A request over the prompt.
        output_ids: The recorded output, shape ``(m,)``; fewer than 2 tokens make no step.
        config: Width and strategy.
        pass_seconds: T(n) for an adaptive width; None drafts up to the full width.
        room: Most tokens that the run could have emitted: as in the engine, branches end before the last of them. None
            if unknown.
        chain: What the first pass read besides its draft, if the model takes one branch; None if it takes trees.
        accept_last: Whether the last token also counts as accepted if it was drafted, as in a real run that ends with
            it (a trace counts it as the bonus).
        insert_seconds: Time that the request's tries have spent reading, including the output that is kept.
        rows: What the model found likely, of a run that kept it.
    """

    request: DraftRequest
    output_ids: Sequence[int]
    config: LookaheadConfig
    pass_seconds: Sequence[float] | None = None
    room: int | None = None
    accept_last: bool = False
    insert_seconds: float = 0.0
    rows: RecordedRows | None = None
    chain: Chain | None = None

    def __iter__(self) -> Iterator[ReplayStep]:
        """The decode steps."""
        output_ids, most = self.output_ids, self.config.longest_branch
        room = len(output_ids) + most if self.room is None else self.room
        end = len(output_ids) if self.accept_last else len(output_ids) - 1
        if self.rows and isinstance(self.request, Request):
            self.request.know(self.rows.bigrams)
        self._recycle(self.rows.prefill if self.rows else b"")
        self._insert(self.request.commit, output_ids[:1])
        done = 1
        while done < len(output_ids):
            started = time.perf_counter()
            longest_branch = min(most, room - done - 1)
            width = self.config.decoding_length if longest_branch else 1
            tree = self._draft(width, longest_branch)
            retrieve_seconds = time.perf_counter() - started
            following_ids = output_ids[done : min(end, done + len(tree))]
            accepted = len(verify(tree, choices(tree, following_ids)).accepted_nodes)
            emitted = min(accepted + 1, len(output_ids) - done)
            self._recycle(self.rows.of(tree, done) if self.rows else b"")
            insert_seconds = self._insert(self.request.commit, output_ids[done : done + emitted])
            done += emitted
            yield ReplayStep(tree, accepted, emitted, retrieve_seconds, insert_seconds)
            self.chain = self.chain and self.chain.after(len(tree) - 1, accepted)
        self._insert(self.request.finish)

    def _draft(self, width: int, longest_branch: int) -> DraftTree:
        width = max(1, width - (self.chain.reread if self.chain else 0))
        return self.request.draft(width, longest_branch if width > 1 else 0, self.pass_seconds, self.chain)

    def _recycle(self, successors: bytes) -> None:
        if successors and isinstance(self.request, Request):
            self.request.recycle(successors)

    def _insert(self, read: Callable[..., None], *token_ids: Sequence[int]) -> float:
        """Seconds that the request took to read the tokens."""
        started = time.perf_counter()
        read(*token_ids)
        seconds = time.perf_counter() - started
        self.insert_seconds += seconds
        return seconds


def choices(tree: DraftTree, following_ids: Sequence[int]) -> list[int]:
    """The choices after each node of a model whose output continues with these tokens; -1 beyond them."""
    return [following_ids[depth] if depth < len(following_ids) else -1 for depth in tree.depths()]


@dataclass(slots=True)
class ReplayTotals:
    """Sums over replayed steps.

    Attributes:
        retrieve_seconds: Of every draft.
        commit_seconds: Of all commits.
        tokens: Tokens emitted.
        draft_tokens: Tokens drafted.
    """

    retrieve_seconds: list[float] = field(default_factory=list)
    commit_seconds: float = 0.0
    tokens: int = 0
    draft_tokens: int = 0

    def add(self, step: ReplayStep) -> None:
        """Count one more step."""
        self.retrieve_seconds.append(step.retrieve_seconds)
        self.commit_seconds += step.insert_seconds
        self.tokens += step.emitted
        self.draft_tokens += len(step.draft) - 1

    @property
    def steps(self) -> int:
        """Steps counted."""
        return len(self.retrieve_seconds)

    def numbers(self) -> dict[str, float | None]:
        """Tokens and draft tokens per step, and microseconds per draft; None if there was no step."""
        steps = self.steps
        return {
            "mean_accepted_tokens": self.tokens / steps if steps else None,
            "draft_tokens_per_step": self.draft_tokens / steps if steps else None,
            "retrieve_us_mean": 1e6 * sum(self.retrieve_seconds) / steps if steps else None,
            "retrieve_us_p99": self.retrieve_us(0.99) if steps else None,
        }

    def retrieve_us(self, share: float) -> float:
        """The quantile of the draft times, in microseconds, for a share of the drafts (at least one)."""
        return 1e6 * sorted(self.retrieve_seconds)[min(self.steps - 1, int(self.steps * share))]


def replay_rows(
    rows: Iterable[tuple[Sequence[int], Sequence[int]]], config: LookaheadConfig, shared: bool = False
) -> dict[str, Any]:
    """Replay (prompt, output) rows in order and sum up: what ``replay --json`` prints.

    Sizes are those of the tries after the last row. ``insert_us_per_token`` is the time spent reading, learning from
    drafts included, divided by the tokens read: the request's trie reads prompt and output, the session's trie reads
    the output again.

    Args:
        rows: Prompt (at least one token) and output of each row.
        config: Width and strategy; the width is always used in full.
        shared: Whether the trie keeps the outputs of earlier rows (never their prompts). Otherwise each row
            starts with an empty trie.
    """
    config = replace(config, budget="fixed")
    drafter = Drafter(config)
    totals = ReplayTotals()
    insert_seconds = 0.0
    inserted = nodes = size = 0
    for prompt_ids, output_ids in rows:
        drafter = drafter if shared else Drafter(config)
        started = time.perf_counter()
        request = drafter.start(prompt_ids)
        replay = Replay(request, output_ids, config, insert_seconds=time.perf_counter() - started)
        trie = request.trie
        for step in replay:
            totals.add(step)
        insert_seconds += replay.insert_seconds
        inserted += len(prompt_ids) + 2 * len(output_ids)
        stats = (trie.stats(), drafter.session.stats())
        nodes, size = sum(one.nodes + one.leaves for one in stats), sum(one.bytes for one in stats)
    return {
        "steps": totals.steps,
        "tokens": totals.tokens,
        **totals.numbers(),
        "insert_us_per_token": 1e6 * insert_seconds / inserted if totals.steps else None,
        "trie_nodes": nodes,
        "trie_bytes": size,
    }


@dataclass(frozen=True, slots=True)
class RunSteps:
    """Numbers of the decode steps of a run, one number per step in each list.

    Attributes:
        widths: Nodes of the draft, the root included.
        accepted: Accepted draft tokens.
        emitted: Tokens that each step added.
    """

    widths: list[int]
    accepted: list[int]
    emitted: list[int]

    def numbers(self, run: RunRecord) -> dict[str, Any]:
        """Their ratios and passes, the run's prefill included; None if one is not defined.

        ``decode_seconds`` is the run's real time, scaled by the T(n) of these passes over that of its own; None if the
        run has no T(n).
        """
        steps, drafted, costs = len(self.widths), sum(self.widths) - len(self.widths), run.pass_costs
        own = sum(costs.at(len(draft)) for _, draft in decode_steps(run.steps)) if costs else 0.0
        scaled = decode_seconds(run) * sum(map(costs.at, self.widths)) / own if costs and own and steps else None
        return {
            "mean_accepted_tokens": sum(self.emitted) / steps if steps else None,
            "acceptance_rate": sum(self.accepted) / drafted if drafted else None,
            "draft_tokens_per_step": drafted / steps if steps else None,
            "forward_passes": steps + (1 if run.steps else 0),
            "decode_seconds": scaled,
        }


def recorded_steps(run: RunRecord) -> RunSteps:
    """The steps that a run took."""
    steps = list(decode_steps(run.steps))
    return RunSteps(
        [len(draft) for _, draft in steps],
        [len(step.accepted_nodes) for step, _ in steps],
        [len(step.emitted_ids) for step, _ in steps],
    )


def pass_seconds(config: LookaheadConfig, costs: PassCosts | None) -> list[float] | None:
    """T(n) where it decides the width of this setting's drafts; None where they are as wide as the setting allows."""
    adaptive = config.budget == "adaptive" and costs is not None and config.decoding_length > 1
    return costs.table(config.decoding_length) if adaptive and costs else None


def drafter_of(config: LookaheadConfig, earlier: Sequence[Sequence[int]] = (), corpus: Sequence[Trie] = ()) -> Drafter:
    """A drafter that knows these earlier outputs, oldest first, and these tries."""
    drafter = Drafter(config, corpus)
    for output_ids in earlier:
        drafter.keep(output_ids)
    return drafter


def room_of(run: RunRecord) -> int:
    """Most tokens that a run could have emitted: one that filled the model's context had room for its output only."""
    return len(run.token_ids) if run.finish_reason == "context" else run.max_new_tokens


def chain_of(run: RunRecord) -> Chain | None:
    """What a run's first pass read besides its draft, if its model takes one branch; None otherwise."""
    return run.steps[1].chain if len(run.steps) > 1 else None


def replay_run(
    run: RunRecord,
    config: LookaheadConfig,
    earlier: Sequence[Sequence[int]] = (),
    corpus: Sequence[Trie] = (),
) -> RunSteps:
    """The steps that a run would have taken with these settings.

    With the run's own settings and all that it drafted from, they equal ``recorded_steps``. If the run has no T(n), the
    full width is used, whatever the budget.

    Args:
        earlier: Earlier outputs that the run's trie knew, oldest first.
        corpus: Other tries that the run could draft from; they are only read.
    """
    replay = Replay(
        drafter_of(config, earlier, corpus).start(run.prompt_ids, run.expected_ids),
        run.token_ids,
        config,
        pass_seconds=pass_seconds(config, run.pass_costs),
        room=room_of(run),
        accept_last=True,
        rows=RecordedRows(run),
        chain=chain_of(run),
    )
    steps = list(replay)
    return RunSteps(
        [len(step.draft) for step in steps], [step.accepted for step in steps], [step.emitted for step in steps]
    )
