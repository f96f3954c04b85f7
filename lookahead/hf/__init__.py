"""Transformers models as backends: the only folder that imports torch."""

from lookahead.hf.backend import HFBackend

__all__ = ["HFBackend"]
