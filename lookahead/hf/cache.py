"""The KV cache of one run: preallocated rows, one per token, that can be dropped and moved in place."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from transformers import Cache, DynamicCache, DynamicLayer, PreTrainedModel

from lookahead.backend import UnsupportedCacheError, brief
from lookahead.hf.attention import ONES, carrying, compute_dtype

GROWTH_ROWS = 512
"""Rows allocated ahead of the prompt at first; more are added by doubling."""


@dataclass(frozen=True, slots=True)
class LayerShape:
    """The storage of one layer's keys and values: heads, sizes of a row, dtype and device."""

    heads: int
    key_size: int
    value_size: int
    dtype: torch.dtype
    device: torch.device


class RowLayer(DynamicLayer):
    """One layer's rows: views of shape ``(1, heads, capacity, size)`` into buffers that the cache owns.

    Args:
        ones: Columns of ones behind the values.
    """

    def __init__(self, cursor: SimpleNamespace, ones: int = 0) -> None:
        super().__init__()
        self._cursor, self._ones = cursor, ones
        self.key_rows: Tensor | None = None
        self.value_rows: Tensor | None = None

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Write the new rows after the committed ones; returns all rows so far, without a copy."""
        if self.key_rows is None or self.value_rows is None:
            raise UnsupportedCacheError("a layer that cached nothing at first caches now")
        start, count = self._cursor.length, key_states.shape[2]
        self.key_rows.narrow(2, start, count).copy_(key_states)
        values = self.value_rows.narrow(2, 0, start + count)
        self.keys = self.key_rows.narrow(2, 0, start + count)
        self.values = carrying(values[..., : -self._ones], values) if self._ones else values
        self.values.narrow(2, start, count).copy_(value_states)
        return self.keys, self.values

    def get_seq_length(self) -> int:
        """Committed rows; the same for all layers during a pass."""
        return self._cursor.length


class RowCache(Cache):
    """A cache that commits nothing of a pass until ``keep`` names the rows that stay.

    Layers of one shape share a buffer ``(2 * layers, heads, capacity, size)``, so that two operations
    move the accepted rows, whatever the number of layers.

    Args:
        computed_in: Keep the rows in the dtype that the registered attention computes in, values with its columns of
            ones, so that no pass has to convert all of them.
    """

    def __init__(self, shapes: Sequence[LayerShape | None], capacity: int, computed_in: bool = False) -> None:
        self._cursor = SimpleNamespace(length=0)  # committed rows, the same for all layers
        self._ones = ONES if computed_in else 0
        self._row_layers = [RowLayer(self._cursor, self._ones) for _ in shapes]
        super().__init__(layers=list(self._row_layers))
        self._shapes = list(shapes)
        self._buffers: list[Tensor] = []
        self.capacity = 0
        self._allocate(capacity)

    @property
    def length(self) -> int:
        """Committed rows."""
        return self._cursor.length

    def reserve(self, rows: int) -> None:
        """Make room for ``rows`` rows; grows by doubling, so that the copies stay a small share of the run."""
        if rows > self.capacity:
            self._allocate(max(rows, 2 * self.capacity))

    def keep(self, offsets: Sequence[int]) -> None:
        """Commit the root's row and the rows at these offsets after it (increasing, >= 1); drop the others."""
        start, count = self._cursor.length, len(offsets)
        # Offsets increase along a path, so the last one shows whether the rows are adjacent already.
        if count and offsets[-1] != count:
            for buffer in self._buffers:
                index = torch.tensor(offsets, device=buffer.device) + start
                buffer.narrow(2, start + 1, count).copy_(buffer.index_select(2, index))
        self._cursor.length = start + 1 + count

    def commit(self, count: int) -> None:
        """Commit the next ``count`` rows in place (a prompt)."""
        self._cursor.length += count

    def rewind(self, length: int) -> None:
        """Drop all rows after the first ``length``."""
        assert 0 <= length <= self._cursor.length
        self._cursor.length = length

    def _allocate(self, capacity: int) -> None:
        """Allocate buffers of ``capacity`` rows and copy the committed ones."""
        old, kept, self._buffers = self._buffers, self._cursor.length, []
        groups: dict[tuple[Any, ...], list[tuple[RowLayer, str]]] = {}
        for layer, shape in zip(self._row_layers, self._shapes, strict=True):
            if shape is not None:
                dtype = compute_dtype(shape.dtype) if self._ones else shape.dtype
                for size, name in ((shape.key_size, "key_rows"), (shape.value_size + self._ones, "value_rows")):
                    ones = self._ones if name == "value_rows" else 0
                    groups.setdefault((shape.heads, size, dtype, shape.device, ones), []).append((layer, name))
        for (heads, size, dtype, device, ones), members in groups.items():
            buffer = torch.empty((len(members), heads, capacity, size), dtype=dtype, device=device)
            if kept:
                buffer[:, :, :kept].copy_(old[len(self._buffers)][:, :, :kept])
            if ones:
                buffer[..., -ones:] = 1
            self._buffers.append(buffer)
            for index, (layer, name) in enumerate(members):
                setattr(layer, name, buffer[index : index + 1])
                layer.is_initialized = True
        self.capacity = capacity


def cache_argument(forward_arguments: Collection[str]) -> str:
    """The name of the cache in a forward pass's arguments and outputs: ``cache`` from transformers 5.24 on."""
    return "cache" if "cache" in forward_arguments else "past_key_values"


def learn_layer_shapes(model: PreTrainedModel, argument: str) -> list[LayerShape | None]:
    """What each layer of the model caches, learned from a pass of two tokens.

    Raises:
        UnsupportedCacheError: If the model keeps anything but one row per token and layer.
    """
    cache = DynamicCache()
    ids = torch.zeros((1, 2), dtype=torch.long, device=model.device)
    try:
        outputs = model(input_ids=ids, use_cache=True, **{argument: cache})
    except Exception as error:
        raise UnsupportedCacheError(f"it does not run with a plain KV cache ({brief(error)})") from error
    if getattr(outputs, argument, None) is not cache or not cache.layers:
        raise UnsupportedCacheError("it keeps a state that cannot drop rejected tokens")
    shapes: list[LayerShape | None] = []
    for layer in cache.layers:
        if type(layer) is not DynamicLayer:
            raise UnsupportedCacheError(f"its {type(layer).__name__} cannot drop rejected tokens")
        keys, values = layer.keys, layer.values
        if keys is None or values is None:
            shapes.append(None)
        elif keys.dim() != 4 or keys.shape[2] != 2 or values.shape[:3] != keys.shape[:3]:
            raise UnsupportedCacheError("its cache does not keep one row per token")
        else:
            shapes.append(LayerShape(keys.shape[1], keys.shape[3], values.shape[3], keys.dtype, keys.device))
    return shapes
