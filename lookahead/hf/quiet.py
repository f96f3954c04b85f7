"""Keeping other libraries' warnings and progress bars out of our output."""

from __future__ import annotations

import logging
import sys
import warnings

import transformers


def quiet() -> None:
    """Print only errors, and progress bars only on a terminal."""
    transformers.logging.set_verbosity_error()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    logging.getLogger("torch").setLevel(logging.ERROR)
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # a line per layer and pass
    warnings.filterwarnings("ignore", module=r"(torch|transformers|huggingface_hub)(\.|$)")
    if not sys.stderr.isatty():
        transformers.logging.disable_progress_bar()
