"""The state of one run in the loop: its progress, its limits, and where its output ends."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from lookahead.backend import DecodeSession, OutputText
from lookahead.costs import Pass
from lookahead.drafter import DraftRequest
from lookahead.records import FinishReason


@dataclass(slots=True)
class RunState:
    """Both sides of one run, and its progress.

    Attributes:
        session: The model's side.
        request: The drafter's side.
        text: Watches for stop strings; None if there are none.
        cancelled: Set from outside to end the run; None if the caller passed no event.
        eos_ids: Token ids that end the output.
        pass_seconds: T(n) for n up to the full width; None if the width does not depend on cost.
        passes: The decode passes so far, tokens and seconds, as T(n) counts them.
        context_length: Committed tokens, the prompt included.
        last_id: The last committed token, the root of the next draft.
        room: Tokens that may still be emitted.
        finish_at_room: The finish reason once ``room`` is used up.
    """

    session: DecodeSession
    request: DraftRequest
    text: OutputText | None
    cancelled: threading.Event | None
    eos_ids: frozenset[int]
    pass_seconds: Sequence[float] | None = None
    passes: list[Pass] = field(default_factory=list)
    context_length: int = 0
    last_id: int = -1
    room: int = 0
    finish_at_room: FinishReason = "length"

    def begin(self, prompt: Sequence[int], max_new_tokens: int, context_limit: int | None) -> None:
        """Start after the prompt, with as much room as both limits allow."""
        in_context = max_new_tokens if context_limit is None else context_limit - len(prompt)
        self.context_length, self.last_id = len(prompt), prompt[-1]
        self.room = min(max_new_tokens, in_context)
        self.finish_at_room = "length" if max_new_tokens <= in_context else "context"

    def cut(self, token_ids: Sequence[int]) -> tuple[int, FinishReason | None]:
        """How many of the emitted tokens count, and why the output ends there (None if it continues)."""
        for count, token_id in enumerate(token_ids, start=1):
            if token_id in self.eos_ids:
                return count, "eos"
            if self.text is not None:
                self.text.push((token_id,))
                if self.text.stopped:
                    return count, "stop"
            if count == self.room:
                return count, self.finish_at_room
        if self.cancelled is not None and self.cancelled.is_set():
            return len(token_ids), "cancelled"
        return len(token_ids), None

    def advance(self, token_ids: Sequence[int]) -> None:
        """Count these tokens as committed."""
        self.context_length += len(token_ids)
        self.room -= len(token_ids)
        self.last_id = token_ids[-1]
