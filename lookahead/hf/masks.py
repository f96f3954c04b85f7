"""Attention masks of draft trees: which node sees which, added to the attention scores."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedConfig

from lookahead.backend import UnsupportedCacheError, shortened
from lookahead.hf.attention import TreePlaces, compute_dtype, placed
from lookahead.hf.model_config import setting

ALIGNMENT = 16
"""Row strides of a mask on CUDA: CUDA's memory-efficient attention kernel takes such a mask without a copy."""

WINDOW_SETTINGS = ("sliding_window", "use_sliding_window", "max_window_layers", "sliding_window_pattern")
"""A configuration's settings for windows: the window, and the layers that have it (``layer_types`` repeats them)."""

LONGEST_TRIED = 64
"""Largest number in an unknown setting for windows that a trial exceeds, to see whether it is a window at all."""

Mask = Tensor | dict[str, Tensor | None]


@dataclass(frozen=True, slots=True)
class MaskPlan:
    """The masks that a model takes.

    Attributes:
        windows: Tokens that a layer of each kind sees, itself included; None means all. With one kind the whole model
            takes one mask tensor, with several a dict with one mask per kind.
        unknown: Settings that may be a window of another kind, and their largest number: to be tried out.
        chunked: The kinds whose windows do not slide: a position sees those of its own chunk, of that many tokens.
    """

    windows: Mapping[str, int | None]
    unknown: Mapping[str, int] = field(default_factory=dict)
    chunked: Collection[str] = ()

    @classmethod
    def of(cls, config: PreTrainedConfig) -> MaskPlan:
        """The plan for a model's configuration.

        Raises:
            UnsupportedCacheError: If a kind of layer is not supported, or a setting cannot be read.
        """
        window, kinds = setting(config, "sliding_window"), setting(config, "layer_types")
        chunk = setting(config, "attention_chunk_size")
        if setting(config, "attn_temperature_tuning"):
            raise UnsupportedCacheError("it scales its attention by row, not by position (attn_temperature_tuning)")
        unknown: dict[str, int] = {}
        for name, value in vars(config).items():
            if "window" in name and name.lstrip("_") not in WINDOW_SETTINGS and value:
                unknown[name] = _longest_window(name, value)
        if not kinds:
            if chunk is not None and not window:
                return cls({"chunked_attention": chunk}, unknown, ("chunked_attention",))
            return cls({"sliding_attention" if window else "full_attention": window or None}, unknown)
        windows: dict[str, int | None] = {}
        for kind in kinds:
            if kind not in (known := {"full_attention": None, "sliding_attention": window, "chunked_attention": chunk}):
                raise UnsupportedCacheError(f"its {kind} layers cannot drop rejected tokens")
            windows[kind] = known[kind]
        return cls(windows, unknown, ("chunked_attention",))


def window_refused(name: str, value: object) -> UnsupportedCacheError:
    """The refusal of a setting that is a window, or may be one."""
    return UnsupportedCacheError(f"its attention window ({name}={shortened(value)}) is not supported")


def _longest_window(name: str, value: object) -> int:
    """The largest number in an unknown setting with "window" in its name.

    Raises:
        UnsupportedCacheError: If it holds anything but numbers that a trial can go past.
    """
    values = list(value) if isinstance(value, list | tuple) else [value]
    numbers = [number for number in values if type(number) is int and 0 < number <= LONGEST_TRIED]
    if not values or len(numbers) < len(values):
        raise window_refused(name, value)
    return max(numbers)


