"""Bench: several methods run the same prompts in turn, timed against transformers' own decoding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from statistics import median
from typing import TYPE_CHECKING, Any

from lookahead.config import GREEDY, LookaheadConfig, Sampling
from lookahead.drafter import Drafter
from lookahead.engine import LookaheadEngine
from lookahead.metrics import decode_seconds, first_difference, in_vllm_words, outcomes
from lookahead.records import METHOD_WORDS, TimedRun
from lookahead.runs.recorder import RecordedRun
from lookahead.setting import settings_of
from lookahead.trie import Trie

if TYPE_CHECKING:
    from lookahead.hf.backend import HFBackend

METHODS = ("greedy", "lookahead", "hf-greedy", "hf-prompt-lookup")
"""The methods that run by default."""
REFERENCES = ("hf-greedy", "hf-prompt-lookup")
"""Methods of transformers' own ``generate()``."""
WORDS = (*METHOD_WORDS, *REFERENCES)
"""Names of methods that a caller may use; results keep the caller's name."""
REFERENCE = "hf-greedy"
"""The method that the others are compared with; where it does not run, this library's own plain decoding."""
FIRST_RUN_TOKENS = 16
"""Tokens of each method's untimed first run, which takes the one-time costs."""


@dataclass(frozen=True, slots=True)
class BenchPlan:
    """What to run, and how often.

    Attributes:
        prompts: Token ids of every prompt; each leaves room for ``max_new_tokens`` in the model's context or fewer.
        methods: Some of ``WORDS``, each method once.
        repeat: How often every method runs every prompt.
        warm: Keep the trie from one prompt of a repeat to the next; otherwise each prompt starts with an empty trie.
        corpus: Read-only tries that every prompt may also draft from.
        sampling: How every method chooses tokens; the draws are the same for all.
    """

    prompts: Sequence[Sequence[int]]
    methods: Sequence[str]
    config: LookaheadConfig
    max_new_tokens: int
    stop: tuple[str, ...] = ()
    repeat: int = 1
    warm: bool = False
    corpus: Sequence[Trie] = ()
    sampling: Sampling = GREEDY


