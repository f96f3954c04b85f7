"""The registry of sources: name, letter, symbol, colours and one line of help of everything that can propose tokens.

Records, run files, the command line, the page and what-if read it. A new source is an entry here, a file beside this
one that does what ``source.Source`` says, and a line in ``Drafter.sources`` that makes it; every run has it until its
setting ``sources`` names others. A source that drafts from what a caller hands over is made like ``expected``: follow
``expected_ids`` from ``LookaheadEngine.start`` to the run file. A fixed text needs no new source, but a trie file
(``make-trie``, then ``--trie``).
"""

from __future__ import annotations

from dataclasses import dataclass

ROOT_SOURCE = "root"
"""Source of a draft tree's node 0, the last committed token, which nothing proposed."""


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """One source of draft tokens.

    Attributes:
        name: Name in records, settings and tables.
        letter: One letter for it in run files.
        symbol: Sign in front of its counts on the page.
        light: Its colour on a light page, ``#rrggbb``; none is one of accepted or rejected tokens, blue and orange.
        dark: Its colour on a dark page.
        help: What it drafts from.
        earlier: Sign in front of what earlier outputs add to its counts, where that is counted apart.
        chance: What its probabilities come from, if not from how often a token was counted.
        read_in: Where its tokens were read, for when the place is not known; "" if that is the texts of the run.
    """

    name: str
    letter: str
    symbol: str
    light: str
    dark: str
    help: str
    earlier: str = ""
    chance: str = ""
    read_in: str = ""


SOURCES: dict[str, SourceInfo] = {
    info.name: info
    for info in (
        SourceInfo("prompt", "p", "■", "#6A4BBF", "#B7A3F2", "the prompt of this run"),
        SourceInfo(
            "output", "o", "●", "#A0306F", "#EE94C6", "the output so far and earlier outputs of this session", "◉"
        ),
        SourceInfo(
            "corpus", "c", "▲", "#00795C", "#4CC9A4", "a trie file that the run was started with",
            read_in="in the corpus, a trie file that this page does not have",
        ),
        SourceInfo(
            "model", "m", "✦", "#6B6200", "#CFC35A", "what the model found likely in earlier passes",
            chance="its probability found in an earlier pass",
            read_in="the model's own guess of an earlier pass; the Trie may hold the same text, too",
        ),
        SourceInfo(
            "expected", "e", "◆", "#137300", "#99E68A", "a text that the caller expects",
            chance="the next token of the expected text", read_in="in the expected text",
        ),
    )
}  # fmt: skip
"""Every source by name, in the order in which they are shown."""

OFFERED: tuple[str, ...] = tuple(SOURCES)
"""Names of the sources that a run can choose."""
