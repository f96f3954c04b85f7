"""What the page knows of a run before it begins: its notice, and T(n)."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, cast

import pytest

from app.host import ModelHost
from app.lane import updates
from app.options import AppOptions
from app.runner import RunRequest
from app.settings import WIDEST, Settings
from app.store import RunStore
from lookahead import LookaheadConfig


@pytest.mark.parametrize(
    ("method", "new_tokens", "said"), [("lookahead", 60, True), ("lookahead", 8, False), ("greedy", 60, False)]
)
def test_a_run_that_may_cross_a_change_of_positions_says_so(
    switching_model: Path, method: Any, new_tokens: int, said: bool
) -> None:
    host = ModelHost.load(AppOptions(model=str(switching_model)))
    settings = Settings(max_new_tokens=new_tokens)
    first, *_ = updates(host, RunStore(), "abcabc", settings, method, (), threading.Event())
    host.close()
    assert ("one token at a time" in cast(dict[str, Any], first.message["head"])["note"]) == said


def test_no_run_of_a_visitor_measures(tiny_model: Path) -> None:
    host = ModelHost.load(AppOptions(model=str(tiny_model)))
    passes: list[object] = []
    host.backend.model.register_forward_pre_hook(lambda *_: passes.append(None))
    for width in (WIDEST, 32, 2):
        request = RunRequest(host.encode("abcabc"), LookaheadConfig(decoding_length=width), 20, "lookahead")
        *_, last = host.stream(request, threading.Event())
        assert last.run is not None
        assert last.run.pass_costs is not None
        assert len(passes) == len(last.run.steps)
        passes.clear()
    host.close()
