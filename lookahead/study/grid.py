"""Many settings on many samples, by replay: which would accept more, and which would be faster."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from itertools import product
from statistics import median
from typing import Any, Literal, Protocol, get_args

from lookahead.config import LookaheadConfig, settings_of
from lookahead.costs import PassCosts
from lookahead.study.joint import Jointly, Outcome
from lookahead.study.material import Sample
from lookahead.study.replayed import output_of, replayed
from lookahead.study.result import Variant
from lookahead.trie import Trie

Start = Literal["cold", "warm", "corpus"]
"""What a request knows before it starts: nothing; the outputs of the samples before it; a corpus."""

AXES: dict[str, Sequence[Any]] = {
    "decoding_length": (4, 8, 12, 16, 24, 32, 48, 64),
    "branch_length": (4, 8, 16, None),
    "strategy": ("hierarchical", "parallel", "single"),
    "ranking": ("probability", "frequency"),
    "start": ("cold", "warm"),
}
"""A grid for a first look, 384 settings."""
_TIMED_SAMPLES = 3
_TIMED_WIDTHS = (4, 64)


@dataclass(frozen=True, slots=True)
class Point:
    """One setting of a grid.

    Attributes:
        config: The draft settings.
        start: What a request knows before it starts.
    """

    config: LookaheadConfig
    start: Start = "cold"


def grid(axes: Mapping[str, Sequence[Any]] = AXES, base: LookaheadConfig | None = None) -> list[Point]:
    """Every combination of the values on these axes, each once.

    Args:
        axes: Name of a draft setting, or ``start`` -> its values.
        base: The settings that have no axis.

    Raises:
        ValueError: If a name is not one of a draft setting, or a value is out of its range.

    >>> [point.config.decoding_length for point in grid({"decoding_length": (4, 8)})]
    [4, 8]
    """
    base = base or LookaheadConfig()
    known = {*settings_of(LookaheadConfig), "start"}
    if unknown := set(axes) - known:
        raise ValueError(f"{sorted(unknown)[0]} is not a draft setting; choose among {', '.join(sorted(known))}")
    if wrong := set(axes.get("start", ())) - set(get_args(Start)):
        raise ValueError(f"start={sorted(wrong)[0]}; choose one of {', '.join(get_args(Start))}")
    points: dict[Point, None] = {}
    for values in product(*axes.values()):
        chosen = dict(zip(axes, values, strict=True))
        start = chosen.pop("start", "cold")
        points[Point(replace(base, **chosen), start)] = None
    return list(points)


@dataclass(frozen=True, slots=True)
class Drafting:
    """Time that a pass spends on its draft, learning from it included: linear in its nodes, in seconds.

    Attributes:
        pass_seconds: Of a pass whatever it drafts.
        node_seconds: Of every draft token.
    """

    pass_seconds: float = 0.0
    node_seconds: float = 0.0

    def at(self, width: int) -> float:
        """Seconds of a draft of ``width`` nodes, the root included.

        >>> Drafting(2.0, 0.5).at(5)
        4.0
        """
        return self.pass_seconds + self.node_seconds * (width - 1)


def timed_drafting(samples: Sequence[Sample], config: LookaheadConfig) -> Drafting:
    """The drafting time of a few of the samples on this machine, medians of full drafts of two widths."""
    points: list[tuple[float, float]] = []
    for width in _TIMED_WIDTHS:
        full = replace(config, decoding_length=width, branch_length=None, budget="fixed")
        steps = [step for sample in samples[:_TIMED_SAMPLES] for step in replayed(sample, full)]
        if not steps:
            return Drafting()
        seconds = median(step.retrieve_seconds + step.insert_seconds for step in steps)
        points.append((median(len(step.draft) - 1 for step in steps), seconds))
    (few, short), (many, long) = points
    node = max(0.0, (long - short) / (many - few)) if many > few else 0.0
    return Drafting(max(0.0, short - node * few), node)


@dataclass(frozen=True, slots=True)
class Work:
    """What every process of an exploration knows.

    Attributes:
        samples: All samples, in their order.
        points: The settings.
        costs: T(n) for adaptive widths.
        corpus: Tries of the points that start with a corpus.
    """

    samples: Sequence[Sample]
    points: Sequence[Point]
    costs: PassCosts | None
    corpus: Sequence[Trie] = ()

    def outcomes(self, first: int, end: int) -> list[list[Outcome]]:
        """What each point does on the samples from ``first`` on and before ``end``: a list per sample."""
        by_sample = [[Outcome() for _ in self.points] for _ in range(first, end)]
        for start in get_args(Start):
            places = [place for place, point in enumerate(self.points) if point.start == start]
            if not places:
                continue
            configs = [self.points[place].config for place in places]
            earlier = [output_of(sample) for sample in self.samples[:first]] if start == "warm" else ()
            jointly = Jointly(earlier, self.corpus if start == "corpus" else ())
            for row, sample in zip(by_sample, self.samples[first:end], strict=True):
                for place, outcome in zip(places, jointly.outcomes(sample, configs, self.costs), strict=True):
                    row[place] = outcome
                if start == "warm":
                    jointly.know(output_of(sample))
        return by_sample


class Elsewhere(Protocol):
    """Other places than this machine that compute outcomes."""

    @property
    def jobs(self) -> int:
        """How many parts they compute at the same time."""
        ...

    def outcomes(self, work: Work, parts: Sequence[tuple[int, int]]) -> Iterator[list[list[Outcome]]]:
        """The outcomes of these parts (the first sample, and the one after the last), in their order."""
        ...


Jobs = int | Elsewhere | None
"""Where settings are replayed: in so many processes, in one per processor (None), or in other places."""


def explored(work: Work, jobs: Jobs = None, tick: Callable[[int, int], object] | None = None) -> list[list[Outcome]]:
    """What each point does on each sample, a list per sample, computed by several processes.

    Args:
        jobs: Processes; None takes one per processor that this process may use. 1 computes here. Or other places.
        tick: Called with the samples that are done, and all of them.
    """
    count = len(work.samples)
    elsewhere, most = (None, jobs) if jobs is None or isinstance(jobs, int) else (jobs, jobs.jobs)
    processes = min(most or len(os.sched_getaffinity(0)), count)
    size = max(1, min(8, -(-count // (8 * max(1, processes)))))
    parts = [(first, min(first + size, count)) for first in range(0, count, size)]
    found: list[list[Outcome]] = []
    for rows in elsewhere.outcomes(work, parts) if elsewhere else _computed(work, parts, processes):
        found += rows
        if tick is not None:
            tick(len(found), count)
    return found


def _computed(work: Work, parts: Sequence[tuple[int, int]], jobs: int) -> Iterator[list[list[Outcome]]]:
    """The outcomes of the parts, in their order."""
    done = 0
    if jobs > 1:
        # Not forked: the threads of a model that this process has loaded would hold their locks for ever in a child.
        context = multiprocessing.get_context("spawn")
        try:
            with ProcessPoolExecutor(jobs, context, _keep, (work,)) as pool:
                for rows in pool.map(_outcomes, parts):
                    yield rows
                    done += 1
        except BrokenProcessPool:
            pass  # the caller's main module cannot be imported again (a script without a guard): compute the rest here
    for first, end in parts[done:]:
        yield work.outcomes(first, end)


_kept: Work | None = None
"""The work of this process, where it is one of several."""


def _keep(work: Work) -> None:
    global _kept
    _kept = work


def _outcomes(part: tuple[int, int]) -> list[list[Outcome]]:
    assert _kept is not None
    return _kept.outcomes(*part)


def explore(
    samples: Sequence[Sample],
    points: Sequence[Point],
    base: LookaheadConfig,
    costs: PassCosts | None,
    corpus: Sequence[Trie] = (),
    jobs: Jobs = None,
    tick: Callable[[int, int], object] | None = None,
    drafting: Drafting | None = None,
) -> tuple[Variant, ...]:
    """What each point does on all samples, in the order of the points; exactly what replays one by one would say.

    Args:
        samples: Samples with outputs.
        points: The settings.
        base: The study's own settings: a variant says in what it differs.
        costs: T(n); without it adaptive widths are full ones, and no time is modelled.
        corpus: Tries of the points that start with a corpus.
        jobs: As in ``explored``.
        tick: Called with the samples that are done, and all of them.
        drafting: Time of the drafts; None measures it on a few of the samples.
    """
    found = explored(Work(samples, points, costs, corpus), jobs, tick)
    if costs is not None and drafting is None:
        drafting = timed_drafting(samples, base)
    return tuple(
        variant(
            [row[place] for row in found],
            costs,
            drafting or Drafting(),
            label=label(point, base),
            config=differences(point.config, base),
            start=point.start,
        )
        for place, point in enumerate(points)
    )


def variant(
    outcomes: Sequence[Outcome],
    costs: PassCosts | None,
    drafting: Drafting,
    label: str,
    peer: bool = False,
    config: Mapping[str, Any] | None = None,
    start: Start = "cold",
) -> Variant:
    """The sums of one setting's outcomes, one per sample."""
    tokens, passes = sum(one.tokens for one in outcomes), sum(one.passes for one in outcomes)
    each = [one.tokens / one.passes if one.passes else None for one in outcomes]
    speedup = None
    if costs is not None:
        of_pass = {width: costs.at(width) + drafting.at(width) for one in outcomes for width in one.widths}
        times = [one.seconds(of_pass) for one in outcomes]
        plain = [one.tokens * costs.at(1) for one in outcomes]
        each = [before / after if after else None for before, after in zip(plain, times, strict=True)]
        speedup = sum(plain) / sum(times) if passes else None
    return Variant(
        label=label,
        peer=peer,
        config=dict(config or {}),
        start=start,
        tokens_per_pass=tokens / passes if passes else None,
        drafted_per_pass=sum(one.drafted for one in outcomes) / passes if passes else None,
        modelled_speedup=speedup,
        each=tuple(each),
    )


def differences(config: LookaheadConfig, base: LookaheadConfig) -> dict[str, Any]:
    """The draft settings in which one differs from another, as plain values."""
    return {
        name: described.plain(getattr(config, name))
        for name, described in settings_of(LookaheadConfig).items()
        if getattr(config, name) != getattr(base, name)
    }


def label(point: Point, base: LookaheadConfig) -> str:
    """A short name of a point.

    >>> label(Point(LookaheadConfig(decoding_length=16, branch_length=4), "warm"), LookaheadConfig())
    '16 x 4 hierarchical, adaptive, warm'
    """
    config = point.config
    shape = f"{config.decoding_length}" + (f" x {config.branch_length}" if config.branch_length else "")
    words = [f"{shape} {config.strategy}", config.budget]
    if config.ranking != "probability":
        words.append(f"by {config.ranking}")
    if config.sources != base.sources:
        words.append("+".join(config.sources) or "no sources")
    words += [
        f"{name}={value}"
        for name, value in differences(config, base).items()
        if name not in ("decoding_length", "branch_length", "strategy", "budget", "ranking", "sources")
    ]
    return ", ".join([*words, *([point.start] if point.start != "cold" else [])])
