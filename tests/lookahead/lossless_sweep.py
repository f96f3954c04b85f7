"""Lossless or not, at length: lookahead against transformers' ``generate(do_sample=False)``, token for token.

Too long for every run of the tests. By hand, with any model folder:

    python tests/lookahead/lossless_sweep.py MODEL_DIR --prompts 200 --max-new-tokens 96
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
import time
from pathlib import Path

from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from lookahead import HFBackend, LookaheadConfig, LookaheadEngine
from lookahead.config import Strategy
from lookahead.drafter import Drafter
from lookahead.hf.reference import run_reference

WIDTHS = (1, 2, 5, 16, 33, 64, 128)
STRATEGIES: tuple[Strategy, ...] = ("hierarchical", "parallel", "single")

_WHO = ("a little girl named Lily", "a boy called Tim", "two cats", "a big red ball", "an old man", "a bird named Pip")
_WHERE = ("in the park", "by the sea", "at home", "in a small house", "under a tall tree", "")
_DID = ("wanted to play", "was very sad", "found a shiny stone", "liked to sing", "lost her hat", "saw a friend")


def story_prompts(count: int, seed: int = 0) -> list[str]:
    """Beginnings of stories, some of them with a repeated passage."""
    generator = random.Random(seed)
    prompts = []
    for _ in range(count):
        who, where, did = (generator.choice(part) for part in (_WHO, _WHERE, _DID))
        text = f"Once upon a time, there was {who} {where}. One day, {who} {did}."
        if generator.random() < 0.3:
            text += f" {text} {who.capitalize()}"
        prompts.append(text[: generator.randrange(8, len(text) + 1)])
    return prompts


def main() -> None:
    """Run the sweep and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--max-new-tokens", type=int, default=96)
    args = parser.parse_args()
    backend = HFBackend.from_pretrained(args.model)
    prompts = [backend.encode(text) for text in story_prompts(args.prompts)]
    expected = [
        list(run_reference(backend, ids, args.max_new_tokens, (), prompt_lookup=False).token_ids)
        for ids in tqdm(prompts, desc="generate()")
    ]
    started, differing, runs, passes, tokens = time.monotonic(), [], 0, 0, 0
    for width, strategy in itertools.product(WIDTHS, STRATEGIES):
        config = LookaheadConfig(decoding_length=width, strategy=strategy, budget="fixed")
        # The trie stays from one prompt to the next, so that drafts come from everywhere and much is accepted.
        engine = LookaheadEngine(backend, config, Drafter(config))
        for number, ids in enumerate(tqdm(prompts, desc=f"{width} {strategy}")):
            steps = list(engine.generate(ids, max_new_tokens=args.max_new_tokens))
            output = [token_id for step in steps for token_id in step.emitted_ids]
            runs, passes, tokens = runs + 1, passes + len(steps), tokens + len(output)
            if output != expected[number]:
                differing.append((width, strategy, number))
    seconds = round(time.monotonic() - started)
    print(json.dumps({"runs": runs, "tokens": tokens, "passes": passes, "differing": differing, "seconds": seconds}))


if __name__ == "__main__":
    main()
