"""Any draft at all, through a real forward pass, emits exactly what greedy decoding emits."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lookahead.config import LookaheadConfig
from lookahead.draft import DraftTree
from lookahead.drafter import DraftRequest
from lookahead.engine import LookaheadEngine
from lookahead.hf import HFBackend
from lookahead.hf.masks import MaskPlan, TreeMasks
from tests.lookahead.drafters import tree_of
from tests.lookahead.tiny_models import VOCAB_SIZE, WINDOW, hf_greedy, tiny_model

NEW_TOKENS = 12


@cache
def backend(family: str) -> HFBackend:
    return HFBackend(tiny_model(family))


@cache
def answer(family: str, prompt: tuple[int, ...]) -> list[int]:
    return hf_greedy(backend(family).model, list(prompt), NEW_TOKENS + 8)


@st.composite
def drafts(draw):
    """Parents, and for every node either a place in the answer by its depth, or any token."""
    count = draw(st.integers(1, 24))
    parents = [-1] + [draw(st.integers(0, node - 1)) for node in range(1, count)]
    right = [draw(st.booleans()) for _ in range(count)]
    token_ids = [draw(st.integers(0, VOCAB_SIZE - 1)) for _ in range(count)]
    return parents, right, token_ids


class Scripted:
    """Replays drafts made without knowing the run, cut to the requested width."""

    def __init__(self, script, expected: list[int]) -> None:
        self.script, self.expected = list(script), expected

    def start(self, prompt_ids):
        return ScriptedRequest(self, prompt_ids)


class ScriptedRequest(DraftRequest):
    def __init__(self, scripted: Scripted, prompt_ids) -> None:
        super().__init__(prompt_ids)
        self._scripted, self._count = scripted, 0

    def commit(self, token_ids):
        super().commit(token_ids)
        self._count += len(token_ids)

    def draft(self, width, longest_branch, pass_seconds, chain=None):
        if not self._scripted.script:
            return super().draft(width, longest_branch, pass_seconds)
        parents, right, token_ids = self._scripted.script.pop(0)
        expected = self._scripted.expected
        kept, new_parents, depths, ids = {0: 0}, [-1], [0], [self._last_id]
        for node in range(1, len(parents)):
            parent = kept.get(parents[node])
            if parent is None or depths[parent] == longest_branch or len(ids) == width:
                continue
            place = self._count + depths[parent]
            token_id = expected[place] if right[node] and place < len(expected) else token_ids[node]
            if any(new_parents[other] == parent and ids[other] == token_id for other in range(1, len(ids))):
                continue
            kept[node] = len(ids)
            ids.append(token_id)
            new_parents.append(parent)
            depths.append(depths[parent] + 1)
        return tree_of(ids, new_parents)


@pytest.mark.parametrize("family", ["llama", "gemma3", "mistral-window", "gpt2"])
@settings(max_examples=12)
@given(
    prompt=st.lists(st.integers(0, VOCAB_SIZE - 1), min_size=1, max_size=20).map(tuple),
    script=st.lists(drafts(), max_size=NEW_TOKENS),
)
def test_lossless_whatever_the_draft(family, prompt, script):
    expected = answer(family, prompt)
    engine = LookaheadEngine(backend(family), LookaheadConfig(budget="fixed"), Scripted(script, expected))
    records = list(engine.generate(prompt, max_new_tokens=NEW_TOKENS))
    assert [token_id for record in records for token_id in record.emitted_ids] == expected[:NEW_TOKENS]
    for record in records[1:]:
        assert isinstance(record.draft, DraftTree)
        walked = [record.draft.token_ids[node] for node in record.accepted_nodes]
        assert list(record.emitted_ids[: len(walked)]) == walked


@settings(max_examples=25)
@given(st.data())
def test_a_mask_row_is_the_path_to_the_root_within_the_window(data):
    kinds = (("full", None), ("window", WINDOW), ("chunk", WINDOW))
    masks = {
        kind: TreeMasks(MaskPlan({kind: window}, chunked=("chunk",)), torch.float32, torch.device("cpu"))
        for kind, window in kinds
    }
    for _ in range(data.draw(st.integers(1, 4))):  # the buffers are used again
        count, length = data.draw(st.integers(2, 40)), data.draw(st.integers(0, 700))
        parents = [-1] + [data.draw(st.integers(max(0, node - 9), node - 1)) for node in range(1, count)]
        tree = tree_of(range(count), parents)
        depths = tree.depths()
        for kind, _ in kinds:
            mask = masks[kind].tree(parents, depths, length)
            assert isinstance(mask, torch.Tensor)
            seen = mask[0, 0] == 0
            assert seen.shape == (count, length + count)
            assert bool((mask[0, 0][~seen] == torch.finfo(torch.float32).min).all())
            for node in range(count):
                positions = {row: row for row in range(length)}
                positions |= {length + other: length + depths[other] for other in (0, *tree.path(node))}
                own = length + depths[node]
                first = {"full": 0, "window": own - WINDOW + 1, "chunk": own - own % WINDOW}[kind]
                expected = {row for row, place in positions.items() if place >= first}
                assert set(seen[node].nonzero().flatten().tolist()) == expected
