"""What a model does on a machine: whether drafts work and how exact, what passes cost, and five prompts as a trial."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import time
from typing import TYPE_CHECKING, Any

from lookahead.bench import Bench, BenchPlan
from lookahead.config import LookaheadConfig
from lookahead.costs import KnownCosts
from lookahead.metrics import first_difference
from lookahead.records import TimedRun

if TYPE_CHECKING:
    from lookahead.hf.backend import HFBackend

METHODS = ("plain", "lookahead")
MOST_NEW_TOKENS, FEWEST_NEW_TOKENS = 64, 8
TRIAL_SECONDS = 60.0
"""About how long the prompts may take, both methods together; a slow model writes fewer tokens."""

PROMPTS = {
    "grounded": """\
The Brennfeld observatory was founded in 1931 on a hill north of the town of Brennfeld. Its largest telescope has a \
mirror of 1.9 metres and was built in 1964. In 2008 the observatory opened a small museum with 340 instruments. It is \
open to visitors from Thursday to Sunday, and a guided tour takes 50 minutes.

When was the largest telescope built, how large is its mirror, and when is the museum open? Quote the text.""",
    "code edit": """\
Rename the parameter xs to values and add a check for an empty list. Write the whole function.

def mean_and_spread(xs):
    total = 0.0
    for x in xs:
        total += x
    mean = total / len(xs)
    squares = 0.0
    for x in xs:
        squares += (x - mean) ** 2
    return mean, (squares / len(xs)) ** 0.5""",
    "summary": """\
Summarise in two sentences: The city council decided on Monday to close the old harbour bridge for cars. Engineers had \
found cracks in three of its eight pillars. Cyclists and pedestrians may still cross the bridge. Buses of line 7 will \
take the new tunnel instead, which adds six minutes to the trip. The repair is expected to cost 12 million and to take \
two years. The council will decide in spring whether cars may return.""",
    "list": "List the first twelve even numbers and their squares, one pair per line, in the form: 2 squared is 4.",
    "chat": "I have a free afternoon and it is raining. What could I do at home that is not watching television?",
}
"""Kind of task -> prompt; from those whose answers repeat their prompt to those that do not."""


def cost_report(backend: HFBackend, known: KnownCosts, bandwidth: float) -> dict[str, Any]:
    """What is known of T(n), for people and JSON: one entry per measured length, and where the numbers are from.

    Args:
        bandwidth: Bytes per second that the device reads.
    """
    from lookahead.hf.bandwidth import weight_bytes

    costs, read, now = known.costs, weight_bytes(backend.model), time()
    return {
        "passes": [
            {
                "tokens": length,
                "seconds": seconds,
                "ratio": seconds / costs.seconds[0],
                "break_even": costs.break_even(length),
                "break_even_rate": costs.break_even(length) / (length - 1) if length > 1 else None,
                "bandwidth_share": None if read is None else read / seconds / bandwidth,
            }
            for length, seconds in zip(costs.lengths, costs.seconds, strict=True)
        ],
        "weight_bytes": read,
        "read_bytes_per_second": bandwidth,
        "measured_seconds_ago": max(0.0, now - known.measured_at),
        "learned_passes": known.learned,
        "learned_seconds_ago": None if known.learned_at is None else max(0.0, now - known.learned_at),
    }


class Check:
    """The check of one model on this machine."""

    def __init__(self, backend: HFBackend, name: str | None = None) -> None:
        from lookahead.hf.bandwidth import read_bandwidth
        from lookahead.hf.describe import model_info
        from lookahead.hf.measure import environment

        self._backend, self._name = backend, name
        info = model_info(backend, name)
        costs = None
        if backend.draft_shape != "none":
            costs = cost_report(backend, backend.known_costs(), read_bandwidth(backend.device))
        self.result: dict[str, Any] = {
            "model": info.name,
            "architecture": type(backend.model).__name__,
            "parameters": info.parameters,
            "dtype": info.dtype,
            "device": info.device,
            "context_limit": backend.context_limit,
            "drafts": backend.draft_shape,
            "trees": backend.draft_shape == "tree",
            "notice": backend.notice,
            "exactness": None if (verdict := backend.exactness) is None else verdict.kind,
            "environment": environment(backend.model),
            "costs": costs,
        }
        """What is known so far."""

    def run(self, tick: Callable[[], object] = lambda: None) -> None:
        """Run the prompts with both methods; ``tick`` is called after each timed run."""
        most = self._most_new_tokens()
        prompts = [self._prompt(text, most) for text in PROMPTS.values()]
        bench = Bench(self._backend, BenchPlan(prompts, METHODS, LookaheadConfig(), most), self._name, tick)
        bench.run()
        plain, lookahead = (bench.runs[method][0] for method in METHODS)
        rows = [self._row(*found) for found in zip(PROMPTS, prompts, plain, lookahead, strict=True)]
        self.result["prompts"] = rows
        self.result["speedup"] = median(row["speedup"] for row in rows)

    def _most_new_tokens(self) -> int:
        costs, context = self.result["costs"], self._backend.context_limit
        most = MOST_NEW_TOKENS // 2
        if costs is not None:
            passes = TRIAL_SECONDS / costs["passes"][0]["seconds"]
            most = int(passes / (len(METHODS) * len(PROMPTS)))
        most = max(FEWEST_NEW_TOKENS, min(MOST_NEW_TOKENS, most))
        return most if context is None else max(1, min(most, context // 2))

    def _prompt(self, text: str, most: int) -> list[int]:
        """The prompt's ids; its end, where the model's context is too short for it."""
        prompt_ids, context = self._backend.encode(text), self._backend.context_limit
        return prompt_ids if context is None else prompt_ids[-max(1, context - most) :]

    def _row(self, kind: str, prompt_ids: list[int], plain: TimedRun, lookahead: TimedRun) -> dict[str, Any]:
        decode_passes = lookahead.forward_passes - 1
        return {
            "prompt": kind,
            "prompt_tokens": len(prompt_ids),
            "tokens": len(lookahead.token_ids),
            "plain_tokens_per_second": len(plain.token_ids) / plain.seconds,
            "tokens_per_second": len(lookahead.token_ids) / lookahead.seconds,
            "mean_accepted_tokens": lookahead.decoded_tokens / decode_passes if decode_passes else None,
            "speedup": plain.seconds / lookahead.seconds,
            "decode_speedup": plain.decode_seconds / lookahead.decode_seconds if lookahead.decode_seconds else None,
            "same": self._same(prompt_ids, plain.token_ids, lookahead.token_ids),
        }

    def _same(self, prompt_ids: list[int], ids: tuple[int, ...], others: tuple[int, ...]) -> str:
        """Whether both outputs are the same: ``yes``, ``near tie`` if rounding explains the difference, or ``no``."""
        from lookahead.hf.ties import token_gap

        place = first_difference(ids, others)
        if place is None:
            return "yes"
        if place == min(len(ids), len(others)):
            return "no"
        gap = token_gap(self._backend, prompt_ids, ids[:place], ids[place], others[place])
        return "near tie" if gap.near_tie else "no"
