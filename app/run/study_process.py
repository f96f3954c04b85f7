"""The process of one study (see ``study_maker.py``): reads the material, asks for runs, sums up, tries other settings.

It talks to the page's process over standard input and output (``study_parent.py``).
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from contextlib import chdir, suppress
from dataclasses import replace
from math import inf
from time import monotonic

import msgspec
from msgspec.structs import replace as replaced

from app.model.error_line import error_line
from app.run.study_job import StudyJob
from app.run.study_parent import Parent, Progress
from lookahead.config import LookaheadConfig
from lookahead.costs import PassCosts
from lookahead.inputs import InputError
from lookahead.runs import runfile
from lookahead.runs.runfile import RunFileError, RunPair
from lookahead.study import grid
from lookahead.study.as_run import as_run
from lookahead.study.grid import AXES, Drafting, Point, timed_drafting
from lookahead.study.joint import Jointly, Outcome
from lookahead.study.material import Sample, sample_of
from lookahead.study.reading import read_material
from lookahead.study.replayed import output_of
from lookahead.study.result import Row, Study, Variant
from lookahead.study.rows import decode_steps_of, row_from, steps_and_losses, total_of
from lookahead.study.study import StudyOptions, as_recorded, as_replayed, base_config, judged, make_study, shown_costs
from lookahead.study.verdict import against
from lookahead.trie.file import load_corpus

NICENESS = 5
"""The engine's passes go first."""
SUMMED_SECONDS = 1.0
"""Least time between two sums over what there is so far."""

SWEEP = {name: values for name, values in AXES.items() if name != "ranking"} | {"decoding_length": (4, 8, 16, 32, 64)}
"""What a visitor's sweep tries: a third of what the command tries, for visitors share the machine."""


class StoppedError(Exception):
    """The study was stopped."""


