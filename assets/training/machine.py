"""What the machine at hand is good at: device, number format, memory."""

from __future__ import annotations

import ctypes
import time

import torch

from .network import Network, Shape
from .optimizer import Muon


def keep_freed_memory() -> None:
    """Tells glibc to keep freed memory: fresh pages for every activation made matrix products up to 8 times slower."""
    try:
        libc = ctypes.CDLL("libc.so.6")
    except OSError:
        return
    mmap_max, trim_threshold, top_pad = -4, -1, -2
    libc.mallopt(mmap_max, 0)
    libc.mallopt(trim_threshold, -1)
    libc.mallopt(top_pad, 256 * 1024 * 1024)


def ten_steps_seconds(
    shape: Shape, dtype: torch.dtype, device: torch.device, rows: int = 8, length: int = 256
) -> float:
    """Seconds of ten training steps after two for warming up."""
    net = Network(shape).to(device, dtype)
    optimizer = Muon(net)
    ids = torch.randint(0, shape.vocab_size, (rows, length), device=device)
    positions = torch.arange(length, device=device).expand(rows, length)
    mask = torch.zeros(rows, 1, length, length, dtype=dtype, device=device)
    started = 0.0
    for step in range(12):
        if step == 2:
            started = time.perf_counter()
        hidden, _ = net(ids, positions, mask)
        net.logits(hidden).float().logsumexp(-1).mean().backward()
        optimizer.step(0.01, 0.001)
    return time.perf_counter() - started


def choose(shape: Shape, dtype: torch.dtype | None = None) -> tuple[torch.device, torch.dtype, str]:
    """The device, the number format that is faster there over ten steps, and the measured times.

    Args:
        dtype: The number format where it is settled.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if dtype is not None:
        return device, dtype, "as asked"
    if device.type == "cuda":
        return device, torch.bfloat16, "CUDA device: bf16"
    cpu = device
    seconds = {dtype: ten_steps_seconds(shape, dtype, cpu) for dtype in (torch.float32, torch.bfloat16)}
    best = min(seconds, key=seconds.__getitem__)
    shown = ", ".join(f"{str(dtype).removeprefix('torch.')} {value:.1f} s" for dtype, value in seconds.items())
    return cpu, best, f"ten steps on this CPU: {shown}"
