"""``python -m assets.training.prompts``: the held-out prompts of every task for ``lookahead bench``, as JSON lines."""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

from .extraction import extraction_request
from .facts import posed, tell
from .names import Names
from .paths import TEXTS
from .problems import problem
from .rewriting import rewritten, written_function
from .stories import story_task

PROMPTS_SEED = 71_204


def written_passages() -> list[tuple[str, list[str]]]:
    """The passages of texts/passages.txt with their questions; no training document holds them."""
    blocks = (TEXTS / "passages.txt").read_text(encoding="utf-8").strip().split("\n===\n")
    return [(lines[0], [line[2:] for line in lines[1:]]) for lines in (block.split("\n") for block in blocks)]


def held_out_prompts(count: int) -> dict[str, list[str]]:
    """``count`` prompts of each task; the grounded ones are half about written passages, half about made-up facts."""
    rng = random.Random(PROMPTS_SEED)
    names = Names(rng, evaluation=True)
    prompts: dict[str, list[str]] = {task: [] for task in ("grounded", "extraction", "rewriting", "steps", "story")}
    written = [f"{passage}\n\n{question}" for passage, questions in written_passages() for question in questions]
    prompts["grounded"] += rng.sample(written, min(count // 2, len(written)))
    while len(prompts["rewriting"]) < count:
        story = tell(rng, names, rng.randint(5, 8))
        if len(prompts["grounded"]) < count:
            question = posed(rng, rng.choice(rng.choice(story.facts).questions))
            prompts["grounded"].append(f"{story.passage}\n\n{question}")
        code = written_function(rng, evaluation=True)
        edit = rewritten(rng, code, evaluation=True)
        if edit is None:
            continue
        prompts["rewriting"].append(f"{code}\n\n{edit[0]}")
        prompts["extraction"].append(f"{story.passage}\n\n{extraction_request(rng, story)[0]}")
        prompts["steps"].append(problem(rng)[0])
        prompts["story"].append(story_task(rng)[0])
    return prompts


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m assets.training.prompts", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "prompts")
    parser.add_argument("--count", type=int, default=20)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for task, prompts in held_out_prompts(options.count).items():
        lines = [json.dumps({"prompt": prompt}, ensure_ascii=False) + "\n" for prompt in prompts]
        (options.out / f"{task}.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
