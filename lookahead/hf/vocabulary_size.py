"""How many token ids a model has, by its configuration alone."""

from __future__ import annotations

from contextlib import suppress

from transformers import AutoConfig


def vocabulary_size(model_id: str) -> int | None:
    """The number of token ids that the model of this id or folder takes; None if its configuration does not tell."""
    size = None
    for local_only in (True, False):
        with suppress(Exception):  # not here, not known, or without this field: a tokenizer works without it
            config = AutoConfig.from_pretrained(model_id, local_files_only=local_only, trust_remote_code=False)
            size = config.get_text_config(decoder=True).vocab_size
            break
    return size if isinstance(size, int) and size > 0 else None
