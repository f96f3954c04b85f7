"""``study``: many prompts, what their drafts accepted, where acceptance was lost, and which settings would pay."""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing, redirect_stdout
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace as replaced

from lookahead.atomic import write_whole
from lookahead.cli import options
from lookahead.cli.console import UsageError, forward_passes, note, print_result, progress, ticks, writing
from lookahead.cli.study_report import report
from lookahead.config import LookaheadConfig, offered
from lookahead.costs import PassCosts
from lookahead.process import everything_stays
from lookahead.runs import runfile
from lookahead.setting import settings_of
from lookahead.study.axes import parse_axes
from lookahead.study.folder import RUNS, TABLE, StudyFolder
from lookahead.study.grid import AXES, IN_A_MINUTE, grid
from lookahead.study.machine_file import read_machine
from lookahead.study.material import Sample, to_trace
from lookahead.study.reading import read_material
from lookahead.study.result import Study
from lookahead.study.study import StudyOptions, as_recorded, base_config, make_study, recorded
from lookahead.study.table import to_csv

if TYPE_CHECKING:
    from lookahead.study.cluster import Cluster, ClusterRunner
    from lookahead.study.recording import PromptRunner, RunPlan
    from lookahead.trie import Trie

_EPILOG = """\
INPUT is told apart by its content: prompts ({"prompt": text, "category": ...} per line, CSV with a column "prompt",
or one prompt as text), a trace ({"prompt": [ids], "output": [ids]} per line), run files, recorded traffic of another
engine (vLLM, SGLang, llama.cpp, TGI, Ray Data, OpenAI-style text; assets/docs/traffic.md), or a folder of those.
Prompts run on the model, each with drafts and plainly, and every prompt starts with an empty trie. Their runs are kept
in the folder of --out, as run files and one SQLite table; the same command continues a study that was stopped. A trace,
run files and a study's folder need no model.

Other settings are replayed on the outputs. --grid names them: NAME=VALUE,VALUE with spaces between names. "all" means
every value of a choice; several sources of one value are joined by +; start is cold (an empty trie for every prompt),
warm (the outputs of the prompts before it are known) or corpus (--trie).

examples:
  python -m lookahead study prompts.jsonl --csv rows.csv --html report.html
  python -m lookahead study prompts-study --grid "decoding_length=8,16,32 strategy=all" --peers
  python -m lookahead study trace.jsonl --machine other-machine.json --json
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = options.add_command(
        commands,
        "study",
        run,
        help="find out why acceptance is what it is, whether drafts pay, and what would be better",
        description="Run or replay many prompts: what was accepted, where it was lost, which settings would pay.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "material", metavar="INPUT", help="prompts, a trace, run files, recorded traffic, or a folder of those"
    )
    parser.add_argument(
        "--tokenizer", metavar="DIR", help="tokenizer for traffic of other engines that was recorded as text"
    )
    parser.add_argument("--limit", type=options.count(), metavar="N", help="take the first N prompts only")
    parser.add_argument("--out", metavar="DIR", help="keep the runs here (default: NAME-study in this folder)")
    parser.add_argument("--no-plain", action="store_true", help="do not run prompts plainly as well")
    parser.add_argument(
        "--ray", metavar="ADDRESS", help="spread the work over this Ray cluster; auto: the one of this machine"
    )
    explored = parser.add_argument_group("what is explored")
    explored.add_argument("--grid", metavar="AXES", help='settings to replay; "none" replays no others')
    explored.add_argument("--peers", action="store_true", help="also compute other methods on the same material")
    explored.add_argument(
        "--machine", action="append", default=[], metavar="FILE", help="also tell for this T(n) of costs --write"
    )
    written = parser.add_argument_group("output")
    written.add_argument("--csv", metavar="FILE", help="write a row per prompt")
    written.add_argument("--html", metavar="FILE", help="write a report with pictures, in one file")
    written.add_argument("--write-trace", metavar="FILE", help="write prompts and outputs as token ids")
    written.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    options.add_model_options(parser)
    options.add_run_options(parser)
    options.add_draft_options(parser, "generate")
    # Recorded runs have settings of their own: what is not given is theirs.
    parser.set_defaults(**dict.fromkeys(_draft_settings()))


def _draft_settings() -> list[str]:
    return list(offered("generate", settings_of(LookaheadConfig)))


def run(args: argparse.Namespace) -> None:
    """Carry out the command."""
    if args.ray is None:
        found = _study(args, None)
    else:
        from lookahead.study.cluster import Cluster

        # What Ray has to say of its nodes it prints; stdout is for the result.
        with redirect_stdout(sys.stderr), closing(Cluster(args.ray)) as cluster:
            found = _study(args, cluster)
    _write(args, *found)


def _study(args: argparse.Namespace, cluster: Cluster | None) -> tuple[Study, Sequence[Sample]]:
    """The study that the options ask for, and its samples."""
    axes, stop, sampling = _axes(args), options.check_stop(args.stop), options.sampling_from(args)
    written = [path for path in (args.csv, args.html, args.write_trace) if path is not None]
    for place, path in enumerate(written):
        runfile.check_target(path)
        if os.path.realpath(path) in map(os.path.realpath, written[:place]):
            raise UsageError(f"{path}: two results would be written to this file; name one for each")
    options.check_trie(args)
    machines = [read_machine(path) for path in args.machine]
    heard: list[str] = []
    samples = read_material(args.material, args.limit, args.tokenizer, heard.append)
    asked, waiting = samples, any(sample.output_ids is None for sample in samples)
    given = {name: getattr(args, name) for name in _draft_settings() if getattr(args, name) is not None}
    try:
        config = base_config(samples, given, timed=waiting or bool(machines))
    except ValueError as error:
        raise UsageError(str(error)) from None
    made = StudyOptions(
        title="standard input" if args.material == "-" else os.path.basename(os.path.abspath(args.material)),
        config=config,
        sampling=sampling,
        axes=axes,
        peers=args.peers,
        machines=machines,
        notes=heard,
        jobs=cluster,
        most_replayed=IN_A_MINUTE if args.grid is None else None,
    )
    if waiting:
        samples, made = _run_prompts(args, samples, made, stop, cluster)
    else:
        made = _recorded(args, samples, made)
    early: list[Study] = []

    def about_runs(study: Study) -> Study:
        return replaced(study, prompts=len(asked), max_new_tokens=args.max_new_tokens if waiting else None)

    def told(study: Study) -> None:
        early.append(about_runs(study))
        if settings := len(grid(axes, config)) if axes else 0:
            note(f"replaying {settings} settings; --grid names fewer, Ctrl-C prints what is known without them")

    try:
        with progress(len(samples), "prompt", "study") as bar:
            return about_runs(make_study(samples, made, ticks(bar), told)), samples
    except BaseException:
        if early:
            note("broken off: the result leaves out other settings")
            _write(args, early[0], samples)
        raise


def _axes(args: argparse.Namespace) -> Mapping[str, Sequence[Any]]:
    if args.grid == "none":
        return {}
    if args.grid is None:
        return AXES
    try:
        axes = parse_axes(args.grid)
    except ValueError as error:
        raise UsageError(f"--grid: {error}") from None
    if "corpus" in axes.get("start", ()) and args.trie is None:
        raise UsageError("--grid: start=corpus needs a trie file; name one with --trie")
    return axes


def _recorded(args: argparse.Namespace, samples: Sequence[Sample], made: StudyOptions) -> StudyOptions:
    """The options with what is known about outputs that are there already; no model is loaded."""
    if args.out is not None:
        raise UsageError("--out keeps the runs of prompts; here all outputs are recorded and nothing runs")
    made = as_recorded(made, samples)
    costs, machine, machines, notes = made.costs, made.machine, made.machines, list(made.notes)
    if (Path(args.material) / TABLE).is_file():
        with closing(StudyFolder.opened(args.material)) as folder:
            costs, machine = folder.pass_costs or costs, folder.about("machine") or machine
            notes += folder.problems()
    if costs is None and machines:
        first, *machines = machines
        costs, machine = PassCosts(first.lengths, first.seconds), first.name
    if costs is None:
        notes.append(
            "no T(n) is known here, so nothing is said about time; --machine FILE gives one (costs --write FILE)"
        )
    if len({one.model for one in recorded(samples)}) > 1:
        notes.append("the runs are of different models; the times of one are modelled by the T(n) of the latest")
    corpus = _corpus_of_anyone(args, made.config)
    return replace(made, costs=costs, machine=machine, machines=machines, corpus=corpus, notes=notes)


def _corpus_of_anyone(args: argparse.Namespace, config: LookaheadConfig) -> Sequence[Trie]:
    """The tries of ``--trie`` where no tokenizer says whose they are."""
    from lookahead.trie.file import load_corpus

    return load_corpus(args.trie, None, config)


def _run_prompts(
    args: argparse.Namespace,
    samples: list[Sample],
    made: StudyOptions,
    stop: tuple[str, ...],
    cluster: Cluster | None,
) -> tuple[list[Sample], StudyOptions]:
    """The samples with runs of those that have no output on the options' model; the options with what is known then."""
    from lookahead.study.recording import RunPlan

    plan = RunPlan(made.config, args.max_new_tokens, stop, made.sampling, args.raw, not args.no_plain, (), args.trie)
    path = Path(args.out or f"{'stdin' if args.material == '-' else Path(args.material).resolve().stem}-study")
    runs = _run_here if cluster is None else partial(_run_on, cluster)
    found, made = runs(args, samples, made, plan, path)
    note(f"the runs are kept in {path}; open a run file of {path / RUNS} on the page to watch its steps")
    if not found:
        raise UsageError(f"no prompt could run; {made.notes[-1]}")
    return found, made


