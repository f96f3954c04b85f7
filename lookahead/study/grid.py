"""Many settings on many samples, by replay: which would accept more, and which would be faster."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from itertools import chain, product
from statistics import median
from typing import Any, Literal, Protocol, get_args

from lookahead.config import LookaheadConfig
from lookahead.costs import PassCosts
from lookahead.setting import settings_of
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
IN_A_MINUTE = 3_500_000
"""Output tokens, times settings, that two processors replay in about a minute: 384 settings on 90 tokens of each of 100
prompts. A first look takes no more."""
FINALISTS = 12
"""Settings that are replayed on all samples where the time does not suffice for all settings."""
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
        worker = Worker(self)
        return [worker.outcomes(place) for place in range(first, end)]


class Worker:
    """Computes the outcomes of a work sample by sample, in rising order; outputs of earlier samples are read once."""

    def __init__(self, work: Work) -> None:
        self._work = work
        starts = dict.fromkeys(point.start for point in work.points)
        self._jointly = {start: Jointly((), work.corpus if start == "corpus" else ()) for start in starts}
        self._places = {
            start: [place for place, point in enumerate(work.points) if point.start == start] for start in starts
        }
        self._known = 0

    def outcomes(self, place: int) -> list[Outcome]:
        """What each point does on one sample."""
        work = self._work
        if warm := self._jointly.get("warm"):
            for sample in work.samples[self._known : place]:
                warm.know(output_of(sample))
            self._known = place
        found: dict[int, Outcome] = {}
        for start, jointly in self._jointly.items():
            configs = [work.points[number].config for number in self._places[start]]
            found |= zip(self._places[start], jointly.outcomes(work.samples[place], configs, work.costs), strict=True)
        return [found[number] for number in range(len(work.points))]


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


def explored(
    work: Work,
    jobs: Jobs = None,
    tick: Callable[[int, int], object] | None = None,
    places: Sequence[int] | None = None,
) -> list[list[Outcome]]:
    """What each point does on each sample, a list per sample, computed by several processes.

    Args:
        jobs: Processes; None takes one per processor that this process may use. 1 computes here. Or other places.
        tick: Called with the samples that are done, and all of them.
        places: Which samples, in rising order; None takes all.
    """
    places = range(len(work.samples)) if places is None else places
    elsewhere, most = (None, jobs) if jobs is None or isinstance(jobs, int) else (jobs, jobs.jobs)
    processes = min(most or len(os.sched_getaffinity(0)), len(places))
    found: list[list[Outcome]] = []
    if elsewhere is None:
        rows = _computed(work, places, processes)
    else:
        parts = _parts(places, max(1, min(8, -(-len(places) // (8 * max(1, processes))))))
        rows = chain.from_iterable(elsewhere.outcomes(work, parts))
    for row in rows:
        found.append(row)
        if tick is not None:
            tick(len(found), len(places))
    return found


def _parts(places: Sequence[int], most: int) -> list[tuple[int, int]]:
    """First place and end of runs of places without a gap, of at most so many.

    >>> _parts([0, 1, 2, 5, 6], 2)
    [(0, 2), (2, 3), (5, 7)]
    """
    parts: list[tuple[int, int]] = []
    for place in places:
        if parts and parts[-1][1] == place and place - parts[-1][0] < most:
            parts[-1] = parts[-1][0], place + 1
        else:
            parts.append((place, place + 1))
    return parts


def _computed(work: Work, places: Sequence[int], jobs: int) -> Iterator[list[Outcome]]:
    """The outcomes on these samples, in their order."""
    done = 0
    if jobs > 1:
        # Not forked: the threads of a model that this process has loaded would hold their locks for ever in a child.
        context = multiprocessing.get_context("spawn")
        try:
            with ProcessPoolExecutor(jobs, context, _keep, (work,)) as pool:
                try:
                    for row in pool.map(_outcomes, places):
                        yield row
                        done += 1
                finally:
                    pool.shutdown(cancel_futures=True)  # after Ctrl-C, too: nobody waits for the rest
        except BrokenProcessPool:
            pass  # the caller's main module cannot be imported again (a script without a guard): compute the rest here
    worker = Worker(work)
    for place in places[done:]:
        yield worker.outcomes(place)


_kept: Worker | None = None
"""The worker of this process, where it is one of several."""


def _keep(work: Work) -> None:
    global _kept
    _kept = Worker(work)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that shares out the work ends this one


def _outcomes(place: int) -> list[Outcome]:
    assert _kept is not None
    return _kept.outcomes(place)


def explore(
    samples: Sequence[Sample],
    points: Sequence[Point],
    base: LookaheadConfig,
    costs: PassCosts | None,
    corpus: Sequence[Trie] = (),
    jobs: Jobs = None,
    tick: Callable[[int, int], object] | None = None,
    drafting: Drafting | None = None,
    most: int | None = None,
) -> tuple[Variant, ...]:
    """What each point does, in the order of the points; exactly what replays one by one would say.

    With a limit (``most``) that all samples exceed, every point is replayed on some of the samples, drawn by a fixed
    seed, and the first point and the best ``FINALISTS`` on the others too. The sums of all variants are then those of
    the samples drawn, so that they compare, and ``each`` is None where a point was not replayed.

    Args:
        samples: Samples with outputs.
        points: The settings.
        base: The study's own settings: a variant says in what it differs.
        costs: T(n); without it adaptive widths are full ones, and no time is modelled.
        corpus: Tries of the points that start with a corpus.
        jobs: As in ``explored``.
        tick: Called with the samples that are done, and all of them.
        drafting: Time of the drafts; None measures it on a few of the samples.
        most: Most output tokens, times points, to replay every point on; None replays all.
    """
    drawn = _drawn(samples, len(points), most)
    rest = sorted(set(range(len(samples))) - set(drawn))
    told = None if tick is None else lambda done, _: tick(done, len(samples))
    rows = explored(Work(samples, points, costs, corpus), jobs, told, drawn)
    if costs is not None and drafting is None:
        drafting = timed_drafting(samples, base)
    outcomes: list[dict[int, Outcome]] = [
        {place: row[number] for place, row in zip(drawn, rows, strict=True)} for number in range(len(points))
    ]
    if rest:
        told = None if tick is None else lambda done, _: tick(len(drawn) + done, len(samples))
        sums = [variant(list(found.values()), costs, drafting or Drafting(), "") for found in outcomes]
        kept = sorted({0, *_best(sums)})
        rows = explored(Work(samples, [points[number] for number in kept], costs, corpus), jobs, told, rest)
        for column, number in enumerate(kept):
            outcomes[number] |= {place: row[column] for place, row in zip(rest, rows, strict=True)}
    return tuple(
        variant(
            [found.get(place) for place in range(len(samples))],
            costs,
            drafting or Drafting(),
            label=label(point, base),
            config=differences(point.config, base),
            start=point.start,
            summed=drawn,
        )
        for point, found in zip(points, outcomes, strict=True)
    )


def _drawn(samples: Sequence[Sample], points: int, most: int | None) -> list[int]:
    """Which samples every point is replayed on, in rising order: as many as the limit allows, one at least."""
    places = list(range(len(samples)))
    if most is None:
        return places
    random.Random(0).shuffle(places)
    taken, tokens = 0, 0
    while taken < len(places) and (not taken or (tokens + len(output_of(samples[places[taken]]))) * points <= most):
        tokens += len(output_of(samples[places[taken]]))
        taken += 1
    return sorted(places[:taken])


def _best(variants: Sequence[Variant]) -> list[int]:
    """Numbers of the best of them."""
    value = [one.modelled_speedup or one.tokens_per_pass or 0.0 for one in variants]
    return sorted(range(len(value)), key=lambda number: -value[number])[:FINALISTS]


def variant(
    outcomes: Sequence[Outcome | None],
    costs: PassCosts | None,
    drafting: Drafting,
    label: str,
    peer: bool = False,
    config: Mapping[str, Any] | None = None,
    start: Start = "cold",
    summed: Sequence[int] | None = None,
) -> Variant:
    """The sums of one setting's outcomes, one per sample.

    Args:
        outcomes: None for a sample that was not replayed.
        summed: The samples that the sums are of; None takes all.
    """
    among = range(len(outcomes)) if summed is None else summed
    parts = [one for one in (outcomes[place] for place in among) if one is not None]
    tokens, passes = sum(one.tokens for one in parts), sum(one.passes for one in parts)
    each = [one.tokens / one.passes if one and one.passes else None for one in outcomes]
    speedup = None
    if costs is not None:
        widths = {width for one in outcomes if one for width in one.widths}
        of_pass = {width: costs.at(width) + drafting.at(width) for width in widths}
        each = [one.tokens * costs.at(1) / one.seconds(of_pass) if one and one.passes else None for one in outcomes]
        speedup = tokens * costs.at(1) / sum(one.seconds(of_pass) for one in parts) if passes else None
    return Variant(
        label=label,
        peer=peer,
        config=dict(config or {}),
        start=start,
        tokens_per_pass=tokens / passes if passes else None,
        drafted_per_pass=sum(one.drafted for one in parts) / passes if passes else None,
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
