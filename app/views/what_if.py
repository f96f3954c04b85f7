"""Other settings on a finished run, without the model: its output is fixed, so any draft policy can be replayed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.model.runs import Outputs
from app.run.settings import up_to
from lookahead import metrics
from lookahead.config import MAX_DECODING_LENGTH, LookaheadConfig, offered
from lookahead.records import RunRecord
from lookahead.replay import RunSteps, recorded_steps, replay_run
from lookahead.setting import Setting
from lookahead.trie import Trie

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
    passes it takes. It is not exact if the run also drafted from unknown data: earlier outputs or a corpus. Estimated
    times are from the measured T(n). ``own`` is the replay with the run's own settings, if there is one already.

    Raises:
        ValueError: If the run is too long to be replayed here.
    """
    own = own or replayed(run, run.config, earlier, corpus)
    recorded, steps = recorded_steps(run), replayed(run, config, earlier, corpus)
    return {
        "real": {**recorded.numbers(run), "decode_seconds": metrics.decode_seconds(run)},
        "estimate": {**steps.numbers(run), "emitted": steps.emitted},
        "exact": run.method == "plain" or own == recorded,
        "again": own.numbers(run)["forward_passes"],
    }


def replayed(run: RunRecord, config: LookaheadConfig, earlier: Outputs = (), corpus: Sequence[Trie] = ()) -> RunSteps:
    """The steps that the run would have taken with these settings (see ``replay_run``).

    Raises:
        ValueError: If the run is too long to be replayed here.
    """
    tokens = len(run.token_ids)
    if tokens > MOST_TOKENS:
        raise ValueError(f"an output of {tokens} tokens; at most {MOST_TOKENS} are replayed here")
    return replay_run(run, config, earlier, corpus)


def changed(config: LookaheadConfig, values: Any, widest: int = MAX_DECODING_LENGTH) -> LookaheadConfig:
    """The settings, changed to the plain values of those that are what-if knobs.

    Args:
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
    return up_to(widest, offered("what-if"))