def _run_here(
    args: argparse.Namespace, samples: list[Sample], made: StudyOptions, plan: RunPlan, path: Path
) -> tuple[list[Sample], StudyOptions]:
    """Runs the prompts on this machine."""
    backend = options.load_backend(args)
    from lookahead.study.recording import PromptRunner, machine_in, plan_facts
    from lookahead.trie.file import load_corpus

    plan = replace(plan, corpus=load_corpus(args.trie, backend, plan.config))
    name = options.model_name(args)
    with forward_passes():
        facts = plan_facts(backend, plan, name)
        folder = StudyFolder.resumed(path, facts, samples)
        runner = PromptRunner(backend, plan, name, folder.pass_costs)
    return _recording(runner, samples, folder, replace(made, machine=machine_in(facts), corpus=plan.corpus))


def _run_on(
    cluster: Cluster,
    args: argparse.Namespace,
    samples: list[Sample],
    made: StudyOptions,
    plan: RunPlan,
    path: Path,
) -> tuple[list[Sample], StudyOptions]:
    """Runs the prompts on the devices of a cluster."""
    from lookahead.study.cluster import ClusterRunner, ModelName

    model = ModelName(options.model_folder(args), options.model_name(args), args.device, args.dtype)
    with closing(ClusterRunner(cluster, model, plan)) as runner:
        folder = StudyFolder.resumed(path, runner.facts, samples)
        runner.pass_costs = folder.pass_costs or runner.measure()
        made = replace(made, machine=runner.machine, corpus=_corpus_of_anyone(args, plan.config))
        return _recording(runner, samples, folder, made)


