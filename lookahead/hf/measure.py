"""Measuring T(n): the time of a forward pass of n tokens on this model, device and dtype, and what that depends on."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
import transformers
from transformers import PreTrainedModel

from lookahead.costs import PassCosts, measured_lengths
from lookahead.draft import DraftTree
from lookahead.hf.linears import PackedLinear, WeightFirstLinear
from lookahead.hf.model_config import known
from lookahead.hf.session import TreeSession

CONTEXT_ROWS = 192
"""Cached tokens before the timed passes: those of a short answer in progress."""
BUDGET_SECONDS = 2.0
MOST_ROUNDS = 25
FEWEST_ROUNDS = 3
_TRIALS = 5
_SPARE_ROWS = 1024
"""Rows of a session besides those of its longest pass: the context, and accepted tokens."""


def trial_tree(count: int, vocab_size: int, deepest: int) -> DraftTree:
    """A tree of ``count`` nodes that branches at every other node, as drafts do.

    Once a branch is ``deepest`` tokens deep (>= 1), the next node starts another branch at the root.
    """
    parents = [-1]
    for node in range(1, count):
        place = (node - 1) % (2 * deepest) + 1
        above = 1 if place % 2 else 2
        parents.append(node - above if place > 2 else 0)
    return DraftTree.on_trial([(17 + 5 * node) % vocab_size for node in range(count)], parents)


@dataclass(frozen=True, slots=True)
class SessionTimer:
    """Times whole steps (pass, choices, accepted rows moved) of one model: a ``PassTimer``.

    Attributes:
        new_session: Makes an empty session of this many rows, whose choices are the largest logits.
        context_limit: Most tokens of a run; None if the model has no limit.
        chains: Whether the passes read one branch each.
    """

    new_session: Callable[[int], TreeSession]
    vocab_size: int
    context_limit: int | None
    device: torch.device
    chains: bool = False

    def measure(self, longest: int) -> PassCosts:
        """T(n) for n = 1 to ``longest``; the lengths take turns, so that all see the same noise.

        The result is the lower quartile, because other work on the machine only adds time and would distort the ratios.
        No new round starts after ``BUDGET_SECONDS`` once three are done, nor after four times as long.
        """
        lengths = measured_lengths(longest)
        limit = self.context_limit
        context = max(1, CONTEXT_ROWS if limit is None else min(CONTEXT_ROWS, limit - longest))
        session = self.new_session(longest + _SPARE_ROWS)
        session.prefill([(3 + 7 * index) % self.vocab_size for index in range(context)])
        trees = {length: self._tree(length, context, longest) for length in lengths}
        started = perf_counter()
        times: dict[int, list[float]] = {length: [] for length in lengths}
        for completed in range(MOST_ROUNDS):
            spent = perf_counter() - started
            if (completed >= FEWEST_ROUNDS and spent > BUDGET_SECONDS) or (completed and spent > 4 * BUDGET_SECONDS):
                break
            for length in lengths:
                times[length].append(self._timed_step(session, trees[length], context))
        session.close()
        # The first round picks kernels and fills buffers; it counts only if there was no time for another.
        return PassCosts(lengths, tuple(_lower_quartile(times[length][1:] or times[length]) for length in lengths))

    def try_out(self, width: int) -> tuple[float, float]:
        """Seconds of a pass of 1 and of ``width`` tokens, in turn, the fastest of five."""
        session = self.new_session(2 * width)
        session.prefill([3 % self.vocab_size])
        trees = [self._tree(length, 1, width) for length in (1, width)]
        rounds = [[self._timed_step(session, tree, 1) for tree in trees] for _ in range(_TRIALS + 1)]
        session.close()
        one, wide = (min(times) for times in zip(*rounds[1:], strict=True))
        return one, wide

    def _timed_step(self, session: TreeSession, tree: DraftTree, context: int) -> float:
        wait_for(self.device)
        started = perf_counter()
        session.choose(tree)
        session.keep(tree.path(len(tree) - 1))
        wait_for(self.device)
        seconds = perf_counter() - started
        session.rewind(context)
        return seconds

    def _tree(self, count: int, context: int, longest: int) -> DraftTree:
        """A trial draft with branches no longer than the model's positions."""
        limit = self.context_limit
        deepest = longest if limit is None else max(1, min(longest, limit - context - 1))
        if self.chains:
            return DraftTree.on_trial([(17 + 5 * node) % self.vocab_size for node in range(min(count, deepest + 1))])
        return trial_tree(count, self.vocab_size, deepest)


def _lower_quartile(values: list[float]) -> float:
    return sorted(values)[len(values) // 4]


def wait_for(device: torch.device) -> None:
    """Return when the device has done all its work; a CPU never runs ahead of the program."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def measured_setting(model: PreTrainedModel) -> dict[str, Any]:
    """What a measurement on this model depends on: its shape, dtype, device, threads and the library versions."""
    device = model.device
    if device.type == "cuda":
        hardware = torch.cuda.get_device_name(device)
    else:
        processor = _processor() or platform.processor() or platform.machine()
        hardware = f"{processor} {torch.backends.cpu.get_cpu_capability()}"
    config = model.config.get_text_config(decoder=True)
    names = ("model_type", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
    shape = {name: str(known(config, name)) for name in (*names, "num_key_value_heads", "sliding_window")}
    return {
        **shape,
        "parameters": model.num_parameters(),
        "packed_layers": sum(isinstance(module, PackedLinear) for module in model.modules()),
        "weight_first_layers": sum(isinstance(module, WeightFirstLinear) for module in model.modules()),
        "model": str(getattr(model.config, "name_or_path", "")),
        "attention": str(getattr(model.config, "_attn_implementation", "")),
        "device": str(device),
        "hardware": hardware,
        "threads": torch.get_num_threads(),
        "dtype": str(model.dtype),
        "torch": str(torch.__version__),
        "transformers": str(transformers.__version__),
    }


def environment(model: PreTrainedModel) -> dict[str, Any]:
    """Versions, processor and threads: what a measured time depends on besides the model."""
    found = measured_setting(model)
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        **{name: found[name] for name in ("torch", "transformers", "hardware", "threads", "attention")},
    }


@cache
def _processor() -> str:
    """The processor's name on Linux; an empty string elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    fields = ("vendor_id", "model name", "cpu family", "model\t")
    named = [line.partition(":")[2].strip() for line in lines if line.startswith(fields)]
    return " ".join(dict.fromkeys(named))
