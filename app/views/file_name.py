"""Names of files that a page saves."""

from __future__ import annotations

import re

from lookahead.records import RunRecord

MOST_CHARACTERS = 40
"""Longest part of a name that a prompt gives."""
_OTHER = re.compile(r"[\W_]+")


def file_name(run: RunRecord) -> str:
    """A file's name without its ending: the last line of the prompt, and the model."""
    lines = (run.texts.prompt if run.texts else "").strip().splitlines() or [""]
    prompt, model = _words(lines[-1]) or _words(lines[0]), _words(run.model.name.rsplit("/", 1)[-1])
    if len(prompt) > MOST_CHARACTERS:
        prompt = prompt[: MOST_CHARACTERS + 1].rpartition("-")[0] or prompt[:MOST_CHARACTERS]
    return "-".join(filter(None, (prompt, model))) or "run"


def _words(text: str) -> str:
    """The letters and digits of a text in lower case, with hyphens between them."""
    return _OTHER.sub("-", text.lower()).strip("-")