class Bench:
    """Runs a plan on one model.

    Args:
        name: Name of the model in the result; None takes its id or folder.
        tick: Called after each timed run, for a progress bar.
    """

    def __init__(
        self, backend: HFBackend, plan: BenchPlan, name: str | None = None, tick: Callable[[], object] = lambda: None
    ) -> None:
        from lookahead.hf.describe import model_info

        self._backend, self._plan, self._tick = backend, plan, tick
        self._info = model_info(backend, name)
        drafts = backend.draft_shape != "none"
        self.pass_costs = backend.pass_costs(plan.config.decoding_length) if drafts else None
        # Method -> repeat -> prompt.
        self.runs: dict[str, list[list[TimedRun]]] = {method: [] for method in plan.methods}

    @property
    def reference(self) -> str | None:
        """The method that the others are compared with; None if no method decodes plainly."""
        plain = [name for name in self.runs if name == REFERENCE or METHOD_WORDS.get(name) == "plain"]
        return max(plain, key=lambda name: name == REFERENCE, default=None)

    def run(self) -> None:
        """Run every prompt with every method, ``repeat`` times; the order of the methods rotates."""
        plan, methods = self._plan, list(self._plan.methods)
        for method in methods:
            self._once(method, plan.prompts[0], self._drafter(), FIRST_RUN_TOKENS)
        for turn in range(plan.repeat):
            drafter = self._drafter()
            for method in methods:
                self.runs[method].append([])
            for place, prompt_ids in enumerate(plan.prompts):
                first = (turn + place) % len(methods)
                for method in methods[first:] + methods[:first]:
                    fresh = drafter if plan.warm else self._drafter()
                    self.runs[method][-1].append(self._once(method, prompt_ids, fresh, plan.max_new_tokens))
                    self._tick()

    def cut(self) -> tuple[int, int]:
        """Keep only what every method has finished: whole repeats, or else the prompts of the first one.

        Returns:
            How many prompts and repeats that are; without any there is no result.
        """
        plan = self._plan
        done = min(sum(map(len, repeats)) for repeats in self.runs.values())
        prompts, repeat = min(done, len(plan.prompts)), max(1, done // len(plan.prompts))
        self.runs = {method: [runs[:prompts] for runs in repeats[:repeat]] for method, repeats in self.runs.items()}
        self._plan = replace(plan, prompts=plan.prompts[:prompts], repeat=repeat)
        return prompts, repeat

    def _drafter(self) -> Drafter:
        return Drafter(self._plan.config, self._plan.corpus)

    def _once(self, method: str, prompt_ids: Sequence[int], drafter: Drafter, max_new_tokens: int) -> TimedRun:
        limit = self._backend.context_limit
        room = max_new_tokens if limit is None else min(max_new_tokens, limit - len(prompt_ids))
        if method in REFERENCES:
            from lookahead.hf.reference import run_reference

            plan, lookup = self._plan, method == "hf-prompt-lookup"
            return run_reference(self._backend, prompt_ids, room, plan.stop, lookup, plan.sampling)
        engine = LookaheadEngine(self._backend, self._plan.config, drafter, self.pass_costs)
        more = {"stop": self._plan.stop, "sampling": self._plan.sampling}
        run = RecordedRun(engine, prompt_ids, self._info, max_new_tokens=room, method=method, **more)
        emitted = [len(step.emitted_ids) for step in run]
        record = run.record()
        counts = (len(emitted), sum(emitted[1:]), outcomes(record.steps))
        return TimedRun(record.token_ids, record.seconds, decode_seconds(record), *counts)

    def result(self) -> dict[str, Any]:
        """What ``bench --json`` prints."""
        from lookahead.hf.measure import environment

        info, plan = self._info, self._plan
        decode_speedup = {name: self._speedup(name, "decode_seconds") for name in plan.methods}
        return {
            "methods": {name: self._method(name) for name in plan.methods},
            "reference": self.reference,
            "speedup": {name: _median(self._speedup(name, "seconds")) for name in plan.methods},
            "decode_speedup": {name: _median(values) for name, values in decode_speedup.items()},
            "decode_speedup_range": {name: [min(v), max(v)] if v else None for name, v in decode_speedup.items()},
            "parted": self.reference and {name: self._parted(name, self.reference) for name in plan.methods},
            "environment": {
                "model": info.name,
                **{name: getattr(info, name) for name in ("parameters", "device", "dtype")},
                **environment(self._backend.model),
                "pass_costs": None if self.pass_costs is None else self.pass_costs.to_json(),
                "exactness": None if (verdict := self._backend.exactness) is None else verdict.kind,
                "prompts": len(plan.prompts),
                **{name: getattr(plan, name) for name in ("repeat", "warm")},
                "corpus_nodes": sum(len(trie) + trie.leaves for trie in plan.corpus),
                "max_new_tokens": plan.max_new_tokens,
                **{name: getattr(plan.config, name) for name in settings_of(LookaheadConfig)},
                **{name: getattr(plan.sampling, name) for name in settings_of(Sampling)},
            },
        }

    def _method(self, name: str) -> dict[str, Any]:
        """One method's numbers: counts of the first repeat, medians over the repeats of the summed times."""
        first = self.runs[name][0]
        seconds = median(self._seconds(name, "seconds"))
        known = [run.outcomes for run in first if run.outcomes is not None]
        return {
            **_counts(first),
            "seconds": seconds,
            "decode_seconds": median(self._seconds(name, "decode_seconds")),
            "tokens_per_second": sum(len(run.token_ids) for run in first) / seconds,
            "identical_to_hf_greedy": self._identical(name, REFERENCE),
            "identical_to_reference": self._identical(name, self.reference),
            "vllm": in_vllm_words([one for steps in known for one in steps]) if known else None,
        }

    def rows(self) -> list[dict[str, Any]]:
        """One row per prompt and method: counts of the first repeat, medians over the repeats of times and speedups."""
        return [
            {
                "prompt": place + 1,
                "method": name,
                **_counts([self.runs[name][0][place]]),
                "seconds": median(self._seconds(name, "seconds", place)),
                "decode_seconds": median(self._seconds(name, "decode_seconds", place)),
                "speedup": _median(self._speedup(name, "seconds", place)),
                "decode_speedup": _median(self._speedup(name, "decode_seconds", place)),
            }
            for place in range(len(self._plan.prompts))
            for name in self._plan.methods
        ]

    def _seconds(self, name: str, field: str, place: int | None = None) -> list[float]:
        """Seconds of one prompt, or of all together (None), one number per repeat."""
        of = slice(None) if place is None else slice(place, place + 1)
        return [sum(getattr(run, field) for run in runs[of]) for runs in self.runs[name]]

    def _speedup(self, name: str, field: str, place: int | None = None) -> list[float]:
        """Time of the reference divided by the method's, per repeat; empty without a reference or a time."""
        reference = self._seconds(self.reference, field, place) if self.reference else []
        pairs = zip(reference, self._seconds(name, field, place), strict=False)
        return [of_reference / own for of_reference, own in pairs if own > 0]

    def _identical(self, name: str, reference: str | None) -> bool | None:
        """Whether all outputs are those of the other method; None if that one did not run."""
        if reference not in self.runs:
            return None
        pairs = zip(chain(*self.runs[name]), chain(*self.runs[reference]), strict=True)
        return all(own.token_ids == other.token_ids for own, other in pairs)

    def _parted(self, name: str, reference: str) -> list[dict[str, Any]]:
        """The outputs of the first repeat that differ from the reference's: the first different token, and the gap.

        A gap that rounding explains is a near tie: one within ``noise``, the largest that was measured of this model
        (None if unknown). ``gap`` is None if one output is a prefix of the other.
        """
        from lookahead.hf.ties import token_gap

        found = []
        outputs = zip(self._plan.prompts, self.runs[name][0], self.runs[reference][0], strict=True)
        for number, (prompt_ids, run, other) in enumerate(outputs, start=1):
            ids, others = run.token_ids, other.token_ids
            place = first_difference(ids, others)
            if place is None:
                continue
            contradict = place < min(len(ids), len(others))
            pair = (ids[:place], ids[place], others[place]) if contradict else None
            gap = pair and token_gap(self._backend, prompt_ids, *pair, self._plan.sampling)
            near = gap is not None and gap.near_tie
            noise = gap and gap.noise
            found.append({"prompt": number, "token": place, "gap": gap and gap.gap, "noise": noise, "near_tie": near})
        return found


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None


def _counts(runs: Sequence[TimedRun]) -> dict[str, Any]:
    """Tokens, passes, and tokens per decode pass of these runs (None if they have none)."""
    passes = sum(run.forward_passes for run in runs)
    decoded, decodes = sum(run.decoded_tokens for run in runs), passes - len(runs)
    return {
        "tokens": sum(len(run.token_ids) for run in runs),
        "forward_passes": passes,
        "mean_accepted_tokens": decoded / decodes if decodes else None,
    }
