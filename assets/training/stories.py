"""The story task: a short tale from a grammar in texts/stories.txt, told on from its first sentence."""

from __future__ import annotations

import random
import re
from functools import cache

from .facts import capitalised
from .names import word_list
from .paths import TEXTS

ORDER = ("opening", "want", "start", "problem", "feel", "help", "act", "end", "moral")
REQUESTS = (
    "Tell a story that begins: {o}",
    "Write a short story. It begins: {o}",
    "Continue this story: {o}",
    "Once more, a story please: {o}",
    "{o}",
)


@cache
def grammar() -> dict[str, list[str]]:
    """Every symbol with its alternatives."""
    lines = (TEXTS / "stories.txt").read_text().splitlines()
    return {name: [o.strip() for o in rest.split(" | ")] for name, rest in (line.split(": ", 1) for line in lines)}


def told_story(rng: random.Random) -> list[str]:
    """The parts of one story, the opening first."""
    first = word_list("first")
    name = rng.choice(first)
    male = first.index(name) >= first.index("Adam")  # the list has women first
    rules = grammar()
    fixed = {"N": name, "friend": rng.choice(rules["friend"]), "thing": rng.choice(rules["thing"])}
    fixed |= {"he": "he", "his": "his", "him": "him"} if male else {"he": "she", "his": "her", "him": "her"}
    fixed["gm"] = rng.choice(
        ("boy", "fisherman", "king's son", "shepherd") if male else ("girl", "princess", "weaver", "farmer's daughter")
    )
    fixed["a_friend"] = ("an " if fixed["friend"][0] in "aeiou" else "a ") + fixed["friend"]
    fixed["A_friend"] = capitalised(fixed["a_friend"])

    def expanded(text: str) -> str:
        while "{" in text:
            text = re.sub(r"\{(\w+)\}", lambda m: fixed.get(m.group(1)) or rng.choice(rules[m.group(1)]), text)
        return capitalised(text)

    parts = [p for p in ORDER if p in ("opening", "problem", "help", "end", "moral") or rng.random() < 0.75]
    return [re.sub(r"\ba (?=[aeiou])", "an ", expanded(rng.choice(rules[part]))) for part in parts]


def story_task(rng: random.Random) -> tuple[str, str]:
    """A request that holds the first line or its beginning, and the whole story."""
    parts = told_story(rng)
    opening = parts[0]
    if rng.random() < 0.3:
        words = opening.split()
        opening = " ".join(words[: rng.randint(min(4, len(words)), len(words))])
    return rng.choice(REQUESTS).format(o=opening), " ".join(parts)
