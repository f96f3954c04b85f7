"""Step records as the page draws them: small JSON objects that include the text of every token.

A **message** is one update of the page: ``{"run", "method", "from", "steps", "head", "end"}``. ``head`` comes with
step 0, ``end`` with the last step. ``from`` is the index of the first step, so that the page notices a gap.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

import orjson

from app.run.stored_run import StoredRun, TokenText
from lookahead import metrics
from lookahead.config import LookaheadConfig, Sampling
from lookahead.metrics import node_statuses
from lookahead.records import FinishReason, LeftOut, ModelInfo, RunRecord, StepRecord
from lookahead.setting import settings_of

MOST_OF_PROMPT = 40
"""Longest part of a name that a prompt gives."""
_NO_WORD = re.compile(r"[\W_]+")
STATUS_LETTERS = {"root": "r", "accepted": "a", "rejected": "x", "unchecked": "u"}


def to_json(data: Any) -> str:
    """Compact JSON text; null for a number that is not finite."""
    return orjson.dumps(data).decode()


def step_data(step: StepRecord, pieces: Sequence[str], token_text: TokenText, at_seconds: float) -> dict[str, Any]:
    """One step for the page.

    Args:
        pieces: The text that each emitted token completes.
        at_seconds: When the step ended, in seconds from the start of the run.
    """
    timings, trie = step.timings, step.trie
    phases = (timings.retrieve_seconds, timings.forward_seconds, timings.verify_seconds, timings.commit_seconds)
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
        "ms": [round(1000 * seconds, 4) for seconds in phases],
        "trie": [trie.nodes, trie.added, trie.pruned],
        "at": round(at_seconds, 5),
        "finish": step.finish_reason,
        "left_out": None if step.left_out is None else left_out_data(step.left_out, token_text),
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


def left_out_data(left_out: LeftOut, token_text: TokenText) -> dict[str, Any]:
    """What the search of a step saw and did not draft: counts, and the most probable token with its text."""
    data = dataclasses.asdict(left_out)
    if best := data["best"]:
        best |= {"text": token_text(best.pop("token_id")), "p": round(best.pop("probability"), 4)}
    return data


def head_data(run: StoredRun) -> dict[str, Any]:
    """What the page knows of a run before its first step; ``corpus`` says whether the server has the run's corpus,
    ``earlier`` from how many earlier outputs it drafts, if the server knows."""
    return {
        "method": run.method,
        "prompt": list(run.texts.prompt_pieces),
        "prompt_ids": list(run.prompt_ids),
        "model": model_line(run.model),
        "drawn": not run.request.sampling.greedy,
        "seed": run.request.sampling.seed,
        "settings": settings_line(run.method, run.config, run.request.sampling),
        "config": dataclasses.asdict(run.config),
        "limit": run.request.max_new_tokens,
        "note": run.note,
        "earlier": None if run.opened else len(run.earlier),
        "corpus": bool(run.corpus),
    }


def end_data(run: StoredRun, record: RunRecord) -> dict[str, Any]:
    """What the page learns at the end of a run: the numbers of ``metrics.summary``, with a count of the tokens; the
    times of further tries, whether an earlier output that it drafted from is this one, and the name of its files."""
    numbers, gap = metrics.summary(record), run.parted
    near = None if gap is None else {"gap": gap.gap, "near_tie": gap.near_tie, "dtype": run.model.dtype}
    costs = record.pass_costs
    return numbers | {
        "tokens": len(numbers.pop("token_ids")),
        "parted": near,
        "problem": run.problem or None,
        "pays": costs and round(1 + costs.break_even(2), 2),
        "repeat_seconds": record.repeat_seconds,
        "beside_seconds": run.beside_seconds,
        "known": any(known[: len(record.token_ids)] == record.token_ids for known in run.earlier),
        "file": file_name(record),
    }


def steps_data(run: StoredRun, stop: int | None = None) -> list[dict[str, Any]]:
    """All steps so far for the page, or those before ``stop``; each is made once, on the first request."""
    with run.spelling:
        stop = len(run.steps) if stop is None else min(stop, len(run.steps))
        for place in range(len(run.shown), stop):
            step = run.steps[place]
            pieces = run.texts.push(step.emitted_ids)
            if step.finish_reason is not None and pieces:
                pieces[-1] += run.texts.finish()
            run.shown.append(step_data(step, pieces, run.texts.token_text, run.ends[place]))
        return run.shown[:stop]


def since(run: StoredRun, start: int, head: bool | None = None, most: int | None = None) -> dict[str, Any]:
    """The message with everything from that step on.

    Args:
        head: Whether it has the head; by default, if it begins with step 0.
        most: Most steps in it; one that leaves steps out has no end.
    """
    record = run.run  # read before the steps: if it is there, they all are
    count = len(run.steps)
    stop = count if most is None else min(count, start + most)
    steps = steps_data(run, stop)[start:]
    return _message(run, start, steps, start == 0 if head is None else head, record if stop == count else None)


def announced(run: StoredRun) -> dict[str, Any]:
    """The message with a long run's head and end alone. It begins after the last step, so a page that lacks the steps
    notices a gap and asks the step stream for them."""
    return _message(run, len(run.steps), [], True, run.run)


def _message(run: StoredRun, start: int, steps: list[Any], head: bool, record: RunRecord | None) -> dict[str, Any]:
    return {
        "run": run.run_id,
        "method": run.method,
        "from": start,
        "steps": steps,
        "head": head_data(run) if head else None,
        "end": None if record is None else end_data(run, record),
    }


def how_it_ended(run: StoredRun) -> str:
    """One line on a finished run, for the status line."""
    record = run.run
    assert record is not None
    count, tokens = len(record.steps), len(record.token_ids)
    plain = "Greedy" if run.request.sampling.greedy else "Plain"
    name = plain if run.method == "plain" else "Lookahead"
    ended: dict[FinishReason, str] = {
        "cancelled": "stopped",
        "context": "the model's context is full",
        "eos": "ended by itself",
        "error": f"broke off: {run.problem}",
        "length": "reached the limit",
        "stop": "reached a stop string",
    }
    made = f"{_count(tokens, 'token', 'tokens')} in {_count(count, 'forward pass', 'forward passes')}"
    return f"{name}: {made}, the prompt's included, {record.seconds:.2f} s, {ended[record.finish_reason]}."


def _count(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"


def model_line(model: ModelInfo) -> str:
    """The model of a run in one line: ``name · 8.7M parameters · float32 · cpu``."""
    return f"{model.name} · {short_count(model.parameters)} parameters · {model.dtype} · {model.device}"


def short_count(value: int) -> str:
    """A rounded number with its unit.

    >>> short_count(8_712_320), short_count(260_032)
    ('8.7M', '260k')
    """
    for size, letter in ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k")):
        if value >= size:
            shown = value / size
            return f"{shown:.1f}{letter}" if shown < 10 else f"{shown:.0f}{letter}"
    return str(value)


def settings_line(method: str, config: LookaheadConfig, sampling: Sampling) -> str:
    """The settings of a run in one line."""
    given = {} if sampling.greedy else {name: getattr(sampling, name) for name in settings_of(Sampling)}
    drawn = [f"{name} {value}" for name, value in given.items() if value is not None]
    if method == "plain":
        return ", ".join(["plain decoding" if drawn else "plain greedy decoding", *drawn])
    width = "width up to" if config.budget == "adaptive" else "width"
    parts = [f"{config.strategy}, {config.budget} {width} {config.decoding_length}"]
    if config.longest_branch < config.decoding_length - 1:
        parts.append(f"branches up to {config.longest_branch}")
    if "prompt" not in config.sources or "output" not in config.sources:
        parts.append(f"from {' and '.join(config.sources) or 'no source'}")
    return ", ".join([*parts, *drawn])


def file_name(run: RunRecord) -> str:
    """A file's name without its ending: the last line of the prompt, and the model."""
    lines = (run.texts.prompt if run.texts else "").strip().splitlines() or [""]
    prompt, model = _words(lines[-1]) or _words(lines[0]), _words(run.model.name.rsplit("/", 1)[-1])
    if len(prompt) > MOST_OF_PROMPT:
        prompt = prompt[: MOST_OF_PROMPT + 1].rpartition("-")[0] or prompt[:MOST_OF_PROMPT]
    return "-".join(filter(None, (prompt, model))) or "run"


def _words(text: str) -> str:
    """The letters and digits of a text in lower case, with hyphens between them."""
    return _NO_WORD.sub("-", text.lower()).strip("-")
