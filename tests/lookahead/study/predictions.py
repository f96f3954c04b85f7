"""What a study predicts of settings, against the same settings really run; by hand, on a quiet machine:

python tests/lookahead/study/predictions.py --model FOLDER --prompts FILE.jsonl --limit 20 --settings 30 --keep FILE

With --keep the same command goes on where it was broken off; --seconds ends it after about that time, with the result
of the prompts that were run by then.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from lookahead.config import LookaheadConfig
from lookahead.costs import PassCosts
from lookahead.drafter import Drafter
from lookahead.engine import LookaheadEngine
from lookahead.hf import HFBackend
from lookahead.hf.describe import model_info
from lookahead.hf.quiet import quiet
from lookahead.inputs import prompt_lines
from lookahead.metrics import decode_seconds
from lookahead.models import EMBEDDED_MODEL
from lookahead.records import RunRecord
from lookahead.runs import runfile
from lookahead.runs.recorder import RecordedRun
from lookahead.study.grid import Point, explore, grid
from lookahead.study.material import Sample
from lookahead.study.study import shown_costs

AXES: dict[str, Sequence[Any]] = {
    "decoding_length": (4, 8, 16, 32, 64),
    "branch_length": (4, 8, None),
    "strategy": ("hierarchical", "single"),
    "budget": ("adaptive", "fixed"),
    "ranking": ("probability", "frequency"),
}
"""The settings are drawn from this grid."""


class Measured:
    """The settings run on the prompts, as far as they have been: kept line by line, so that a second start goes on.

    Args:
        args: What was asked for.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        quiet()
        self._args, self._ends = args, monotonic() + args.seconds
        self._backend = HFBackend.from_pretrained(args.model)
        self._prompts = [self._backend.encode(text) for _, text in prompt_lines(args.prompts)[: args.limit]]
        self.points = [Point(LookaheadConfig()), *random.Random(0).sample(grid(AXES), args.settings - 1)]
        self._file = Path(args.keep) if args.keep else None
        lines = self._file.read_text("utf-8").splitlines() if self._file and self._file.exists() else []
        head, *self.units = map(json.loads, lines or ["{}"])
        asked = [args.model, args.prompts, args.limit, args.settings, args.max_new_tokens]
        if head.get("asked", asked) != asked:
            raise SystemExit(f"{args.keep}: of another command ({head['asked']}); name another file")
        costs = self._backend.pass_costs(64)
        for ids in self._prompts[:3]:  # the first runs of a process are slower
            self._recorded(ids, LookaheadConfig(), costs)
        if head:
            self.costs = PassCosts(tuple(head["costs"]["lengths"]), tuple(head["costs"]["seconds"]))
        else:
            self.costs = self._backend.known_costs(64, again=True).costs
            self._keep({"asked": asked, "costs": self.costs.to_json()})

    def _keep(self, line: dict[str, Any]) -> None:
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")

    def _recorded(self, ids: Sequence[int], config: LookaheadConfig, costs: PassCosts) -> RunRecord:
        """One run from an empty trie."""
        engine = LookaheadEngine(self._backend, config, Drafter(config), costs)
        return RecordedRun(engine, ids, model_info(self._backend), max_new_tokens=self._args.max_new_tokens).whole()

    def run(self) -> None:
        """Run what has not been run: in every turn each prompt with all settings, in an order of its own."""
        done = {(unit["turn"], unit["place"]) for unit in self.units}
        for turn in range(self._args.repeat):
            for place, ids in enumerate(self._prompts):
                if (turn, place) in done:
                    continue
                if monotonic() > self._ends:
                    return
                order = list(range(len(self.points)))
                random.Random(place + 1000 * turn).shuffle(order)
                runs = {number: self._recorded(ids, self.points[number].config, self.costs) for number in order}
                seconds = [decode_seconds(runs[number]) for number in range(len(self.points))]
                self.units.append({"turn": turn, "place": place, "seconds": seconds, "run": runfile.to_json(runs[0])})
                self._keep(self.units[-1])
                print(f"turn {turn + 1}, prompt {place + 1} of {len(self._prompts)}", file=sys.stderr, flush=True)

    def samples(self) -> list[Sample]:
        """The runs with the first of the settings, as a study would have them."""
        runs = {unit["place"]: runfile.from_json(unit["run"]) for unit in reversed(self.units)}
        return [Sample(str(place), run.prompt_ids, run.token_ids, run=run) for place, run in sorted(runs.items())]

    def seconds(self) -> list[float]:
        """Time of each setting on all prompts together, of every run the faster try."""
        places = {unit["place"] for unit in self.units}
        tries = [[unit["seconds"] for unit in self.units if unit["place"] == place] for place in places]
        return [sum(min(seconds[number] for seconds in one) for one in tries) for number in range(len(self.points))]


def compared(measured: Measured, curve: PassCosts) -> dict[str, Any]:
    """How far what T(n) predicts is off, and how good the setting is that it chooses."""
    samples, real = measured.samples(), measured.seconds()
    variants = explore(samples, measured.points, measured.points[0].config, curve, jobs=1)
    tokens = sum(len(sample.output_ids or ()) - 1 for sample in samples)
    predicted = [tokens * curve.at(1) / (one.modelled_speedup or 1.0) for one in variants]
    off = [guess / true - 1 for guess, true in zip(predicted, real, strict=True)]
    best = min(range(len(real)), key=predicted.__getitem__)
    return {
        "off_median": median(map(abs, off)),
        "off_by_setting": [round(value, 3) for value in sorted(off)],
        "chosen": variants[best].label,
        "chosen_over_best": real[best] / min(real),
        "own_over_best": real[0] / min(real),
        "lengths": curve.lengths,
        "milliseconds": [round(1000 * value, 2) for value in curve.seconds],
    }


def main() -> None:
    """Run the settings, predict them, and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(EMBEDDED_MODEL))
    parser.add_argument("--prompts", required=True)
    parser.add_argument("--limit", type=int, default=20)
    parser.add_argument("--settings", type=int, default=30)
    parser.add_argument("--max-new-tokens", type=int, default=48)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--keep", metavar="FILE")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    measured = Measured(parser.parse_args())
    measured.run()
    if not measured.units:
        raise SystemExit("no prompt was run; give it more time")
    samples = measured.samples()
    result = {
        "prompts": len(samples),
        "settings": len(measured.points),
        "tokens": sum(len(sample.output_ids or ()) - 1 for sample in samples),
        "at load": compared(measured, measured.costs),
        "as a study's runs show it": compared(measured, shown_costs(samples, measured.costs) or measured.costs),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
