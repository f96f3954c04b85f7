"""Linear layers on a CPU: computed as loaded, weights first, or packed for oneDNN, whatever a trial finds best."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from time import perf_counter
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

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


class WeightFirstLinear(nn.Linear):
    """A linear layer that multiplies its weights with the rows where they are few: ``(weight @ rows.T).T``.

    The same weights, which a library may read faster in this order; one row and long prompts are computed as usual.
    """

    def forward(self, input: Tensor) -> Tensor:
        """The layer's output."""
        return _weight_first(self.weight, self.bias, input)


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
        return _from_packed(self.packed_weight, self._bias, input)

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + "weight"] = self.weight

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        unpack(self)
        self._load_from_state_dict(*args, **kwargs)

    def _apply(self, fn: Any, recurse: bool = True) -> nn.Module:
        return unpack(self)._apply(fn, recurse)


def choose_linears(model: nn.Module, exact: bool = True) -> int:
    """Change the linear layers of a model on a CPU where that makes them exact or faster; returns how many.

    Layers of one shape are tried together: whether a row's bits depend on the number of rows, and the time of a few.
    Where they need not be ``exact``, speed alone decides.
    Layers whose dtype oneDNN cannot pack here may get float32 weights, twice the size: only if that makes them exact or
    faster, and if all layers as float32 take less than half of the memory that is free.
    """
    least = 0 if exact else _WORTH_WEIGHTS
    shapes: defaultdict[tuple[Any, ...], list[nn.Linear]] = defaultdict(list)
    for module in model.modules():
        if type(module) is nn.Linear and _can_change(module) and module.weight.numel() >= least:
            shapes[*module.weight.shape, module.weight.dtype, module.bias is None].append(module)
    widens = (
        exact and sum(4 * layer.weight.numel() for layers in shapes.values() for layer in layers) < _free_bytes() / 2
    )
    changed = 0
    with torch.inference_mode():
        for layers in shapes.values():
            if (way := _best_way(layers, widens, exact)) is not None:
                for layer in layers:
                    way(layer)
                changed += len(layers)
    return changed


def unpack(layer: nn.Linear) -> nn.Linear:
    """The same layer with ordinary weights."""
    if isinstance(layer, PackedLinear):
        weight = layer.weight
        del layer.packed_weight, layer._bias
        layer.__class__ = nn.Linear  # type: ignore[assignment]
        layer.register_parameter("weight", nn.Parameter(weight, requires_grad=False))
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


def _best_way(layers: Sequence[nn.Linear], widens: bool, exact: bool) -> Way | None:
    """What to do with layers of one shape; None if they are as good as they are."""
    first = layers[0]
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn((max(TRIED_ROWS), first.in_features), generator=generator).to(first.weight.dtype)
    timed = layers[: max(1, _COLD_BYTES // first.weight.nbytes)]
    own = [partial(functional.linear, weight=one.weight, bias=one.bias) for one in timed]
    tried = [(None, own), *_ways(timed, widens)]
    good = [(way, linears) for way, linears in tried if not exact or _independent(linears[0], rows)]
    if not good:
        return None
    seconds = _seconds([linears for _, linears in good], rows)
    worth = [time if way else _GAIN * time for (way, _), time in zip(good, seconds, strict=True)]
    return good[worth.index(min(worth))][0]


def _ways(layers: Sequence[nn.Linear], widens: bool) -> Iterator[tuple[Way, list[Linear]]]:
    """What can be done with a layer, and what these layers would then compute."""
    yield _put_weight_first, [partial(_weight_first, one.weight, one.bias) for one in layers]
    dtype = layers[0].weight.dtype
    for packed in dict.fromkeys((dtype, torch.float32 if widens else dtype)):
        try:
            kept = [_packed(one, packed) for one in layers]
        except RuntimeError:  # this processor cannot
            continue
        yield partial(_pack_in_place, dtype=packed), [partial(_from_packed, *weights) for weights in kept]


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
