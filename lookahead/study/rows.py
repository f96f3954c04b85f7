"""Rows of a study: the numbers of ``metrics.py`` for one sample, from its recorded run or from a replay; their sums."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TypeVar

from lookahead import metrics
from lookahead.config import LookaheadConfig
from lookahead.costs import PassCosts
from lookahead.metrics import Acceptance, decode_steps, in_ranges
from lookahead.records import RunRecord, StepRecord, StepTimings, TrieChange
from lookahead.replay import Replay, choices
from lookahead.study.losses import LostToken, losses, losses_of, summed, watched
from lookahead.study.material import Sample
from lookahead.study.replayed import output_of, replayed
from lookahead.study.result import Loss, Row
from lookahead.trie import Trie
from lookahead.verify import verify

TEXT_CHARACTERS = 200
"""Characters of a prompt in its row."""
NOISE = 1.05
"""So many times its tokens per pass a measured speedup may be by the noise of a quiet machine."""
_Number = TypeVar("_Number", int, float)


def row_of(sample: Sample, config: LookaheadConfig, costs: PassCosts | None) -> Row:
    """What these settings do on a sample: its recorded steps if it ran with them, else a replay of its output."""
    return row_from(sample, decode_steps_of(sample, config, costs), config, costs)


def was_recorded(sample: Sample, config: LookaheadConfig) -> bool:
    """Whether the sample's run was made with these settings."""
    run = sample.run
    return run is not None and run.method == "lookahead" and run.config == config


def decode_steps_of(
    sample: Sample, config: LookaheadConfig, costs: PassCosts | None, corpus: Sequence[Trie] = ()
) -> list[StepRecord]:
    """The decode steps of a sample with these settings, as ``row_of`` takes them.

    Args:
        corpus: Read-only tries that a replay may also draft from.
    """
    if sample.run is not None and was_recorded(sample, config):
        return [step for step, _ in decode_steps(sample.run.steps)]
    return list(_steps_of(sample, replayed(sample, config, costs, corpus=corpus)))


def steps_and_losses(
    sample: Sample, config: LookaheadConfig, costs: PassCosts | None, corpus: Sequence[Trie] = ()
) -> tuple[list[StepRecord], tuple[tuple[Loss, ...], LostToken | None]]:
    """What ``decode_steps_of`` and ``losses`` say of a sample, of one replay where both are."""
    if was_recorded(sample, config):
        return decode_steps_of(sample, config, costs, corpus), losses(sample, config, costs, corpus)
    replay, lost = watched(sample, config, costs, corpus)
    return list(_steps_of(sample, replay)), losses_of(lost)


def _steps_of(sample: Sample, replay: Replay) -> Iterator[StepRecord]:
    """The steps of a replay as records."""
    output_ids, done = output_of(sample), 1
    for index, step in enumerate(replay, start=1):
        end = done + step.accepted + 1  # the token after the accepted ones is the one that the model chose
        target_ids = choices(step.draft, output_ids[done:end])
        yield StepRecord(
            index=index,
            context_length=len(sample.prompt_ids) + done,
            match_length=step.draft.match_length,
            draft=step.draft,
            target_ids=tuple(target_ids),
            accepted_nodes=verify(step.draft, target_ids).accepted_nodes[: step.accepted],
            emitted_ids=output_ids[done : done + step.emitted],
            timings=StepTimings(retrieve_seconds=step.retrieve_seconds, commit_seconds=step.insert_seconds),
            trie=TrieChange(),
            chain=replay.chain,
        )
        done += step.emitted


