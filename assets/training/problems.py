"""The steps task: small word problems solved in the usual style."""

from __future__ import annotations

import random

from .names import word_list


def problem(rng: random.Random) -> tuple[str, str]:
    """A problem and its steps."""
    who, other = rng.sample(word_list("first"), 2)
    thing, n = rng.choice(word_list("counted")), rng.randint
    a, b, c = n(2, 60), n(2, 40), n(2, 12)
    place = rng.choice(word_list("shops"))
    kind = rng.randrange(7)
    if kind == 0:
        text = f"{who} has {a} {thing}. {other} gives {who} {b} more. How many {thing} does {who} have now?"
        steps = [f"{who} starts with {a} {thing}.", f"After the gift {who} has {a} + {b} = {a + b} {thing}."]
        result = str(a + b)
    elif kind == 1:
        text = (
            f"{who} buys {c} boxes of {thing} at {place}. "
            f"Each box holds {a} {thing}. {who} gives {b} to {other}. How many are left?"
        )
        steps = [
            f"The boxes hold {c} * {a} = {c * a} {thing}.",
            f"After giving {b} away there are {c * a} - {b} = {c * a - b} {thing}.",
        ]
        result = str(c * a - b)
    elif kind == 2:
        text = (
            f"One of the {thing} costs ${c}. "
            f"{who} buys {a} of them at {place} and pays with ${c * a + b}. How much change does {who} get?"
        )
        steps = [f"The {thing} cost {a} * ${c} = ${a * c}.", f"The change is ${c * a + b} - ${a * c} = ${b}."]
        result = str(b)
    elif kind == 3:
        text = (
            f"{who} collects {a} {thing} a day for {c} days. "
            f"{other} collects {b} more than {who}. How many do they have together?"
        )
        steps = [
            f"{who} collects {a} * {c} = {a * c} {thing}.",
            f"{other} collects {a * c} + {b} = {a * c + b} {thing}.",
            f"Together they have {a * c} + {a * c + b} = {2 * a * c + b} {thing}.",
        ]
        result = str(2 * a * c + b)
    elif kind == 4:
        text = (
            f"There are {a * c} {thing} in a store. "
            f"They are packed into bags of {c}. {b} bags are empty. How many bags are there in all?"
        )
        steps = [
            f"The {thing} fill {a * c} / {c} = {a} bags.",
            f"With the empty ones there are {a} + {b} = {a + b} bags.",
        ]
        result = str(a + b)
    elif kind == 5:
        text = (
            f"{who} reads {a} pages on Monday and twice as many on Tuesday. "
            f"The book has {3 * a + b} pages. How many pages are left?"
        )
        steps = [
            f"On Tuesday {who} reads {a} * 2 = {2 * a} pages.",
            f"In two days {who} reads {a} + {2 * a} = {3 * a} pages.",
            f"There are {3 * a + b} - {3 * a} = {b} pages left.",
        ]
        result = str(b)
    else:
        text = (
            f"{who} earns ${c} an hour and works {a} hours. "
            f"Then {who} spends ${min(b, a)} on {thing}. How much money is left?"
        )
        steps = [
            f"{who} earns {a} * ${c} = ${a * c}.",
            f"After the {thing} there is ${a * c} - ${min(b, a)} = ${a * c - min(b, a)} left.",
        ]
        result = str(a * c - min(b, a))
    return text, "\n".join(steps) + f"\nThe answer is {result}."
