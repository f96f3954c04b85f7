"""The Llama network as it is trained: the same arithmetic as transformers, with less copying on a CPU."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of one Llama network; every head has separate keys and values, embeddings are tied."""

    vocab_size: int = 6144
    width: int = 256
    feed_forward: int = 768
    layers: int = 8
    heads: int = 4
    context: int = 2048
    rope_theta: float = 10000.0

    @property
    def head_size(self) -> int:
        return self.width // self.heads


class Block(nn.Module):
    """One decoder layer: the new hidden states, and the rotated queries and keys ``(b, heads, t, head_size)``."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.attention_norm = nn.Parameter(torch.ones(shape.width))
        self.qkv = nn.Linear(shape.width, 3 * shape.width, bias=False)
        self.out = nn.Linear(shape.width, shape.width, bias=False)
        self.mlp_norm = nn.Parameter(torch.ones(shape.width))
        self.gate_up = nn.Linear(shape.width, 2 * shape.feed_forward, bias=False)
        self.down = nn.Linear(shape.feed_forward, shape.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        b, t, width = x.shape
        y = functional.rms_norm(x, (width,), self.attention_norm, 1e-6)
        qkv = self.qkv(y).view(b, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k = rotate(qkv[:2], cos, sin)
        y = attend(q, k, qkv[2], mask)
        x = x + self.out(y.transpose(1, 2).reshape(b, t, width))
        y = functional.rms_norm(x, (width,), self.mlp_norm, 1e-6)
        gate, up = self.gate_up(y).chunk(2, dim=-1)
        return x + self.down(functional.silu(gate) * up), q, k


class Network(nn.Module):
    """Hidden states of a whole batch, and the queries and keys of the layers asked for."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocab_size, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.Parameter(torch.ones(shape.width))
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                scale = (2 * shape.layers) ** -0.5 if name.endswith(("out.weight", "down.weight")) else 1.0
                nn.init.normal_(parameter, std=0.02 * scale)

    def forward(
        self, ids: Tensor, positions: Tensor, mask: Tensor, watched: tuple[int, ...] = ()
    ) -> tuple[Tensor, dict[int, tuple[Tensor, Tensor]]]:
        x = self.embedding(ids)
        cos, sin = rotation(positions, self.shape, x.dtype)
        seen = {}
        for index, block in enumerate(self.blocks):
            x, q, k = block(x, cos, sin, mask)
            if index in watched:
                seen[index] = (q, k)
        return functional.rms_norm(x, (self.shape.width,), self.norm, 1e-6), seen

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of every vocabulary entry for hidden states of shape ``(..., width)``."""
        return functional.linear(hidden, self.embedding.weight)


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """Attention written out: compiled, it trains faster on a CPU than the fused kernel with its slow backward pass."""
    return (torch.matmul(q, k.transpose(-1, -2)) * q.shape[-1] ** -0.5 + mask).softmax(-1) @ v


def rotation(positions: Tensor, shape: Shape, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosine and sine tables ``(b, 1, t, head_size)`` of the rotary embedding, in the layout of transformers."""
    steps = torch.arange(0, shape.head_size, 2, device=positions.device, dtype=torch.float32) / shape.head_size
    angles = positions[..., None].float() * shape.rope_theta**-steps
    angles = torch.cat((angles, angles), dim=-1)[:, None]
    return angles.cos().to(dtype), angles.sin().to(dtype)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Queries and keys turned by their positions."""
    half = x.shape[-1] // 2
    return x * cos + torch.cat((-x[..., half:], x[..., :half]), dim=-1) * sin
