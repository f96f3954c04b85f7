"""Hypothesis strategies: arbitrary valid draft trees, steps and whole runs."""

from __future__ import annotations

import math
from typing import get_args

from hypothesis import strategies as st

from lookahead.config import LookaheadConfig
from lookahead.costs import PassCosts
from lookahead.draft import DraftTree
from lookahead.records import (
    Candidate,
    FinishReason,
    LeftOut,
    ModelInfo,
    Reason,
    RunRecord,
    RunTexts,
    StepRecord,
    StepTimings,
    TrieChange,
)
from lookahead.sources.registry import SOURCES
from lookahead.verify import verify
from tests.lookahead.fake_backend import row

VOCAB = 6
"""Few tokens, so that drafts and choices agree often."""

ENDED: tuple[FinishReason, ...] = ("eos", "stop", "length", "context", "cancelled")
BROKEN_OFF: tuple[FinishReason, ...] = ("cancelled", "error")

ids = st.integers(0, VOCAB - 1)
seconds = st.integers(0, 10**9).map(lambda value: round(value / 10**7, 7))
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
timings = st.builds(StepTimings, seconds, seconds, seconds, seconds)
changes = st.builds(TrieChange, st.integers(0, 10**6), st.integers(0, 100), st.integers(0, 100))


@st.composite
def draft_trees(draw: st.DrawFn, root_id: int, most_nodes: int = 9, match_length: int = 0) -> DraftTree:
    """A well-formed tree under ``root_id``, any shape."""
    token_ids, parents = [root_id], [-1]
    taken: set[tuple[int, int]] = set()
    for _ in range(draw(st.integers(0, most_nodes - 1))):
        edge = (draw(st.integers(0, len(token_ids) - 1)), draw(ids))
        if edge not in taken:
            taken.add(edge)
            parents.append(edge[0])
            token_ids.append(edge[1])
    n = len(token_ids)
    return DraftTree(
        token_ids=tuple(token_ids),
        parents=tuple(parents),
        probabilities=(1.0, *(draw(st.integers(0, 10**6)) / 10**6 for _ in range(n - 1))),
        sources=("root", *(draw(st.sampled_from(list(SOURCES))) for _ in range(n - 1))),
        counts=(0, *(draw(st.integers(0, 50)) for _ in range(n - 1))),
        match_length=match_length,
    )


@st.composite
def valid_runs(draw: st.DrawFn, most_steps: int = 6, with_text: bool = True) -> RunRecord:
    """A run as the engine could have made it, its end possibly inside an accepted path."""
    prompt_ids = tuple(draw(st.lists(ids, min_size=1, max_size=6)))
    greedy = draw(st.booleans())
    context, steps = list(prompt_ids), []
    for index in range(draw(st.integers(0, most_steps))):
        step = draw(_steps(index, context, 1 if greedy else 9))
        context.extend(step.emitted_ids)
        steps.append(step)
        if step.finish_reason is not None:
            break
    reason: FinishReason = (steps[-1].finish_reason if steps else None) or draw(st.sampled_from(BROKEN_OFF))
    first = draw(seconds) if steps else None
    emitted = context[len(prompt_ids) :]
    return RunRecord(
        prompt_ids=prompt_ids,
        steps=tuple(steps),
        config=draw(configs()),
        model=ModelInfo("tiny", "cpu", "float32", 10, VOCAB),
        method="plain" if greedy else "lookahead",
        finish_reason=reason,
        seconds=round((first or 0.0) + draw(seconds), 7),
        first_token_seconds=first,
        max_new_tokens=len(emitted) + draw(st.integers(1, 5)),
        stop=tuple(draw(st.lists(words.filter(bool), max_size=2))),
        pass_costs=draw(st.none() | pass_costs()),
        texts=draw(_texts(prompt_ids, emitted)) if with_text and draw(st.booleans()) else None,
        created="2026-11-21T09:00:00+00:00",
        version="0.1.0",
        expected_ids=tuple(draw(st.lists(ids, max_size=4))),
    )


@st.composite
def _steps(draw: st.DrawFn, index: int, context: list[int], most_nodes: int) -> StepRecord:
    reason: FinishReason | None = draw(st.none() | st.sampled_from(ENDED))
    if index == 0:
        tree, target_ids, accepted, emitted = None, (draw(ids),), (), ()
        emitted = target_ids
    else:
        tree = draw(draft_trees(context[-1], most_nodes, draw(st.integers(0, len(context)))))
        target_ids = tuple(draw(ids) for _ in range(len(tree)))
        verification = verify(tree, target_ids)
        accepted, emitted = verification.accepted_nodes, verification.emitted_ids(tree)
        if reason is not None:
            count = draw(st.integers(1, len(emitted)))
            accepted, emitted = accepted[:count], emitted[:count]
    return StepRecord(
        index=index,
        context_length=len(context),
        match_length=tree.match_length if tree else 0,
        draft=tree,
        target_ids=target_ids,
        accepted_nodes=accepted,
        emitted_ids=emitted,
        timings=draw(timings),
        trie=draw(changes),
        finish_reason=reason,
        left_out=None if tree is None else draw(st.none() | _left_out(len(tree))),
        successors=b"".join(draw(_row()) for _ in target_ids) if draw(st.booleans()) else None,
        bigrams=b"".join(token_id.to_bytes(4, "little") + draw(_row()) for token_id in draw(st.sets(ids, max_size=3)))
        or None,
    )


@st.composite
def _row(draw: st.DrawFn) -> bytes:
    """A row of likely successors, possibly of none."""
    likely = draw(st.lists(ids, max_size=3, unique=True))
    return row(*likely, shares=sorted((draw(st.integers(1, 255)) for _ in likely), reverse=True))


def _left_out(nodes: int) -> st.SearchStrategy[LeftOut]:
    """What a search over a draft of so many nodes may have left out."""
    sources, reasons = st.sampled_from(list(SOURCES)), st.sampled_from(get_args(Reason))
    best = st.builds(
        Candidate, ids, st.integers(0, nodes - 1), st.integers(0, 10**6).map(lambda n: n / 10**6), sources, reasons
    )
    return st.builds(LeftOut, *[st.integers(0, 99)] * 5, best=st.none() | best)


def configs() -> st.SearchStrategy[LookaheadConfig]:
    """Settings that admit every tree of ``draft_trees``."""
    return st.builds(
        LookaheadConfig,
        decoding_length=st.integers(9, 64),
        branch_length=st.none() | st.integers(8, 20),
        strategy=st.sampled_from(["hierarchical", "parallel", "single"]),
        budget=st.sampled_from(["adaptive", "fixed"]),
        prompt_weight=st.floats(0.1, 10),
    )


@st.composite
def pass_costs(draw: st.DrawFn) -> PassCosts:
    """A measured T(n)."""
    lengths = (1, *sorted(draw(st.sets(st.integers(2, 64), max_size=4))))
    times = tuple(draw(st.floats(1e-6, 10, exclude_min=True).filter(math.isfinite)) for _ in lengths)
    return PassCosts(lengths, times)


@st.composite
def _texts(draw: st.DrawFn, prompt_ids: tuple[int, ...], emitted: list[int]) -> RunTexts:
    pieces = draw(st.lists(words, min_size=len(prompt_ids), max_size=len(prompt_ids)))
    return RunTexts(
        prompt=draw(words),
        output=draw(words),
        prompt_pieces=tuple(pieces),
        output_pieces=tuple(draw(words) for _ in emitted) if draw(st.booleans()) else (),
        tokens=draw(st.dictionaries(ids, words)),
    )
