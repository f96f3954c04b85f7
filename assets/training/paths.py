"""Where the project's own texts are."""

from __future__ import annotations

from pathlib import Path

TEXTS = Path(__file__).parent / "texts"
