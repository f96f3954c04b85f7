"""When a run is consistent: every step follows from the one before it and from its own draft."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from lookahead.draft import Chain, DraftTree
from lookahead.records import RunRecord, StepRecord
from lookahead.sources.recycled import BIGRAM_BYTES, ROW_BYTES, rows_of
from lookahead.strict_json import SchemaError
from lookahead.trie import MAX_TOKEN_ID
from lookahead.verify import verify

_BROKEN_OFF = ("cancelled", "error")


def check_run(run: RunRecord) -> None:
    """Raise SchemaError unless the steps, the draft trees and the settings of a run agree with each other."""
    if not run.prompt_ids:
        raise SchemaError("prompt_ids: need at least one token")
    _check_ids("prompt_ids", run.prompt_ids, run)
    _check_ids("expected_ids", run.expected_ids, run)
    context = len(run.prompt_ids)
    last_id = run.prompt_ids[-1]
    for place, step in enumerate(run.steps):
        if step.index != place:
            _fail(place, "index", f"{step.index}; steps are numbered from 0")
        if step.context_length != context:
            _fail(place, "context_length", f"{step.context_length}; {context} tokens were committed before it")
        if step.match_length > context:
            _fail(place, "match_length", f"{step.match_length}; the context has {context} tokens")
        _check_ids(f"steps[{place}].target_ids", step.target_ids, run, low=-1)
        _check_ids(f"steps[{place}].emitted_ids", step.emitted_ids, run)
        if place == 0:
            _check_prefill(step)
        else:
            _check_decode(run, step, last_id)
            _check_chain(run, step)
        _check_successors(run, step)
        _check_bigrams(run, step)
        if not step.emitted_ids:
            _fail(place, "emitted_ids", "empty; every pass emits at least one token")
        if place < len(run.steps) - 1 and step.finish_reason is not None:
            _fail(place, "finish_reason", f"{step.finish_reason!r}; only the last step has one")
        context += len(step.emitted_ids)
        last_id = step.emitted_ids[-1]
    _check_end(run, context - len(run.prompt_ids))
    _check_texts(run)


def _fail(place: int, field: str, rule: str) -> NoReturn:
    raise SchemaError(f"steps[{place}].{field}: {rule}")


def _check_ids(place: str, ids: Sequence[int], run: RunRecord, low: int = 0) -> None:
    """Raise SchemaError unless the ids are in the model's vocabulary."""
    last_id = _last_id(run)
    if ids and not (low <= min(ids) and max(ids) <= last_id):
        index, wrong = next((index, one) for index, one in enumerate(ids) if not low <= one <= last_id)
        raise SchemaError(f"{place}[{index}]: need {low} to {last_id}, got {wrong}")


def _last_id(run: RunRecord) -> int:
    """The largest token id: of the model's vocabulary, and of a trie, which a replay draws from."""
    return min(run.model.vocab_size, MAX_TOKEN_ID) - 1


def _check_prefill(step: StepRecord) -> None:
    for field in ("draft", "accepted_nodes", "match_length", "left_out", "chain"):
        if getattr(step, field):
            _fail(0, field, "the prefill has no draft, nothing accepted, nothing left out and no match")
    if len(step.target_ids) != 1:
        _fail(0, "target_ids", "the prefill makes one choice")
    if step.target_ids != step.emitted_ids:
        _fail(0, "emitted_ids", "the prefill makes one choice and emits it")


def _check_decode(run: RunRecord, step: StepRecord, last_id: int) -> None:
    tree, place = step.draft, step.index
    if tree is None:
        _fail(place, "draft", "only the prefill has none")
    try:
        tree.check(run.config.decoding_length, run.config.longest_branch)
    except ValueError as error:
        _fail(place, "draft", str(error))
    _check_ids(f"steps[{place}].draft.token_ids", tree.token_ids, run)
    if run.method == "plain" and len(tree) > 1:
        _fail(place, "draft", "a plain run drafts nothing")
    if any((source == "root") != (node == 0) for node, source in enumerate(tree.sources)):
        _fail(place, "draft.sources", "the root, and nothing else, has the source root")
    if tree.match_length != step.match_length:
        _fail(place, "match_length", f"{step.match_length}; the draft says {tree.match_length}")
    if tree.token_ids[0] != last_id:
        _fail(place, "draft.token_ids[0]", f"root {tree.token_ids[0]}; the last committed token is {last_id}")
    if len(step.target_ids) != len(tree):
        _fail(place, "target_ids", f"{len(step.target_ids)} target_ids for {len(tree)} nodes")
    _check_left_out(run, step, tree)
    _check_accepted(run, step, tree)


def _check_chain(run: RunRecord, step: StepRecord) -> None:
    """A model that takes one branch takes it in every step, and reads again what the step before says."""
    before, tree = run.steps[step.index - 1], step.draft
    assert tree is not None
    if before.draft is not None and (before.chain is None) != (step.chain is None):
        _fail(step.index, "chain", "need one in every step or in none")
    if step.chain is None:
        return
    chain = Chain(0, step.chain.rereads)
    if before.draft is not None and before.chain is not None:
        chain = before.chain.after(len(before.draft) - 1, len(before.accepted_nodes))
    if step.chain != chain:
        _fail(step.index, "chain.reread", f"{step.chain.reread}; the step before it leaves {chain.reread}")
    if not tree.is_chain:
        _fail(step.index, "draft.parents", "more than one branch, on a model that takes one")
    if len(tree) > max(1, run.config.decoding_length - step.chain.reread):
        _fail(step.index, "draft", f"{len(tree)} nodes and {step.chain.reread} tokens read again; too many together")


