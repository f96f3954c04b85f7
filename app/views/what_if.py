"""Other settings on a finished run, without the model: greedy output is fixed, so any draft policy can be replayed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lookahead import metrics
from lookahead.config import LookaheadConfig, offered
from lookahead.costs import PassCosts
from lookahead.draft import DraftTree
from lookahead.drafter import Drafter, Request
from lookahead.records import RunRecord, TrieChange
from lookahead.replay import replay_output
from lookahead.trie import Trie

Outputs = Sequence[Sequence[int]]
"""Outputs of earlier runs, oldest first."""

MOST_TOKENS = 4_000
"""Longest output that is replayed while somebody waits."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """The decode steps of a replay, each list with one number a step.

    Attributes:
        widths: Nodes of the draft, the root included.
        accepted: Accepted draft tokens.
        emitted: Tokens that the step added.
    """

    widths: list[int]
    accepted: list[int]
    emitted: list[int]


def answer(
    run: RunRecord,
    config: LookaheadConfig,
    earlier: Outputs = (),
    corpus: Sequence[Trie] = (),
    own: Replayed | None = None,
) -> dict[str, Any]:
    """The run's numbers as they were (``real``) and as they would be with these settings (``estimate``).

    ``exact`` says whether the replay with the run's own settings takes the run's own steps, ``again`` how many passes
    it takes. It does not where the run also drafted from what is not known here: earlier outputs, or a corpus.

    Args:
        earlier: Earlier outputs that the run's trie knew.
        corpus: Tries that the run could draft from besides; read as any drafter reads them.
        own: The replay with the run's own settings, where it was made before.

    Raises:
        ValueError: If the run is too long to be replayed here.
    """
    own = own or replayed(run, run.config, earlier, corpus)
    estimate = what_if(run, config, earlier, corpus)
    exact = run.method == "plain" or own == as_recorded(run)
    return {"real": real(run), "estimate": estimate, "exact": exact, "again": _passes(run, own)}


def replayed(run: RunRecord, config: LookaheadConfig, earlier: Outputs = (), corpus: Sequence[Trie] = ()) -> Replayed:
    """The steps that the run would have taken with these settings.

    The width is filled, whatever the budget says, where the run knows no T(n).

    Raises:
        ValueError: If the run is too long to be replayed here.
    """
    output_ids = run.token_ids
    if len(output_ids) > MOST_TOKENS:
        raise ValueError(f"an output of {len(output_ids)} tokens; at most {MOST_TOKENS} are replayed here")
    costs = run.pass_costs
    adaptive = config.budget == "adaptive" and costs is not None and config.decoding_length > 1
    drafter = Drafter(config, corpus)
    for ids in earlier:
        drafter.keep(ids)
    table = costs.table(config.decoding_length) if adaptive and costs else None
    # A run that filled the model's context had no more room than what it wrote.
    room = len(output_ids) if run.finish_reason == "context" else run.max_new_tokens
    request = _WithinRoom(drafter.start(run.prompt_ids), room)
    steps = list(replay_output(request, output_ids, config, table, accept_last=True))
    return Replayed(
        [len(step.draft) for step in steps], [step.accepted for step in steps], [step.emitted for step in steps]
    )


def as_recorded(run: RunRecord) -> Replayed:
    """The run's own decode steps."""
    steps = list(metrics.decode_steps(run.steps))
    return Replayed(
        [len(draft) for _, draft in steps],
        [len(step.accepted_nodes) for step, _ in steps],
        [len(step.emitted_ids) for step, _ in steps],
    )


def what_if(
    run: RunRecord, config: LookaheadConfig, earlier: Outputs = (), corpus: Sequence[Trie] = ()
) -> dict[str, Any]:
    """Numbers that the run would have had with these settings; times are estimates from the measured T(n).

    ``decode_seconds`` is the real time, scaled as the modelled times of both drafts compare; None where the run knows
    no T(n).

    Raises:
        ValueError: If the run is too long to be replayed here.
    """
    steps = replayed(run, config, earlier, corpus)
    count, drafted = len(steps.widths), sum(steps.widths) - len(steps.widths)
    return {
        "mean_accepted_tokens": sum(steps.emitted) / count if count else None,
        "acceptance_rate": sum(steps.accepted) / drafted if drafted else None,
        "forward_passes": _passes(run, steps),
        "draft_tokens_per_step": drafted / count if count else None,
        "decode_seconds": _estimated_seconds(run, steps.widths, run.pass_costs) if run.pass_costs else None,
        "emitted": steps.emitted,
    }


def _passes(run: RunRecord, steps: Replayed) -> int:
    return len(steps.widths) + (1 if run.steps else 0)


def _estimated_seconds(run: RunRecord, widths: list[int], costs: PassCosts) -> float | None:
    """The real decode time, scaled by T(n) of these passes against T(n) of the run's own."""
    own = sum(costs.at(len(draft)) for _, draft in metrics.decode_steps(run.steps))
    return metrics.decode_seconds(run) * sum(map(costs.at, widths)) / own if own and widths else None


class _WithinRoom:
    """A request whose branches end where the engine's would: before the run's last token."""

    def __init__(self, request: Request, max_new_tokens: int) -> None:
        self._request, self._room = request, max_new_tokens

    def draft(self, width: int, longest_branch: int, pass_seconds: Sequence[float] | None) -> DraftTree:
        longest = min(longest_branch, self._room - 1)
        return self._request.draft(width if longest else 1, longest, pass_seconds)

    def commit(self, token_ids: Sequence[int]) -> None:
        self._room -= len(token_ids)
        self._request.commit(token_ids)

    def change(self) -> TrieChange:
        return self._request.change()

    def finish(self) -> None:
        self._request.finish()


def real(run: RunRecord) -> dict[str, Any]:
    """The same numbers of the run as it was."""
    steps = run.steps
    return {
        "mean_accepted_tokens": metrics.or_none(metrics.mean_accepted_tokens, steps),
        "acceptance_rate": metrics.or_none(metrics.acceptance_rate, steps),
        "forward_passes": metrics.forward_passes(steps),
        "draft_tokens_per_step": metrics.or_none(metrics.draft_tokens_per_step, steps),
        "decode_seconds": metrics.decode_seconds(run),
    }


def changed(config: LookaheadConfig, values: Mapping[str, Any]) -> LookaheadConfig:
    """The settings with those of the plain values that are what-if knobs in place of their own.

    Raises:
        ValueError: If one is not a value of its setting.
    """
    knobs = offered("what-if")
    return replace(config, **{name: one.from_plain(values[name]) for name, one in knobs.items() if name in values})
