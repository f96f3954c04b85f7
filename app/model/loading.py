"""One model as the page needs it: loaded, tried out and measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.options import AppOptions
from lookahead.config import LookaheadConfig
from lookahead.costs import PassCosts
from lookahead.engine import LookaheadEngine
from lookahead.models import EMBEDDED_MODEL
from lookahead.records import ModelInfo
from lookahead.trie import Trie

if TYPE_CHECKING:
    from lookahead.hf.backend import HFBackend

EMBEDDED = "embedded"
"""The name of the embedded model."""

Tell = Callable[[str], None]
"""Takes what is being done, in a few words."""


class HostError(ValueError):
    """A mistake that the visitor or the operator can correct; one line says how."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model and what belongs to it.

    Attributes:
        name: Its name among the models of the page.
        backend: The model.
        info: What runs record about it.
        corpus: Tries that every run may draft from.
        notice: What the user should know about it, above all why it decodes one token per pass; else empty.
        costs: T(n) as it was when the model was loaded; None if it was not measured.
    """

    name: str
    backend: HFBackend
    info: ModelInfo
    corpus: tuple[Trie, ...]
    notice: str = ""
    costs: PassCosts | None = None


def load(options: AppOptions, name: str, tell: Tell = lambda _: None, needs_trie: bool = True) -> LoadedModel:
    """The model, not tried out yet.

    Args:
        needs_trie: Whether a trie that was made with another tokenizer is an error; otherwise the model does without.

    Raises:
        HostError, BackendError: If it cannot be loaded.
    """
    from lookahead.hf.backend import HFBackend
    from lookahead.hf.describe import model_info
    from lookahead.trie.file import TrieFileError, load_corpus

    tell("reading its files")
    source = str(EMBEDDED_MODEL) if name == EMBEDDED else name
    backend = HFBackend.from_pretrained(source, device=options.device, dtype=options.dtype)
    lines, corpus = list(backend.notices), ()
    try:
        corpus = load_corpus(options.trie, backend, LookaheadConfig())
    except TrieFileError as error:
        if needs_trie:
            raise HostError(str(error)) from None
        lines.append(f"not used: {error}")
    return LoadedModel(name, backend, model_info(backend, name), corpus, "; ".join(lines))


def prepared(loaded: LoadedModel, widest: int, tell: Tell = lambda _: None) -> LoadedModel:
    """The model after what its first run would do otherwise: whether it takes drafts and how exactly, and its T(n)."""
    backend = loaded.backend
    tell("trying out draft trees")
    exactness = backend.exactness
    tell("measuring its passes")
    costs = LookaheadEngine(backend, LookaheadConfig(decoding_length=widest)).pass_costs
    backend.spare_threads()  # the browser that shows a run may need a core of this machine
    info = replace(loaded.info, exactness=None if exactness is None else exactness.kind)
    return replace(loaded, info=info, costs=costs, notice="; ".join(filter(None, (loaded.notice, backend.notice))))
