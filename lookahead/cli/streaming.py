"""Text as it comes, cut before a stop string: what might still become one is held back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Pieces(Protocol):
    """Tokens in, the text that they settle out (``HFBackend.text_stream()``)."""

    def push(self, token_ids: Sequence[int]) -> str:
        """The text that these tokens settle (may be empty)."""
        ...

    def finish(self) -> str:
        """What is still held back."""
        ...


class TextBeforeStop:
    """A text stream that ends before the first stop string."""

    def __init__(self, pieces: Pieces, stop: Sequence[str] = ()) -> None:
        self.text = ""
        """All that came out so far."""
        self._pieces = pieces
        self._stop = tuple(stop)
        self._held = ""
        self._ended = False

    def push(self, token_ids: Sequence[int]) -> str:
        """The text that may be shown now (may be empty)."""
        return self._show(self._pieces.push(token_ids), last=False)

    def finish(self) -> str:
        """The rest of it."""
        return self._show(self._pieces.finish(), last=True)

    def _show(self, piece: str, last: bool) -> str:
        if self._ended:
            return ""
        text = self._held + piece
        found = [place for string in self._stop if (place := text.find(string)) >= 0]
        if found:
            self._ended = True
            keep = min(found)
        else:
            keep = len(text) if last else len(text) - self._possible_start(text)
        self._held = text[keep:]
        self.text += text[:keep]
        return text[:keep]

    def _possible_start(self, text: str) -> int:
        """Length of the longest end of the text with which a stop string begins."""
        longest = max((len(string) for string in self._stop), default=1) - 1
        for length in range(min(longest, len(text)), 0, -1):
            if any(string.startswith(text[-length:]) for string in self._stop):
                return length
        return 0
