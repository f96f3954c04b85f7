"""The levels of all sources at one place, merged: the longest suffix first, whichever source knows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lookahead.sources.source import Level, Locus, Source


def longest_first(sources: Sequence[Source], loci: Sequence[Locus]) -> Iterator[tuple[int, Level]]:
    """The levels at these loci, each with the number of its source; the earlier source first among equals.

    Args:
        sources: The sources.
        loci: Where the context is in each of them.
    """
    heads = []
    for number, (source, locus) in enumerate(zip(sources, loci, strict=True)):
        levels = source.levels(locus)
        level = next(levels, None)
        if level is not None:
            heads.append((level[0], -number, level, levels))
    while heads:
        head = heads[0] if len(heads) == 1 else max(heads)
        _, negative, level, levels = head
        yield -negative, level
        following = next(levels, None)
        heads.remove(head)
        if following is not None:
            heads.append((following[0], negative, following, levels))
