"""Composes a study: samples, T(n) and options in, one ``Study`` out. Nothing here loads a model."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from functools import partial
from statistics import median
from typing import Any

import msgspec

import lookahead
from lookahead.config import GREEDY, LookaheadConfig, Sampling
from lookahead.costs import PassCosts
from lookahead.metrics import decode_steps
from lookahead.records import ModelInfo, RunRecord
from lookahead.study.grid import Drafting, Jobs, Point, explore, grid, timed_drafting
from lookahead.study.material import Sample
from lookahead.study.peers import peers
from lookahead.study.result import Machine, Row, Study, Variant, Verdict
from lookahead.study.rows import row_from, steps_and_losses, total_of
from lookahead.study.verdict import advice, doubt, machine, verdict
from lookahead.trie import Trie

FEW_REPLAYED = 100_000
"""Output tokens times settings that are replayed before other processes would have started."""
OFF = 1.5
"""A modelled speedup that is so many times the measured one, or less than its part, is told."""


@dataclass(frozen=True, slots=True)
class StudyOptions:
    """What a study is made with: its own draft settings, what is known of its runs, and what else is explored.

    Attributes:
        costs: T(n); None if none is known, and then drafts are as wide as the settings allow.
        machine: What the machine of ``costs`` is called.
        axes: Settings to explore: name -> values (``start``: cold, warm, corpus); empty explores nothing.
        peers: Whether other methods are computed on the same material.
        jobs: Processes that replay; None takes one per processor. Or a cluster.
        most_replayed: Most output tokens, times settings, to replay every setting on (``grid.explore``); None replays
            all on all samples.
        drafting: Time of the drafts; None measures it on a few of the samples.
    """

    title: str
    config: LookaheadConfig
    costs: PassCosts | None = None
    machine: str = "this machine"
    sampling: Sampling = GREEDY
    model: ModelInfo | None = None
    corpus: Sequence[Trie] = ()
    axes: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    peers: bool = False
    machines: Sequence[Machine] = ()
    notes: Sequence[str] = ()
    jobs: Jobs = None
    most_replayed: int | None = None
    drafting: Drafting | None = None


Tick = Callable[[str, int, int], object]
"""Told what is being done, how much of it is done, and how much there is."""


def make_study(
    samples: Sequence[Sample],
    options: StudyOptions,
    tick: Tick = lambda what, done, of: None,
    told: Callable[[Study], object] = lambda study: None,
) -> Study:
    """The study of these samples, each with its output.

    Args:
        tick: Called as the work proceeds, for a progress bar.
        told: Called with what is found before other settings are replayed: rows, sums, losses and verdict.
    """
    rows, drafts = _rows(samples, options, tick)
    draft_seconds = median(drafts) if drafts else None
    config, total = options.config, total_of(rows)
    found = Study(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        program_version=lookahead.__version__,
        title=options.title,
        model=None if options.model is None else _plain(options.model),
        config=_plain(config),
        sampling=_plain(options.sampling),
        draft_seconds=draft_seconds,
        verdict=judged(rows, samples, options, draft_seconds),
        rows=tuple(rows),
        total=total,
        notes=(*_disturbed(rows), *_counted(rows, samples), *options.notes),
    )
    told(found)
    return _explored(found, samples, options, tick) if total.passes else found


def judged(
    rows: Sequence[Row], samples: Sequence[Sample], options: StudyOptions, draft_seconds: float | None
) -> Verdict:
    """The verdict on these rows, and a warning where T(n) cannot be trusted."""
    chain = any(step.chain is not None for run in recorded(samples) for step in run.steps[:2])
    said = verdict(rows, options.config, options.costs, draft_seconds, chain)
    warning = doubt(options.costs) or doubt(shown_costs(samples, options.costs))
    if not warning or said.reason in ("no passes", "busy machine"):
        return said
    return msgspec.structs.replace(said, text=f"{said.text} {warning}")


def _rows(samples: Sequence[Sample], options: StudyOptions, tick: Tick) -> tuple[list[Row], list[float]]:
    """A row per sample, with its losses, and the time of every draft."""
    config, costs, corpus = options.config, options.costs, options.corpus
    timed = shown_costs(samples, costs)
    rows, drafts = [], []
    for sample in samples:
        steps, lost = steps_and_losses(sample, config, costs, corpus)
        rows.append(row_from(sample, steps, config, timed, lost))
        drafts += [step.timings.retrieve_seconds for step in steps]
        tick("prompts", len(rows), len(samples))
    return rows, drafts


def _explored(study: Study, samples: Sequence[Sample], options: StudyOptions, tick: Tick) -> Study:
    """The study with other settings and methods on the same samples, and what that says about each machine."""
    config, corpus = options.config, options.corpus
    costs = shown_costs(samples, options.costs)
    points = grid(options.axes, config) if options.axes else []
    jobs = 1 if (len(points) + 1) * study.total.tokens < FEW_REPLAYED else options.jobs
    drafting = options.drafting or timed_drafting(samples, config)
    what = f"{len(points)} settings" if points else "summing up"

    def tried(costs: PassCosts | None, done: Callable[[int, int], object] | None = None) -> tuple[Variant, ...]:
        every, most = [Point(config), *points], options.most_replayed
        return explore(samples, every, config, costs, corpus, jobs, done, drafting, most)

    first, *variants = tried(costs, partial(tick, what))
    told = advice(first, variants, [max(0, row.tokens - 1) for row in study.rows], study.total.losses)
    machines = [] if costs is None else [machine(options.machine, costs, drafting, [first, *variants])]
    if not corpus:  # which the replays of a cold start leave out
        study = as_replayed(msgspec.structs.replace(study, machines=tuple(machines)), first, samples, options)
        machines = list(study.machines)
    for name, curve in {one.name: PassCosts(one.lengths, one.seconds) for one in options.machines}.items():
        machines.append(machine(name, curve, drafting, tried(curve)))
    if options.peers:
        variants += peers(samples, config, costs, jobs, drafting)
    return msgspec.structs.replace(
        study,
        advice=told if points else (),
        variants=tuple(variants),
        machines=tuple(machines),
        notes=(*_off(study), *study.notes, *_left_out(study, variants)),
    )


def _disturbed(rows: Sequence[Row]) -> Iterator[str]:
    """A note if some measured times cannot be."""
    if count := sum(row.disturbed for row in rows):
        yield (
            f"timing disturbed: {count} of {len(rows)} prompts were measured as faster than their tokens per pass "
            "allow, as when other work slows plain decoding down; the modelled number counts for them"
        )


def _counted(rows: Sequence[Row], samples: Sequence[Sample]) -> Iterator[str]:
    """A note that speedups leave out the prefill, with the measured speedup that has it in, if there is one."""
    if not any(row.speedup or row.modelled_speedup for row in rows):
        return
    before = after = 0.0
    for row, sample in zip(rows, samples, strict=True):
        if row.seconds and row.plain_seconds and sample.run and sample.plain:
            before += (row.counted_plain_seconds or 0.0) + (sample.plain.first_token_seconds or 0.0)
            after += row.seconds + (sample.run.first_token_seconds or 0.0)
    whole = f"; with the prompts' passes it is {before / after:.2f} times as fast" if after else ""
    yield f"speedups are counted after the first token{whole}"


def as_replayed(study: Study, own: Variant, samples: Sequence[Sample], options: StudyOptions) -> Study:
    """The study with the modelled numbers that its own settings have in the replay beside others: the same settings
    have the same number, in rows, sums, verdict and at the first machine."""
    costs = shown_costs(samples, options.costs)
    if costs is None:
        return study
    replace = msgspec.structs.replace
    rows = tuple(
        replace(row, modelled_speedup=speed, modelled_seconds=costs.at(1) * (row.tokens - 1) / speed) if speed else row
        for row, speed in zip(study.rows, own.each, strict=True)
    )
    total, machines = total_of(rows), list(study.machines)
    if machines:
        known = machines[0]
        best = total.modelled_speedup if known.best == own.label else known.best_speedup
        machines[0] = replace(known, modelled_speedup=total.modelled_speedup, best_speedup=best)
    said = judged(rows, samples, options, study.draft_seconds)
    return replace(study, rows=rows, total=total, machines=tuple(machines), verdict=said)


def _off(study: Study) -> Iterator[str]:
    """A note if T(n) does not describe the times that were measured."""
    measured, modelled = study.total.speedup, study.total.modelled_speedup
    if measured and modelled and not 1 / OFF < modelled / measured < OFF:
        yield (
            f"T(n) would make it {modelled:.2f} times as fast, measured were {measured:.2f}: T(n) is not that of these "
            "runs, so what is modelled by it is off; measure it again while nothing else runs (costs --measure)"
        )


def _left_out(study: Study, variants: Sequence[Variant]) -> Iterator[str]:
    """A note on how many samples every setting was replayed on, if that is not all of them."""
    decoded = [place for place, row in enumerate(study.rows) if row.passes]
    every = [place for place in decoded if all(one.each[place] is not None for one in variants if not one.peer)]
    if len(every) < len(decoded):
        yield (
            f"every setting was replayed on {len(every)} of {len(decoded)} prompts drawn at random, and the best ones "
            "on all; settings that are named (--grid) are replayed on all"
        )


def _plain(record: Any) -> dict[str, Any]:
    """The fields of a dataclass as JSON would give them back."""
    return msgspec.json.decode(msgspec.json.encode(record))


def recorded(samples: Iterable[Sample]) -> list[RunRecord]:
    """The runs with drafts among the samples; plain ones if there are no others."""
    runs = [sample.run for sample in samples if sample.run is not None]
    return [run for run in runs if run.method == "lookahead"] or runs


def base_config(samples: Sequence[Sample], given: Mapping[str, Any], timed: bool) -> LookaheadConfig:
    """The settings of a study: those given, the others those of most of its runs, or the defaults.

    Args:
        timed: Whether T(n) is known; if not, traces are drafted with a fixed budget, as in ``replay``.

    Raises:
        ValueError: If a value is not one of its setting.
    """
    configs = Counter(run.config for run in recorded(samples))
    known = configs.most_common(1)[0][0] if configs else LookaheadConfig()
    values = {one.name: getattr(known, one.name) for one in fields(known)} | dict(given)
    if not timed and not configs:
        values["budget"] = "fixed"
    return LookaheadConfig(**values)


def shown_costs(samples: Iterable[Sample], costs: PassCosts | None) -> PassCosts | None:
    """T(n) as the passes of those runs show it that chose their widths by these costs; the costs without such runs.

    The measurement before the runs is of one moment, so predictions by it can be an eighth off. The passes of a study
    weigh alike: its first prompts count as much as its last.
    """
    runs = [run for one in samples for run in (one.run, one.plain) if one.run and run and one.run.pass_costs == costs]
    passes = [(len(draft), step.timings.forward_seconds) for run in runs for step, draft in decode_steps(run.steps)]
    passes = [(width, seconds) for width, seconds in passes if seconds > 0]
    return costs.corrected(passes, half_life=math.inf) if costs else costs


def as_recorded(options: StudyOptions, samples: Iterable[Sample]) -> StudyOptions:
    """The options with model and sampling of the latest of the runs, and the T(n) of the latest that had one."""
    runs = recorded(samples)
    newest = max(runs, key=lambda run: run.created, default=None)
    model, sampling = (newest.model, newest.sampling) if newest else (None, GREEDY)
    timed = [(run.created, place, run.pass_costs) for place, run in enumerate(runs) if run.pass_costs]
    costs = max(timed, key=lambda one: one[:2])[2] if timed else None
    return replace(options, model=model, sampling=sampling, costs=costs, machine="the machine of the runs")
