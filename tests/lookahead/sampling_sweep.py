"""Same seed, same tokens, at length: sampling with drafts against plain sampling and transformers' own loop.

Too long for every run of the tests. By hand, with any model folder:

    python tests/lookahead/sampling_sweep.py MODEL_DIR --dtype float32 --seeds 200 --max-new-tokens 8

Each seed runs with every setting, or with ``--turns`` with one of them. Drafts are mostly right, and a prompt goes
through the model once, so that few passes are needed. transformers' loop runs with every twentieth seed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from lookahead import HFBackend, LookaheadConfig, LookaheadEngine
from lookahead.config import Sampling
from lookahead.draft import DraftTree
from lookahead.hf.reference import run_reference
from lookahead.hf.session import TreeSession
from tests.lookahead.drafters import NoisyOracle
from tests.lookahead.lossless_sweep import story_prompts

SETTINGS: list[dict[str, Any]] = [
    {"temperature": 1.0},
    {"temperature": 1.3, "top_k": 40, "top_p": 0.9},
    {"temperature": 0.8, "top_p": 0.95},
    {"temperature": 1.5, "min_p": 0.05},
]
WIDTHS = (4, 12, 24)
REFERENCE_EVERY = 20


class KnownPrompts(TreeSession):
    """A session that reads each prompt once and goes back to its end for later runs, one at a time."""

    known: ClassVar[dict[tuple[int, ...], tuple[Any, Tensor]]] = {}

    def prefill(self, prompt_ids: Sequence[int]) -> int:
        """The choice after the prompt."""
        with torch.inference_mode():
            return self._read(prompt_ids)

    def _read(self, prompt_ids: Sequence[int]) -> int:
        count, ids = len(prompt_ids), torch.tensor([prompt_ids])
        if tuple(prompt_ids) not in self.known:
            reader = TreeSession(self._model, self._plan, self._rules.without_processors(), count + 64)
            reader.prefill(prompt_ids[:-1])
            logits = reader.logits(DraftTree.root_only(prompt_ids[-1]))[0].clone()
            reader.keep(())
            self.known[tuple(prompt_ids)] = reader._open_cache(), logits
        self._cache, logits = self.known[tuple(prompt_ids)]
        self.rewind(count)
        self._chooser = self._rules.chooser(ids, self._capacity, self._sampling)
        self._context_ids = ids if self._chooser.along_path else self._context_ids
        return self._choice(logits, count)


def main() -> None:
    """Run the sweep and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--max-new-tokens", type=int, default=8)
    parser.add_argument("--turns", action="store_true", help="one setting per seed, in turns")
    parser.add_argument("--penalty", type=float, default=None, help="a repetition penalty in generation_config")
    args = parser.parse_args()
    backend = HFBackend.from_pretrained(args.model, device="cpu", dtype=args.dtype)
    if args.penalty is not None:
        backend.model.generation_config.repetition_penalty = args.penalty  # type: ignore[union-attr]
        backend = HFBackend(backend.model, backend.tokenizer)
    plan = backend._find_plan()
    assert plan is not None
    backend.new_session = lambda capacity, _, sampling: KnownPrompts(  # type: ignore[method-assign]
        backend.model, plan, backend.rules, capacity, sampling
    )
    prompts = [backend.encode(text)[:8] for text in story_prompts(8)]
    counts = dict.fromkeys(("runs", "differ", "references", "reference_differs", "tokens", "passes", "accepted"), 0)
    for seed in range(args.seeds):
        for place, settings in enumerate(SETTINGS):
            if args.turns and (seed // len(WIDTHS)) % len(SETTINGS) != place:
                continue
            _compare(backend, prompts[seed % len(prompts)], Sampling(seed=seed, **settings), place, args, counts)
        if seed % 10 == 9:
            print(seed + 1, counts, file=sys.stderr, flush=True)
    print(json.dumps({"model": args.model, "dtype": args.dtype, "penalty": args.penalty, **counts}))


def _compare(
    backend: HFBackend, prompt: list[int], sampling: Sampling, place: int, args: argparse.Namespace, counts: Any
) -> None:
    """Run one seed with one setting, and count."""
    most, seed = args.max_new_tokens, sampling.seed
    config = LookaheadConfig(decoding_length=WIDTHS[(seed + place) % len(WIDTHS)], budget="fixed")
    run = LookaheadEngine(backend, config).generate(prompt, max_new_tokens=most, method="plain", sampling=sampling)
    expected = [token_id for step in run for token_id in step.emitted_ids]
    drafter = NoisyOracle(expected, backend.vocab_size, 0.8, seed)
    engine = LookaheadEngine(backend, config, drafter)
    steps = list(engine.generate(prompt, max_new_tokens=most, sampling=sampling))
    counts["runs"] += 1
    counts["differ"] += [token_id for step in steps for token_id in step.emitted_ids] != expected
    counts["tokens"] += len(expected)
    counts["passes"] += len(steps)
    counts["accepted"] += sum(len(step.accepted_nodes) for step in steps)
    if seed % REFERENCE_EVERY == 0:
        found = run_reference(backend, prompt, most, (), False, sampling).token_ids
        counts["references"] += 1
        counts["reference_differs"] += list(found) != expected


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
