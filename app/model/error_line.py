"""What went wrong, in one line that a visitor may read."""

from __future__ import annotations

MOST_CHARACTERS = 280


def error_line(error: BaseException) -> str:
    """One line: the message of a ``ValueError`` (bad input says what to do), or ``Type: message`` for anything else.

    It is valid UTF-8 and has at most ``MOST_CHARACTERS`` characters.

    >>> error_line(ValueError("width=0; need at least 1")), error_line(KeyError("a"))
    ('width=0; need at least 1', "KeyError: 'a'")
    """
    words = " ".join(str(error).encode("utf-8", "replace").decode().split())
    if not isinstance(error, ValueError) or isinstance(error, UnicodeError) or not words:
        words = f"{type(error).__name__}: {words}" if words else type(error).__name__
    return words if len(words) <= MOST_CHARACTERS else f"{words[: MOST_CHARACTERS - 3]}..."
