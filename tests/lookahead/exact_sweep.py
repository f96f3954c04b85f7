"""Bit for bit or not, at length: tokens and logits of lookahead against plain decoding of the same model object.

Too long for every run of the tests. By hand, with any model folder; ``--own`` leaves the model as it was loaded:

    python tests/lookahead/exact_sweep.py MODEL_DIR --dtype bfloat16 --prompts 20 --max-new-tokens 48

With ``--keep`` the counts of every prompt are a line of that file, and a later call goes on after the last one.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from lookahead import HFBackend, LookaheadConfig, LookaheadEngine
from lookahead.draft import DraftTree
from lookahead.drafter import Drafter
from lookahead.hf.reference import run_reference
from lookahead.hf.session import TreeSession
from lookahead.metrics import first_difference
from tests.lookahead.lossless_sweep import STRATEGIES, story_prompts


class LogitRows:
    """Keeps the logits of every committed token of a run: the root's and the accepted nodes'."""

    def __init__(self) -> None:
        self.rows: list[Tensor] = []
        self._last: Tensor | None = None
        self._logits, self._keep = TreeSession.logits, TreeSession.keep

    def __enter__(self) -> LogitRows:
        kept = self

        def logits(session: TreeSession, tree: DraftTree) -> Tensor:
            kept._last = kept._logits(session, tree)
            return kept._last

        def keep(session: TreeSession, accepted: Sequence[int]) -> None:
            assert kept._last is not None
            kept.rows.extend(kept._last[[0, *accepted]].clone())
            kept._keep(session, accepted)

        TreeSession.logits, TreeSession.keep = logits, keep  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        TreeSession.logits, TreeSession.keep = self._logits, self._keep  # type: ignore[method-assign]


def decoded(engine: LookaheadEngine, ids: list[int], count: int, method: str) -> tuple[list[int], list[Tensor], int]:
    """The emitted tokens, the logits row of each but the first and those of the last pass, and the passes."""
    with LogitRows() as logits:
        steps = list(engine.generate(ids, max_new_tokens=count, method=method))
    return [token_id for step in steps for token_id in step.emitted_ids], logits.rows, len(steps)


def compared(
    engine: LookaheadEngine, ids: list[int], tokens: list[int], rows: list[Tensor], count: int
) -> dict[str, int]:
    """One lookahead run against plain decoding's tokens and rows, counted."""
    output, found, passes = decoded(engine, ids, count, "lookahead")
    same = first_difference(output, tokens)
    # Past the first different token the contexts differ.
    most = min(len(tokens) if same is None else same, len(found), len(rows))
    return {
        "runs": 1,
        "outputs_differ": output != tokens,
        "rows": most,
        "rows_differ": sum(not torch.equal(found[n], rows[n]) for n in range(most)),
        "tokens": len(output),
        "passes": passes,
    }


def main() -> None:
    """Run the sweep and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--prompts", type=int, default=20)
    parser.add_argument("--max-new-tokens", type=int, default=48)
    parser.add_argument("--widths", type=int, nargs="+", default=[8, 32, 64])
    parser.add_argument("--own", action="store_true")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    backend = HFBackend.from_pretrained(args.model, device="cpu", dtype=args.dtype, exact=not args.own)
    verdict = backend.exactness
    plain = LookaheadEngine(backend, LookaheadConfig())
    engines = {}
    for setting in itertools.product(args.widths, STRATEGIES):
        config = LookaheadConfig(decoding_length=setting[0], strategy=setting[1], budget="fixed")
        engines[setting] = LookaheadEngine(backend, config, Drafter(config))
    kept = args.keep.read_text().splitlines() if args.keep and args.keep.exists() else []
    counts = Counter[str]()
    for line in kept:
        counts.update(json.loads(line))
    with suppress(KeyboardInterrupt):  # the counts of the prompts so far are printed
        for text in story_prompts(args.prompts)[len(kept) :]:
            ids = backend.encode(text)
            tokens, rows, _ = decoded(plain, ids, args.max_new_tokens, "plain")
            reference = run_reference(backend, ids, args.max_new_tokens, (), prompt_lookup=False).token_ids
            found = Counter[str](prompts=1, generate_differs=list(reference) != tokens)
            for engine in engines.values():
                found.update(compared(engine, ids, tokens, rows, args.max_new_tokens))
            counts.update(found)
            print(dict(counts), file=sys.stderr, flush=True)
            if args.keep:
                with args.keep.open("a") as file:
                    file.write(json.dumps(found) + "\n")
    result: dict[str, Any] = {"model": args.model, "dtype": args.dtype, "own": args.own, **counts}
    print(json.dumps({**result, "verdict": verdict and verdict.kind}))


if __name__ == "__main__":
    main()
