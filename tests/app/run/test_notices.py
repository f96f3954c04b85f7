"""What the page knows about a run before it begins: its notice, and T(n)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.model.host import WIDEST, ModelHost
from app.options import AppOptions
from tests.app.making import finished, record_of


@pytest.mark.parametrize(
    ("method", "new_tokens", "said"), [("lookahead", 60, True), ("lookahead", 8, False), ("plain", 60, False)]
)
def test_a_run_that_may_cross_a_change_of_positions_says_so(
    switching_model: Path, method: Any, new_tokens: int, said: bool
) -> None:
    host = ModelHost.load(AppOptions(model=(str(switching_model),)))
    run = finished(host, prompt="abcabc", max_new_tokens=new_tokens, method=method)
    host.close()
    assert ("one token at a time" in run.note) == said


def test_no_run_of_a_visitor_measures(tiny_model: Path) -> None:
    host = ModelHost.load(AppOptions(model=(str(tiny_model),)))
    passes: list[object] = []
    host.backend.model.register_forward_pre_hook(lambda *_: passes.append(None))
    for width in (WIDEST, 32, 2):
        run = record_of(finished(host, prompt="abcabc", max_new_tokens=20, decoding_length=width))
        assert run.pass_costs is not None
        assert len(passes) == len(run.steps)
        passes.clear()
    host.close()
