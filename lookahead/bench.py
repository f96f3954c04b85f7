"""Bench: several methods run the same prompts in turn, timed against transformers' own decoding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from lookahead.config import GREEDY, LookaheadConfig, Sampling, settings_of
from lookahead.drafter import Drafter
from lookahead.engine import LookaheadEngine
from lookahead.metrics import decode_seconds, first_difference
from lookahead.records import METHOD_WORDS, TimedRun
from lookahead.runs.recorder import RecordedRun
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
SETTINGS = ("decoding_length", "branch_length", "strategy", "budget", "ranking")
"""Draft settings that a result names."""
FIRST_RUN_TOKENS = 16
"""Tokens of each method's untimed first run, which takes the one-time costs."""


@dataclass(frozen=True, slots=True)
class BenchPlan:
    """What to run, and how often.

    Attributes:
        prompts: Token ids of every prompt; each leaves room for ``max_new_tokens`` in the model's context or fewer.
        methods: Some of ``WORDS``, each method once.
        config: Settings of ``lookahead``.
        max_new_tokens: Most tokens of an output.
        stop: Stop strings.
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
        backend: The model.
        plan: What to run.
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
        return TimedRun(record.token_ids, record.seconds, decode_seconds(record), len(emitted), sum(emitted[1:]))

    def result(self) -> dict[str, Any]:
        """What ``bench --json`` prints."""
        from lookahead.hf.measure import environment

        info, plan = self._info, self._plan
        speedup = {name: self._speedup(name, "seconds") for name in plan.methods}
        decode_speedup = {name: self._speedup(name, "decode_seconds") for name in plan.methods}
        return {
            "methods": {name: self._method(name) for name in plan.methods},
            "speedup": {name: median(values) if values else None for name, values in speedup.items()},
            "decode_speedup": {name: median(values) if values else None for name, values in decode_speedup.items()},
            "decode_speedup_range": {name: [min(v), max(v)] if v else None for name, v in decode_speedup.items()},
            "parted": {name: self._parted(name) for name in plan.methods} if REFERENCE in self.runs else None,
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
                **{name: getattr(plan.config, name) for name in SETTINGS},
                **{name: getattr(plan.sampling, name) for name in settings_of(Sampling)},
            },
        }

    def _method(self, name: str) -> dict[str, Any]:
        """One method's numbers: counts of the first repeat, medians over the repeats of the summed times."""
        first = self.runs[name][0]
        tokens = sum(len(run.token_ids) for run in first)
        seconds = median(self._totals(name, "seconds"))
        decode_passes = sum(run.forward_passes - 1 for run in first)
        return {
            "tokens": tokens,
            "seconds": seconds,
            "decode_seconds": median(self._totals(name, "decode_seconds")),
            "tokens_per_second": tokens / seconds,
            "forward_passes": sum(run.forward_passes for run in first),
            "mean_accepted_tokens": sum(run.decoded_tokens for run in first) / decode_passes if decode_passes else None,
            "identical_to_hf_greedy": self._outputs(name) == self._outputs(REFERENCE)
            if REFERENCE in self.runs
            else None,
        }

    def _totals(self, name: str, field: str) -> list[float]:
        """Total seconds of all prompts, one sum per repeat."""
        return [sum(getattr(run, field) for run in runs) for runs in self.runs[name]]

    def _speedup(self, name: str, field: str) -> list[float]:
        """Time of the reference divided by the method's, per repeat; empty without a reference or a time."""
        reference = self._totals(REFERENCE, field) if REFERENCE in self.runs else []
        pairs = zip(reference, self._totals(name, field), strict=False)
        return [of_reference / own for of_reference, own in pairs if own > 0]

    def _outputs(self, name: str) -> list[tuple[int, ...]]:
        """The outputs of every prompt in every repeat."""
        return [run.token_ids for runs in self.runs[name] for run in runs]

    def _parted(self, name: str) -> list[dict[str, Any]]:
        """The outputs of the first repeat that differ from the reference's: the first different token, and the gap.

        A gap that rounding explains is a near tie: one within ``noise``, the largest that was measured of this model
        (None if unknown). ``gap`` is None if one output is a prefix of the other.
        """
        from lookahead.hf.ties import token_gap

        found = []
        outputs = zip(self._plan.prompts, self.runs[name][0], self.runs[REFERENCE][0], strict=True)
        for number, (prompt_ids, run, reference) in enumerate(outputs, start=1):
            ids, others = run.token_ids, reference.token_ids
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
