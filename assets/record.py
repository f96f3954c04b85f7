"""``python -m assets.record --model FOLDER_OR_ID``: makes the recorded examples of the page again, in assets/runs.

Each example is a prompt of the page, with lookahead and with greedy decoding, in turns; the first try of each is kept
with all its steps, of the others only the time.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from app.page.presets import PRESETS, Preset, compose
from lookahead import HFBackend, LookaheadConfig, LookaheadEngine
from lookahead.atomic import write_whole
from lookahead.hf.describe import model_info, with_texts
from lookahead.hf.quiet import quiet
from lookahead.metrics import first_difference
from lookahead.records import ModelInfo, RunRecord
from lookahead.runs import runfile
from lookahead.runs.recorder import RecordedRun

RUNS = Path(__file__).parent / "runs"
WIDTH = 16
"""Every draft is this wide, whether it pays or not: a visitor is to see real trees."""
WIDE = {"free-text": 32}
"""Examples with wider drafts than pay: a visitor is to see that as well."""
KNOWN_WIDTH = 64
"""T(n) is recorded up to this width, for other settings to be tried on the examples."""


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m assets.record", description=__doc__)
    parser.add_argument("--model", required=True, metavar="ID_OR_DIR", help="the model that makes the examples")
    parser.add_argument("--name", metavar="ID", help="its name in the files (default: its own)")
    parser.add_argument("--dtype", default="float32", help="default: float32")
    parser.add_argument("--max-new-tokens", type=int, default=96, metavar="N", help="default: 96")
    parser.add_argument("--tries", type=int, default=2, metavar="N", help="how often each is timed (default: 2)")
    parser.add_argument("--only", nargs="*", metavar="EXAMPLE", help="make these alone, by their file names")
    return parser.parse_args()


def main() -> None:
    """Make the examples."""
    asked = arguments()
    quiet()
    backend = HFBackend.from_pretrained(asked.model, dtype=asked.dtype)
    backend.pass_costs(KNOWN_WIDTH)
    verdict = backend.exactness
    info = replace(model_info(backend, asked.name), exactness=verdict and verdict.kind)
    for preset in PRESETS:
        if not asked.only or preset.slug in asked.only:
            text = recorded(backend, info, preset, asked.max_new_tokens, asked.tries)
            write_whole(RUNS / f"{preset.slug}.json", text.encode())
            print(f"{preset.slug}.json: {len(text) // 1000} kB", file=sys.stderr)


def recorded(backend: HFBackend, info: ModelInfo, preset: Preset, most: int, tries: int) -> str:
    """The text of a run file: lookahead and greedy decoding of one prompt.

    Args:
        most: Most new tokens.
        tries: How often each of the two is made.
    """
    prompt = compose(preset.document, preset.prompt)
    prompt_ids = backend.encode(prompt)
    config = LookaheadConfig(decoding_length=WIDE.get(preset.slug, WIDTH), budget="fixed")
    made: dict[str, list[RunRecord]] = {"lookahead": [], "plain": []}
    for _ in range(tries):
        for method, records in made.items():
            engine = LookaheadEngine(backend, config)
            run = RecordedRun(engine, prompt_ids, info, max_new_tokens=most, method=method)
            records.append(run.whole())
    found = [_kept(backend, records, prompt) for records in made.values()]
    if first_difference(found[0].token_ids, found[1].token_ids) is not None:
        raise SystemExit(f"{preset.slug}: the two runs differ; use --dtype float32")
    return runfile.to_json(replace(found[0], pass_costs=backend.pass_costs(KNOWN_WIDTH)), found[1])


def _kept(backend: HFBackend, records: list[RunRecord], prompt: str) -> RunRecord:
    """The first try with its texts, and the times of the others."""
    again = tuple(run.seconds for run in records[1:])
    return replace(with_texts(backend, records[0], prompt), repeat_seconds=again or None)


if __name__ == "__main__":
    main()
