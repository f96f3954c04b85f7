"""The result of a study: one object that the tables, the files, the report and the page are made from.

``msgspec.json`` writes and reads it; numbers that are not defined (no pass, no T(n), no measured time) are null.
"""

from __future__ import annotations

from typing import Any

import msgspec

from lookahead.metrics import Acceptance

FORMAT = "lookahead-study"
VERSION = 1


CAUSE_NAMES = {
    "unseen": "never seen",
    "outranked": "another guess drafted",
    "pays": "too improbable to pay",
    "width": "cut by decoding_length",
    "branch_length": "cut by branch_length",
    "strategy": "cut by the strategy",
    "pruned": "pruned",
}
"""Causes of a loss and what tables and pictures call them (``Loss``)."""


class Loss(msgspec.Struct, frozen=True):
    """Passes that ended where they did for one cause. Every decode pass but the last ends at one token that was not
    accepted as a draft token; that token has one cause.

    Attributes:
        cause: ``unseen``: no source had seen it after the token before it (at most elsewhere). ``outranked``: a source
            had seen it there, and the draft held others in its place. ``pays``: it was less probable than what pays for
            a wider pass. ``width``, ``branch_length``, ``strategy``: this setting cut it. ``pruned``: it had been seen
            there and was pruned.
        passes: How many passes ended for it.
        tokens: Tokens that would have come with those passes, had the sources' next guesses been drafted (>= passes
            where a source knew how the output went on, 0 where nothing had seen it). A token that several passes lost
            counts once, so it is a bound within the output.
    """

    cause: str
    passes: int
    tokens: int


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One prompt, or all of them: what one setting did on it.

    Attributes:
        name: Name of the sample; "all" for the sums.
        text: First 200 characters of the prompt.
        category: Kind of request; empty if none was given.
        run: File name of its run file in the study's folder; None if there is none.
        tokens: Tokens of the output.
        passes: Decode passes (the prefill left out).
        tokens_per_pass: Tokens of the decode passes per pass (mean accepted tokens).
        drafted: Draft tokens.
        accepted: Accepted draft tokens.
        empty: Passes without a draft.
        wasted: Draft tokens that were not accepted.
        seconds: Measured time of the decode passes; None for a replay.
        plain_seconds: Measured time of plain decoding of the same tokens; None where it was not run.
        speedup: ``plain_seconds / seconds``.
        disturbed: Whether other work on the machine disturbed the measurement: ``speedup`` is larger than what
            ``tokens_per_pass`` allows. Verdicts and sums then take the modelled number (``counted_speedup``).
        modelled_seconds: The same by T(n) and drafting time.
        modelled_speedup: Plain decoding by T(1), divided by ``modelled_seconds``.
        near_ties: Tokens at which two passes of other widths may choose differently, where ``study`` measured greedy
            runs; otherwise 1 if plain decoding beside the run parted from it at such a token, 0 if it did not; None if
            neither is known.
        by_source: Source -> its draft tokens.
        by_depth: Depth in ranges (``1``, ``2``, ``3-4`` ...) -> its draft tokens.
        by_match_length: Match length in the same ranges -> its draft tokens.
        losses: Where acceptance was lost, most passes first.
        worst_step: Index of the pass that lost most, the prefill's being 0; None if nothing was lost.
        worst_cause: Why that pass ended where it did.
        worst_tokens: Tokens that it lost.
    """

    name: str
    text: str = ""
    category: str = ""
    run: str | None = None
    tokens: int
    passes: int
    tokens_per_pass: float | None
    drafted: int
    accepted: int
    empty: int
    wasted: int
    seconds: float | None = None
    plain_seconds: float | None = None
    speedup: float | None = None
    disturbed: bool = False
    modelled_seconds: float | None = None
    modelled_speedup: float | None = None
    near_ties: int | None = None
    by_source: dict[str, Acceptance] = {}
    by_depth: dict[str, Acceptance] = {}
    by_match_length: dict[str, Acceptance] = {}
    losses: tuple[Loss, ...] = ()
    worst_step: int | None = None
    worst_cause: str | None = None
    worst_tokens: int = 0

    @property
    def acceptance_rate(self) -> float | None:
        """Accepted of the drafted tokens; None if nothing was drafted."""
        return self.accepted / self.drafted if self.drafted else None

    @property
    def counted_speedup(self) -> float | None:
        """The measured speedup, or where it cannot be the modelled one (tokens per pass without T(n))."""
        return (self.modelled_speedup or self.tokens_per_pass) if self.disturbed else self.speedup

    @property
    def counted_plain_seconds(self) -> float | None:
        """Time of plain decoding that gives ``counted_speedup``."""
        return (self.counted_speedup or 0.0) * (self.seconds or 0.0) if self.disturbed else self.plain_seconds


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """One point of the grid, or a peer, on all samples.

    Attributes:
        label: A short name (``64 x 10 hierarchical``, ``prompt lookup``).
        peer: Whether it is another method, not a setting of this one.
        config: The draft settings that differ from the study's own; empty for a peer.
        start: ``cold`` (every prompt starts with an empty trie), ``warm`` (outputs of earlier prompts are known, in the
            order of the file) or ``corpus`` (a trie file).
        tokens_per_pass: Over all samples.
        drafted_per_pass: Draft tokens per pass.
        modelled_speedup: By T(n) and drafting time; None without T(n).
        each: Modelled speedup of every sample in the order of ``Study.rows`` (tokens per pass without T(n)).
    """

    label: str
    peer: bool = False
    config: dict[str, Any] = {}
    start: str = "cold"
    tokens_per_pass: float | None
    drafted_per_pass: float | None
    modelled_speedup: float | None
    each: tuple[float | None, ...] = ()


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """What a change of settings would win, told on prompts that it was not chosen on.

    Attributes:
        text: One sentence.
        config: The settings to change; empty where there is nothing to win.
        start: As in ``Variant``.
        gain: Expected speedup over the study's own settings on the held-out half; None if there is nothing to win.
        low: Lower end of its 90 % interval (bootstrap over prompts).
        high: Upper end.
        cause: The loss that it wins back; ``B`` for the comparison with the settings B; empty for the best setting of
            all.
    """

    text: str
    config: dict[str, Any] = {}
    start: str = "cold"
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    cause: str = ""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """One T(n): of this machine, or of a file that ``costs`` wrote on another.

    Attributes:
        name: What it is called.
        lengths: Tokens in a pass.
        seconds: Time of such a pass.
        modelled_speedup: Of the study's own settings on all samples there.
        best: The best variant's label there.
        best_speedup: Its modelled speedup there.
        break_even: For each of ``lengths``, tokens per pass that are needed to be as fast as plain decoding, drafting
            time included.
    """

    name: str
    lengths: tuple[int, ...]
    seconds: tuple[float, ...]
    modelled_speedup: float | None = None
    best: str = ""
    best_speedup: float | None = None
    break_even: tuple[float, ...] = ()


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Does it pay?

    Attributes:
        text: One or two sentences, the first thing a reader sees.
        pays: Whether it does; None if the interval includes 1 or there is no T(n).
        speedup: Measured if plain decoding was run, else modelled.
        low: Lower end of its 90 % interval (bootstrap over prompts).
        high: Upper end.
        prompts_that_pay: Prompts with a speedup above 1.
        reason: The branch of the decision tree (``assets/docs/acceptance.md``) that was taken.
    """

    text: str
    pays: bool | None
    speedup: float | None
    low: float | None = None
    high: float | None = None
    prompts_that_pay: int = 0
    reason: str = ""


