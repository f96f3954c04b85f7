"""What the model can do, on held-out material: unseen values, unseen functions, unseen passages. Prints a table."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from .extraction import extraction_request
from .facts import posed, tell
from .names import Names
from .problems import problem
from .real_text import RealText
from .rewriting import rewritten, written_function
from .stories import story_task

EVALUATION_SEED = 20_261_121


@dataclass(frozen=True, slots=True)
class Case:
    """One held-out prompt; ``wanted`` is the exact answer or, for a real passage, any of the ``golds`` inside it."""

    task: str
    prompt: str
    wanted: str = ""
    passage: str = ""
    golds: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model wrote for one case."""

    text: str
    tokens: int
    ended: bool


def made_cases(count: int, text: RealText) -> list[Case]:
    """``count`` held-out cases of every generated task."""
    rng = random.Random(EVALUATION_SEED)
    names = Names(rng, evaluation=True)
    cases = []
    for _ in range(count):
        story = tell(rng, names, rng.randint(3, 8))
        fact = rng.choice(story.facts)
        question = posed(rng, rng.choice(fact.questions))
        cases.append(Case("grounded, made-up", f"{story.passage}\n\n{question}", fact.sentence, story.passage))
        request, answer = extraction_request(rng, story)
        cases.append(Case("extraction", f"{story.passage}\n\n{request}", answer))
        code = written_function(rng, evaluation=True)
        edit = None
        while edit is None:
            edit = rewritten(rng, code, evaluation=True)
        cases.append(Case("rewriting", f"{code}\n\n{edit[0]}", edit[1]))
        cases.append(Case("steps", problem(rng)[0]))
        cases.append(Case("story", story_task(rng)[0]))
    for code in text.held_out_functions:
        edit = rewritten(rng, code, evaluation=True)
        if edit is not None:
            cases.append(Case("rewriting, real functions", f"{code}\n\n{edit[0]}", edit[1]))
    cases += [Case("steps, gsm8k", asked) for asked, _ in text.held_out_problems[:count]]
    return cases


def real_cases(text: RealText) -> list[Case]:
    """The held-out questions with their Wikipedia passages, and the questions of a reading quiz about the same ones."""
    asked = [
        Case("grounded, Wikipedia", f"{p.text}\n\n{p.question}", passage=p.text, golds=p.answers, sentences=p.sentences)
        for p in text.held_out_passages
    ]
    quiz = {p.text: p for p in text.held_out_passages}.values()
    return asked + [
        Case("grounded, quiz", f"{p.text}\n\n{item.question}", p.sentences[item.gold], p.text, sentences=p.sentences)
        for p in quiz
        for item in p.written
    ]


class Generator:
    """Greedy answers through the chat template, several prompts of similar length at a time."""

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        self.model = model.to(device).eval()

    @torch.inference_mode()
    def answers(self, prompts: list[str], most_tokens: int = 256, at_once: int = 16) -> list[Answer]:
        encoded: list[list[int]] = [
            self.tokenizer.apply_chat_template(
                [{"role": "user", "content": prompt}], add_generation_prompt=True, return_dict=True
            )["input_ids"]
            for prompt in prompts
        ]
        order = sorted(range(len(prompts)), key=lambda n: len(encoded[n]))
        done: dict[int, Answer] = {}
        for at in range(0, len(order), at_once):
            chosen = order[at : at + at_once]
            inputs = self.tokenizer.pad(
                {"input_ids": [encoded[n] for n in chosen]}, padding_side="left", return_tensors="pt"
            ).to(self.model.device)
            ids = self.model.generate(**inputs, max_new_tokens=most_tokens, do_sample=False)
            for n, row in zip(chosen, ids[:, inputs["input_ids"].shape[1] :].tolist(), strict=True):
                ended = self.tokenizer.eos_token_id in row
                kept = row[: row.index(self.tokenizer.eos_token_id)] if ended else row
                done[n] = Answer(self.tokenizer.decode(kept), len(kept), ended)
        return [done[n] for n in range(len(prompts))]


def share(pairs: list[tuple[Case, Answer]], test: Callable[[Case, Answer], bool]) -> float:
    """The share of the pairs that pass."""
    return sum(test(case, answer) for case, answer in pairs) / max(1, len(pairs))


def has_gold(case: Case, text: str) -> bool:
    """Whether the text holds one of the case's answers."""
    return any(gold.lower() in text.lower() for gold in case.golds)


def report(cases: list[Case], answers: list[Answer]) -> dict[str, dict[str, float]]:
    """Per task the shares that the card shows."""
    by_task: dict[str, list[tuple[Case, Answer]]] = {}
    for case, answer in zip(cases, answers, strict=True):
        by_task.setdefault(case.task, []).append((case, answer))
    table: dict[str, dict[str, float]] = {}
    for task, pairs in by_task.items():
        row: dict[str, float] = {"prompts": len(pairs), "ends by itself": share(pairs, lambda c, a: a.ended)}
        if pairs[0][0].wanted:
            row["exact"] = share(pairs, lambda c, a: a.text == c.wanted)
        if pairs[0][0].passage:
            row["verbatim"] = share(pairs, lambda c, a: bool(a.text.strip()) and a.text.strip() in c.passage)
        if pairs[0][0].golds:
            possible = [(c, a) for c, a in pairs if any(has_gold(c, s) for s in c.sentences)]
            row["holds an answer"] = share(possible, lambda c, a: has_gold(c, a.text))
        if pairs[0][0].sentences:
            row["one whole sentence"] = share(pairs, lambda c, a: a.text in c.sentences)
        row["mean tokens"] = sum(a.tokens for _, a in pairs) / len(pairs)
        table[task] = row
    return table


def markdown(table: dict[str, dict[str, float]]) -> str:
    """The table as the card shows it."""
    columns = list(dict.fromkeys(name for row in table.values() for name in row))
    lines = ["| task | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
    for task, row in table.items():
        cells = [shown(name, row[name]) if name in row else "" for name in columns]
        lines.append(f"| {task} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def shown(name: str, value: float) -> str:
    """A share in per cent, a count as it is."""
    return f"{value:.0f}" if name in ("prompts", "mean tokens") else f"{100 * value:.1f} %"
