"""transformers' own ``generate`` as the yardstick: greedy and prompt lookup, timed, their forward passes counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
from transformers.generation.streamers import BaseStreamer

from lookahead.backend import BackendError
from lookahead.hf.backend import HFBackend

PROMPT_LOOKUP_TOKENS = 10
"""Draft tokens of transformers' prompt lookup: the value its own documentation uses."""


@dataclass(frozen=True, slots=True)
class ReferenceRun:
    """One call of ``generate``.

    Attributes:
        token_ids: The generated tokens, EOS included.
        seconds: Wall clock of the whole call.
        decode_seconds: Wall clock after the first pass gave its tokens.
        forward_passes: Passes of the model, the first one included.
        first_tokens: Tokens that the first pass gave (prompt lookup may draft in it already).
    """

    token_ids: tuple[int, ...]
    seconds: float
    decode_seconds: float
    forward_passes: int
    first_tokens: int


class _FirstTokens(BaseStreamer):
    """Notes when the first tokens came, and how many."""

    def __init__(self) -> None:
        self.calls = 0
        self.count = 0
        self.moment = 0.0

    def put(self, value: torch.Tensor) -> None:
        """The prompt comes first, then each pass's tokens."""
        self.calls += 1
        if self.calls == 2:
            self.moment = perf_counter()
            self.count = value.numel()

    def end(self) -> None:
        """Nothing to do."""


class _PassCounter:
    """Counts the model's forward passes while it is open."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.passes = 0
        self._handle = model.register_forward_pre_hook(self._count)

    def _count(self, *_: object) -> None:
        self.passes += 1

    def __enter__(self) -> _PassCounter:
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.remove()


def run_reference(
    backend: HFBackend, prompt_ids: Sequence[int], max_new_tokens: int, stop: Sequence[str], prompt_lookup: bool
) -> ReferenceRun:
    """One prompt through ``generate(do_sample=False)``, with prompt lookup or without.

    Raises:
        BackendError: If transformers has no prompt lookup for this model.
    """
    options: dict[str, Any] = {"prompt_lookup_num_tokens": PROMPT_LOOKUP_TOKENS} if prompt_lookup else {}
    if stop:
        options |= {"stop_strings": [*stop, *backend.stop_strings], "tokenizer": backend.tokenizer}
    elif backend.stop_strings:
        options |= {"tokenizer": backend.tokenizer}
    model: Any = backend.model
    ids = torch.tensor([list(prompt_ids)], device=backend.device)
    first = _FirstTokens()
    with _PassCounter(model) as counter:
        started = perf_counter()
        try:
            output = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                max_new_tokens=max_new_tokens,
                streamer=first,
                **options,
            )
        except ValueError as error:
            if not prompt_lookup or counter.passes:
                raise
            # It refuses models with a state that cannot be taken back before their first pass.
            kind = type(model).__name__
            hint = f"transformers has no prompt lookup for {kind}; leave hf-prompt-lookup out of --methods"
            raise BackendError(hint) from error
        token_ids = tuple(output[0, len(prompt_ids) :].tolist())
        ended = perf_counter()
    decode_seconds = ended - first.moment if first.calls > 1 else 0.0
    return ReferenceRun(token_ids, ended - started, decode_seconds, counter.passes, first.count)
