"""What a pass hands back besides its choices: the likeliest next tokens of every row, as topk and softmax have them."""

from __future__ import annotations

import pytest
import torch

from lookahead.hf.backend import HFBackend
from lookahead.hf.session import TreeSession
from lookahead.hf.successors import successors, to_bytes, to_host
from lookahead.sources.recycled import ROW_BYTES, SHARES, TOP, rows_of
from tests.lookahead.drafters import tree_of
from tests.lookahead.tiny_models import tiny_model as tiny


def unpacked(packed: bytes) -> list[list[tuple[int, int]]]:
    """Token and share of the successors in every row."""
    numbers = rows_of(packed)
    return [
        [(number >> 8, number & 255) for number in numbers[start : start + TOP] if number]
        for start in range(0, len(numbers), TOP)
    ]


@pytest.mark.parametrize("vocab_size", [3, 100, 1024, 5001])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rows_are_the_largest_logits_and_their_shares(vocab_size: int, dtype: torch.dtype):
    logits = torch.randn((5, vocab_size), generator=torch.Generator().manual_seed(vocab_size)).mul(2).to(dtype)
    logits[1, 0] = torch.nan
    logits[2, 1:] = -torch.inf
    rows = unpacked(to_bytes(to_host(successors(logits))))
    assert rows[1] == []
    assert rows[2] == [(0, SHARES)]
    for row in (0, 3, 4):
        values, _ = logits[row].float().topk(min(TOP, vocab_size))
        shares = values.softmax(0).mul(SHARES).round().int().tolist()
        assert [share for _, share in rows[row]] == [share for share in shares if share]
        assert [float(logits[row, token_id]) for token_id, _ in rows[row]] == values.tolist()[: len(rows[row])]


def test_a_session_hands_back_a_row_per_node_and_only_if_asked():
    backend = HFBackend(tiny("llama"))
    for asked in (False, True):
        session = backend.new_session(60)
        assert isinstance(session, TreeSession)
        if asked:
            session.recycle()
        first = session.prefill([1, 2, 3])
        after_prompt = session.successors
        tree = tree_of([first, 5, 6, 7], [-1, 0, 0, 1])
        chosen = session.choose(tree)
        rows = unpacked(session.successors)
        if not asked:
            assert (after_prompt, session.successors) == (b"", b"")
            continue
        assert len(after_prompt) == ROW_BYTES
        assert unpacked(after_prompt)[0][0][0] == first
        assert [row[0][0] for row in rows] == list(chosen)
        assert all(row == sorted(row, key=lambda one: -one[1]) for row in rows)