def row_from(
    sample: Sample,
    steps: Sequence[StepRecord],
    config: LookaheadConfig,
    costs: PassCosts | None,
    lost: tuple[tuple[Loss, ...], LostToken | None] = ((), None),
) -> Row:
    """The row of a sample whose decode steps (``decode_steps_of``) and ``losses`` are known."""
    drafts, worst = metrics.outcomes(steps), lost[1]
    drafted, accepted = sum(nodes for nodes, _ in drafts), sum(found for _, found in drafts)
    tokens = len(sample.output_ids or ())
    seconds = metrics.decode_seconds(sample.run) if sample.run and was_recorded(sample, config) else None
    modelled = None if costs is None else metrics.modelled_seconds(steps, costs)
    plain = _plain_seconds(sample.plain, tokens)
    speedup, per_pass = _ratio(plain, seconds), metrics.or_none(metrics.mean_accepted_tokens, steps)
    return Row(
        name=sample.name,
        text=" ".join(sample.text[: 4 * TEXT_CHARACTERS].split())[:TEXT_CHARACTERS],
        category=sample.category,
        run=sample.run_file,
        tokens=tokens,
        passes=len(steps),
        tokens_per_pass=per_pass,
        drafted=drafted,
        accepted=accepted,
        empty=sum(nodes == 0 for nodes, _ in drafts),
        wasted=drafted - accepted,
        seconds=seconds,
        plain_seconds=plain,
        speedup=speedup,
        # A pass takes at least as long as one of plain decoding.
        disturbed=speedup is not None and per_pass is not None and speedup > NOISE * per_pass,
        modelled_seconds=modelled,
        modelled_speedup=None if costs is None else _ratio(costs.at(1) * max(0, tokens - 1), modelled),
        near_ties=sample.near_ties,
        by_source=metrics.acceptance_by_source(steps),
        by_depth=in_ranges(metrics.acceptance_by_depth(steps)),
        by_match_length=in_ranges(metrics.acceptance_by_match_length(steps)),
        losses=lost[0],
        worst_step=worst and worst.step,
        worst_cause=worst and worst.cause,
        worst_tokens=worst.tokens if worst else 0,
    )


def _plain_seconds(plain: RunRecord | None, tokens: int) -> float | None:
    """Time of plain decoding of so many tokens; a plain run that rounding made part from the run has another number."""
    if plain is None or len(plain.token_ids) < 2:
        return None
    return metrics.decode_seconds(plain) * max(0, tokens - 1) / (len(plain.token_ids) - 1)


def _ratio(first: float | None, second: float | None) -> float | None:
    return first / second if first is not None and second else None


def total_of(rows: Sequence[Row]) -> Row:
    """The sums of the rows; a number that some row does not have is null."""
    decoded, passes = sum(max(0, row.tokens - 1) for row in rows), sum(row.passes for row in rows)
    timed = [row for row in rows if row.seconds and row.plain_seconds is not None]
    weights = [(row.modelled_speedup, row.modelled_seconds) for row in rows if row.modelled_seconds]
    saved = sum(speedup * time for speedup, time in weights if speedup is not None)
    return Row(
        name="all",
        tokens=sum(row.tokens for row in rows),
        passes=passes,
        tokens_per_pass=decoded / passes if passes else None,
        drafted=sum(row.drafted for row in rows),
        accepted=sum(row.accepted for row in rows),
        empty=sum(row.empty for row in rows),
        wasted=sum(row.wasted for row in rows),
        seconds=_sum([row.seconds for row in rows]),
        plain_seconds=_sum([row.plain_seconds for row in rows]),
        speedup=_ratio(_sum([row.counted_plain_seconds for row in timed]), _sum([row.seconds for row in timed])),
        modelled_seconds=_sum([row.modelled_seconds for row in rows]),
        modelled_speedup=_ratio(saved, _sum([time for _, time in weights])),
        near_ties=_sum([row.near_ties for row in rows]),
        by_source=_merged([row.by_source for row in rows]),
        by_depth=_merged([row.by_depth for row in rows]),
        by_match_length=_merged([row.by_match_length for row in rows]),
        losses=summed([loss for row in rows for loss in row.losses]),
    )


def _sum(values: Sequence[_Number | None]) -> _Number | None:
    """The sum; None if there is no value, or one is None."""
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None  # pyright: ignore[reportReturnType]


def _merged(kinds: Sequence[dict[str, Acceptance]]) -> dict[str, Acceptance]:
    """The sums by kind; ranges of numbers shortest first, sources as they come."""
    sums: dict[str, Acceptance] = {}
    for name, kind in chain.from_iterable(one.items() for one in kinds):
        sums[name] = sums.get(name, Acceptance()) + kind
    ranged = all(name[:1].isdigit() for name in sums)
    return dict(sorted(sums.items(), key=lambda item: int(item[0].partition("-")[0]) if ranged else 0))
