"""Where the model that comes with the project lies."""

from __future__ import annotations

from pathlib import Path

EMBEDDED_MODEL = Path(__file__).resolve().parents[1] / "assets" / "model"
"""A folder in transformers' format; the default of every ``--model``."""
