"""How fast a device reads its memory, and how much of it a forward pass reads: decoding is bound by that."""

from __future__ import annotations

from time import perf_counter

import torch
from transformers import PreTrainedModel

from lookahead.hf.measure import wait_for

_SIDE = 8192
"""Rows and columns of the float32 buffer, 256 MiB: more than the caches that a processor's core or a GPU has."""
_ROUNDS = 5
_EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")


def read_bandwidth(device: torch.device) -> float:
    """Bytes per second that the device reads: the fastest of a few reads of a buffer larger than its caches.

    Two kernels read it, a matrix times a vector (as decoding does) and a sum, because either may be the slower one.
    """
    buffer, vector = torch.ones((_SIDE, _SIDE), device=device), torch.ones(_SIDE, device=device)
    times = []
    for _ in range(_ROUNDS + 1):
        for read in (lambda: buffer @ vector, lambda: buffer.sum()):
            wait_for(device)
            started = perf_counter()
            read()
            wait_for(device)
            times.append(perf_counter() - started)
    return buffer.nbytes / min(times[2:])  # the first round picks kernels


def weight_bytes(model: PreTrainedModel) -> int | None:
    """Bytes of weights that a forward pass reads; None for a mixture of experts, where the tokens decide.

    Of an input embedding that is not also the output's, a pass reads a few rows only. A layer that keeps its weights in
    another layout has them as ``packed_weight``.
    """
    config = model.config.get_text_config(decoder=True)
    if any(getattr(config, name, None) for name in _EXPERTS):
        return None
    embedding, head = model.get_input_embeddings().weight, model.get_output_embeddings()
    tied = head is not None and head.weight is embedding
    kept = [
        *model.parameters(),
        *(module.packed_weight for module in model.modules() if hasattr(module, "packed_weight")),
    ]
    read = sum(weights.numel() * weights.element_size() for weights in kept)  # type: ignore[operator, union-attr]
    return read - (0 if tied else embedding.nbytes)  # type: ignore[operator]
