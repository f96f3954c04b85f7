"""A run that breaks off: which errors a forward pass may raise, and what to say of them."""

from __future__ import annotations

PASS_ERRORS = (RuntimeError, MemoryError)
"""What a forward pass raises when it fails; torch's own errors, out of memory among them, are RuntimeErrors."""

_NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


def failure_line(error: BaseException) -> str:
    """One line: what happened, and what to do.

    >>> failure_line(RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."))
    'out of memory; a smaller decoding_length, a shorter prompt or fewer new tokens need less'
    """
    message = " ".join(str(error).split())
    if isinstance(error, MemoryError) or any(words in message.lower() for words in _NO_MEMORY):
        return "out of memory; a smaller decoding_length, a shorter prompt or fewer new tokens need less"
    cut = f"{message[:160]}..." if len(message) > 160 else message
    return f"the run failed ({type(error).__name__}: {cut}); decoding_length 1 runs without drafts"