class Study(msgspec.Struct, frozen=True, kw_only=True):
    """All that a study found.

    Attributes:
        created: Date and time, ISO 8601.
        program_version: Version of the program.
        title: Name of the file that was studied.
        model: ``ModelInfo`` as an object; None for a study without a model.
        config: The study's own draft settings.
        sampling: How tokens were chosen.
        draft_seconds: Median time of a draft, in seconds.
        verdict: Does it pay.
        advice: What to change, the largest gain first; one entry that says so if there is nothing to win.
        rows: One per sample, in the order of the file.
        total: Their sums.
        variants: The grid and the peers, in the order in which they were given.
        machines: T(n), this machine first; empty if none is known.
        notes: One line each: what was left out, what a reader must know.
        prompts: How many prompts it was to have; None if that is not known.
        stopped_after: After how many of them it was stopped; None if it was not.
        max_new_tokens: Most new tokens of its runs; None if nothing ran for it.
    """

    format: str = FORMAT
    version: int = VERSION
    created: str
    program_version: str
    title: str
    model: dict[str, Any] | None = None
    config: dict[str, Any]
    sampling: dict[str, Any] = {}
    draft_seconds: float | None = None
    verdict: Verdict
    advice: tuple[Advice, ...] = ()
    rows: tuple[Row, ...]
    total: Row
    variants: tuple[Variant, ...] = ()
    machines: tuple[Machine, ...] = ()
    notes: tuple[str, ...] = ()
    prompts: int | None = None
    stopped_after: int | None = None
    max_new_tokens: int | None = None
