"""A function and its edits as a document: which token is copied from the code, and which from the request."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from .documents import Branch, Document
from .encoding import Encoder

PIECE = re.compile(r"\w+|\s+|[^\w\s]")
DECISION = 1.5
"""What the first token of something replaced counts more (five times as much made it rename everything), and ..."""
NEAR_MISS = 3.0
"""... a token that is copied although something replaced begins like it."""


def kept_and_new(old: str, new: str) -> list[int]:
    """For every character of ``new``, its place in ``old``, or -1 if it was inserted.

    With as many words and marks in both, each stands for the one at its place: a name or a number was exchanged.

    >>> kept_and_new("f(ab)", "f(cd)")
    [0, 1, -1, -1, 4]
    """
    before, after = PIECE.findall(old), PIECE.findall(new)
    starts = [0]
    for piece in before:
        starts.append(starts[-1] + len(piece))
    places: list[int] = []
    for piece, at in zip(after, kept_pieces(before, after), strict=True):
        places += range(starts[at], starts[at + 1]) if at >= 0 else [-1] * len(piece)
    return places


def kept_pieces(before: list[str], after: list[str]) -> list[int]:
    """For every piece of ``after`` its number in ``before``, or -1."""
    if len(before) == len(after):
        return [n if old == new else -1 for n, (old, new) in enumerate(zip(before, after, strict=True))]
    kept = [-1] * len(after)
    for kind, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            kept[c:d] = range(a, b)
    return kept


def places_in_request(answer: str, places: list[int], request: str) -> list[int]:
    """For every character of ``answer`` that is new its place in ``request``, or -1."""
    found = [-1] * len(answer)
    at = 0
    while at < len(answer):
        end = at
        while end < len(answer) and places[end] < 0:
            end += 1
        core = answer[at:end].strip(' \n"')
        whole = re.search(rf".*(?<!\w)({re.escape(core)})(?!\w)", request, re.DOTALL) if core else None
        if whole:
            where = whole.start(1)
            begin = answer.index(core, at)
            found[begin : begin + len(core)] = range(where, where + len(core))
        at = max(end, at + 1)
    return found


def by_border(spans: list[tuple[int, int]], ids: list[int], first: int) -> dict[tuple[str, int, int], int]:
    """Positions of tokens by their id and where they begin or end; the first token is at position ``first``."""
    found: dict[tuple[str, int, int], int] = {}
    for number, ((start, end), token) in enumerate(zip(spans, ids, strict=True)):
        found["from", start, token] = found["to", end, token] = first + number
    return found


def edit_branch(encoder: Encoder, code: str, request: str, answer: str) -> Branch:
    """One request and the code as it asks for; sources beyond the prefix are places in the question."""
    code_ids, code_spans = encoder.spans(code)
    asked_ids, asked_spans = encoder.spans("\n\n" + request)
    ids, spans = encoder.spans(answer)
    places = kept_and_new(code, answer)
    asked = places_in_request(answer, places, "\n\n" + request)
    in_code = by_border(code_spans, code_ids, 1)
    in_question = by_border(asked_spans, asked_ids, 1 + len(code_ids))
    sources: list[int] = []
    for (start, end), token in zip(spans, ids, strict=True):
        source = -1
        for table, known in ((in_code, places), (in_question, asked)):
            last, first = known[end - 1], known[start]
            if source < 0 and last >= 0:
                source = table.get(("to", last + 1, token), -1)
            if source < 0 and first >= 0:
                source = table.get(("from", first, token), -1)
        sources.append(source)
    return decided(Branch([*asked_ids, encoder.bot], [*ids, encoder.end], [*sources, -1]), [0, *code_ids])


def decided(branch: Branch, prefix: list[int]) -> Branch:
    """The branch with what its decisions count, where copying would have gone on, what is paired in the question."""
    sources, answer, size = branch.sources or [], branch.answer, len(prefix)
    followed, emphasis = list(sources), [1.0] * len(sources)
    replaced: set[int] = set()
    for number, source in enumerate(sources):
        before = sources[number - 1] if number else -1
        if source >= size and 0 <= before < size - 1:
            followed[number] = before + 1
            emphasis[number] = DECISION
            replaced.add(prefix[before + 1])
        elif source >= 0 and before >= size:
            emphasis[number] = 2.0
    for number, source in enumerate(sources):
        if 0 <= source < size and answer[number] in replaced:
            emphasis[number] = max(emphasis[number], NEAR_MISS)
    branch.followed, branch.emphasis = followed, emphasis
    decisions = [n for n, (s, f) in enumerate(zip(sources, followed, strict=True)) if s != f]
    if decisions:
        new, old = sources[decisions[0]] - size, prefix[followed[decisions[0]]]
        old_places = [n for n, token in enumerate(branch.question) if token == old and n != new]
        if old_places:
            at = min(old_places, key=lambda n: abs(n - new))
            branch.pair = (max(new, at), min(new, at))
    return branch


def edited_code(encoder: Encoder, code: str, edits: list[tuple[str, str]]) -> Document:
    """A document of one function with a branch for every edit."""
    prefix = [encoder.user, *encoder.spans(code)[0]]
    return Document(prefix, [edit_branch(encoder, code, request, answer) for request, answer in edits])
