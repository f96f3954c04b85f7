"""``lookahead.lab``: the lab on a model in memory, for notebooks and scripts. The page itself is the app's."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lookahead.config import GREEDY, LookaheadConfig, Sampling

ROOT = Path(__file__).resolve().parents[1]
"""The checkout, where the app lies beside the library."""
_MISSING = (
    "lookahead.lab needs the app, which is not part of the package: work in a checkout of the repository, with "
    "pip install -r requirements.txt"
)


def lab(
    model: Any,
    tokenizer: Any = None,
    prompts: str | Path | Iterable[str | Mapping[str, Any]] | None = None,
    *,
    config: LookaheadConfig | None = None,
    max_new_tokens: int = 128,
    sampling: Sampling = GREEDY,
    plain: bool = True,
    sweep: bool = False,
    port: int | None = None,
) -> Any:
    """The lab on this model, served from now on; returns at once, while the study of the prompts runs.

    The object has ``url``, the page; ``table()``, the rows so far as a pandas ``DataFrame``; ``wait()``, which returns
    when the study is over; and ``close()``. A model on a CPU may get packed linear layers, as with ``HFBackend``.

    Args:
        model: A transformers model, or the name of one as for ``--model``.
        tokenizer: Its tokenizer; not needed with a name.
        prompts: Texts, objects with ``prompt`` and ``category``, or the path of any file that ``study`` reads; None
            opens the page without a study.
        config: Settings of the drafts.
        max_new_tokens: Most tokens of a run.
        sampling: How tokens are chosen.
        plain: Whether plain decoding of every prompt is timed, too.
        sweep: Whether other settings are tried by replay.
        port: Port of the page; None takes the first free one from 7860 on.

    Raises:
        ImportError: If the app is not there.
        BackendError, InputError: If the model or the file cannot be used.
    """
    if (ROOT / "app" / "page" / "notebook.py").is_file() and str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))
    try:
        door = importlib.import_module("app.page.notebook")
    except ImportError as error:
        raise ImportError(f"{_MISSING} ({error})") from None
    asked = {"config": config, "max_new_tokens": max_new_tokens, "sampling": sampling, "plain": plain, "sweep": sweep}
    return door.open_lab(model, tokenizer, prompts, port=port, **asked)
