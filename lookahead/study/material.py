"""What a study looks at: prompts, and outputs where they are known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from lookahead.inputs import excerpt
from lookahead.records import RunRecord
from lookahead.runs.runfile import RunPair

CATEGORY_FIELDS = ("category", "kind", "task")
"""Fields of a prompt or of a row of a trace that say what kind of request it is; the first that is there counts."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One request: a prompt, and the output if somebody has generated it.

    Attributes:
        name: Where it comes from, as a message names it (``prompts.jsonl:3``); unique in a study.
        prompt_ids: Tokens of the prompt, shape ``(p,)``; empty only until a model's tokenizer has encoded ``text``.
        output_ids: Tokens of the output, shape ``(m,)``; None if a model has to generate it.
        text: The prompt as text; empty if there is only ids.
        category: What kind of request it is, as the file says; empty if it does not.
        run: The recorded run, where there is one: its T(n), its times, its texts and the rows of the source ``model``.
        plain: Plain decoding of the same prompt beside it, for its time; None if it was not run.
        near_ties: As in ``Row``, where a model measured it.
        run_file: Name of the run's file in the study's folder; None if there is none.
    """

    name: str
    prompt_ids: tuple[int, ...]
    output_ids: tuple[int, ...] | None = None
    text: str = ""
    category: str = ""
    run: RunRecord | None = None
    plain: RunRecord | None = None
    near_ties: int | None = None
    run_file: str | None = None


def sample_of(sample: Sample, pair: RunPair) -> Sample:
    """The sample with what a run file holds of it: the run, and plain decoding beside it."""
    run, parted, near_ties = pair.run, pair.parted, sample.near_ties
    if near_ties is None and pair.greedy is not None:
        near_ties = 0 if parted is None else int(parted.near_tie)
    return replace(
        sample,
        prompt_ids=run.prompt_ids,
        output_ids=run.token_ids,
        text=sample.text or ("" if run.texts is None else run.texts.prompt),
        run=run,
        plain=run if run.method == "plain" else pair.greedy,
        near_ties=near_ties,
    )


def to_trace(samples: Iterable[Sample]) -> bytes:
    """The outputs as a trace, which ``replay`` and studies read: one line per sample, ids and names included."""
    rows = [
        {"id": one.name, "category": one.category, "prompt": one.prompt_ids, "output": one.output_ids or ()}
        for one in samples
    ]
    return msgspec.json.Encoder().encode_lines(rows)


def category_of(value: Mapping[Any, Any]) -> str:
    """What kind of request a row of a file says it is, in its first field of ``CATEGORY_FIELDS``; else empty."""
    given = (value.get(field) for field in CATEGORY_FIELDS)
    return next((excerpt(one, 40) for one in given if isinstance(one, str | int) and str(one).strip()), "")
