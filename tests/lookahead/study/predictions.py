"""What a study predicts of settings, against the same settings really run; by hand, on a quiet machine:

python tests/lookahead/study/predictions.py --model FOLDER --prompts FILE.jsonl --limit 20 --settings 30
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from dataclasses import replace
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from lookahead.config import LookaheadConfig
from lookahead.costs import PassCosts
from lookahead.drafter import Drafter
from lookahead.engine import LookaheadEngine
from lookahead.hf import HFBackend
from lookahead.hf.describe import model_info
from lookahead.hf.quiet import quiet
from lookahead.inputs import read_prompts
from lookahead.metrics import decode_seconds
from lookahead.models import EMBEDDED_MODEL
from lookahead.records import RunRecord
from lookahead.runs.recorder import RecordedRun
from lookahead.study.grid import Point, explore, grid
from lookahead.study.material import Sample


def recorded(backend: HFBackend, ids: list[int], config: LookaheadConfig, costs: PassCosts, most: int) -> RunRecord:
    """One run from an empty trie."""
    engine = LookaheadEngine(backend, config, Drafter(config), costs)
    return RecordedRun(engine, ids, model_info(backend), max_new_tokens=most).whole()


def main() -> None:
    """Run the settings, predict them, and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(EMBEDDED_MODEL))
    parser.add_argument("--prompts", required=True)
    parser.add_argument("--limit", type=int, default=20)
    parser.add_argument("--settings", type=int, default=30)
    parser.add_argument("--max-new-tokens", type=int, default=48)
    parser.add_argument("--repeat", type=int, default=2)
    args = parser.parse_args()
    quiet()
    backend = HFBackend.from_pretrained(args.model)
    prompts = [backend.encode(text) for text in read_prompts(args.prompts)[: args.limit]]
    base = LookaheadConfig()
    axes = {
        "decoding_length": (4, 8, 16, 32, 64),
        "branch_length": (4, 8, None),
        "strategy": ("hierarchical", "single"),
    }
    points = grid({**axes, "budget": ("adaptive", "fixed"), "ranking": ("probability", "frequency")}, base)
    points = [Point(base), *random.Random(0).sample(points, args.settings - 1)]
    costs = backend.pass_costs(64)
    for ids in prompts[:3]:  # the first runs of a process are slower
        recorded(backend, ids, base, costs, args.max_new_tokens)
    costs = backend.known_costs(64, again=True).costs
    seconds: dict[tuple[int, int], list[float]] = {}
    runs: list[RunRecord] = []
    for turn in range(args.repeat):
        for place, ids in enumerate(prompts):
            order = list(range(len(points)))
            random.Random(place + 1000 * turn).shuffle(order)
            for number in order:
                run = recorded(backend, ids, points[number].config, costs, args.max_new_tokens)
                seconds.setdefault((number, place), []).append(decode_seconds(run))
                if number == 0 and turn == 0:
                    runs.append(run)
            print(f"turn {turn + 1}, prompt {place + 1} of {len(prompts)}", file=sys.stderr, flush=True)
    learned = backend.pass_costs(64)
    samples = [Sample(str(place), run.prompt_ids, run.token_ids, run=run) for place, run in enumerate(runs)]
    tokens = sum(len(run.token_ids) - 1 for run in runs)
    real = [sum(min(seconds[number, place]) for place in range(len(prompts))) for number in range(len(points))]
    result: dict[str, object] = {"prompts": len(prompts), "settings": len(points), "tokens": tokens}
    for name, curve in (("at load", costs), ("learned", learned)):
        samples = [replace(sample, run=replace(sample.run, pass_costs=curve)) for sample in samples if sample.run]
        variants = explore(samples, points, base, curve, jobs=1)
        predicted = [tokens * curve.at(1) / (one.modelled_speedup or 1.0) for one in variants]
        off = [guess / true - 1 for guess, true in zip(predicted, real, strict=True)]
        best = min(range(len(points)), key=predicted.__getitem__)
        result[name] = {
            "off_median": median(map(abs, off)),
            "off_by_setting": [round(value, 3) for value in sorted(off)],
            "chosen": variants[best].label,
            "chosen_over_best": real[best] / min(real),
            "own_over_best": real[0] / min(real),
            "lengths": curve.lengths,
            "milliseconds": [round(1000 * value, 2) for value in curve.seconds],
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
