"""What most tests of the app need: the embedded model, and a recorded run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.model.host import ModelHost
from app.options import AppOptions
from app.views.first_sight import RUNS
from lookahead import RunRecord
from lookahead.runs import runfile


@pytest.fixture(scope="session")
def host() -> Iterator[ModelHost]:
    """The embedded model."""
    found = ModelHost.load(AppOptions())
    yield found
    found.close()


@pytest.fixture(scope="session")
def run() -> RunRecord:
    """A recorded run."""
    return runfile.load(RUNS / "edit-code.json")
