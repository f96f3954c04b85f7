"""How long a prompt may be: the page states the limit that it enforces, and what the model's context limits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.model.host import HostError, ModelHost
from app.options import AppOptions
from app.page.layout import build_demo
from app.run.store import RunStore
from tests.app.making import finished, record_of

CONTEXT = 128
"""Tokens that the tiny model reads and writes together."""


@pytest.fixture(scope="module", params=[40, 100, 4096])
def host(tiny_model: Path, request: pytest.FixtureRequest) -> Iterator[ModelHost]:
    """A page whose limit on prompts is below, near or above the model's context."""
    found = ModelHost.load(AppOptions(model=(str(tiny_model),), max_prompt_tokens=request.param, max_new_tokens=50))
    yield found
    found.close()


def _said(host: ModelHost) -> str:
    """The line under the prompt's field."""
    config = build_demo(host, RunStore()).get_config_file()
    (control,) = [component for component in config["components"] if component["props"].get("elem_id") == "prompt"]
    return control["props"]["info"]


def _longest(host: ModelHost) -> str:
    """A prompt with the most tokens allowed."""
    return "a" * (host.most_prompt_tokens - len(host.encode("a")) + 1)


def test_the_stated_limit_is_the_one_that_holds(host: ModelHost) -> None:
    most = host.most_prompt_tokens
    assert most == min(host.options.max_prompt_tokens, CONTEXT - 1)
    assert len(host.encode(_longest(host))) == most
    with pytest.raises(HostError, match=f"{most} is the most"):
        host.encode(_longest(host) + "a")
    assert _said(host).startswith(f"Sent as your message. Up to {most} tokens")


def test_fewer_new_tokens_are_announced_where_the_context_cuts_them(host: ModelHost) -> None:
    run = record_of(finished(host, prompt=_longest(host), max_new_tokens=50, decoding_length=1))
    assert len(run.token_ids) == min(50, CONTEXT - host.most_prompt_tokens)
    assert ("less room for the answer" in _said(host)) == (run.finish_reason == "context")
