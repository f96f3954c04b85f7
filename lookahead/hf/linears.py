"""Linear layers on a CPU: computed as loaded, weights first, or packed for oneDNN, whatever a trial finds best."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from time import perf_counter
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.pytorch_utils import Conv1D

TRIED_ROWS = (1, 2, 3, 5, 8, 16, 33, 64)
"""Rows of the passes that must agree with each other."""
_TIMED_ROWS = (1, 4, 8)
_TRIES, _FEWEST_TRIES = 5, 2
_ENOUGH_SECONDS = 0.3
"""Time for the tries of one shape; one that is under way ends."""
_COLD_BYTES = 1 << 25
"""Weights that are timed one after the other, as in a pass: a single layer would be read from the processor's cache."""
_WORTH_WEIGHTS = 1 << 16
"""Smaller layers are not changed for speed: the time of one can hardly be measured."""
_GAIN = 0.9
"""Another way replaces one that is as exact only if it takes at most this share of its time."""
_BATCH_HINT = 16
"""oneDNN chooses its layout for passes of about so many rows."""

Linear = Callable[[Tensor], Tensor]
Way = Callable[[nn.Linear], None]


class ChangedLinear(nn.Linear):
    """A linear layer with the weights of the one it was, which may compute one row as two.

    Attributes:
        least_rows: 2 computes a row that is alone twice, because its bits would be others than among more rows.
        was_conv: Whether it was a ``Conv1D``, whose weights are stored as ``(in, out)``.
    """

    least_rows: int = 1
    was_conv: bool = False

    def forward(self, input: Tensor) -> Tensor:
        """The layer's output."""
        return _doubled(self.product, input) if self.least_rows > 1 else self.product(input)

    def product(self, input: Tensor) -> Tensor:
        """The output for the rows as they are."""
        return functional.linear(input, self.weight, self.bias)

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        weight = self.weight if keep_vars else self.weight.detach()
        destination[prefix + "weight"] = weight.t() if self.was_conv else weight

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        restore(self)
        self._load_from_state_dict(*args, **kwargs)


class WeightFirstLinear(ChangedLinear):
    """A linear layer that multiplies its weights with the rows where they are few: ``(weight @ rows.T).T``.

    The same weights, which a library may read faster in this order; one row and long prompts are computed as usual.
    """

    def product(self, input: Tensor) -> Tensor:
        """The output for the rows as they are."""
        return _weight_first(self.weight, self.bias, input)


class PackedLinear(ChangedLinear):
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

    def product(self, input: Tensor) -> Tensor:
        """The output for the rows as they are."""
        return _from_packed(self.packed_weight, self._bias, input)

    def _apply(self, fn: Any, recurse: bool = True) -> nn.Module:
        return restore(self)._apply(fn, recurse)


def choose_linears(model: nn.Module, exact: bool = True) -> int:
    """Change the linear layers of a model on a CPU where that makes them exact or faster; returns how many.

    Layers of one shape are tried together: whether a row's bits depend on the number of rows, and the time of a few.
    Where they need not be ``exact``, speed alone decides.
    Layers whose dtype oneDNN cannot pack here may get float32 weights, twice the size: only if that makes them exact or
    faster, and if all layers as float32 take less than half of the memory that is free.
    """
    least = 0 if exact else _WORTH_WEIGHTS
    shapes: defaultdict[tuple[Any, ...], list[tuple[nn.Module, nn.Linear]]] = defaultdict(list)
    for module in model.modules():
        layer = _as_linear(module)
        if layer is not None and _can_change(layer) and layer.weight.numel() >= least:
            kind = (type(module), *layer.weight.shape, layer.weight.dtype, layer.bias is None)
            shapes[kind].append((module, layer))
    everything = [layer for layers in shapes.values() for _, layer in layers]
    widens = exact and sum(4 * layer.weight.numel() for layer in everything) < _free_bytes() / 2
    changed = 0
    with torch.inference_mode():
        for layers in shapes.values():
            if (change := _best_change([layer for _, layer in layers], widens, exact)) is not None:
                for module, layer in layers:
                    change(module, layer)
                changed += len(layers)
    return changed


