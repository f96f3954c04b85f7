"""Step records as the page draws them: small JSON objects with the text of every token in them.

A **message** is what one update of the page carries: ``{"run", "lane", "from", "steps", "head", "end"}``. ``head``
comes with step 0, ``end`` with the last; ``from`` is the index of the first step, so that a gap is noticed. A message
may have no steps: then it says how far the run is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson

from lookahead import metrics
from lookahead.config import LookaheadConfig
from lookahead.metrics import node_statuses
from lookahead.records import ModelInfo, RunRecord, StepRecord, TokenGap

TokenText = Callable[[int], str]
"""The text of one token by itself."""

STATUS_LETTERS = {"root": "r", "accepted": "a", "rejected": "x", "unchecked": "u"}


def to_json(data: Any) -> str:
    """Compact JSON text; null for a number that is not finite."""
    return orjson.dumps(data).decode()


def step_data(step: StepRecord, pieces: Sequence[str], token_text: TokenText, at_seconds: float) -> dict[str, Any]:
    """One step for the page.

    Args:
        pieces: The text that became complete with each emitted token.
        at_seconds: When the step ended, seconds from the start of the run.
    """
    timings, trie = step.timings, step.trie
    accepted = len(step.accepted_nodes)
    return {
        "i": step.index,
        "context": step.context_length,
        "match": step.match_length,
        "draft": draft_data(step, token_text),
        "path": step.accepted_nodes,
        "emitted": [
            [token_id, piece, "accepted" if place < accepted else "bonus"]
            for place, (token_id, piece) in enumerate(zip(step.emitted_ids, pieces, strict=True))
        ],
        "ms": [
            round(1000 * seconds, 4)
            for seconds in (
                timings.retrieve_seconds,
                timings.forward_seconds,
                timings.verify_seconds,
                timings.commit_seconds,
            )
        ],
        "trie": [trie.nodes, trie.added, trie.pruned],
        "at": round(at_seconds, 5),
        "finish": step.finish_reason,
    }


def draft_data(step: StepRecord, token_text: TokenText) -> dict[str, Any] | None:
    """The draft tree of a step, every field a list over its nodes; None for the prefill."""
    draft = step.draft
    if draft is None:
        return None
    return {
        "ids": draft.token_ids,
        "text": [token_text(token_id) for token_id in draft.token_ids],
        "parent": draft.parents,
        "p": [round(value, 4) for value in draft.probabilities],
        "source": draft.sources,
        "count": draft.counts,
        "status": "".join(STATUS_LETTERS[status] for status in node_statuses(step)),
        "wants": [token_text(token_id) if token_id >= 0 else None for token_id in step.target_ids],
    }


def head_data(
    *,
    prompt_pieces: Sequence[str],
    method: str,
    model: ModelInfo,
    config: LookaheadConfig,
    limit: int,
    note: str = "",
    corpus: bool = False,
) -> dict[str, Any]:
    """What the page knows of a run before its first step.

    Args:
        limit: Most tokens that the run may emit.
        note: Something to say about it ("a recorded run"), or nothing.
        corpus: Whether the server knows a corpus that the run can draft from.
    """
    return {
        "method": "greedy" if method == "plain" else method,
        "prompt": list(prompt_pieces),
        "model": model_line(model),
        "settings": settings_line(method, config),
        "config": dataclasses.asdict(config),
        "limit": limit,
        "note": note,
        "corpus": corpus,
    }


def end_data(run: RunRecord, parted: TokenGap | None = None, problem: str = "") -> dict[str, Any]:
    """What the page learns when a run has ended: the numbers of ``metrics.summary``, without the tokens.

    Args:
        parted: How close the decision was where the run beside it took another token.
        problem: What broke it off, in one line.
    """
    numbers = metrics.summary(run)
    del numbers["token_ids"]
    near = None if parted is None else {"gap": parted.gap, "near_tie": parted.near_tie, "dtype": run.model.dtype}
    return numbers | {"tokens": len(run.token_ids), "parted": near, "problem": problem or None}


def message(
    run_id: str,
    lane: str,
    start: int,
    steps: Sequence[dict[str, Any]],
    head: dict[str, Any] | None = None,
    end: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """One update of one lane (``lookahead`` or ``greedy``)."""
    return {
        "run": run_id,
        "lane": "greedy" if lane == "plain" else lane,
        "from": start,
        "steps": list(steps),
        "head": head,
        "end": end,
    }


def step_ends(run: RunRecord) -> list[float]:
    """When each step ended, seconds from the start of the run, shape ``(steps,)``.

    A run file keeps the phases of every step but not the moments between them; these are spread evenly, so that the
    first step ends at ``first_token_seconds`` and the last one at ``seconds``.
    """
    if not run.steps or run.first_token_seconds is None:
        return []
    spent = [step.timings.total_seconds for step in run.steps[1:]]
    scale = metrics.decode_seconds(run) / sum(spent) if sum(spent) > 0 else 0.0
    ends = [run.first_token_seconds]
    for seconds in spent:
        ends.append(ends[-1] + scale * seconds)
    return ends


def run_steps(run: RunRecord) -> list[dict[str, Any]]:
    """All steps of a finished run for the page; token ids stand in where the run kept no text."""
    texts = run.texts
    table = texts.tokens if texts else {}

    def token_text(token_id: int) -> str:
        return table.get(token_id, f"#{token_id}")

    pieces = iter(texts.output_pieces if texts and texts.output_pieces else map(token_text, run.token_ids))
    return [
        step_data(step, take(pieces, len(step.emitted_ids)), token_text, end)
        for step, end in zip(run.steps, step_ends(run), strict=True)
    ]


def take(pieces: Iterable[str], count: int) -> list[str]:
    """The next ``count`` items of an iterator."""
    return [piece for _, piece in zip(range(count), pieces, strict=False)]


def prompt_pieces(run: RunRecord) -> list[str]:
    """The prompt of a finished run, a piece a token (all in one where the run kept no pieces)."""
    if run.texts is None:
        return [f"#{token_id}" for token_id in run.prompt_ids]
    return list(run.texts.prompt_pieces) or [run.texts.prompt]


def model_line(model: ModelInfo) -> str:
    """The model of a run in one line: ``name · 8.7M parameters · float32 · cpu``."""
    return f"{model.name} · {short_count(model.parameters)} parameters · {model.dtype} · {model.device}"


def short_count(value: int) -> str:
    """A number as people say it.

    >>> short_count(8_712_320), short_count(260_032)
    ('8.7M', '260k')
    """
    for size, letter in ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k")):
        if value >= size:
            shown = value / size
            return f"{shown:.1f}{letter}" if shown < 10 else f"{shown:.0f}{letter}"
    return str(value)


def settings_line(method: str, config: LookaheadConfig) -> str:
    """The settings of a run in one line."""
    if method == "plain":
        return "plain greedy decoding"
    width = "width up to" if config.budget == "adaptive" else "width"
    parts = [f"{config.strategy}, {config.budget} {width} {config.decoding_length}"]
    if config.longest_branch < config.decoding_length - 1:
        parts.append(f"branches up to {config.longest_branch}")
    if "prompt" not in config.sources or "output" not in config.sources:
        parts.append(f"from {' and '.join(config.sources) or 'no source'}")
    return ", ".join(parts)
