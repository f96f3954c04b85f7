"""One sample replayed with one setting, exactly: what a study's other ways of computing must equal."""

from __future__ import annotations

from collections.abc import Sequence

from lookahead import replay
from lookahead.config import LookaheadConfig
from lookahead.costs import PassCosts
from lookahead.draft import Chain
from lookahead.drafter import DraftRequest
from lookahead.replay import RecordedRows, Replay, drafter_of, pass_seconds
from lookahead.study.material import Sample
from lookahead.trie import Trie


def output_of(sample: Sample) -> tuple[int, ...]:
    """The output of a sample.

    Raises:
        ValueError: If it has none, so that only a model can say what it is.
    """
    if sample.output_ids is not None:
        return sample.output_ids
    if sample.run is None:
        raise ValueError(f"{sample.name} has no output to replay; run it on a model first")
    return sample.run.token_ids


def expected_of(sample: Sample) -> tuple[int, ...]:
    """What the caller of its run expected; empty if there is no run, or nothing was expected."""
    return sample.run.expected_ids if sample.run else ()


def known_rows(sample: Sample) -> RecordedRows | None:
    """What its run found likely; None if it has no run, or the run did not keep it."""
    run = sample.run
    return RecordedRows(run) if run and any(step.successors for step in run.steps) else None


def chain_of(sample: Sample) -> Chain | None:
    """What its run's first pass read besides its draft, if its model takes one branch; None otherwise."""
    return replay.chain_of(sample.run) if sample.run else None


def room_of(sample: Sample) -> int | None:
    """Most tokens that its run could have emitted; None for a trace, which does not say."""
    return replay.room_of(sample.run) if sample.run else None


def replay_of(sample: Sample, request: DraftRequest, config: LookaheadConfig, costs: PassCosts | None) -> Replay:
    """The replay of a sample with a request over its prompt.

    As ``lookahead.replay.replay_run`` does it where the sample has a run (with these costs instead of the run's), and
    as ``replay_rows`` does it where it is a row of a trace.
    """
    return Replay(
        request,
        output_of(sample),
        config,
        pass_seconds=pass_seconds(config, costs),
        room=room_of(sample),
        accept_last=sample.run is not None,
        rows=known_rows(sample),
        chain=chain_of(sample),
    )


def replayed(
    sample: Sample,
    config: LookaheadConfig,
    costs: PassCosts | None = None,
    earlier: Sequence[Sequence[int]] = (),
    corpus: Sequence[Trie] = (),
) -> Replay:
    """The replay of a sample with these settings; iterate it once for the steps.

    Args:
        costs: T(n) for an adaptive width; without it the width is always used in full.
        earlier: Earlier outputs that the session's trie knew, oldest first.
        corpus: Tries to draft from.
    """
    request = drafter_of(config, earlier, corpus).start(sample.prompt_ids, expected_of(sample))
    return replay_of(sample, request, config, costs)
