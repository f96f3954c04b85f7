"""Prompts drawn from public data by a fixed seed, so that nobody chose them: 10 of each kind, one file per kind.

    python tests/lookahead/drawn_prompts.py DATA TRACES VOCABULARY OUT

DATA has nq-open-oracle.jsonl.gz (questions with their Wikipedia passage: kinds grounded and summary),
humanevalpack.jsonl.gz (Python functions with a bug: code) and gsm8k_train.jsonl.gz (math); TRACES has chat.jsonl
(instructions of AlpacaEval in GPT-2's token ids: chat); VOCABULARY has GPT-2's encoder.json and vocab.bpe.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
from pathlib import Path
from typing import Any

from transformers import GPT2Tokenizer

EACH = 10
QUESTION, ANSWER = "User: ", "\nAssistant:"
"""What stands around an instruction in the trace."""


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "traces", "vocabulary", "out"):
        parser.add_argument(name, type=Path)
    args = parser.parse_args()
    drawn = random.Random(0)

    def draw(name: str) -> list[Any]:
        lines = gzip.decompress((args.data / f"{name}.jsonl.gz").read_bytes()).splitlines()
        return drawn.sample([json.loads(line) for line in lines], EACH)

    kinds = {
        "grounded": [
            f"{_passage(row)}\n\nAnswer with the words of the text: {_asked(row)}" for row in draw("nq-open-oracle")
        ],
        "code": [_repair(row) for row in draw("humanevalpack")],
        "summary": [
            f"Summarise the following text in three sentences:\n\n{_passage(row)}" for row in draw("nq-open-oracle")
        ],
        "math": [row["question"] for row in draw("gsm8k_train")],
    }
    tokenizer = GPT2Tokenizer(str(args.vocabulary / "encoder.json"), str(args.vocabulary / "vocab.bpe"))
    rows = [json.loads(line) for line in (args.traces / "chat.jsonl").read_text(encoding="utf-8").splitlines()]
    texts = [str(tokenizer.decode(row["prompt"])) for row in drawn.sample(rows, EACH)]
    kinds["chat"] = [text.strip().removeprefix(QUESTION).rpartition(ANSWER)[0] for text in texts]
    for kind, prompts in kinds.items():
        lines = [json.dumps({"kind": kind, "prompt": prompt}) + "\n" for prompt in prompts]
        (args.out / f"{kind}.jsonl").write_text("".join(lines), encoding="utf-8")


def _passage(row: dict[str, Any]) -> str:
    return row["ctxs"][0]["text"]


def _asked(row: dict[str, Any]) -> str:
    question = row["question"].strip()
    return question[0].upper() + question[1:] + ("" if question.endswith("?") else "?")


def _repair(row: dict[str, Any]) -> str:
    wrong = row["prompt"] + row["buggy_solution"]
    return f"Fix this Python code ({row['bug_type']}) and write the whole corrected code:\n\n```python\n{wrong}```"


if __name__ == "__main__":
    main()
