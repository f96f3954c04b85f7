"""What a model keeps of the tokens it has read where that cannot drop any: saved before a chain, and put back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor
from transformers import Cache, DynamicCache

from lookahead.draft import Chain
from lookahead.hf.recurrence import StatesOfPass

MOST_NOTED_BYTES, NOTED_TOKENS = 1 << 29, 16
"""Recurrent states are noted after every token of a pass unless so many of them would take more memory than this."""


class ChainState:
    """The state after the tokens read so far, in whatever form ``generate`` keeps it, and how to go back.

    By what the prompt's pass left behind, it is a cache that can be cropped (rows, or what a short convolution looks
    back at); one with recurrent states as well, which a pass notes after every token if it reads step by step; any
    other, which is copied before a pass with a draft; or nothing at all, where every pass reads the whole context.
    After a copy is put back, the accepted tokens are **pending**: committed, but to be read again by the next pass,
    before its root.

    Args:
        rewinds: Whether ``rewind`` will be asked for.
        steps: Whether the model's recurrent layers can read step by step.
        copies: Whether it is copied whatever it is.

    Attributes:
        arguments: The forward pass's arguments besides the tokens, the state among them.
        read_ids: The tokens that the state covers.
        pending_ids: Committed tokens that it does not cover.
        noted: The recurrent states of the pass that ``begin`` announced; None where it does not read step by step.
    """

    def __init__(
        self, arguments: dict[str, Any], prompt_ids: Sequence[int], rewinds: bool, steps: bool, copies: bool
    ) -> None:
        self.arguments = arguments
        self.read_ids = list(prompt_ids)
        self.pending_ids: list[int] = []
        self._reading: list[int] = []
        self._drafted = 0
        self._saved: _Saved | None = None
        self._rewinds, self._steps = rewinds, steps
        self._start: tuple[int, _Saved] | None = None
        self._copies = copies
        self._recurrent: list[Any] = []
        self.noted: StatesOfPass | None = None
        self._caches: list[Cache] = []

    @property
    def length(self) -> int:
        """Committed tokens."""
        return len(self.read_ids) + len(self.pending_ids)

    @property
    def capacity(self) -> int:
        """Committed tokens: nothing is allocated ahead."""
        return self.length

    @property
    def chain(self) -> Chain:
        """What the next pass reads again."""
        return Chain(len(self.pending_ids), self._copies)

    def reserve(self, rows: int) -> None:
        """Nothing is allocated ahead."""

    def commit(self, count: int) -> None:
        """The prompt, of ``count`` tokens, has been read: from here on the state can go back."""
        assert count == len(self.read_ids)
        states = {name: value for name, value in self.arguments.items() if _is_state(value)}
        self._caches = [value for value in states.values() if isinstance(value, Cache)]
        if self._steps:
            self._recurrent = [layer for cache in self._caches for layer in cache.layers if _is_recurrent(layer)]
        size = sum(state.nbytes for state in self._states())
        too_large = size > MOST_NOTED_BYTES // NOTED_TOKENS
        self._copies = self._copies or len(self._caches) < len(states) or too_large
        self._copies = self._copies or not all(_is_croppable(cache, self._recurrent) for cache in self._caches)
        if not self._copies:
            for cache in self._caches:
                cache.activate_past_recording()
        if self._rewinds:
            self._start = count, _Saved(self.arguments)

    def begin(self, chain_ids: Sequence[int]) -> list[int]:
        """The tokens that a pass over this chain, its root first, reads; the state is saved if it may go back."""
        drafts = len(chain_ids) > 1
        self._saved = _Saved(self.arguments) if self._copies and drafts else None
        steps = self._recurrent and (drafts or self.pending_ids)
        self.noted = StatesOfPass(self._states(), kept=not self._copies) if steps else None
        self._reading, self._drafted = [*self.pending_ids, *chain_ids], len(chain_ids) - 1
        return self._reading

    def keep(self, offsets: Sequence[int]) -> None:
        """Commit the chain's root and its first tokens, as many as there are ``offsets``; drop the others."""
        rejected = self._drafted - len(offsets)
        committed = self._reading[: len(self._reading) - rejected]
        if rejected and self._saved is not None:
            self._saved.put_back()
            self.pending_ids = committed
        else:
            self.read_ids += committed
            self.pending_ids = []
            for cache in self._caches if not self._copies else ():
                cache.crop(-rejected)  # with 0 as well: it drops what only a rejection would have needed
            if rejected and self.noted is not None:
                for state, right in zip(self._states(), self.noted.after(len(committed) - 1), strict=True):
                    state.copy_(right)
        self._saved = self.noted = None

    def _states(self) -> list[Tensor]:
        """The recurrent states, layer by layer."""
        return [state for layer in self._recurrent for state in layer.recurrent_states.values() if state is not None]

    def rewind(self, length: int) -> None:
        """Go back to the prompt, of ``length`` tokens."""
        assert self._start is not None
        assert self._start[0] == length
        self._start[1].put_back()
        self._start = length, _Saved(self.arguments)
        self.read_ids, self.pending_ids = self.read_ids[:length], []


class _Saved:
    """A copy of the state among these arguments, to be put back once at most.

    Rows of attention layers grow by concatenation, so holding on to them is enough; they are the attributes of a cache
    or a layer. The states inside its containers, and those outside a cache, may be overwritten in place and are copied.
    """

    def __init__(self, arguments: dict[str, Any]) -> None:
        self._arguments = arguments
        states = {name: value for name, value in arguments.items() if _is_state(value)}
        self._values = {name: _copied(value) for name, value in states.items() if not isinstance(value, Cache)}
        self._parts = [
            (part, {name: value if isinstance(value, Tensor) else _copied(value) for name, value in vars(part).items()})
            for cache in states.values()
            if isinstance(cache, Cache)
            for part in _parts(cache)
        ]

    def put_back(self) -> None:
        """Make the state what it was; the copies now belong to it."""
        self._arguments |= self._values
        for part, attributes in self._parts:
            vars(part).clear()
            vars(part).update(attributes)


def _is_state(value: object) -> bool:
    """Whether an argument may change with every pass: a cache, or the tensors of a state (masks are single tensors)."""
    return isinstance(value, Cache) or (
        isinstance(value, list | tuple) and any(isinstance(one, Tensor) for one in value)
    )


def _is_croppable(cache: Cache, recurrent: Sequence[object]) -> bool:
    """Whether ``crop`` puts everything back but the states of these layers; an older transformers does not say."""
    if type(cache) is DynamicCache and recurrent:
        return all(layer in recurrent or getattr(layer, "is_croppable", True) for layer in cache.layers)
    return bool(getattr(cache, "is_croppable", False))


def _is_recurrent(layer: object) -> bool:
    return any(getattr(layer, "is_recurrent_states_initialized", {}).values())


def _parts(cache: Cache) -> Iterator[Any]:
    """The cache, its layers, and those of the caches in it."""
    yield cache
    yield from cache.layers
    for value in vars(cache).values():
        if isinstance(value, Cache):
            yield from _parts(value)


def _copied(value: Any) -> Any:
    """A copy of a container and of the tensors in it; anything else is itself."""
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {name: _copied(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_copied(one) for one in value)
    return value