class TreeMasks:
    """Builds the masks of one run's passes in reused buffers.

    A full mask of a tree of n nodes after L committed rows is ``L`` open columns, then the tree's ``(n, n)`` block.
    The block has a fixed place in the buffer, with open columns before it. The mask is the slice that starts L columns
    before the block, so no column of the context is ever written.
    """

    def __init__(self, plan: MaskPlan, dtype: torch.dtype, device: torch.device, places: bool = False) -> None:
        dtype = compute_dtype(dtype) if places else dtype
        self._places = places
        self._windows, self._chunked = dict(plan.windows), plan.chunked
        self._device = device
        self._closed = torch.finfo(dtype).min
        self._dtype = dtype
        self._buffer = torch.zeros((0, 0), dtype=dtype, device=device)
        self._before = 0
        self._parents: tuple[int, ...] = ()

    def root(self, length: int) -> Mask | None:
        """The mask of a pass of one token after ``length`` rows; None if plain causal attention is right."""
        if all(window is None or length < window for window in self._windows.values()):
            return None
        own = torch.tensor([length], device=self._device)
        row = torch.zeros((1, 1, 1, length + 1), dtype=self._dtype, device=self._device)
        return self._by_kind(None, lambda kind: self._slide(row.clone(), length, own, kind))

    def tree(self, parents: Sequence[int], depths: Sequence[int], length: int) -> Mask:
        """The mask of a draft tree after ``length`` rows, shape ``(1, 1, n, length + n)``."""
        count = len(parents)
        self._reserve(count, length)
        self._write_block(tuple(parents))
        full = self._buffer[:count, self._before - length : self._before + count]
        if self._device.type == "cuda":
            full = _aligned(full)
        full = full[None, None]
        places = TreePlaces.of(depths, length, self._dtype, self._device) if self._places else 0
        placed(full, places)
        reach = length + max(depths)
        if all(window is None or reach < window for window in self._windows.values()):
            return self._by_kind(full, lambda _: full)
        own = torch.tensor(depths, device=self._device) + length
        return self._by_kind(full, lambda kind: placed(self._slide(full.clone(), length, own, kind), places))

    def _by_kind(self, full: Tensor | None, windowed: Callable[[str], Tensor]) -> Mask:
        masks = {kind: full if window is None else windowed(kind) for kind, window in self._windows.items()}
        if len(masks) > 1:
            return masks
        (mask,) = masks.values()
        assert mask is not None
        return mask

    def _slide(self, mask: Tensor, length: int, own: Tensor, kind: str) -> Tensor:
        """Close the columns before the first position that a row's own one sees; positions follow depth, not row."""
        window = self._windows[kind]
        assert window is not None
        first = own // window * window if kind in self._chunked else own - window + 1
        positions = torch.cat((torch.arange(length, device=self._device), own))
        return mask.masked_fill_(positions[None, :] < first[:, None], self._closed)

    def _reserve(self, count: int, length: int) -> None:
        rows, columns = self._buffer.shape
        if count <= rows and length <= self._before and count <= columns - self._before:
            return
        rows = max(rows, count)
        self._before = max(length + 256, 2 * self._before) if length > self._before else self._before
        self._buffer = torch.zeros((rows, self._before + rows), dtype=self._dtype, device=self._device)
        self._parents = ()

    def _write_block(self, parents: tuple[int, ...]) -> None:
        if parents == self._parents:
            return
        self._parents = parents
        count = len(parents)
        ancestors = [1]
        for node in range(1, count):
            ancestors.append(ancestors[parents[node]] | 1 << node)
        size = (count + 7) // 8
        packed = np.frombuffer(b"".join(row.to_bytes(size, "little") for row in ancestors), np.uint8)
        bits = np.unpackbits(packed.reshape(count, size), axis=1, count=count, bitorder="little")
        block = self._buffer[:count, self._before : self._before + count]
        # 1 (seen) becomes 0, 0 becomes the lowest number of the dtype.
        block.copy_(torch.from_numpy(bits)).sub_(1).mul_(-self._closed)


def _aligned(mask: Tensor) -> Tensor:
    """A copy whose rows start at multiples of ``ALIGNMENT``."""
    rows, columns = mask.shape
    padded = mask.new_empty((rows, -(-columns // ALIGNMENT) * ALIGNMENT))
    return padded[:, :columns].copy_(mask)
