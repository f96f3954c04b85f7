"""Muon for the matrices inside the blocks, Adam for the rest, both on fp32 masters of the bf16 weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def orthogonalised(gradients: Tensor, dtype: torch.dtype, steps: int = 5) -> Tensor:
    """The nearest (semi-)orthogonal matrices of a stack ``(n, rows, columns)``: quintic Newton-Schulz iteration."""
    tall = gradients.shape[1] > gradients.shape[2]
    x = (gradients.transpose(1, 2) if tall else gradients).to(dtype)
    x = x / (x.float().norm(dim=(1, 2), keepdim=True) + 1e-7).to(dtype)
    for _ in range(steps):
        gram = x @ x.transpose(1, 2)
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.transpose(1, 2) if tall else x


PARTS = {"qkv": 3, "gate_up": 2}
"""Matrices that hold several projections."""


class Muon:
    """Optimiser state and step for a whole network.

    Matrices of blocks that hold several projections (queries, keys and values; gate and up) are orthogonalised apart.
    """

    def __init__(self, net: nn.Module, weight_decay: float = 0.02) -> None:
        self.parameters = dict(net.named_parameters())
        self.weight_decay = weight_decay
        self.dtype = next(net.parameters()).dtype
        self.masters = {name: p.detach().float().clone() for name, p in self.parameters.items()}
        self.momentum = {name: torch.zeros_like(m) for name, m in self.masters.items()}
        self.square = {name: torch.zeros_like(m) for name, m in self.masters.items() if not self._inner(name)}
        self.count = 0

    def _inner(self, name: str) -> bool:
        return name.startswith("blocks.") and self.parameters[name].dim() == 2

    @torch.no_grad()
    def step(self, rate: float, adam_rate: float) -> None:
        """One update of every parameter from its gradient; gradients are dropped."""
        self.count += 1
        groups: dict[torch.Size, list[tuple[str, Tensor]]] = {}
        for name, parameter in self.parameters.items():
            if parameter.grad is None:
                continue
            gradient = parameter.grad.float()
            if self._inner(name):
                momentum = self.momentum[name].mul_(0.95).add_(gradient)
                update = gradient + 0.95 * momentum
                parts = next((n for key, n in PARTS.items() if f".{key}." in name), 1)
                for part in update.chunk(parts):
                    groups.setdefault(part.shape, []).append((name, part))
            else:
                self._adam(name, gradient, adam_rate)
            parameter.grad = None
        updates: dict[str, list[Tensor]] = {}
        for shape, members in groups.items():
            scale = rate * max(1.0, shape[0] / shape[1]) ** 0.5
            for (name, _), part in zip(
                members, orthogonalised(torch.stack([m[1] for m in members]), self.dtype), strict=True
            ):
                updates.setdefault(name, []).append(part.float() * scale)
        for name, parts_list in updates.items():
            master = self.masters[name]
            master.mul_(1 - rate * self.weight_decay).sub_(torch.cat(parts_list))
        for name, parameter in self.parameters.items():
            parameter.copy_(self.masters[name])

    def _adam(self, name: str, gradient: Tensor, rate: float) -> None:
        momentum = self.momentum[name].lerp_(gradient, 0.1)
        square = self.square[name].lerp_(gradient.square(), 0.02)
        hat = momentum / (1 - 0.9**self.count)
        self.masters[name].sub_(rate * hat / ((square / (1 - 0.98**self.count)).sqrt() + 1e-8))

    @torch.no_grad()
    def average(self, masters: dict[str, Tensor], share: float) -> None:
        """Take the mean of the weights at hand and, to this share, these."""
        for name, value in masters.items():
            self.masters[name].lerp_(value.to(self.masters[name].device), share)
        for name, parameter in self.parameters.items():
            parameter.copy_(self.masters[name])

    def state_dict(self) -> dict[str, object]:
        return {"masters": self.masters, "momentum": self.momentum, "square": self.square, "count": self.count}

    @torch.no_grad()
    def load_state_dict(self, state: dict) -> None:
        for kept, loaded in ((self.masters, state["masters"]), (self.momentum, state["momentum"])):
            for name, value in loaded.items():
                kept[name].copy_(value)
        for name, value in state["square"].items():
            self.square[name].copy_(value)
        self.count = state["count"]
        for name, parameter in self.parameters.items():
            parameter.copy_(self.masters[name])
