"""``replay``: draft recorded outputs again, without a model."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from lookahead import metrics
from lookahead.cli import options
from lookahead.cli.console import UsageError, note, print_result, progress, table
from lookahead.config import LookaheadConfig, offered
from lookahead.inputs import TraceRow, read_trace
from lookahead.records import RunRecord
from lookahead.runs import runfile
from lookahead.setting import Setting, settings_of

_EPILOG = """\
A trace is a text file with one JSON object per line: {"prompt": [token ids], "output": [token ids]}.
The draft is always as wide as --decoding-length allows: without a model there is no pass time to compare it with.

A run file (generate --run-file, or saved on the page) is replayed with its own settings, those that are given changed,
and then with one other setting at a time. Its T(n) is used for an adaptive budget and for the time.

examples:
  python -m lookahead replay trace.jsonl --decoding-length 16 --limit 200
  python -m lookahead replay trace.jsonl --shared --json
  python -m lookahead replay run.json --decoding-length 32
"""
_WIDTHS = (4, 8, 16, 32, 64, 128)
"""Other values of a length that a run is replayed with."""
_COLUMNS = ("forward_passes", "mean_accepted_tokens", "draft_tokens_per_step", "acceptance_rate", "decode_seconds")


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = options.add_command(
        commands,
        "replay",
        run,
        help="measure the drafts on recorded outputs, without a model",
        description="Replay recorded outputs and count how many tokens each step accepts; no model runs.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "trace", metavar="FILE", help="a trace (recorded prompts and outputs as token ids) or a run file"
    )
    parser.add_argument(
        "--shared",
        action="store_true",
        help="keep the outputs of earlier rows in the trie (default: start each row with an empty trie)",
    )
    parser.add_argument("--limit", type=options.count(), metavar="N", help="replay the first N rows only")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    options.add_draft_options(parser, "replay", absent=True)


def run(args: argparse.Namespace) -> None:
    """Carry out the command."""
    if args.trace != "-" and runfile.is_run_file(args.trace):
        _replay_run(args)
        return
    config = options.config_from(args, budget="fixed")
    rows = read_trace(args.trace, args.limit)
    from lookahead.replay import replay_rows

    result = replay_rows(_shown(rows), config, args.shared)
    print_result(args, result, lambda found: table(("replay", args.trace.rsplit("/", 1)[-1]), found.items()))


def _shown(rows: Sequence[TraceRow]) -> Iterator[TraceRow]:
    """The rows, with a progress bar."""
    with progress(len(rows), "row", "replay") as bar:
        for row in rows:
            yield row
            bar.update()


def _replay_run(args: argparse.Namespace) -> None:
    """Replay a run file, and print what it did and what other settings would do."""
    if args.shared or args.limit is not None:
        raise UsageError("--shared and --limit are about the rows of a trace, and this is a run file; leave them out")
    record = runfile.load(args.trace)
    given = {name: value for name, value in vars(args).items() if name in settings_of(LookaheadConfig)}
    result = _replayed(record, given)
    if not result["exact"]:
        note(
            f"note: with its own settings the replay takes {result['again']} passes: the run drafted from more than "
            "its file holds (earlier outputs or a corpus), or another version made it"
        )
    print_result(args, result, _run_table)


def _run_table(result: dict[str, Any]) -> str:
    """What the run did, and what the settings do that change something."""
    given = result["config"]
    rows = [("as recorded", result["recorded"]), *([(_text(given), result["replayed"])] if given else [])]
    same = {column: result["replayed"][column] for column in _COLUMNS}
    rows += [(_text(other["config"]), other) for other in result["others"] if not same.items() <= other.items()]
    header = ("replay", "passes", "tokens/pass", "drafted/pass", "rate", "decode s")
    return table(header, [(name, *(numbers[column] for column in _COLUMNS)) for name, numbers in rows])


def _replayed(record: RunRecord, given: dict[str, Any]) -> dict[str, Any]:
    """What ``replay RUN.json --json`` prints: the run as recorded, with the given settings, and with one more changed.

    ``exact`` says whether the replay with the run's own settings takes the run's own steps (``again`` passes).
    """
    from lookahead.replay import recorded_steps, replay_run

    config = dataclasses.replace(record.config, **given)
    others = _others(config, adaptive=record.pass_costs is not None)
    with progress(2 + len(others), "setting", "replay") as bar:

        def numbers(settings: LookaheadConfig) -> dict[str, Any]:
            bar.update()
            return replay_run(record, settings).numbers(record)

        own, recorded = replay_run(record, record.config), recorded_steps(record)
        return {
            "recorded": recorded.numbers(record) | {"decode_seconds": metrics.decode_seconds(record)},
            "exact": record.method == "plain" or own == recorded,
            "again": own.numbers(record)["forward_passes"],
            "config": given,
            "replayed": numbers(config),
            "others": [{"config": change, **numbers(dataclasses.replace(config, **change))} for change in others],
        }


def _others(config: LookaheadConfig, adaptive: bool) -> list[dict[str, Any]]:
    """One change at a time, of every setting that a finished run can be asked about."""
    knobs = offered("what-if", settings_of(LookaheadConfig)).items()
    changes = [{name: value} for name, one in knobs for value in _other_values(one, getattr(config, name))]
    return [change for change in changes if adaptive or change.get("budget") != "adaptive"]


def _other_values(one: Setting, value: Any) -> list[Any]:
    """Other values of a setting: the other words, one word less, or other lengths."""
    match one.kind:
        case "choice":
            return [word for word in one.choices if word != value]
        case "choices":
            return [tuple(word for word in value if word != without) for without in value]
        case "whole":
            return [width for width in _WIDTHS if width != value]
        case "switch":
            return [not value]
    return []


def _text(changes: dict[str, Any]) -> str:
    settings = settings_of(LookaheadConfig)
    return " ".join(f"{name}={settings[name].text(value)}" for name, value in changes.items())
