"""Recurrent layers that read the tokens of a chain one after the other, as passes of one token do.

transformers reads several tokens by other functions than one token: in chunks, which round otherwise (gated delta
rule, Mamba-2), clamp what the function for one token does not (Zamba2, Nemotron-H), or start from no state at all
(Mamba, Jamba). Here its function for one token is called for each token of the chain instead. The linear layers
around it, where the weights are, still see all tokens at once. What a layer's state is after each token is known on
the way, so that a rejected token leaves nothing to be read again.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

Rule = Callable[..., Any]

_PASS: ContextVar[StatesOfPass | None] = ContextVar("the pass over a chain that runs now", default=None)


class StatesOfPass:
    """The states of all recurrent layers in one pass over a chain.

    Args:
        before: The state of each layer before the pass, in the order in which the layers run.
        kept: Whether the states after each token are kept.
    """

    def __init__(self, before: Sequence[Tensor], kept: bool) -> None:
        self._before, self._kept = before, kept
        # Mamba's layers have a state (batch, channels, size); Zamba's, one of those per head.
        self._starts = iter([part for state in before for part in (state.unbind(1) if state.dim() == 4 else (state,))])
        self._after: list[list[Tensor]] = []

    def start(self) -> Tensor:
        """A copy of the next layer's state (of the next head's in Zamba), where transformers does not pass it on."""
        return next(self._starts).clone()

    def note(self, states: list[Tensor]) -> None:
        """Keep the states that a layer had after each token."""
        if self._kept:
            self._after.append(states)

    def after(self, token: int) -> list[Tensor]:
        """The state of each layer after this token of the pass."""
        heads = len(self._after) // len(self._before)
        found = [states[token] for states in self._after]
        if heads == 1:
            return found
        return [torch.stack(found[place : place + heads], dim=1) for place in range(0, len(found), heads)]


class Exchange:
    """A function of a module of transformers that is another one while a pass over a chain runs.

    The layers look it up in their module, so it is exchanged there, for the time of the pass. Passes of other threads
    get what they had.

    Args:
        code: The module.
        whole: Name of its function for several tokens.
        one: Name of its function for one token.
    """

    def __init__(self, code: ModuleType, whole: str, one: str, stand_in: Callable[..., Any]) -> None:
        self._code, self._whole, self._one, self._stand_in = code, whole, one, stand_in
        self._own: Rule = getattr(code, whole)
        self._passes = 0
        self._lock = threading.Lock()

    @contextmanager
    def made(self) -> Iterator[None]:
        """Exchanged inside; undone when the last of several passes is over."""
        with self._lock:
            if not self._passes:
                self._own = getattr(self._code, self._whole)
                setattr(self._code, self._whole, self._rule)
            self._passes += 1
        try:
            yield
        finally:
            with self._lock:
                self._passes -= 1
                if not self._passes:
                    setattr(self._code, self._whole, self._own)

    def _rule(self, *args: Any, **options: Any) -> Any:
        states = _PASS.get()
        if states is None:  # another thread's pass
            return self._own(*args, **options)
        return self._stand_in(states, getattr(self._code, self._one), *args, **options)


def exchanges(model: PreTrainedModel) -> tuple[Exchange, ...]:
    """What is to be exchanged so that the model's recurrent layers read a chain step by step; empty if they cannot."""
    names = sorted({type(module).__module__ for module in model.modules()})
    return tuple(
        _exchange(name, whole, one)
        for name in names
        for whole, one in _PAIRS
        if hasattr(sys.modules[name], whole) and hasattr(sys.modules[name], one)
    )


@functools.cache
def _exchange(module: str, whole: str, one: str) -> Exchange:
    """One per function, whoever asks: it counts the passes of all."""
    return Exchange(sys.modules[module], whole, one, _PAIRS[whole, one])


@contextmanager
def stepwise(found: Sequence[Exchange], states: StatesOfPass | None) -> Iterator[None]:
    """The forward pass inside reads token after token, if there are states; ``found``: see ``exchanges``."""
    if states is None:
        yield
        return
    token = _PASS.set(states)
    try:
        with ExitStack() as stack:
            for one in found:
                stack.enter_context(one.made())
            yield
    finally:
        _PASS.reset(token)


def _delta_rule(
    states: StatesOfPass,
    one: Rule,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    g: Tensor,
    beta: Tensor,
    initial_state: Tensor,
    **options: Any,
) -> tuple[Tensor, Tensor]:
    """The gated delta rule, also with a gate per channel (Kimi's): tensors ``(batch, tokens, heads, ...)``."""
    outputs, after, state = [], [], initial_state
    for token in range(query.shape[1]):
        here = slice(token, token + 1)
        parts = (query[:, here], key[:, here], value[:, here])
        output, state = one(*parts, g=g[:, here], beta=beta[:, here], initial_state=state, **options)
        outputs.append(output)
        after.append(state)
    states.note(after)
    return torch.cat(outputs, dim=1), state


def _mamba(
    states: StatesOfPass,
    one: Rule,
    hidden_states: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    z: Tensor,
    delta_bias: Tensor | None,
    delta_softplus: bool,
    **_: Any,
) -> tuple[Tensor, Tensor]:
    """Mamba's scan: hidden states, dt and z are ``(batch, channels, tokens)``, B and C ``(batch, size, tokens)``."""
    outputs, after, state = [], [], states.start()
    for token in range(hidden_states.shape[2]):
        parts = (hidden_states[..., token], dt[..., token], A, B[..., token], C[..., token], D)
        outputs.append(one(state, *parts, z=z[..., token], dt_bias=delta_bias, dt_softplus=delta_softplus))
        after.append(state.clone())
    states.note(after)
    return torch.stack(outputs, dim=-1), state


def _mamba2(
    states: StatesOfPass,
    one: Rule,
    hidden_states: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    *,
    D: Tensor,
    dt_bias: Tensor,
    initial_states: Tensor,
    dt_softplus: bool,
    **_: Any,
) -> tuple[Tensor, Tensor]:
    """Mamba-2's scan: hidden states ``(batch, tokens, heads, channels)``, B, C ``(batch, tokens, groups, size)``"""
    outputs, after, state = [], [], initial_states.clone()
    channels, size = hidden_states.shape[3], B.shape[3]
    rates = A.float()[:, None, None].expand(-1, channels, size)
    skip, bias = D[:, None].expand(-1, channels), dt_bias[:, None].expand(-1, channels)
    for token in range(hidden_states.shape[1]):
        steps = dt[:, token, :, None].expand(-1, -1, channels)
        parts = (hidden_states[:, token], steps, rates, B[:, token], C[:, token], skip)
        outputs.append(one(state, *parts, z=None, dt_bias=bias, dt_softplus=dt_softplus))
        after.append(state.clone())
    states.note(after)
    return torch.stack(outputs, dim=1), state


_PAIRS: dict[tuple[str, str], Callable[..., Any]] = {
    ("torch_chunk_gated_delta_rule", "torch_recurrent_gated_delta_rule"): _delta_rule,
    ("chunk_kimi_delta_attention", "recurrent_kimi_delta_attention"): _delta_rule,
    ("mamba_selective_scan", "mamba_selective_state_update"): _mamba,
    ("mamba2_chunk_scan", "mamba2_selective_state_update"): _mamba2,
}
"""The functions of transformers for several tokens and for one token, and what replaces the first."""
