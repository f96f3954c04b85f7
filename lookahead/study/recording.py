"""Runs prompts on one model, each with drafts and, beside it, plainly; what is done stays in the study's folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import lookahead
from lookahead.backend import PASS_ERRORS, failure_line
from lookahead.bench import FIRST_RUN_TOKENS
from lookahead.config import GREEDY, LookaheadConfig, Sampling
from lookahead.costs import PassCosts
from lookahead.drafter import Drafter
from lookahead.engine import LookaheadEngine
from lookahead.inputs import InputError, excerpt
from lookahead.metrics import first_difference
from lookahead.records import RunRecord, TokenGap
from lookahead.runs.recorder import RecordedRun
from lookahead.runs.runfile import RunFileError, RunPair
from lookahead.study.folder import StudyFolder
from lookahead.study.material import Sample, sample_of
from lookahead.study.rows import row_of
from lookahead.trie import Trie

if TYPE_CHECKING:
    from lookahead.hf.backend import HFBackend
    from lookahead.study.cluster import ClusterRunner


class PromptError(ValueError):
    """A prompt cannot run; one line says why."""


Ran = tuple[Sample, RunPair] | PromptError
"""What became of a prompt: the sample with its run, and all its runs; or why there is none."""


@dataclass(frozen=True, slots=True)
class RunPlan:
    """How every prompt is run.

    Attributes:
        raw: Send prompts without the chat template.
        plain: Run every prompt plainly as well, for its time.
        corpus: Read-only tries that every prompt may also draft from.
        corpus_file: The file that they are from; None if there is none.
    """

    config: LookaheadConfig
    max_new_tokens: int
    stop: tuple[str, ...] = ()
    sampling: Sampling = GREEDY
    raw: bool = False
    plain: bool = True
    corpus: Sequence[Trie] = ()
    corpus_file: str | None = None


class PromptRunner:
    """Runs single prompts by a plan, all with the same T(n). Every prompt starts with an empty trie.

    Args:
        name: Name of the model in the runs.
        pass_costs: T(n) that a study which continues was begun with; None takes what is known now.
    """

    def __init__(self, backend: HFBackend, plan: RunPlan, name: str, pass_costs: PassCosts | None) -> None:
        from lookahead.hf.describe import model_info

        self.backend, self.plan = backend, plan
        self.notes: list[str] = []
        exactness = backend.exactness
        self.info = replace(model_info(backend, name), exactness=exactness and exactness.kind)
        if pass_costs is None and backend.draft_shape != "none":
            pass_costs = backend.pass_costs(plan.config.decoding_length)
        self.pass_costs = pass_costs

    def warm_up(self, samples: Sequence[Sample]) -> None:
        """Take the one-time costs: a short run of the first prompt that can run."""
        for sample in samples:
            with suppress(PromptError):
                prompt_ids = self._encoded(sample)
                for method in self._methods(0):
                    self._record(method, prompt_ids, FIRST_RUN_TOKENS)
                return

    def each(self, waiting: Sequence[tuple[int, Sample]]) -> Iterator[tuple[int, Ran]]:
        """Place and runs of each of these prompts, in their order."""
        self.warm_up([sample for _, sample in waiting])
        for place, sample in waiting:
            yield place, self.tried(sample, place)

    def tried(self, sample: Sample, turn: int) -> Ran:
        """The prompt's runs, or why it cannot run."""
        try:
            return self.run(sample, turn)
        except PromptError as error:
            return error

    def run(self, sample: Sample, turn: int = 0) -> tuple[Sample, RunPair]:
        """The prompt's runs, and the sample with them.

        Args:
            turn: Number of the prompt: the two methods take turns in running first.

        Raises:
            PromptError: If it cannot run.
        """
        prompt_ids = self._encoded(sample)
        methods = self._methods(turn)
        runs = {method: self._record(method, prompt_ids, self.plan.max_new_tokens) for method in methods}
        run, plain = runs["lookahead"], runs.get("plain")
        try:
            pair = self._pair(sample, run, plain)
        except Exception as error:  # tokenizers are foreign code
            raise PromptError(f"its output cannot be spelled ({excerpt(error, 120)})") from error
        return sample_of(replace(sample, near_ties=self._near_ties(run)), pair), pair

    def _methods(self, turn: int) -> tuple[str, ...]:
        if not self.plan.plain:
            return ("lookahead",)
        return ("plain", "lookahead") if turn % 2 else ("lookahead", "plain")

    def _encoded(self, sample: Sample) -> list[int]:
        """The prompt's ids, with which a run can begin."""
        try:
            ids = list(sample.prompt_ids) or self.backend.encode(sample.text, self.plan.raw)
            LookaheadEngine(self.backend).generate(ids, max_new_tokens=1)  # checked now, runs only when iterated
        except Exception as error:  # tokenizers and chat templates are foreign code
            raise PromptError(excerpt(error, 200)) from error
        return ids

    def _record(self, method: str, prompt_ids: Sequence[int], max_new_tokens: int) -> RunRecord:
        plan = self.plan
        engine = LookaheadEngine(self.backend, plan.config, Drafter(plan.config, plan.corpus), self.pass_costs)
        limit = self.backend.context_limit
        room = max_new_tokens if limit is None else min(max_new_tokens, limit - len(prompt_ids))
        more = {"stop": plan.stop, "sampling": plan.sampling}
        try:
            return RecordedRun(engine, prompt_ids, self.info, max_new_tokens=room, method=method, **more).whole()
        except Exception as error:  # so is the code of a model
            raise PromptError(failure_line(error)) from error

    def _pair(self, sample: Sample, run: RunRecord, plain: RunRecord | None) -> RunPair:
        from lookahead.hf.describe import with_texts

        run = with_texts(self.backend, run, sample.text)
        if plain is None:
            return RunPair(run)
        return RunPair(run, with_texts(self.backend, plain, sample.text), self._parted(run, plain))

    def _near_ties(self, run: RunRecord) -> int | None:
        """None as well where tokens are drawn, and where there is no memory for all logits at once."""
        from lookahead.hf.ties import near_ties

        if not run.sampling.greedy:
            return None
        with suppress(*PASS_ERRORS):
            return near_ties(self.backend, run.prompt_ids, run.token_ids)
        return None

    def _parted(self, run: RunRecord, plain: RunRecord) -> TokenGap | None:
        """How close the decision was where the two part; None if they are equal, or one only ends earlier."""
        from lookahead.hf.ties import token_gap

        ids, others = run.token_ids, plain.token_ids
        place = first_difference(ids, others)
        if place is None or place == min(len(ids), len(others)):
            return None
        return token_gap(self.backend, run.prompt_ids, ids[:place], ids[place], others[place], run.sampling)


