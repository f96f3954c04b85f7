"""Lookahead: several tokens per forward pass from any causal language model, and not one token changed."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from lookahead.backend import BackendError as BackendError
    from lookahead.config import LookaheadConfig as LookaheadConfig
    from lookahead.config import Sampling as Sampling
    from lookahead.costs import PassCosts as PassCosts
    from lookahead.draft import DraftTree as DraftTree
    from lookahead.drafter import Drafter as Drafter
    from lookahead.engine import LookaheadEngine as LookaheadEngine
    from lookahead.hf.backend import HFBackend as HFBackend
    from lookahead.hf.custom_generate import generate as generate
    from lookahead.hf.describe import model_info as model_info
    from lookahead.metrics import acceptance_rate as acceptance_rate
    from lookahead.metrics import mean_accepted_tokens as mean_accepted_tokens
    from lookahead.notebook import lab as lab
    from lookahead.records import ModelInfo as ModelInfo
    from lookahead.records import RunRecord as RunRecord
    from lookahead.records import StepRecord as StepRecord
    from lookahead.runs.recorder import RunRecorder as RunRecorder
    from lookahead.runs.runfile import RunFileError as RunFileError
    from lookahead.runs.runfile import load as load_run  # noqa: F401
    from lookahead.runs.runfile import save as save_run  # noqa: F401
    from lookahead.trie.core import Trie as Trie
    from lookahead.trie.file import TrieFileError as TrieFileError
    from lookahead.trie.file import load_trie as load_trie
    from lookahead.trie.file import save_trie as save_trie

_HOME = {
    "BackendError": "backend.BackendError",
    "DraftTree": "draft.DraftTree",
    "Drafter": "drafter.Drafter",
    "HFBackend": "hf.backend.HFBackend",
    "LookaheadConfig": "config.LookaheadConfig",
    "LookaheadEngine": "engine.LookaheadEngine",
    "ModelInfo": "records.ModelInfo",
    "PassCosts": "costs.PassCosts",
    "RunFileError": "runs.runfile.RunFileError",
    "RunRecord": "records.RunRecord",
    "RunRecorder": "runs.recorder.RunRecorder",
    "Sampling": "config.Sampling",
    "StepRecord": "records.StepRecord",
    "Trie": "trie.core.Trie",
    "TrieFileError": "trie.file.TrieFileError",
    "acceptance_rate": "metrics.acceptance_rate",
    "generate": "hf.custom_generate.generate",
    "lab": "notebook.lab",
    "load_run": "runs.runfile.load",
    "load_trie": "trie.file.load_trie",
    "mean_accepted_tokens": "metrics.mean_accepted_tokens",
    "model_info": "hf.describe.model_info",
    "save_run": "runs.runfile.save",
    "save_trie": "trie.file.save_trie",
}
"""Public name -> where it lives, loaded when the name is first used: ``import lookahead`` does not load torch."""

__all__ = sorted([*_HOME, "__version__"])  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _HOME[name].rpartition(".")
    value = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