def restore(layer: nn.Module) -> nn.Module:
    """The same layer as it was loaded, with ordinary weights."""
    if isinstance(layer, ChangedLinear):
        weight, packed, was_conv = layer.weight, isinstance(layer, PackedLinear), layer.was_conv
        if packed:
            del layer.packed_weight, layer._bias
        layer.__class__ = Conv1D if was_conv else nn.Linear  # type: ignore[assignment]
        if packed or was_conv:
            weight = weight.t().contiguous() if was_conv else weight
            layer.register_parameter("weight", nn.Parameter(weight, requires_grad=False))
    return layer


def _as_linear(module: nn.Module) -> nn.Linear | None:
    """The layer with weights of shape ``(out, in)``: itself or a view of its weights; None if it is another kind."""
    if type(module) is nn.Linear:
        return module
    if type(module) is not Conv1D:
        return None
    return _linear(nn.Parameter(module.weight.t(), requires_grad=False), module.bias)


def _linear(weight: nn.Parameter, bias: nn.Parameter | None) -> nn.Linear:
    """A layer with these weights."""
    layer = nn.Linear(1, 1, bias=False)
    layer.out_features, layer.in_features = weight.shape
    layer.weight, layer.bias = weight, bias  # type: ignore[assignment]
    return layer


def _can_change(layer: nn.Linear) -> bool:
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