def main() -> None:
    """Do one study."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is none of the parent's business
    parent = Parent(sys.stdin.buffer, out)
    signal.signal(signal.SIGTERM, parent.stop)
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    job: StudyJob = parent.hear()
    try:
        if job.only_read:
            found, _ = read(job)
            parent.say("read", {"prompts": min(len(found), job.most_prompts), "recorded": all_recorded(found)})
            return
        work = Work(parent, job)
        if job.request.only_other:
            work.compare()
        else:
            work.run()
            work.finish()
        parent.say("end")
    except Exception as error:  # the visitor gets one line
        logging.getLogger(__name__).info("a study broke off", exc_info=error)
        parent.say("error", error_line(error))


def read(job: StudyJob) -> tuple[list[Sample], list[str]]:
    """The material, and notes on it; recorded text without token ids gets those of the page's model.

    Raises:
        InputError: If it cannot be studied; one line that names the file alone.
    """
    name, most = job.request.name, job.most_prompts + 1
    notes: list[str] = []
    # Messages name the file alone. Nothing else happens in its folder: a visitor could name it like a module.
    with chdir(job.folder / "material"):
        try:
            return read_material(name, most, note=notes.append), notes
        except InputError:
            if job.tokenizer is None:
                raise
            notes.clear()
            return read_material(name, most, job.tokenizer, notes.append), notes


def all_recorded(samples: Iterable[Sample]) -> bool:
    """Whether nothing has to run."""
    return all(sample.output_ids is not None for sample in samples)


def spread(kinds: Sequence[str], count: int) -> list[int]:
    """So many places of a file, in order: spread evenly over each kind, and each kind with its share.

    >>> spread(["a", "b", "a", "b", "a", "b", "a", "b"], 4)
    [2, 3, 6, 7]
    """
    count = min(count, len(kinds))
    first = {kind: place for place, kind in reversed(list(enumerate(kinds)))}
    by_kind = sorted(range(len(kinds)), key=lambda place: first[kinds[place]])
    return sorted(by_kind[(2 * number + 1) * len(kinds) // (2 * count)] for number in range(count))


class Work:
    """One study: its samples with what is known of them so far."""

    def __init__(self, parent: Parent, job: StudyJob) -> None:
        self._parent, self._job = parent, job
        self._finishing: Progress | None = None
        self.samples, self.notes = read(job)
        self.found: list[Sample] = []
        if len(self.samples) > job.most_prompts:
            del self.samples[job.most_prompts :]
            self.notes.append(f"Only the first {job.most_prompts:,} prompts were taken: the limit of this page.")
        self.rows: list[Row] = []
        asked = job.request
        self._kept = msgspec.json.decode(job.kept, type=Study) if job.kept else None
        self._take_part()
        self._stopped_after: int | None = None
        self._stops = 0
        made = StudyOptions(asked.name, LookaheadConfig(), job.costs, sampling=asked.sampling, model=job.model)
        given = dict(asked.settings)
        self.recorded = all_recorded(self.samples)
        if self.recorded:
            made = as_recorded(made, self.samples)
        else:
            given.setdefault("sources", job.sources)
        if made.costs is None and job.costs:
            made = replace(made, costs=job.costs, machine="this machine")
            name = job.model.name
            self.notes.append(f"The recording has no times: they are modelled by T(n) of {name} on this machine.")
        corpus = load_corpus(job.trie, None, LookaheadConfig())  # within the bounds of the page's own
        config = base_config(self.samples, given, made.costs is not None)
        self._options = replace(made, config=config, corpus=corpus, notes=self.notes)
        self._compared: list[list[Outcome | None]] = []
        self._points: list[Point] = []
        if asked.other is not None:
            self._points = [Point(config), Point(replace(config, **asked.other), asked.other_start)]
        self._known = [Jointly((), corpus) for _ in self._points]
        self._deadline = monotonic() + job.most_seconds if self.recorded else inf  # runs have limits of their own

    def _take_part(self) -> None:
        """Keep only the prompts that were asked for, each with its place in the file, which names its run file."""
        asked, every = self._job.request, self.samples
        places = list(range(len(every)))
        if asked.only_other and self._kept:
            names = {row.name for row in self._kept.rows}
            places = [place for place in places if every[place].name in names]
        elif asked.prompts is not None and asked.prompts < len(every):
            places = spread([sample.category for sample in every], asked.prompts)
            self.notes.append(f"{len(places):,} of {len(every):,} prompts: spread evenly over the file and its kinds.")
        self.samples, self._places = [every[place] for place in places], [place + 1 for place in places]

    def run(self) -> None:
        """Run what has no output yet; tell what there is now and then."""
        what = "replaying" if self.recorded else "running"
        progress, due = Progress(self._parent, what, len(self.samples)), 0.0
        most_shown = len(self._kept.rows) if self._kept else 0
        for turn, (place, sample) in enumerate(zip(self._places, self.samples, strict=True), start=1):
            ran = None
            try:
                self._check()
                if sample.output_ids is None:
                    ran = self._run_before(place, sample)
                    found = ran or self._made(turn, place, sample)
                else:
                    found = self._recorded(place, sample)
                self._take(found)
            except StoppedError as error:
                self._stopped_after, self._stops = turn - 1, self._parent.stops
                self.notes.append(f"{error} after {turn - 1:,} of {len(self.samples):,} prompts.")
                break
            except ValueError as error:
                self.notes.append(f"{sample.name} did not run: {error}")
            if ran:
                progress.skip(turn)
            else:
                progress.tell(turn, now=sample.output_ids is None)
            if len(self.found) > most_shown and monotonic() >= due:
                begun = monotonic()
                self._tell(self._so_far())
                due = monotonic() + max(SUMMED_SECONDS, 10 * (monotonic() - begun))
        if not self.found:
            raise ValueError(self.notes[-1])

    def finish(self) -> None:
        """Tell what all of it amounts to, and what other settings would do if that was asked for."""
        self._deadline = min(self._deadline, monotonic() + self._job.most_seconds)
        try:
            self._check()
            drafting = timed_drafting(self.found, self._options.config)
            self._parent.say("drafting", drafting)
            self._options = replace(self._options, drafting=drafting)
            study = self._with_other(make_study(self.found, self._sought(), self._tick))
        except StoppedError as error:
            if self._stopped_after is None or self._parent.stops > self._stops:
                self.notes.append(f"{error} before other settings were tried.")
            study = self._so_far()
        self._tell(study)

    def compare(self) -> None:
        """Replay the other settings on the outputs that are kept; all else stays as it was."""
        kept = self._kept
        assert kept is not None
        progress = Progress(self._parent, "replaying B", len(self.samples))
        self._options = replace(self._options, drafting=self._job.drafting)
        samples = [
            self._run_before(place, sample) if sample.output_ids is None else sample
            for place, sample in zip(self._places, self.samples, strict=True)
        ]
        self.found = [sample for sample in samples if sample]
        costs = shown_costs(self.found, self._options.costs)  # as for the settings that were tried before
        for done, sample in enumerate(samples, start=1):
            if self._parent.stops:
                return  # the page has the study as it was
            self._compared.append(self._outcomes(sample, costs) if sample else [None for _ in self._points])
            progress.tell(done, now=False)
        variants = tuple(one for one in kept.variants if one.peer or one.label != "B")
        advice = tuple(one for one in kept.advice if one.cause != "B")
        study = self._with_other(replaced(kept, variants=variants, advice=advice))
        self._parent.say("study", msgspec.json.encode(study))

    def _check(self) -> None:
        """Raise StoppedError if the study was stopped once more, or takes too long."""
        if self._parent.stops > self._stops:
            raise StoppedError("Stopped")
        if monotonic() > self._deadline:
            raise StoppedError(f"Stopped by the limit of this page, {self._job.most_seconds:.0f} s of computing,")

    def _tick(self, what: str, done: int, of: int) -> None:
        self._check()
        what = "summing up" if what == "prompts" else what.replace("settings", "other settings")
        if self._finishing is None or self._finishing.what != what:
            self._finishing = Progress(self._parent, what, of)
        self._finishing.tell(done, now=False)

    def _sought(self) -> StudyOptions:
        """The options with other settings and methods, if those were asked for."""
        return replace(self._options, axes=SWEEP, peers=True) if self._job.request.sweep else self._options

    def _take(self, sample: Sample) -> None:
        """Take a sample with its output among those found: its row, and what A and B do on it."""
        row = self._row(sample)
        if self._points:
            self._compared.append(self._outcomes(sample, self._options.costs))
        self.rows.append(row)
        self.found.append(sample)

    def _outcomes(self, sample: Sample, costs: PassCosts | None) -> list[Outcome | None]:
        """What A and B do on a sample."""
        outcomes: list[Outcome | None] = []
        for point, known in zip(self._points, self._known, strict=True):
            outcomes += known.outcomes(sample, [point.config], costs)
            if point.start == "warm":
                known.know(output_of(sample))
        return outcomes

    def _with_other(self, study: Study) -> Study:
        """The study of all that was found, with B beside it if there is one: replayed on the outputs of A."""
        if not self._points:
            return study
        config, costs = self._options.config, shown_costs(self.found, self._options.costs)
        drafting = (self._options.drafting or timed_drafting(self.found, config)) if costs else Drafting()
        own, other = (
            grid.variant(outcomes, costs, drafting, "B", False, grid.differences(point.config, config), point.start)
            for point, outcomes in zip(self._points, zip(*self._compared, strict=True), strict=True)
        )
        told = against(own, other, [max(0, row.tokens - 1) for row in study.rows])
        told = replaced(told, text=told.text + _why_not_as_advised(study, other, told.gain))
        study = as_replayed(study, own, self.found, self._options)
        return replaced(study, variants=(other, *study.variants), advice=(told, *study.advice))

    def _row(self, sample: Sample) -> Row:
        config, costs, corpus = self._options.config, self._options.costs, self._options.corpus
        steps, lost = steps_and_losses(sample, config, costs, corpus)
        return row_from(sample, steps, config, costs, lost)

    def _so_far(self) -> Study:
        """The study as far as it has come."""
        last = make_study(self.found[-1:], self._options)
        told = judged(self.rows, self.found, self._options, last.draft_seconds)
        notes = tuple(self.notes)  # those of the study of one prompt are of that prompt
        rows, total = tuple(self.rows), total_of(self.rows)
        return self._with_other(replaced(last, rows=rows, total=total, verdict=told, advice=(), notes=notes))

    def _tell(self, study: Study) -> None:
        limit = None if self.recorded else self._job.request.max_new_tokens
        facts = {"prompts": len(self.samples), "stopped_after": self._stopped_after, "max_new_tokens": limit}
        self._parent.say("study", msgspec.json.encode(replaced(study, **facts)))

    def _run_before(self, place: int, sample: Sample) -> Sample | None:
        """The sample with the run that an earlier study made of it; None if it made none."""
        name = _run_name(place)
        with suppress(RunFileError):  # there is none, or it was damaged: it runs again
            pair = runfile.load_pair(self._job.folder / "runs" / name)
            return replace(sample_of(sample, pair), run_file=name)
        return None

    def _made(self, turn: int, place: int, sample: Sample) -> Sample:
        """The sample with its run, and its run file in ``runs``.

        Raises:
            StoppedError: If the study was stopped.
            ValueError: If the prompt cannot run.
        """
        prompt_ids: tuple[int, ...] | str = sample.prompt_ids or self._parent.asked("encode", sample.text)
        if isinstance(prompt_ids, str):
            raise ValueError(prompt_ids)
        wanted = turn, replace(sample, prompt_ids=prompt_ids), self._options.config
        pair: RunPair | str | None = self._parent.asked("run", wanted)
        if pair is None:
            raise StoppedError("Stopped")
        if isinstance(pair, str):
            raise ValueError(pair)
        return self._saved(place, sample_of(sample, pair), pair)

    def _recorded(self, place: int, sample: Sample) -> Sample:
        """The sample with a run file: of its recorded run, or of the replay of its output."""
        made = self._options
        steps = [] if sample.run else decode_steps_of(sample, made.config, made.costs, made.corpus)
        run = sample.run or as_run(sample, steps, made.config, made.costs)
        if run is None:
            return sample
        return self._saved(place, sample, RunPair(run, sample.plain if run.method == "lookahead" else None))

    def _saved(self, place: int, sample: Sample, pair: RunPair) -> Sample:
        name = _run_name(place)
        try:
            runfile.save(pair.run, self._job.folder / "runs" / name, pair.greedy, pair.parted)
        except RunFileError:  # larger than a run file may be: there is nothing to open, but all to count
            return sample
        return replace(sample, run_file=name)


def _run_name(place: int) -> str:
    """Name of the run file of the prompt at this place (from 1) of the file."""
    return f"{place:04}.json"


def _why_not_as_advised(study: Study, other: Variant, gain: float | None) -> str:
    """A sentence where the advice gives another number for the same settings; else empty."""
    for advised in study.advice:
        same = advised.config == other.config and advised.start == other.start
        if same and advised.gain is not None and (gain is None or f"{gain:.2f}" != f"{advised.gain:.2f}"):
            return (
                f" This is on all prompts; the advice's {advised.gain:.2f} is on the half that the settings were not "
                "chosen on."
            )
    return ""


if __name__ == "__main__":
    main()