def plan_facts(backend: HFBackend, plan: RunPlan, name: str) -> dict[str, Any]:
    """What a study depends on, besides its prompts: a study that continues must have the same."""
    from lookahead.hf.measure import measured_setting

    setting = measured_setting(backend.model)
    corpus = None
    if plan.corpus_file is not None:
        with open(plan.corpus_file, "rb") as file:
            corpus = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    return {
        "program": lookahead.__version__,
        "model": name,
        "parameters": backend.parameters,
        "tokenizer": backend.fingerprint,
        **{fact: setting[fact] for fact in ("device", "hardware", "threads", "dtype", "torch", "transformers")},
        **asdict(plan.config),
        **asdict(plan.sampling),
        "max_new_tokens": plan.max_new_tokens,
        "stop": plan.stop,
        "raw": plan.raw,
        "plain": plan.plain,
        "trie": corpus,
    }


def machine_in(facts: Mapping[str, Any]) -> str:
    """The machine of these facts in words."""
    return f"{facts['hardware']}, {facts['threads']} threads"


def record(
    runner: PromptRunner | ClusterRunner, samples: Sequence[Sample], folder: StudyFolder, tick: Callable[[], object]
) -> tuple[list[Sample], list[str]]:
    """The samples with their runs, those that have an output as they are, and a note for each that could not run.

    A prompt that has run before is read from the folder; one whose run file is missing or damaged runs again.

    Args:
        tick: Called after each prompt that ran, for a progress bar.
    """
    done, found = folder.done(), {}
    for place, sample in enumerate(samples, start=1):
        if sample.output_ids is not None:
            found[place] = sample
        elif place in done:
            with suppress(InputError):
                found[place] = replace(folder.sample(place), name=sample.name, category=sample.category)
    waiting = [(place, sample) for place, sample in enumerate(samples, start=1) if place not in found]
    for place, ran in runner.each(waiting):
        sample = samples[place - 1]
        try:
            if isinstance(ran, PromptError):
                raise ran
            found[place] = folder.add(place, *ran, row_of(ran[0], runner.plan.config, runner.pass_costs))
        except (PromptError, RunFileError) as error:
            folder.add_problem(place, sample, str(error))
        tick()
    return [found[place] for place in sorted(found)], folder.problems()
