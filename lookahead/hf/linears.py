"""Linear layers on a CPU whose rows do not depend on how many there are: packed for oneDNN, chosen by measurement."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from time import perf_counter
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

TRIED_ROWS = (1, 2, 3, 5, 8, 16, 33, 64)
"""Rows of the passes that must agree with each other."""
_TIMED_ROWS = (1, 8)
_TRIES = 5
_WORTH_WEIGHTS = 1 << 16
"""Smaller layers are not packed for speed: the time of one can hardly be measured."""
_GAIN = 0.9
"""A packed layer replaces one that is as exact only if it takes at most this share of its time."""
_BATCH_HINT = 16
"""oneDNN chooses its layout for passes of about so many rows."""


class PackedLinear(nn.Linear):
    """A linear layer that keeps its weights in oneDNN's layout only.

    ``weight`` unpacks a copy, so that saving works; moving or loading the layer makes it an ordinary one again.
    """

    packed_weight: Tensor
    _bias: Tensor | None
    _dtype: torch.dtype

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        """A copy of the weights, shape ``(out, in)``."""
        return self.packed_weight.to_dense().to(self._dtype)

    def forward(self, input: Tensor) -> Tensor:
        """The layer's output; the same for a row whatever the other rows are."""
        output = _apply_packed(self.packed_weight, self._bias, input.to(self.packed_weight.dtype))
        return output.to(input.dtype)

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + "weight"] = self.weight

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        unpack(self)
        self._load_from_state_dict(*args, **kwargs)

    def _apply(self, fn: Any, recurse: bool = True) -> nn.Module:
        return unpack(self)._apply(fn, recurse)


def choose_linears(model: nn.Module, exact: bool = True) -> int:
    """Pack the linear layers of a model on a CPU where that makes them exact or faster; returns how many.

    One layer of every shape is tried: whether a row's bits depend on the number of rows, and the time of a few.
    Where it need not be ``exact``, speed alone decides.
    A layer whose dtype oneDNN cannot pack here may get float32 weights, twice the size: only if that makes it exact or
    faster, and if all layers as float32 take less than half of the memory that is free.
    """
    least = 0 if exact else _WORTH_WEIGHTS
    layers = [
        module
        for module in model.modules()
        if type(module) is nn.Linear and _can_pack(module) and module.weight.numel() >= least
    ]
    widens = exact and sum(4 * layer.weight.numel() for layer in layers) < _free_bytes() / 2
    verdicts: dict[tuple[Any, ...], torch.dtype | None] = {}
    packed = 0
    with torch.inference_mode():
        for layer in layers:
            shape = (*layer.weight.shape, layer.weight.dtype, layer.bias is None)
            if shape not in verdicts:
                verdicts[shape] = _better_packed(layer, widens, exact)
            if (dtype := verdicts[shape]) is not None:
                _pack_in_place(layer, dtype)
                packed += 1
    return packed


def unpack(layer: nn.Linear) -> nn.Linear:
    """The same layer with ordinary weights."""
    if isinstance(layer, PackedLinear):
        weight = layer.weight
        del layer.packed_weight, layer._bias
        layer.__class__ = nn.Linear  # type: ignore[assignment]
        layer.register_parameter("weight", nn.Parameter(weight, requires_grad=False))
    return layer


def _can_pack(layer: nn.Linear) -> bool:
    weight = layer.weight
    return (
        type(weight) is nn.Parameter  # not a quantiser's own kind of tensor
        and weight.device.type == "cpu"
        and weight.dtype in (torch.float32, torch.bfloat16, torch.float16)
        and torch.backends.mkldnn.is_available()
    )


def _free_bytes() -> float:
    """Memory that nothing uses; infinite where the system does not say."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return math.inf


def _better_packed(layer: nn.Linear, widens: bool, exact: bool) -> torch.dtype | None:
    """The dtype in which the layer is better packed, float32 only if it ``widens``; None if it is as good as it is."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn((max(TRIED_ROWS), layer.in_features), generator=generator).to(layer.weight.dtype)

    def plain(part: Tensor) -> Tensor:
        return functional.linear(part, layer.weight, layer.bias)

    good = not exact or _independent(plain, rows)
    for dtype in dict.fromkeys((layer.weight.dtype, torch.float32 if widens else layer.weight.dtype)):
        try:
            weight, bias = _packed(layer, dtype)
        except RuntimeError:  # this processor cannot
            continue

        def packed(part: Tensor, weight: Tensor = weight, bias: Tensor | None = bias) -> Tensor:
            return _apply_packed(weight, bias, part.to(weight.dtype)).to(part.dtype)

        if exact and not _independent(packed, rows):
            continue
        if not good or _seconds(packed, rows) < _GAIN * _seconds(plain, rows):
            return dtype
    return None


def _independent(linear: Callable[[Tensor], Tensor], rows: Tensor) -> bool:
    """Whether every row's result is the same in passes of all numbers of rows."""
    expected = linear(rows)
    return all(torch.equal(linear(rows[-count:]), expected[-count:]) for count in TRIED_ROWS)


def _seconds(linear: Callable[[Tensor], Tensor], rows: Tensor) -> float:
    """Time of a few passes with all threads, the fastest of a few each."""
    total = 0.0
    for count in _TIMED_ROWS:
        times = []
        for _ in range(_TRIES):
            started = perf_counter()
            linear(rows[:count])
            times.append(perf_counter() - started)
        total += min(times)
    return total


def _packed(layer: nn.Linear, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
    weight = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach().to(dtype), _BATCH_HINT)
    return weight, None if layer.bias is None else layer.bias.detach().to(dtype)


def _apply_packed(weight: Tensor, bias: Tensor | None, rows: Tensor) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")


def _pack_in_place(layer: nn.Linear, dtype: torch.dtype) -> None:
    original = layer.weight.dtype
    weight, bias = _packed(layer, dtype)
    del layer.weight
    layer.__class__ = PackedLinear
    packed = cast(PackedLinear, layer)
    packed.packed_weight, packed._bias, packed._dtype = weight, bias, original
