"""The rewriting task: a Python function comes back with one thing changed."""

from __future__ import annotations

import random
import re
from functools import cache

from .names import held_out, word_list
from .paths import TEXTS


@cache
def templates(evaluation: bool) -> tuple[str, ...]:
    """Functions with named places; the second file is for training alone, so that the evaluation asks what it did."""
    files = ("functions.txt",) if evaluation else ("functions.txt", "more_functions.txt")
    return tuple(one for name in files for one in (TEXTS / name).read_text().rstrip("\n").split("\n===\n"))


def identifier(rng: random.Random, evaluation: bool, kind: str = "noun") -> str:
    """A plausible name; parts that are made up are never those of the other split."""
    parts = [rng.choice(word_list("verbs"))] if kind == "verb" else []
    parts.append(rng.choice(word_list("nouns")))
    if rng.random() < 0.35:
        parts.append(rng.choice(word_list("nouns")))
    if rng.random() < 0.3 or (evaluation and kind == "verb"):
        while True:
            made = "".join(rng.choice(word_list("onsets")) + rng.choice(word_list("vowels")) for _ in range(2))
            if held_out(made) == evaluation:
                break
        parts[-1] = made
    return "_".join(parts)


def written_function(rng: random.Random, evaluation: bool = False) -> str:
    """One function with fresh names and constants."""
    code = rng.choice(templates(evaluation))
    taken: set[str] = set()
    fill = {"n": str(rng.randint(0, 999)), "m": str(rng.randint(2, 99)), "w": rng.choice(word_list("nouns"))}
    for key in "fkabctij":
        while True:
            name = identifier(rng, evaluation, "verb" if key == "f" else "noun")
            if key in "ij" and rng.random() < 0.5:
                name = rng.choice("abcdijkmnpqrstuvwxyz")
            if name not in taken:
                break
        taken.add(name)
        fill[key] = name.title().replace("_", "") if key == "k" else name
    return re.sub(r"\{([a-z])\}", lambda match: fill[match.group(1)], code)


def rewritten(rng: random.Random, code: str, evaluation: bool = False) -> tuple[str, str] | None:
    """A request and the code as it asks for, or None if nothing fits the code."""
    edit = rng.choice(("rename", "rename", "constant", "docstring"))
    if edit == "rename":
        return renamed(rng, code, evaluation)
    if edit == "constant":
        numbers = sorted(set(re.findall(r"(?<![\w.\"])\d+(?![\w.\"])", code)))
        if not numbers:
            return None
        old, new = rng.choice(numbers), str(rng.randint(1, 999))
        ask = rng.choice(("Change the constant {o} to {n}.", "Use {n} instead of {o}.", "Replace {o} by {n}."))
        changed = re.sub(rf"(?<![\w.\"]){old}(?![\w.\"])", new, code)
        return (ask.format(o=old, n=new), changed) if old != new else None
    if '"""' in code or not code.startswith("def "):
        return None
    sentence = rng.choice(("Return", "Compute", "Find", "Give back")) + " "
    sentence += rng.choice(word_list("doings")) + "."
    head, body = re.match(r"(def [^\n]*\n)(.*)", code, re.DOTALL).groups()  # type: ignore[union-attr]
    ask = rng.choice(('Add the docstring "{d}".', 'Add a docstring: "{d}"', 'Give it the docstring "{d}"'))
    return ask.format(d=sentence), f'{head}    """{sentence}"""\n{body}'


def renamed(rng: random.Random, code: str, evaluation: bool) -> tuple[str, str] | None:
    """A request to rename something defined in the code."""
    defined = set(re.findall(r"(?:def |for |as )(\w+)", code)) | set(re.findall(r"^\s*(\w+) \+?= ", code, re.MULTILINE))
    defined |= set(re.findall(r"[(,] ?(\w+)(?=[,)=:])", code.split("\n")[0]))
    defined -= {"self", "__init__", "None", "True", "False"}
    if not defined:
        return None
    old = rng.choice(sorted(defined))
    new = identifier(rng, evaluation, "verb" if f"def {old}" in code else "noun")
    if re.search(rf"\b{new}\b", code):
        return None
    ask = rng.choice(("Rename {o} to {n}.", "Rename {o} to {n}.", "Call {o} {n} instead.", "Please rename {o} to {n}."))
    return ask.format(o=old, n=new), re.sub(rf"\b{old}\b", new, code)
