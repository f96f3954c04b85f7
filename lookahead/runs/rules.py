"""What makes a run consistent: every step follows from the one before it and from its own draft."""

from __future__ import annotations

from typing import NoReturn

from lookahead.records import RunRecord, StepRecord
from lookahead.runs.schema import SchemaError
from lookahead.verify import verify

MAX_STOPS = 64
"""Most stop strings."""
MAX_STOP_CHARACTERS = 1000
"""Longest stop string."""

_BROKEN_OFF = ("cancelled", "error")


def check_run(run: RunRecord) -> None:
    """Raise SchemaError unless the steps, the draft trees and the settings of a run agree with each other."""
    if not run.prompt_ids:
        raise SchemaError("prompt_ids: need at least one token")
    context = len(run.prompt_ids)
    last_id = run.prompt_ids[-1]
    for place, step in enumerate(run.steps):
        if step.index != place:
            _fail(place, f"index {step.index}; steps stand in order from 0")
        if step.context_length != context:
            _fail(place, f"context_length {step.context_length}; {context} tokens were committed before it")
        if step.match_length > context:
            _fail(place, f"match_length {step.match_length}; the context has {context} tokens")
        if place == 0:
            _check_prefill(step)
        else:
            _check_decode(run, step, last_id)
        if not step.emitted_ids:
            _fail(place, "emitted_ids is empty; every pass emits at least one token")
        if place < len(run.steps) - 1 and step.finish_reason is not None:
            _fail(place, f"finish_reason {step.finish_reason!r}; only the last step has one")
        context += len(step.emitted_ids)
        last_id = step.emitted_ids[-1]
    _check_end(run, context - len(run.prompt_ids))
    _check_texts(run)


def _fail(place: int, rule: str) -> NoReturn:
    raise SchemaError(f"steps[{place}]: {rule}")


def _check_prefill(step: StepRecord) -> None:
    if step.draft is not None or step.accepted_nodes or step.match_length:
        _fail(0, "the prefill has no draft, nothing accepted and no match")
    if len(step.target_ids) != 1 or step.target_ids != step.emitted_ids:
        _fail(0, "the prefill makes one choice and emits it")


def _check_decode(run: RunRecord, step: StepRecord, last_id: int) -> None:
    tree = step.draft
    if tree is None:
        _fail(step.index, "draft: only the prefill has none")
    try:
        tree.check()
    except ValueError as error:
        _fail(step.index, f"draft: {error}")
    if len(tree) > run.config.decoding_length:
        _fail(step.index, f"draft: {len(tree)} nodes; decoding_length is {run.config.decoding_length}")
    if (deepest := max(tree.depths())) > run.config.longest_branch:
        _fail(step.index, f"draft: a branch of {deepest} tokens; the longest allowed is {run.config.longest_branch}")
    if run.method == "plain" and len(tree) > 1:
        _fail(step.index, "draft: a plain run drafts nothing")
    if any((source == "root") != (node == 0) for node, source in enumerate(tree.sources)):
        _fail(step.index, "draft: the root, and nothing else, has the source root")
    if tree.match_length != step.match_length:
        _fail(step.index, f"match_length {step.match_length}; the draft says {tree.match_length}")
    if tree.token_ids[0] != last_id:
        _fail(step.index, f"draft: root {tree.token_ids[0]}; the last committed token is {last_id}")
    if len(step.target_ids) != len(tree):
        _fail(step.index, f"{len(step.target_ids)} target_ids for {len(tree)} nodes")
    _check_accepted(step, run)


def _check_accepted(step: StepRecord, run: RunRecord) -> None:
    """The accepted path is the one that verification takes, cut only where the run ends."""
    assert step.draft is not None
    verification = verify(step.draft, step.target_ids)
    emitted = verification.emitted_ids(step.draft)
    count = len(step.emitted_ids)
    if count > len(emitted) or step.emitted_ids != emitted[:count] or min(step.emitted_ids, default=0) < 0:
        _fail(step.index, "emitted_ids are not what the accepted path and the model's choice give")
    if step.accepted_nodes != verification.accepted_nodes[:count]:
        _fail(step.index, "accepted_nodes are not the longest path that the model agrees with")
    if count < len(emitted) and (step.finish_reason is None or step.index != len(run.steps) - 1):
        _fail(step.index, "emitted_ids end inside the accepted path; only the end of a run does that")


def _check_end(run: RunRecord, tokens: int) -> None:
    if tokens > run.max_new_tokens:
        raise SchemaError(f"steps: {tokens} tokens; max_new_tokens is {run.max_new_tokens}")
    last_reason = run.steps[-1].finish_reason if run.steps else None
    if last_reason != run.finish_reason and not (last_reason is None and run.finish_reason in _BROKEN_OFF):
        raise SchemaError(f"finish_reason: {run.finish_reason!r}; the last step says {last_reason!r}")
    if (run.first_token_seconds is None) != (not run.steps):
        raise SchemaError("first_token_seconds: there when, and only when, there was a first token")
    if run.first_token_seconds is not None and run.first_token_seconds > run.seconds:
        raise SchemaError("first_token_seconds: later than the end of the run")


def _check_texts(run: RunRecord) -> None:
    if run.texts is None:
        return
    for name, pieces, tokens in (
        ("prompt_pieces", run.texts.prompt_pieces, len(run.prompt_ids)),
        ("output_pieces", run.texts.output_pieces, len(run.token_ids)),
    ):
        if pieces and len(pieces) != tokens:
            raise SchemaError(f"texts.{name}: {len(pieces)} pieces for {tokens} tokens")
