"""Does it pay, what would be better, and on what machine: told with an interval, on prompts it was not chosen on."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import msgspec
import numpy as np

from lookahead.config import LookaheadConfig
from lookahead.costs import PassCosts
from lookahead.setting import settings_of
from lookahead.study.decisions import Findings, decide
from lookahead.study.grid import Drafting
from lookahead.study.result import CAUSE_NAMES, Advice, Loss, Machine, Row, Variant, Verdict
from lookahead.study.rows import total_of

RESAMPLES = 2000
COVERED = 0.9
"""Share of the resamples that an interval holds."""
DISTURBED = 0.2
"""Share of disturbed prompts from which on the headline says that its number is not firm."""
FEWEST = 4
"""Prompts that advice needs: it is chosen on one half of them and told on the other."""

FALL, RISE = 1.4, 1.05
"""T(n) of a quiet machine falls by less than the first factor (more rows take another kernel: 1.09 to 1.31 was
measured), and rises by less than the second times as fast as n."""

HAIR = 1.002
"""Settings whose gains differ by less than this factor are equally good: the one that changes least is named."""
WORTH = 1.01
"""A smaller gain is not advice."""

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
_Times = Callable[[Variant], tuple[list[float], list[float]]]
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


def _times(rows: Sequence[Row]) -> tuple[list[float], list[float], bool]:
    """Seconds of plain decoding and of the drafted one, a pair per row that has them, and whether they were measured.

    Measured ones if every row that decoded anything has them, else modelled ones.
    """
    rows = [row for row in rows if row.passes]
    if rows and all(row.seconds and row.plain_seconds for row in rows):
        return [row.counted_plain_seconds or 0.0 for row in rows], [row.seconds or 0.0 for row in rows], True
    rows = [row for row in rows if row.modelled_seconds and row.modelled_speedup]
    after = [row.modelled_seconds or 0.0 for row in rows]
    return [(row.modelled_speedup or 0.0) * seconds for row, seconds in zip(rows, after, strict=True)], after, False


def verdict(
    rows: Sequence[Row],
    config: LookaheadConfig,
    costs: PassCosts | None = None,
    draft_seconds: float | None = None,
    chain: bool = False,
) -> Verdict:
    """Whether drafts pay on these prompts, by measured times where all have them, else by modelled ones.

    Args:
        rows: One per prompt, with their losses.
        draft_seconds: Median time of a draft.
        chain: Whether the model takes one branch only.
    """
    before, after, measured = _times(rows)
    speedup = sum(before) / sum(after) if after else None
    low, high = interval(before, after) or (None, None) if after else (None, None)
    pays = None if low is None or high is None or low <= 1.0 <= high else low > 1.0
    total, faster = total_of(rows), sum(one > two for one, two in zip(before, after, strict=True))
    ended = sum(loss.passes for loss in total.losses)
    found = Findings(
        passes=total.passes,
        output_tokens=total.tokens / len(rows) if rows else 0.0,
        tokens_per_pass=total.tokens_per_pass or 0.0,
        pays=pays,
        empty=total.empty / total.passes if total.passes else 0.0,
        shares={loss.cause: loss.passes / ended for loss in total.losses},
        steep=costs.at(2) / costs.at(1) if costs else None,
        bent_at=costs.bent_at() if costs else None,
        drafting=(draft_seconds or 0.0) / costs.at(1) if costs else 0.0,
        chain=chain,
        off=tuple(source for source in ("prompt", "output") if source not in config.sources),
    )
    branch = decide(found)
    said = Verdict(
        text="", pays=pays, speedup=speedup, low=low, high=high, prompts_that_pay=faster, reason=branch.reason
    )
    answer = _answer(said, found, measured, len(before)) + (_unsure(rows) if measured else "")
    return msgspec.structs.replace(said, text=f"{answer} {branch.sentence(found)}")


def _unsure(rows: Sequence[Row]) -> str:
    """A sentence that says so if other work disturbed many of the measured times."""
    disturbed, timed = sum(row.disturbed for row in rows), sum(row.passes > 0 for row in rows)
    if disturbed <= DISTURBED * timed:
        return ""
    return f" {disturbed} of {timed} prompts were disturbed by other work: measure again for a firm number."


def doubt(costs: PassCosts | None) -> str:
    """A sentence that says to measure T(n) again, if it falls or jumps as times on a quiet machine do not; else empty.

    >>> doubt(PassCosts((1, 2, 4), (1.0, 1.2, 0.8)))
    'T(n) was measured while the machine was busy (T(4) is much less than T(2)): measure it again.'
    """
    for (left, start), (right, end) in pairwise(zip(costs.lengths, costs.seconds, strict=True) if costs else ()):
        how = "much less than" if end < start / FALL else f"more than {right / left:g} times"
        if not start / FALL <= end <= RISE * start * right / left:
            return f"T(n) was measured while the machine was busy (T({right}) is {how} T({left})): measure it again."
    return ""


def _answer(said: Verdict, found: Findings, measured: bool, prompts: int) -> str:
    if not found.passes:
        return "Nothing was decoded."
    if said.speedup is None:
        return f"{found.tokens_per_pass:.2f} tokens per pass; without T(n) nobody can say whether that pays."
    words = {True: "It pays", False: "It does not pay", None: "It is not sure that it pays"}[said.pays]
    within = "" if said.low is None or said.high is None else f" (90 %: {said.low:.2f} to {said.high:.2f})"
    how = "measured" if measured else "by T(n)"
    more = f"; {said.prompts_that_pay} of {prompts} prompts are faster" if prompts > 1 else ""
    return f"{words}: {said.speedup:.2f} times as fast as plain decoding {how}{within}{more}."


def _times_by(
    own: Variant, tokens: Sequence[int], places: Sequence[int], other: Variant
) -> tuple[list[float], list[float]]:
    """Times of each of these samples by the own settings and by others, where both were replayed.

    Plain decoding of one token takes 1; ``tokens`` are those of the decode passes of every sample.
    """
    pairs = [(own.each[place], other.each[place], tokens[place]) for place in places]
    both = [(count / one, count / two) for one, two, count in pairs if one and two]
    return [before for before, _ in both], [after for _, after in both]


def _gain(before: Sequence[float], after: Sequence[float]) -> float:
    """How many times as fast the others are; 0 if they were replayed on none of the samples."""
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
    chosen_on, told_on = (partial(_times_by, own, tokens, half) for half in (places[::2], places[1::2]))
    others = [variant for variant in variants if not variant.peer and (variant.config or variant.start != own.start)]
    unit = "speed" if own.modelled_speedup is not None else "tokens per pass"
    best = _best(others, chosen_on)
    found, total = [_told(best, others, told_on, unit, seed)], sum(loss.passes for loss in losses)
    said = {} if best is None else {_change(best): "of all"}
    for loss in losses:
        names = SETTINGS_OF.get(loss.cause, ())
        tried = [
            one for one in others if set(one.config) <= set(names) and ("start" in names or one.start == own.start)
        ]
        if not tried and loss.cause != "pays":
            continue
        name, best = CAUSE_NAMES[loss.cause], _best(tried, chosen_on)
        told = _told(best, tried, told_on, unit, seed) if tried else Advice(text=_PAYS)
        if best is not None and (other := said.setdefault(_change(best), f'for "{name}"')) != f'for "{name}"':
            if other == "of all" and told.gain is None:
                continue  # the sentence about all settings has said it
            told = msgspec.structs.replace(told, text=_again(other, told), gain=None, low=None, high=None)
        share = f"{_begun(name)}, {100 * loss.passes / total:.0f} % of the passes: "
        text = share + told.text[0].lower() + told.text[1:]
        found.append(msgspec.structs.replace(told, text=text, cause=loss.cause))
    return tuple(sorted(found, key=lambda one: -(one.gain or 0.0)))


def _change(variant: Variant) -> tuple[str, str]:
    """What a variant changes, to compare."""
    return str(sorted(variant.config.items())), variant.start


def _again(other: str, told: Advice) -> str:
    """That the best change against a cause is one that was named before."""
    change = "The best change of all" if other == "of all" else f"The change {other}"
    return f"{change} is the best against this, too{'' if told.gain else ', but too close to tell'}."


def _best(tried: Sequence[Variant], chosen_on: _Times) -> Variant | None:
    """The best of these settings, of equally good ones one that changes least; None if none is worth a change."""
    gains = [_gain(*chosen_on(one)) for one in tried]
    most = max(gains, default=0.0)
    if most < WORTH:
        return None
    alike = [(len(one.config) + (one.start != "cold"), -gain, place)
             for place, (one, gain) in enumerate(zip(tried, gains, strict=True)) if gain * HAIR >= most]  # fmt: skip
    return tried[min(alike)[-1]]


def _told(best: Variant | None, tried: Sequence[Variant], told_on: _Times, unit: str, seed: int) -> Advice:
    """What the best of the settings that were tried wins on the prompts that it was not chosen on."""
    if best is None:
        count = "the one other setting is not" if len(tried) == 1 else f"none of {len(tried)} settings is"
        return Advice(text=f"Nothing to win here: {count} better by 1 %.")
    times = told_on(best)
    gain = _gain(*times)
    low, high = interval(*times, seed) or (gain, gain)
    where, within = "on prompts that it was not chosen on", f"90 %: {low:.2f} to {high:.2f}"
    if gain < WORTH:
        no, keep = ("hardly", "Nothing to win here") if gain >= 1.005 else ("no", "Keep these settings")
        more = f"is {no} faster" if unit == "speed" else f"has {no} more {unit}"
        return Advice(text=f"{keep}: the best other one, {flags(best)}, {more} {where} ({gain:.2f} times, {within}).")
    said = f"{gain:.2f} times the {unit} {where} ({within})"
    if low <= 1.0:
        return Advice(text=f"Too close to tell: the best other one, {flags(best)}, has {said}.")
    alike = ", if the next prompts are like these" if best.start == "warm" else ""
    text = f"{_do(best)}: {said}{alike}."
    return Advice(text=text, config=best.config, start=best.start, gain=gain, low=low, high=high)


def _do(variant: Variant) -> str:
    """What to do for the settings of a variant, as a command."""
    start = {"warm": "keep the trie between prompts (--warm)", "corpus": "draft from a trie file (--trie)"}
    change = f"use {_given(variant)}" if variant.config else ""
    text = " and ".join(filter(None, [change, start.get(variant.start, "")]))
    return _begun(text)


def _begun(text: str) -> str:
    """The text as the beginning of a sentence."""
    return text[0].upper() + text[1:]


def flags(variant: Variant) -> str:
    """The settings of a variant as a command line takes them, and what else they need.

    >>> numbers = {"tokens_per_pass": None, "drafted_per_pass": None, "modelled_speedup": None}
    >>> flags(Variant(label="", config={"decoding_length": 16, "branch_length": None}, **numbers))
    '--decoding-length 16 without --branch-length'
    >>> flags(Variant(label="", config={"decoding_length": 16}, start="warm", **numbers))
    '--decoding-length 16 with the trie kept between prompts (--warm)'
    """
    start = {"warm": "the trie kept between prompts (--warm)", "corpus": "a trie file (--trie)"}.get(variant.start, "")
    return " with ".join(filter(None, [_given(variant), start])) or "the same settings"


def _given(variant: Variant) -> str:
    """The changed settings as flags."""
    described, words = settings_of(LookaheadConfig), []
    for name, value in variant.config.items():
        given = (",".join(value) or "''") if isinstance(value, list | tuple) else value
        words.append(f"without {described[name].flag}" if value is None else f"{described[name].flag} {given}")
    return " ".join(words)


def against(own: Variant, other: Variant, tokens: Sequence[int]) -> Advice:
    """How other settings compare with the study's own, on all prompts: both were given, none was chosen."""
    times = _times_by(own, tokens, [place for place, count in enumerate(tokens) if count > 0], other)
    unit = "speed" if own.modelled_speedup is not None else "tokens per pass"
    gain = _gain(*times)
    low, high = interval(*times) or (gain, gain)
    within = f"{gain:.2f} times the {unit} of A (90 %: {low:.2f} to {high:.2f})"
    if low <= 1.0 <= high:
        return Advice(text=f"B is about as good as A: {within}.", cause="B")
    if high < 1.0:
        return Advice(text=f"A is better: B has {within}.", cause="B")
    return Advice(text=f"B is better: it has {within}.", gain=gain, low=low, high=high, cause="B")


def machine(name: str, costs: PassCosts, drafting: Drafting, variants: Sequence[Variant] = ()) -> Machine:
    """One T(n), what is needed to break even there, and the best setting there.

    Args:
        variants: The study's own settings, then others, all explored with these costs.
    """
    timed = [one for one in variants if one.modelled_speedup is not None]
    best = max(timed, key=lambda one: one.modelled_speedup or 0.0, default=None)
    return Machine(
        name=name,
        lengths=costs.lengths,
        seconds=costs.seconds,
        modelled_speedup=variants[0].modelled_speedup if variants else None,
        best=best.label if best else "",
        best_speedup=best.modelled_speedup if best else None,
        break_even=break_even(costs, drafting),
    )


def break_even(costs: PassCosts, drafting: Drafting) -> tuple[float, ...]:
    """Tokens per pass that make passes of each measured length as fast as plain decoding, drafting time included.

    >>> break_even(PassCosts((1, 4), (1.0, 2.5)), Drafting(0.5))
    (1.5, 3.0)
    """
    return tuple((costs.at(length) + drafting.at(length)) / costs.at(1) for length in costs.lengths)
