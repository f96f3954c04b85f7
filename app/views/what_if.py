"""Other settings on a finished run, without the model: its output is fixed, so any draft policy can be replayed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lookahead import metrics
from lookahead.config import MAX_DECODING_LENGTH, LookaheadConfig, Setting, offered
from lookahead.records import RunRecord
from lookahead.replay import RunSteps, recorded_steps, replay_run
from lookahead.trie import Trie

Outputs = Sequence[Sequence[int]]
"""Outputs of earlier runs, oldest first."""

MOST_TOKENS = 4_000
"""Longest output that is replayed on request."""


def answer(
    run: RunRecord,
    config: LookaheadConfig,
    earlier: Outputs = (),
    corpus: Sequence[Trie] = (),
    own: RunSteps | None = None,
) -> dict[str, Any]:
    """The run's numbers as they were (``real``) and as they would be with these settings (``estimate``).

    ``exact`` says whether the replay with the run's own settings takes the run's own steps, and ``again`` how many
    passes it takes. It is not exact if the run also drafted from unknown data: earlier outputs or a corpus.

    Args:
        earlier: Earlier outputs that the run drafted from.
        corpus: Tries that the run could also draft from.
        own: The replay with the run's own settings, if there is one already.

    Raises:
        ValueError: If the run is too long to be replayed here.
    """
    own = own or replayed(run, run.config, earlier, corpus)
    estimate = what_if(run, config, earlier, corpus)
    exact = run.method == "plain" or own == recorded_steps(run)
    return {"real": real(run), "estimate": estimate, "exact": exact, "again": own.numbers(run)["forward_passes"]}


def replayed(run: RunRecord, config: LookaheadConfig, earlier: Outputs = (), corpus: Sequence[Trie] = ()) -> RunSteps:
    """The steps that the run would have taken with these settings (see ``replay_run``).

    Raises:
        ValueError: If the run is too long to be replayed here.
    """
    tokens = len(run.token_ids)
    if tokens > MOST_TOKENS:
        raise ValueError(f"an output of {tokens} tokens; at most {MOST_TOKENS} are replayed here")
    return replay_run(run, config, earlier, corpus)


def what_if(
    run: RunRecord, config: LookaheadConfig, earlier: Outputs = (), corpus: Sequence[Trie] = ()
) -> dict[str, Any]:
    """The run's numbers with these settings; times are estimates from the measured T(n).

    ``decode_seconds`` is the real time, scaled by the ratio of the modelled times; None if the run has no T(n).

    Raises:
        ValueError: If the run is too long to be replayed here.
    """
    steps = replayed(run, config, earlier, corpus)
    return {**steps.numbers(run), "emitted": steps.emitted}


def real(run: RunRecord) -> dict[str, Any]:
    """The same numbers for the run as it was."""
    ratios = (metrics.mean_accepted_tokens, metrics.acceptance_rate, metrics.draft_tokens_per_step)
    return {
        **{ratio.__name__: metrics.or_none(ratio, run.steps) for ratio in ratios},
        "forward_passes": metrics.forward_passes(run.steps),
        "decode_seconds": metrics.decode_seconds(run),
    }


def changed(config: LookaheadConfig, values: Any, widest: int = MAX_DECODING_LENGTH) -> LookaheadConfig:
    """The settings, changed to the plain values of those that are what-if knobs.

    Args:
        values: Values by name.
        widest: Largest width; the run's own one may not be larger either.

    Raises:
        ValueError: If one is not a value of its setting.
    """
    if not isinstance(values, Mapping):
        raise ValueError("config: need an object of settings")
    if config.decoding_length > widest:
        raise ValueError(f"this run drafts up to {config.decoding_length} tokens wide; at most {widest} here")
    knobs = narrowed(widest)
    return replace(config, **{name: one.from_plain(values[name]) for name, one in knobs.items() if name in values})


def narrowed(widest: int) -> dict[str, Setting]:
    """The what-if knobs with widths up to that one."""
    widths = ("decoding_length", "branch_length")
    return {name: one.within(high=widest) if name in widths else one for name, one in offered("what-if").items()}
