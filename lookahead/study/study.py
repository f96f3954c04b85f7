"""Composes a study: samples, T(n) and options in, one ``Study`` out. Nothing here loads a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, Any

import msgspec

import lookahead
from lookahead.config import GREEDY, LookaheadConfig, Sampling
from lookahead.costs import PassCosts
from lookahead.records import ModelInfo, RunRecord
from lookahead.study.grid import explore, grid
from lookahead.study.losses import losses
from lookahead.study.material import Sample
from lookahead.study.result import Machine, Row, Study, Variant, Verdict
from lookahead.study.rows import decode_steps_of, row_from, total_of
from lookahead.trie import Trie

if TYPE_CHECKING:
    from lookahead.study.cluster import Cluster


@dataclass(frozen=True, slots=True)
class StudyOptions:
    """What a study is made with.

    Attributes:
        title: Name of what is studied.
        config: The study's own draft settings.
        costs: T(n); None if none is known, and then drafts are as wide as the settings allow.
        machine: What the machine of ``costs`` is called.
        sampling: How tokens were chosen.
        model: The model; None if there is none.
        corpus: Read-only tries to draft from.
        axes: Settings to explore: name -> values (``start``: cold, warm, corpus); empty explores nothing.
        peers: Whether other methods are computed on the same material.
        machines: T(n) of other machines.
        notes: Lines for the result.
        cluster: Where settings are replayed; None for this machine.
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
    cluster: Cluster | None = None


Tick = Callable[[str, int, int], object]
"""Told what is being done, how much of it is done, and how much there is."""


def make_study(samples: Sequence[Sample], options: StudyOptions, tick: Tick = lambda what, done, of: None) -> Study:
    """The study of these samples, each with its output.

    Args:
        tick: Called as the work goes on, for a progress bar.
    """
    rows, drafts = [], []
    for sample in samples:
        steps = decode_steps_of(sample, options.config, options.costs, options.corpus)
        row = row_from(sample, steps, options.config, options.costs)
        lost, worst_step = losses(sample, options.config, options.costs, corpus=options.corpus)
        rows.append(msgspec.structs.replace(row, losses=lost, worst_step=worst_step))
        drafts += [step.timings.retrieve_seconds for step in steps]
        tick("prompts", len(rows), len(samples))
    variants: list[Variant] = []
    if options.axes:
        points = grid(options.axes, options.config)
        variants += explore(
            samples,
            points,
            options.config,
            options.costs,
            options.corpus,
            jobs=options.cluster and options.cluster.jobs,
            tick=lambda done, of: tick(f"{len(points)} settings", done, of),
            elsewhere=options.cluster and options.cluster.outcomes,
        )
    return Study(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        program_version=lookahead.__version__,
        title=options.title,
        model=None if options.model is None else _plain(options.model),
        config=_plain(options.config),
        sampling=_plain(options.sampling),
        draft_seconds=median(drafts) if drafts else None,
        verdict=_no_verdict(rows),
        rows=tuple(rows),
        total=total_of(rows),
        variants=tuple(variants),
        machines=_own_machine(options),
        notes=tuple(options.notes),
    )


def _plain(record: Any) -> dict[str, Any]:
    """The fields of a dataclass as JSON would give them back."""
    return msgspec.json.decode(msgspec.json.encode(record))


def _no_verdict(rows: Sequence[Row]) -> Verdict:
    total = total_of(rows)
    return Verdict(text="", pays=None, speedup=total.speedup if total.speedup is not None else total.modelled_speedup)


def _own_machine(options: StudyOptions) -> tuple[Machine, ...]:
    if options.costs is None:
        return tuple(options.machines)
    own = Machine(name=options.machine, lengths=options.costs.lengths, seconds=options.costs.seconds)
    return (own, *options.machines)


# ------------------------------------------------------------------ what recorded runs say


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


def recorded_costs(samples: Iterable[Sample]) -> PassCosts | None:
    """The T(n) that the latest of the runs was made with; None if none had one."""
    known = [(run.created, place, run.pass_costs) for place, run in enumerate(recorded(samples)) if run.pass_costs]
    return max(known, key=lambda one: one[:2])[2] if known else None
