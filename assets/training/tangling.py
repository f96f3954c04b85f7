"""Functions that repeat themselves with small differences, as real code does; what they mean is lost."""

from __future__ import annotations

import keyword
import random
import re

PIECE = re.compile(r"\w+|[^\w\s]|\s+")
NAME = re.compile(r"[A-Za-z_]\w*")
BETWEEN = (" or ", " and ", ", ", " + ", " - ", " * ", " == ", " in ")


def tangled(rng: random.Random, code: str) -> str:
    """The code with one to four things said again, a name or an operator changed in some of them."""
    head, *body = code.split("\n")
    body = [line for line in body if line.strip()]
    for _ in range(rng.randint(1, 4)):
        if body:
            rng.choice((again_in_line, again_in_line, line_again, other_name))(rng, body)
    return "\n".join((head, *body))


def again_in_line(rng: random.Random, body: list[str]) -> None:
    """A part of a line stands in it once more, behind an operator, perhaps with another name."""
    number = rng.randrange(len(body))
    indent, pieces = broken(body[number])
    if len(pieces) < 4:
        return
    size = rng.randint(2, min(16, len(pieces)))
    begin = rng.randrange(len(pieces) - size + 1)
    end = begin + size
    again = "".join(pieces[begin:end]).lstrip()
    if rng.random() < 0.6:
        again = with_other_name(rng, again, names(body))
    body[number] = indent + "".join(pieces[:end]).rstrip() + rng.choice(BETWEEN) + again + "".join(pieces[end:])


def line_again(rng: random.Random, body: list[str]) -> None:
    """A line stands once more below, perhaps with another name."""
    number = rng.randrange(len(body))
    line = body[number]
    if rng.random() < 0.7:
        line = with_other_name(rng, line, names(body))
    body.insert(rng.randint(number + 1, min(len(body), number + 3)), line)


def other_name(rng: random.Random, body: list[str]) -> None:
    """One name stands where another did."""
    number = rng.randrange(len(body))
    body[number] = with_other_name(rng, body[number], names(body))


def names(body: list[str]) -> list[str]:
    """Every name in the lines, as often as it occurs; no word of the language."""
    return [name for name in NAME.findall("\n".join(body)) if not keyword.iskeyword(name)]


def with_other_name(rng: random.Random, text: str, known: list[str]) -> str:
    """The text with one of its names exchanged for a known one."""
    found = [match for match in NAME.finditer(text) if not keyword.iskeyword(match.group())]
    if not found or not known:
        return text
    place = rng.choice(found)
    return text[: place.start()] + rng.choice(known) + text[place.end() :]


def broken(line: str) -> tuple[str, list[str]]:
    """The indentation of a line and its words, marks and spaces.

    >>> broken("    a = b(c)")
    ('    ', ['a', ' ', '=', ' ', 'b', '(', 'c', ')'])
    """
    text = line.lstrip()
    return line[: len(line) - len(text)], PIECE.findall(text)