def _best_change(layers: Sequence[nn.Linear], widens: bool, exact: bool) -> Callable[..., None] | None:
    """What to do with modules of one shape and their layers; None if they are as good as they are."""
    first = layers[0]
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn((max(TRIED_ROWS), first.in_features), generator=generator).to(first.weight.dtype)
    timed = layers[: max(1, _COLD_BYTES // first.weight.nbytes)]
    tried = _ways(timed, widens)
    found = _least_rows(first, widens) if exact else [1] * len(tried)
    good = [(way, linears, least) for (way, linears), least in zip(tried, found, strict=True) if least is not None]
    if not good:
        return None
    seconds = _seconds([[partial(_doubled, one) for one in ls] if least > 1 else ls for _, ls, least in good], rows)
    worth = [_GAIN * time if way is _keep else time for (way, *_), time in zip(good, seconds, strict=True)]
    way, _, least = good[worth.index(min(worth))]
    return None if way is _keep and least == 1 else partial(_change, way=way, least_rows=least)


def _change(module: nn.Module, layer: nn.Linear, way: Way, least_rows: int) -> None:
    """Make the module, whose layer this is, a layer of that way."""
    changed = cast(ChangedLinear, module)
    if module is not layer:
        module.__class__ = nn.Linear  # type: ignore[assignment]
        changed.in_features, changed.out_features = layer.in_features, layer.out_features
        changed.weight, changed.was_conv = layer.weight, True
    way(changed)
    changed.least_rows = least_rows


def _ways(layers: Sequence[nn.Linear], widens: bool) -> list[tuple[Way, list[Linear]]]:
    """What can be done with a layer, and what these layers would then compute; first of all, nothing."""
    ways: list[tuple[Way, list[Linear]]] = [
        (_keep, [partial(functional.linear, weight=one.weight, bias=one.bias) for one in layers]),
        (_put_weight_first, [partial(_weight_first, one.weight, one.bias) for one in layers]),
    ]
    dtype = layers[0].weight.dtype
    for packed in dict.fromkeys((dtype, torch.float32 if widens else dtype)):
        with suppress(RuntimeError):  # this processor cannot
            kept = [_packed(one, packed) for one in layers]
            ways.append((partial(_pack_in_place, dtype=packed), [partial(_from_packed, *weights) for weights in kept]))
    return ways


def _least_rows(layer: nn.Linear, widens: bool) -> list[int | None]:
    """For each way the rows, 1 or 2, from which on a row's bits do not depend on their number; None: they always do.

    Tried on weights of this layer's shape whose products cancel: what is left is rounding, so that another order of
    additions shows in most results. In 16 bits it would hardly ever show otherwise, and change a token one day.
    """
    trial, rows = _cancelling(layer)
    return [
        next((least for least, one in ((1, linear), (2, partial(_doubled, linear))) if _independent(one, rows)), None)
        for _, (linear,) in _ways([trial], widens)
    ]


def _cancelling(layer: nn.Linear) -> tuple[nn.Linear, Tensor]:
    """A layer of this shape and rows for it whose products add up to nothing but rounding."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.zeros_like(layer.weight)
    half = layer.in_features // 2
    places = torch.randperm(layer.in_features, generator=generator)
    positive, negative = places[:half], places[half : 2 * half]
    weight[:, positive] = torch.randn((layer.out_features, half), generator=generator).to(weight.dtype)
    weight[:, negative] = weight[:, positive]
    rows = weight.new_zeros((max(TRIED_ROWS), layer.in_features))
    rows[:, positive] = torch.randn((len(rows), half), generator=generator).to(weight.dtype)
    rows[:, negative] = -rows[:, positive]
    bias = None if layer.bias is None else nn.Parameter(torch.zeros_like(layer.bias), requires_grad=False)
    return _linear(nn.Parameter(weight, requires_grad=False), bias), rows


def _independent(linear: Linear, rows: Tensor) -> bool:
    """Whether every row's result is the same in passes of all numbers of rows."""
    expected = linear(rows)
    return all(torch.equal(linear(rows[-count:]), expected[-count:]) for count in TRIED_ROWS)


def _seconds(ways: Sequence[Sequence[Linear]], rows: Tensor) -> list[float]:
    """Time of a few passes through the layers, one after the other, each way in turn; the fastest of a few each."""
    times = [[math.inf] * len(_TIMED_ROWS) for _ in ways]
    begun = perf_counter()
    for tries in range(_TRIES):
        if tries >= _FEWEST_TRIES and perf_counter() - begun > _ENOUGH_SECONDS:
            break
        for place, count in enumerate(_TIMED_ROWS):
            for linears, fastest in zip(ways, times, strict=True):
                started = perf_counter()
                for linear in linears:
                    linear(rows[:count])
                fastest[place] = min(fastest[place], perf_counter() - started)
    return [sum(fastest) for fastest in times]


def _weight_first(weight: Tensor, bias: Tensor | None, input: Tensor) -> Tensor:
    rows = input.reshape(-1, input.shape[-1])
    if not 1 < len(rows) <= max(TRIED_ROWS):
        return functional.linear(input, weight, bias)
    columns = rows.t()
    output = weight @ columns if bias is None else torch.addmm(bias[:, None], weight, columns)
    return output.t().contiguous().view(*input.shape[:-1], -1)  # fast attention needs adjacent elements


def _doubled(linear: Linear, input: Tensor) -> Tensor:
    """The layer's output, that of a single row computed as two."""
    if input.numel() != input.shape[-1]:
        return linear(input)
    return linear(input.reshape(1, -1).repeat(2, 1))[:1].view(*input.shape[:-1], -1)


def _keep(layer: nn.Linear) -> None:
    layer.__class__ = ChangedLinear


def _put_weight_first(layer: nn.Linear) -> None:
    layer.__class__ = WeightFirstLinear


def _packed(layer: nn.Linear, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
    weight = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach().to(dtype), _BATCH_HINT)
    return weight, None if layer.bias is None else layer.bias.detach().to(dtype)


def _from_packed(weight: Tensor, bias: Tensor | None, input: Tensor) -> Tensor:
    output = torch.ops.mkldnn._linear_pointwise(input.to(weight.dtype), weight, bias, "none", [], "")
    return output.to(input.dtype)


def _pack_in_place(layer: nn.Linear, dtype: torch.dtype) -> None:
    original = layer.weight.dtype
    weight, bias = _packed(layer, dtype)
    del layer.weight
    layer.__class__ = PackedLinear
    packed = cast(PackedLinear, layer)
    packed.packed_weight, packed._bias, packed._dtype = weight, bias, original
