"""Other settings on a finished run, without the model: greedy output is fixed, so any draft policy can be replayed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lookahead import metrics
from lookahead.config import LookaheadConfig
from lookahead.costs import PassCosts
from lookahead.draft import DraftTree
from lookahead.drafter import Drafter, Request
from lookahead.records import RunRecord, TrieChange
from lookahead.replay import replay_output

MOST_TOKENS = 4_000
"""Longest output that is replayed while somebody waits."""


def what_if(run: RunRecord, config: LookaheadConfig, earlier: tuple[tuple[int, ...], ...] = ()) -> dict[str, Any]:
    """Numbers that the run would have had with these settings; times are estimates from the measured T(n).

    ``decode_seconds`` is the real time, scaled as the modelled times of both drafts compare; None where the run knows
    no T(n): then the width is filled, whatever the budget says.

    Raises:
        ValueError: If the run is too long to be replayed here.
    """
    output_ids = run.token_ids
    if len(output_ids) > MOST_TOKENS:
        raise ValueError(f"an output of {len(output_ids)} tokens; at most {MOST_TOKENS} are replayed here")
    costs = run.pass_costs
    adaptive = config.budget == "adaptive" and costs is not None and config.decoding_length > 1
    drafter = Drafter(config)
    for ids in earlier:
        drafter.keep(ids)
    request = drafter.start(run.prompt_ids)
    table = costs.table(config.decoding_length) if adaptive and costs else None
    emitted, widths, accepted = [], [], 0
    for step in replay_output(_WithinRoom(request, run.max_new_tokens), output_ids, config, table):
        emitted.append(step.emitted)
        widths.append(len(step.draft))
        accepted += step.accepted
    drafted = sum(widths) - len(widths)
    return {
        "mean_accepted_tokens": sum(emitted) / len(emitted) if emitted else None,
        "acceptance_rate": accepted / drafted if drafted else None,
        "forward_passes": len(emitted) + (1 if output_ids else 0),
        "draft_tokens_per_step": drafted / len(widths) if widths else None,
        "decode_seconds": _estimated_seconds(run, widths, costs) if costs else None,
        "emitted": emitted,
    }


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


def changed(config: LookaheadConfig, values: dict[str, Any]) -> LookaheadConfig:
    """The settings with the page's values in place of some of them.

    Raises:
        ValueError: If a value is out of its range or of the wrong kind.
    """
    known: dict[str, Any] = {}
    for name in ("decoding_length", "branch_length"):
        if name in values:
            if not isinstance(values[name], int) or isinstance(values[name], bool):
                raise ValueError(f"{name}={values[name]!r}; need a whole number")
            known[name] = None if name == "branch_length" and values[name] == 0 else values[name]
    for name in ("strategy", "budget", "ranking"):
        if name in values:
            known[name] = str(values[name])
    if "sources" in values:
        known["sources"] = tuple(str(source) for source in values["sources"])
    return replace(config, **known)
