"""Tokens per pass with and without recycled logits and prompt tries, on a real model: counts, no times.

Every prompt runs once, at the largest width, with all sources; the tries alone and the other widths are replayed from
that run. Without the source ``model`` a replay is exact. With it, at another width, it knows only the rows that the
run's own drafts had.

    python -m tests.lookahead.recycled_sweep --model FOLDER [--each N] [--tokens N] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from lookahead.config import LookaheadConfig
from lookahead.engine import LookaheadEngine
from lookahead.hf.backend import HFBackend
from lookahead.hf.describe import model_info
from lookahead.records import RunRecord
from lookahead.replay import recorded_steps, replay_run
from lookahead.runs import runfile
from lookahead.runs.recorder import RecordedRun

PROMPTS = Path(__file__).with_name("prompts.jsonl")
WIDTHS = (8, 16, 32)
TRIES = ("prompt", "output")


def main() -> None:
    """Run the sweep and print a line per kind of prompt after every prompt."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--each", type=int, default=6, help="prompts of each kind")
    parser.add_argument("--tokens", type=int, default=96, help="new tokens")
    parser.add_argument("--keep", type=Path, help="folder for the run files; what is there is not run again")
    args = parser.parse_args()
    backend = HFBackend.from_pretrained(args.model)
    counts: dict[tuple[str, int, bool], list[int]] = defaultdict(lambda: [0, 0])
    for number, kind, prompt in _prompts(args.each):
        file = args.keep and args.keep / f"{kind}-{number}-{args.tokens}.json"
        run = runfile.load(file) if file and file.exists() else _run(backend, prompt, args.tokens)
        if file:
            runfile.save(run, file)
        assert replay_run(run, run.config) == recorded_steps(run), "the replay of a run is the run"
        for width in WIDTHS:
            for recycled in (False, True):
                sources = (*TRIES, "model") if recycled else TRIES
                emitted = replay_run(run, replace(run.config, decoding_length=width, sources=sources)).emitted
                counts[kind, width, recycled][0] += sum(emitted)
                counts[kind, width, recycled][1] += len(emitted)
        for recycled in (False, True):
            shown = "/".join(f"{counts[kind, w, recycled][0] / counts[kind, w, recycled][1]:.2f}" for w in WIDTHS)
            print(f"{kind:9} {number + 1} {'with' if recycled else 'without':7} {shown}", flush=True)


def _prompts(each: int) -> list[tuple[int, str, str]]:
    """Number within its kind, kind and text of the prompts, the kinds in turn."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for line in PROMPTS.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        kinds[row["kind"]].append(row["prompt"])
    return [(number, kind, prompts[number]) for number in range(each) for kind, prompts in kinds.items()]


def _run(backend: HFBackend, prompt: str, tokens: int) -> RunRecord:
    config = LookaheadConfig(decoding_length=max(WIDTHS), budget="fixed", sources=(*TRIES, "model"))
    engine, prompt_ids = LookaheadEngine(backend, config), backend.encode(prompt)
    return RecordedRun(engine, prompt_ids, model_info(backend), max_new_tokens=tokens).whole()


if __name__ == "__main__":
    main()
