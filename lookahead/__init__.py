"""Lookahead: several tokens per forward pass from any causal language model, and not one token changed."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from lookahead.backend import BackendError as BackendError
    from lookahead.config import LookaheadConfig as LookaheadConfig
    from lookahead.costs import PassCosts as PassCosts
    from lookahead.draft import DraftTree as DraftTree
    from lookahead.drafter import Drafter as Drafter
    from lookahead.engine import LookaheadEngine as LookaheadEngine
    from lookahead.hf.backend import HFBackend as HFBackend
    from lookahead.metrics import acceptance_rate as acceptance_rate
    from lookahead.metrics import mean_accepted_tokens as mean_accepted_tokens
    from lookahead.records import RunRecord as RunRecord
    from lookahead.records import StepRecord as StepRecord
    from lookahead.runs.recorder import RunRecorder as RunRecorder
    from lookahead.runs.runfile import RunFileError as RunFileError
    from lookahead.trie.core import Trie as Trie
    from lookahead.trie.file import TrieFileError as TrieFileError
    from lookahead.trie.file import load_trie as load_trie
    from lookahead.trie.file import save_trie as save_trie

_HOME = {
    "BackendError": "backend",
    "DraftTree": "draft",
    "Drafter": "drafter",
    "HFBackend": "hf.backend",
    "LookaheadConfig": "config",
    "LookaheadEngine": "engine",
    "PassCosts": "costs",
    "RunFileError": "runs.runfile",
    "RunRecord": "records",
    "RunRecorder": "runs.recorder",
    "StepRecord": "records",
    "Trie": "trie.core",
    "TrieFileError": "trie.file",
    "acceptance_rate": "metrics",
    "load_trie": "trie.file",
    "mean_accepted_tokens": "metrics",
    "save_trie": "trie.file",
}
"""Public name -> its module, loaded when the name is first used: ``import lookahead`` does not load torch."""

__all__ = sorted([*_HOME, "__version__"])  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
