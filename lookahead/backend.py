"""The engine's interface to a model: token ids in, the model's own choices out. No torch here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from lookahead.config import GREEDY, Sampling
from lookahead.costs import Pass, PassCosts
from lookahead.draft import Chain, DraftShape, DraftTree
from lookahead.sources.recycled import Row


class BackendError(ValueError):
    """A model, tokenizer or device cannot be used; one line says what to do."""


class UnsupportedCacheError(RuntimeError):
    """The model's cache or masks cannot take a draft tree; the run continues without drafts."""


class PassError(RuntimeError):
    """A forward pass failed; the message is one line for people."""


PASS_ERRORS = (RuntimeError, MemoryError)
"""What a failing forward pass raises: ``PassError``, and what another backend lets through."""

_NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


def brief(error: BaseException) -> str:
    """The error's type and the start of its message, on one line.

    >>> brief(ValueError("a\\n  b"))
    'ValueError: a b'
    """
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message[:160]}{'...' if len(message) > 160 else ''}"


def shortened(value: object, longest: int = 80) -> str:
    """The value as code, cut to this many characters."""
    text = repr(value)
    return text if len(text) <= longest else f"{text[:longest]}..."


def failure_line(error: BaseException, advice: str = "") -> str:
    """One line: what happened, and what to do.

    Args:
        advice: What to do if the memory suffices, with a semicolon before it.

    >>> failure_line(RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."))
    'out of memory; a smaller decoding_length, a shorter prompt or fewer new tokens need less'
    """
    if isinstance(error, PassError):
        return str(error)
    message = str(error).lower()
    if isinstance(error, MemoryError) or any(words in message for words in _NO_MEMORY):
        return "out of memory; a smaller decoding_length, a shorter prompt or fewer new tokens need less"
    return f"the run failed ({brief(error)}){advice}"


class DecodeSession(Protocol):
    """The model's side of ONE run: its cache grows with the committed tokens.

    The order of calls is ``prefill``, then ``choose`` and ``keep`` in turn, then ``close``.

    Attributes:
        draft_shape: Whether ``choose`` takes a tree, one chain or only the root.
    """

    draft_shape: DraftShape

    @property
    def chain(self) -> Chain | None:
        """What the next pass reads besides a chain; None unless that is what it takes."""

    def prefill(self, prompt_ids: Sequence[int]) -> int:
        """The model's choice after the prompt; the prompt is in the cache afterwards."""
        ...

    def choose(self, tree: DraftTree) -> tuple[int, ...]:
        """The model's choice after every node, shape ``(n,)``, from one forward pass.

        It is -1 where the choice depends on the path and the node is not on the accepted path.
        """
        ...

    def keep(self, accepted_nodes: Sequence[int]) -> None:
        """Keep the root and these nodes of the last tree in the cache, in order; drop the others."""

    def close(self) -> None:
        """Free the cache. Safe to call twice."""


@runtime_checkable
class Recycling(Protocol):
    """A ``DecodeSession`` that can also say what the model found likely at every node, not only what it chose."""

    def recycle(self) -> None:
        """Keep the likeliest successors of the passes from now on."""

    @property
    def successors(self) -> bytes:
        """Rows of the last pass (``sources/recycled.py``): one per node of the draft, of the prefill its last one."""
        ...


@runtime_checkable
class KnowsBigrams(Protocol):
    """A ``Backend`` that can also say what its model finds likely after a token by itself."""

    def bigrams(self) -> Mapping[int, Row]:
        """The rows of tokens by themselves (``sources/recycled.py``); empty if they were never computed."""
        ...


class OutputText(Protocol):
    """The text of one output as it grows.

    Attributes:
        stopped: Whether the output contains a stop string.
    """

    stopped: bool

    def push(self, token_ids: Sequence[int]) -> str:
        """The text that may be shown now that these tokens are part of the output (may be empty)."""
        ...


class Backend(Protocol):
    """One model, shared by all runs.

    Attributes:
        eos_ids: Token ids that end an output; empty if none does.
        stop_strings: Strings that end an output according to the model's own settings.
        context_limit: Most tokens of prompt and output together; None if the model has no limit.
        vocab_size: Token ids are below this.
    """

    eos_ids: tuple[int, ...]
    stop_strings: tuple[str, ...]
    context_limit: int | None
    vocab_size: int

    @property
    def draft_shape(self) -> DraftShape:
        """Whether a forward pass can verify a draft tree, one chain or no draft."""
        ...

    @property
    def notice(self) -> str | None:
        """Why the model takes chains only, or decodes one token at a time; None if it takes draft trees."""

    def new_session(self, capacity: int, prompt_length: int = 0, sampling: Sampling = GREEDY) -> DecodeSession:
        """An empty session for a run of at most ``capacity`` tokens, the prompt included."""
        ...

    def output_text(self, stop: Sequence[str] = (), prompt_ids: Sequence[int] = ()) -> OutputText:
        """An empty text, for the output after this prompt; these strings end it."""
        ...

    def pass_costs(self, longest: int) -> PassCosts:
        """The time of a forward pass of 1 to ``longest`` tokens on this device, as known now."""
        ...

    def learn_costs(self, passes: Sequence[Pass]) -> None:
        """Take the decode passes that a run made, in order, into the ``pass_costs`` of later runs."""
