"""Does it pay, what would be better, and on what machine: told with an interval, on prompts it was not chosen on."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from lookahead.config import LookaheadConfig, settings_of
from lookahead.costs import PassCosts
from lookahead.study.decisions import Findings, decide
from lookahead.study.grid import Drafting, Jobs, Point, explore, timed_drafting
from lookahead.study.losses import summed
from lookahead.study.material import Sample
from lookahead.study.result import CAUSE_NAMES, Advice, Loss, Machine, Row, Variant, Verdict
from lookahead.trie import Trie

RESAMPLES = 2000
COVERED = 0.9
"""Share of the resamples that an interval holds."""
FEWEST = 4
"""Prompts that advice needs: it is chosen on one half of them and told on the other."""

SETTINGS_OF: dict[str, tuple[str, ...]] = {
    "unseen": ("sources", "start"),
    "outranked": ("decoding_length", "ranking", "prompt_weight"),
    "pays": ("budget",),
    "width": ("decoding_length",),
    "branch_length": ("branch_length",),
    "strategy": ("strategy",),
    "pruned": ("trie_capacity", "trie_bytes"),
}
"""Cause of a loss -> the settings that could win it back."""
_PAYS = (
    "Nothing to win on this machine, where a wider pass costs more time than such tokens save; where T(n) is flatter "
    "the same outputs accept more (--machine FILE tells)."
)


def interval(before: Sequence[float], after: Sequence[float], seed: int = 0) -> tuple[float, float] | None:
    """The 90 % interval of ``sum(before) / sum(after)``, a bootstrap over prompts; None for fewer than two.

    >>> interval([2.0, 4.0], [1.0, 2.0])
    (2.0, 2.0)
    """
    count = len(before)
    if count < 2:
        return None
    drawn = np.random.default_rng(seed).integers(0, count, (RESAMPLES, count))
    ratios = np.array(before)[drawn].sum(axis=1) / np.array(after)[drawn].sum(axis=1)
    low, high = np.quantile(ratios, [(1 - COVERED) / 2, (1 + COVERED) / 2])
    return float(low), float(high)


# ------------------------------------------------------------------ does it pay


def _times(rows: Sequence[Row]) -> tuple[list[float], list[float], bool]:
    """Seconds of plain decoding and of the drafted one, a pair per row that has them, and whether they were measured.

    Measured ones if every row that decoded anything has them, else modelled ones.
    """
    rows = [row for row in rows if row.passes]
    if rows and all(row.seconds and row.plain_seconds for row in rows):
        return [row.plain_seconds or 0.0 for row in rows], [row.seconds or 0.0 for row in rows], True
    rows = [row for row in rows if row.modelled_seconds and row.modelled_speedup]
    after = [row.modelled_seconds or 0.0 for row in rows]
    return [(row.modelled_speedup or 0.0) * seconds for row, seconds in zip(rows, after, strict=True)], after, False


def findings(
    rows: Sequence[Row],
    config: LookaheadConfig,
    costs: PassCosts | None = None,
    draft_seconds: float | None = None,
    chain: bool = False,
    pays: bool | None = None,
) -> Findings:
    """What the reason of the verdict is decided by (see ``verdict``)."""
    passes, tokens = sum(row.passes for row in rows), sum(row.tokens for row in rows)
    decoded = sum((row.tokens_per_pass or 0.0) * row.passes for row in rows)
    lost = summed([loss for row in rows for loss in row.losses])
    ended = sum(loss.passes for loss in lost)
    plain = sum((row.modelled_speedup or 0.0) * (row.modelled_seconds or 0.0) for row in rows)
    modelled = sum(row.modelled_seconds or 0.0 for row in rows)
    return Findings(
        passes=passes,
        output_tokens=tokens / len(rows) if rows else 0.0,
        tokens_per_pass=decoded / passes if passes else 0.0,
        needed=decoded / passes / (plain / modelled) if passes and plain else None,
        pays=pays,
        empty=sum(row.empty for row in rows) / passes if passes else 0.0,
        shares={loss.cause: loss.passes / ended for loss in lost},
        steep=costs.at(2) / costs.at(1) if costs else None,
        bent_at=costs.bent_at() if costs else None,
        drafting=(draft_seconds or 0.0) / costs.at(1) if costs else 0.0,
        chain=chain,
        off=tuple(source for source in ("prompt", "output") if source not in config.sources),
    )


def verdict(
    rows: Sequence[Row],
    config: LookaheadConfig,
    costs: PassCosts | None = None,
    draft_seconds: float | None = None,
    chain: bool = False,
    seed: int = 0,
) -> Verdict:
    """Whether drafts pay on these prompts, by measured times where all have them, else by modelled ones.

    Args:
        rows: One per prompt, with their losses.
        config: The settings of the rows.
        costs: T(n) of the machine.
        draft_seconds: Median time of a draft.
        chain: Whether the model takes one branch only.
        seed: Decides the resamples of the interval.
    """
    before, after, measured = _times(rows)
    speedup = sum(before) / sum(after) if after else None
    low, high = interval(before, after, seed) or (None, None) if after else (None, None)
    pays = None if low is None or high is None or low <= 1.0 <= high else low > 1.0
    found = findings(rows, config, costs, draft_seconds, chain, pays)
    branch = decide(found)
    faster = sum(one > two for one, two in zip(before, after, strict=True))
    return Verdict(
        text=f"{_headline(speedup, low, high, pays, measured, faster, len(before), found)} {branch.sentence(found)}",
        pays=pays,
        speedup=speedup,
        low=low,
        high=high,
        prompts_that_pay=faster,
        reason=branch.reason,
    )


def _headline(
    speedup: float | None,
    low: float | None,
    high: float | None,
    pays: bool | None,
    measured: bool,
    faster: int,
    prompts: int,
    found: Findings,
) -> str:
    if not found.passes:
        return "Nothing was decoded."
    if speedup is None:
        return f"{found.tokens_per_pass:.2f} tokens per pass; without T(n) nobody can say whether that pays."
    words = {True: "It pays", False: "It does not pay", None: "It is not sure that it pays"}[pays]
    within = "" if low is None or high is None else f" (90 %: {low:.2f} to {high:.2f})"
    how = "measured" if measured else "by T(n)"
    more = f"; {faster} of {prompts} prompts are faster" if prompts > 1 else ""
    return f"{words}: {speedup:.2f} times as fast as plain decoding {how}{within}{more}."


# ------------------------------------------------------------------ what would be better


class _Told:
    """Samples whose times by one variant are compared with those by another.

    Args:
        own: What others are compared with.
        tokens: Tokens of the decode passes of every sample.
        places: Which samples.
    """

    def __init__(self, own: Variant, tokens: Sequence[int], places: Sequence[int]) -> None:
        self._own, self._tokens, self._places = own, tokens, places

    def times(self, variant: Variant) -> tuple[list[float], list[float]]:
        """Times of each sample by the own settings and by a variant that was replayed on it.

        Plain decoding of one token takes 1.
        """
        pairs = [(self._own.each[place], variant.each[place], self._tokens[place]) for place in self._places]
        both = [(count / one, count / other) for one, other, count in pairs if one and other]
        return [before for before, _ in both], [after for _, after in both]

    def gain(self, variant: Variant) -> float:
        """How many times as fast a variant is; 0 if it was replayed on none of the samples."""
        before, after = self.times(variant)
        return sum(before) / sum(after) if after else 0.0


def advice(
    own: Variant,
    variants: Sequence[Variant],
    tokens: Sequence[int],
    losses: Sequence[Loss] = (),
    seed: int = 0,
) -> tuple[Advice, ...]:
    """What to change, the largest gain first: the best setting of all, and the best one against each cause of loss.

    A setting is chosen on one half of the prompts, and its gain is told on the other half. Without T(n) the gain is
    that of tokens per pass.

    Args:
        own: The study's own settings.
        variants: Other settings on the same samples; peers are left out.
        tokens: Tokens of the decode passes of every sample.
        losses: Sums of all samples.
        seed: Decides the halves.
    """
    places = [place for place, count in enumerate(tokens) if count > 0 and own.each[place]]
    if len(places) < FEWEST:
        return (Advice(text=f"Advice needs at least {FEWEST} prompts: it is chosen on one half, told on the other."),)
    random.Random(seed).shuffle(places)
    chosen_on, told_on = _Told(own, tokens, places[::2]), _Told(own, tokens, places[1::2])
    others = [variant for variant in variants if not variant.peer and (variant.config or variant.start != own.start)]
    unit = "speed" if own.modelled_speedup is not None else "tokens per pass"
    found = [_best(others, chosen_on, told_on, "", unit, seed)]
    total = sum(loss.passes for loss in losses)
    for loss in losses:
        names = SETTINGS_OF.get(loss.cause, ())
        tried = [
            one for one in others if set(one.config) <= set(names) and ("start" in names or one.start == own.start)
        ]
        said = None
        if tried:
            said = _best(tried, chosen_on, told_on, loss.cause, unit, seed)
        elif loss.cause == "pays":
            said = Advice(text=_PAYS, cause=loss.cause)
        if said is not None:
            share = f"{CAUSE_NAMES[loss.cause]}, {100 * loss.passes / total:.0f} % of the passes: "
            text = share[0].upper() + share[1:] + said.text[0].lower() + said.text[1:]
            found.append(msgspec.structs.replace(said, text=text))
    if found[0].gain is not None:
        found[1:] = [one for one in found[1:] if one.gain is None or one.config != found[0].config]
    return tuple(sorted(found, key=lambda one: -(one.gain or 0.0)))


def _best(tried: Sequence[Variant], chosen_on: _Told, told_on: _Told, cause: str, unit: str, seed: int) -> Advice:
    """The best of these settings on one half, with its gain on the other."""
    best = max(tried, key=chosen_on.gain, default=None)
    if best is None or chosen_on.gain(best) <= 1.0:
        count = "the one other setting is not" if len(tried) == 1 else f"none of {len(tried)} settings is"
        return Advice(text=f"Nothing to win here: {count} better.", cause=cause)
    gain = told_on.gain(best)
    low, high = interval(*told_on.times(best), seed) or (gain, gain)
    said = f"{gain:.2f} times the {unit} on prompts that it was not chosen on (90 %: {low:.2f} to {high:.2f})"
    if low <= 1.0:
        keep = "Keep these settings: what was best" if gain <= 1.0 else "Too close to tell: what was best"
        return Advice(text=f"{keep} on one half of the prompts, {flags(best)}, has {said}.", cause=cause)
    text = f"Use {flags(best)}: {said}."
    return Advice(text=text, config=best.config, start=best.start, gain=gain, low=low, high=high, cause=cause)


def flags(variant: Variant) -> str:
    """The settings of a variant as a command line takes them, and what else they need.

    >>> flags(Variant(label="", config={"decoding_length": 16}, start="warm",
    ...               tokens_per_pass=None, drafted_per_pass=None, modelled_speedup=None))
    '--decoding-length 16, one session for all prompts (warm)'
    """
    described = settings_of(LookaheadConfig)
    words = []
    for name, value in variant.config.items():
        given = ",".join(value) if isinstance(value, list | tuple) else 0 if value is None else value
        words.append(f"{described[name].flag} {given}")
    start = {"warm": "one session for all prompts (warm)", "corpus": "a trie file (--trie)"}.get(variant.start, "")
    return ", ".join(filter(None, [" ".join(words), start])) or "the same settings"


def against(own: Variant, other: Variant, tokens: Sequence[int], seed: int = 0) -> Advice:
    """How other settings compare with the study's own, on all prompts: both were given, none was chosen."""
    told = _Told(own, tokens, [place for place, count in enumerate(tokens) if count > 0])
    unit = "speed" if own.modelled_speedup is not None else "tokens per pass"
    gain = told.gain(other)
    low, high = interval(*told.times(other), seed) or (gain, gain)
    within = f"{gain:.2f} times the {unit} of A (90 %: {low:.2f} to {high:.2f})"
    if low <= 1.0 <= high:
        return Advice(text=f"B is about as good as A: {within}.", cause="B")
    if high < 1.0:
        return Advice(text=f"A is better: B has {within}.", cause="B")
    return Advice(text=f"B is better: it has {within}.", gain=gain, low=low, high=high, cause="B")


