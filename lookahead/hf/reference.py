"""transformers' own ``generate`` as the reference: plain decoding and prompt lookup, with times and forward passes."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any

import torch
from transformers import LogitsProcessor
from transformers.generation.streamers import BaseStreamer

from lookahead.backend import BackendError
from lookahead.config import GREEDY, Sampling
from lookahead.hf.backend import HFBackend
from lookahead.hf.choosing import Chooser
from lookahead.hf.passes import NO_CHOICE, forward_pass
from lookahead.hf.sampling import Dice
from lookahead.records import TimedRun

PROMPT_LOOKUP_TOKENS = 10
"""Draft tokens of transformers' prompt lookup: the value in its documentation."""


class _Watch(BaseStreamer):
    """Notes the time and the number of the first tokens, and counts forward passes."""

    def __init__(self) -> None:
        self.passes = 0
        self.calls = 0
        self.count = 0
        self.moment = 0.0

    def count_pass(self, *_: object) -> None:
        """A forward pass begins."""
        self.passes += 1

    def put(self, value: torch.Tensor) -> None:
        """The prompt comes first, then each pass's tokens."""
        self.calls += 1
        if self.calls == 2:
            self.moment = perf_counter()
            self.count = value.numel()

    def end(self) -> None:
        """Nothing to do."""


class _Draw(LogitsProcessor):
    """Leaves the drawn token alone in the scores, so that ``generate(do_sample=False)`` takes it.

    It belongs behind ``generate``'s own processors. A sampler of its own would draw other tokens.
    """

    def __init__(self, chooser: Chooser) -> None:
        self._chooser = chooser

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> Any:
        """The scores ``(1, vocab)`` with minus infinity everywhere but at the drawn token."""
        (token_id,) = self._chooser.pick(self._chooser.scores(scores, input_ids), [input_ids.shape[1]])
        if token_id == NO_CHOICE:
            return scores
        alone = torch.full_like(scores, -torch.inf)
        alone[0, token_id] = 0
        return alone


def run_reference(
    backend: HFBackend,
    prompt_ids: Sequence[int],
    max_new_tokens: int,
    stop: Sequence[str],
    prompt_lookup: bool,
    sampling: Sampling = GREEDY,
) -> TimedRun:
    """One prompt through ``generate(do_sample=False)``, with prompt lookup or without.

    Tokens are drawn by a processor behind its own ones, with the same warpers and noise as in this library's runs.

    Raises:
        BackendError: If transformers has no prompt lookup for this model.
        PassError: If a forward pass fails.
    """
    options: dict[str, Any] = {"prompt_lookup_num_tokens": PROMPT_LOOKUP_TOKENS} if prompt_lookup else {}
    if stop:
        options |= {"stop_strings": [*stop, *backend.stop_strings], "tokenizer": backend.tokenizer}
    elif backend.stop_strings:
        options |= {"tokenizer": backend.tokenizer}
    model: Any = backend.model
    ids = torch.tensor([list(prompt_ids)], device=backend.device)
    if not sampling.greedy:
        warpers = backend.rules.warpers(ids, len(prompt_ids) + max_new_tokens, sampling)
        options |= {"logits_processor": [_Draw(Chooser(warpers, len(prompt_ids), Dice(sampling.seed)))]}
    watch = _Watch()
    with forward_pass(model), model.register_forward_pre_hook(watch.count_pass):
        started = perf_counter()
        try:
            output = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                max_new_tokens=max_new_tokens,
                streamer=watch,
                **options,
            )
        except ValueError as error:
            if not prompt_lookup or watch.passes:
                raise
            # Before the first pass it refuses models whose state cannot be rolled back.
            kind = type(model).__name__
            hint = f"transformers has no prompt lookup for {kind}; leave hf-prompt-lookup out of --methods"
            raise BackendError(hint) from error
        token_ids = tuple(output[0, len(prompt_ids) :].tolist())
        ended = perf_counter()
    decode_seconds = ended - watch.moment if watch.calls > 1 else 0.0
    decoded_tokens = len(token_ids) - watch.count  # prompt lookup may draft in its first pass already
    return TimedRun(token_ids, ended - started, decode_seconds, watch.passes, decoded_tokens)
