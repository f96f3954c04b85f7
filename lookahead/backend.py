"""What the engine asks of a model: token ids in, the model's own choices out. No torch here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lookahead.costs import PassCosts
from lookahead.draft import DraftTree


class BackendError(ValueError):
    """A model, tokenizer or device that cannot be used; one line that says what to do."""


class UnsupportedCacheError(RuntimeError):
    """The model's cache or masks cannot take a draft tree; the run continues without drafts."""


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


class DecodeSession(Protocol):
    """The model's side of ONE run: its cache grows with the committed tokens.

    The order of calls is ``prefill``, then ``choose`` and ``keep`` in turn, then ``close``.

    Attributes:
        supports_trees: Whether ``choose`` takes more than the root.
    """

    supports_trees: bool

    def prefill(self, prompt_ids: Sequence[int]) -> int:
        """The model's choice after the prompt; the prompt is in the cache afterwards."""
        ...

    def choose(self, tree: DraftTree) -> tuple[int, ...]:
        """The model's choice after every node, shape ``(n,)``, from one forward pass.

        -1 where the choice depends on the path and the node is off the accepted one.
        """
        ...

    def keep(self, accepted_nodes: Sequence[int]) -> None:
        """Keep the root and these nodes of the last tree in the cache, in order; drop the others."""
        ...

    def close(self) -> None:
        """Free the cache. Safe to call twice."""
        ...


class OutputText(Protocol):
    """The text of one output as it grows.

    Attributes:
        stopped: Whether a stop string stands in the output.
    """

    stopped: bool

    def push(self, token_ids: Sequence[int]) -> str:
        """The text that may be shown now that these tokens are part of the output (may be empty)."""
        ...


class Backend(Protocol):
    """One model, shared by all runs.

    Attributes:
        eos_ids: Token ids that end an output; empty where nothing does.
        stop_strings: Strings that end an output by the model's own settings.
        context_limit: Most tokens of prompt and output together; None where the model has no limit.
        vocab_size: Token ids are below this.
    """

    eos_ids: tuple[int, ...]
    stop_strings: tuple[str, ...]
    context_limit: int | None
    vocab_size: int

    @property
    def supports_trees(self) -> bool:
        """Whether a forward pass can verify a draft tree."""
        ...

    @property
    def notice(self) -> str | None:
        """Why the model decodes one token at a time; None where it does not have to."""
        ...

    def new_session(self, capacity: int, prompt_length: int = 0) -> DecodeSession:
        """An empty session for a run of at most ``capacity`` tokens, the prompt's among them."""
        ...

    def output_text(self, stop: Sequence[str] = (), prompt_ids: Sequence[int] = ()) -> OutputText:
        """The text of an output after the prompt, none of it yet; these strings end it."""
        ...

    def pass_costs(self, longest: int) -> PassCosts:
        """The time of a forward pass of 1 to ``longest`` tokens on this device, measured or remembered."""
        ...
