"""What the page's process and the process of a study tell each other."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lookahead.config import GREEDY, Sampling
from lookahead.costs import PassCosts
from lookahead.records import ModelInfo
from lookahead.study.grid import Drafting, Start


@dataclass(frozen=True, slots=True)
class StudyRequest:
    """What a visitor asks for.

    Attributes:
        settings: Draft settings of the study, by name; those that are left out are the runs' own, or the defaults.
        other: Draft settings to compare with, by name; None if there is nothing to compare.
        other_start: What the other settings' replays of a prompt start with: ``cold``, or ``warm`` (the outputs of the
            prompts before it are known).
        plain: Whether plain decoding of every prompt is timed, too.
        sweep: Whether other settings are tried by replay.
        prompts: How many of the file's prompts, spread over it and its kinds; None for all.
        only_other: Whether nothing runs: the other settings are compared on what an earlier study found.
    """

    name: str
    data: bytes
    settings: Mapping[str, Any] = field(default_factory=dict)
    other: Mapping[str, Any] | None = None
    other_start: Start = "cold"
    sampling: Sampling = GREEDY
    max_new_tokens: int = 128
    plain: bool = True
    sweep: bool = False
    prompts: int | None = None
    only_other: bool = False


@dataclass(frozen=True, slots=True)
class StudyJob:
    """A request as the process of the study gets it.

    Attributes:
        request: The request; its content lies in ``FOLDER/material/NAME``.
        folder: A folder of this study alone.
        costs: T(n) of this machine; None if it was not measured.
        sources: What its runs can draft from.
        trie: The file of the corpus that its runs draft from, too; None if there is none.
        tokenizer: Folder or id of the tokenizer for recorded text without token ids; None if there is none.
        most_seconds: How long replays may take.
        only_read: Whether the material is only read, to say whether it can be studied.
        kept: What the study that this one continues found, as JSON; its run files lie in the folder. None if it
            continues none.
        drafting: Time of the drafts of that study; None if it was not measured.
    """

    request: StudyRequest
    folder: Path
    most_prompts: int
    model: ModelInfo
    costs: PassCosts | None
    sources: tuple[str, ...]
    trie: str | None
    tokenizer: str | None
    most_seconds: float
    only_read: bool = False
    kept: bytes | None = None
    drafting: Drafting | None = None


def digest_of(data: bytes) -> str:
    """A digest of a file, by which a page knows the file of a study again."""
    return hashlib.sha256(data).hexdigest()[:16]