# ------------------------------------------------------------------ on what machine


def machine(
    name: str, costs: PassCosts, drafting: Drafting, own: Variant | None = None, variants: Sequence[Variant] = ()
) -> Machine:
    """One T(n), what is needed to break even there, and the best setting there.

    Args:
        own: The study's own settings, explored with these costs.
        variants: Other settings, explored with these costs; peers are left out.
    """
    timed = [one for one in (*([own] if own else []), *variants) if one.modelled_speedup is not None and not one.peer]
    best = max(timed, key=lambda one: one.modelled_speedup or 0.0, default=None)
    return Machine(
        name=name,
        lengths=costs.lengths,
        seconds=costs.seconds,
        modelled_speedup=own.modelled_speedup if own else None,
        best=best.label if best else "",
        best_speedup=best.modelled_speedup if best else None,
        break_even=break_even(costs, drafting),
    )


def machines(
    curves: Mapping[str, PassCosts],
    samples: Sequence[Sample],
    own: Point,
    points: Sequence[Point],
    corpus: Sequence[Trie] = (),
    jobs: Jobs = None,
    drafting: Drafting | None = None,
    most: int | None = None,
) -> tuple[Machine, ...]:
    """What these samples would do on each machine; adaptive widths are replayed with the T(n) of each.

    Args:
        curves: Name of a machine -> its T(n).
        samples: Samples with outputs.
        own: The study's own settings.
        points: Other settings, the best of which is named.
        corpus: Tries of the points that start with a corpus.
        jobs: As in ``explored``.
        drafting: Time of the drafts; None measures it once, on this machine.
        most: As in ``explore``.
    """
    drafting = drafting or timed_drafting(samples, own.config)
    found = []
    for name, costs in curves.items():
        every = [own, *points]
        first, *others = explore(samples, every, own.config, costs, corpus, jobs, drafting=drafting, most=most)
        found.append(machine(name, costs, drafting, first, others))
    return tuple(found)


def break_even(costs: PassCosts, drafting: Drafting) -> tuple[float, ...]:
    """Tokens per pass that make passes of each measured length as fast as plain decoding, drafting time included.

    >>> break_even(PassCosts((1, 4), (1.0, 2.5)), Drafting(0.5))
    (1.5, 3.0)
    """
    return tuple((costs.at(length) + drafting.at(length)) / costs.at(1) for length in costs.lengths)