def _recording(
    runner: PromptRunner | ClusterRunner, samples: list[Sample], folder: StudyFolder, made: StudyOptions
) -> tuple[list[Sample], StudyOptions]:
    """``record`` with progress; where it is stopped, a line says how to go on."""
    from lookahead.study.recording import record

    if folder.pass_costs is None and runner.pass_costs is not None:
        folder.note("pass_costs", runner.pass_costs.to_json())
        folder.note("machine", made.machine)
    total = sum(sample.output_ids is None for sample in samples)
    kept = len(folder.done())
    path = folder.path
    if kept:
        note(f"{path}: {kept} of {total} prompts have run before")
    try:
        with everything_stays(), progress(total - kept, "prompt", "run") as bar:
            shown, done = ticks(bar), itertools.count(kept + 1)
            found, problems = record(runner, samples, folder, lambda: shown("prompts run", next(done), total))
    except BaseException:
        note(f"{len(folder.done())} of {total} prompts have run and are kept in {path}; the same command continues")
        raise
    finally:
        folder.close()
    notes = [*made.notes, *runner.notes, *problems]
    return found, replace(made, costs=runner.pass_costs, model=runner.info, notes=notes)


def _write(args: argparse.Namespace, study: Study, samples: Sequence[Sample]) -> None:
    """The files that were asked for, then the result on stdout."""
    files = {}
    if args.csv is not None:
        files[args.csv] = to_csv(study.rows).encode()
    if args.html is not None:
        from lookahead.report.report import to_html

        files[args.html] = to_html(study).encode()
    if args.write_trace is not None:
        files[args.write_trace] = to_trace(samples)
    for path, data in files.items():
        with writing(path):
            write_whole(path, data)
    print_result(args, msgspec.to_builtins(study), lambda _: report(study))