def _check_successors(run: RunRecord, step: StepRecord) -> None:
    """One row per choice: different tokens of the vocabulary, their shares falling, then zeros."""
    if (packed := step.successors) is None:
        return
    nodes = len(step.target_ids)
    if len(packed) != ROW_BYTES * nodes:
        _fail(step.index, "successors", f"{len(packed)} bytes for {nodes} nodes; need {ROW_BYTES} per node")
    for place in range(nodes):
        _check_row(run, step, "successors", place, packed[ROW_BYTES * place : ROW_BYTES * (place + 1)])


def _check_bigrams(run: RunRecord, step: StepRecord) -> None:
    """A token of the vocabulary and its row, one after the other."""
    packed = step.bigrams or b""
    if len(packed) % BIGRAM_BYTES:
        _fail(step.index, "bigrams", f"{len(packed)} bytes; need {BIGRAM_BYTES} each")
    for place, start in enumerate(range(0, len(packed), BIGRAM_BYTES)):
        token_id = int.from_bytes(packed[start : start + BIGRAM_BYTES - ROW_BYTES], "little")
        if token_id > _last_id(run):
            _fail(step.index, "bigrams", f"token {token_id}; need 0 to {_last_id(run)}")
        _check_row(run, step, "bigrams", place, packed[start + BIGRAM_BYTES - ROW_BYTES : start + BIGRAM_BYTES])


def _check_row(run: RunRecord, step: StepRecord, field: str, place: int, packed: bytes) -> None:
    numbers = rows_of(packed)
    row = [number for number in numbers if number]
    ids, shares = [number >> 8 for number in row], [number & 255 for number in row]
    if any(numbers[len(row) :]) or 0 in shares or shares != sorted(shares, reverse=True):
        _fail(step.index, field, f"row {place}: need shares that fall, and zeros behind them")
    if len(set(ids)) < len(ids) or any(token_id > _last_id(run) for token_id in ids):
        _fail(step.index, field, f"row {place}: need different tokens, 0 to {_last_id(run)}")


def _check_left_out(run: RunRecord, step: StepRecord, tree: DraftTree) -> None:
    """The best candidate that was left out is a token of the vocabulary, under a node of the draft."""
    best = step.left_out.best if step.left_out else None
    if best is None:
        return
    if best.parent >= len(tree):
        _fail(step.index, "left_out.best.parent", f"{best.parent}; the draft has {len(tree)} nodes")
    if best.token_id > _last_id(run):
        _fail(step.index, "left_out.best.token_id", f"need 0 to {_last_id(run)}, got {best.token_id}")


def _check_accepted(run: RunRecord, step: StepRecord, tree: DraftTree) -> None:
    """The accepted path is the result of verification, cut only where the run ends."""
    verification = verify(tree, step.target_ids)
    emitted = verification.emitted_ids(tree)
    count = len(step.emitted_ids)
    if step.accepted_nodes != verification.accepted_nodes[:count]:
        _fail(step.index, "accepted_nodes", "not the longest path that the model agrees with")
    if count > len(emitted) or step.emitted_ids != emitted[:count]:
        _fail(step.index, "emitted_ids", "not what the accepted path and the model's choice give")
    if count < len(emitted) and (step.finish_reason is None or step.index != len(run.steps) - 1):
        _fail(step.index, "emitted_ids", "end inside the accepted path; only the last step of a run may")


def _check_end(run: RunRecord, tokens: int) -> None:
    if tokens > run.max_new_tokens:
        raise SchemaError(f"max_new_tokens: the steps have {tokens} tokens; max_new_tokens is {run.max_new_tokens}")
    last_reason = run.steps[-1].finish_reason if run.steps else None
    if last_reason != run.finish_reason and not (last_reason is None and run.finish_reason in _BROKEN_OFF):
        raise SchemaError(f"finish_reason: {run.finish_reason!r}; the last step says {last_reason!r}")
    if (run.first_token_seconds is None) != (not run.steps):
        raise SchemaError("first_token_seconds: need a time if, and only if, there was a first token")
    if run.first_token_seconds is not None and run.first_token_seconds > run.seconds:
        raise SchemaError("first_token_seconds: later than the end of the run (seconds)")


def _check_texts(run: RunRecord) -> None:
    if run.texts is None:
        return
    for name, pieces, tokens in (
        ("prompt_pieces", run.texts.prompt_pieces, len(run.prompt_ids)),
        ("output_pieces", run.texts.output_pieces, len(run.token_ids)),
    ):
        if pieces and len(pieces) != tokens:
            raise SchemaError(f"texts.{name}: {len(pieces)} pieces for {tokens} tokens")
    for token_id in run.texts.tokens:
        if token_id >= run.model.vocab_size:
            raise SchemaError(f"texts.tokens.{token_id}: need a token id, 0 to {run.model.vocab_size - 1}")
