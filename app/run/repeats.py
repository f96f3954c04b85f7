"""Two short runs made once more, in turns: so the page knows how much their times vary."""

from __future__ import annotations

import logging
import threading

from app.model.host import ModelHost
from app.model.runs import RunRequest
from lookahead.records import RunRecord

SHORT_SECONDS = 2.0
"""Two runs that took longer together are not made again."""


def worth_repeating(host: ModelHost, *runs: RunRecord) -> bool:
    """Whether these runs came to their own end, are short, and no borrowed GPU pays for a repetition."""
    whole = all(run.finish_reason not in ("cancelled", "error") for run in runs)
    return whole and not host.lends and sum(run.seconds for run in runs) < SHORT_SECONDS


def repeated(host: ModelHost, cancelled: threading.Event, *requests: RunRequest) -> tuple[float, ...] | None:
    """The wall clock of each of these runs, made again one after the other in the engine's thread; None if stopped."""
    found = []
    for request in requests:
        try:
            run = host.generate(request, cancelled, lambda *_: None)
        except Exception as error:  # the runs themselves are whole: only this measurement is lost
            logging.getLogger(__name__).warning("a run was not timed again", exc_info=error)
            return None
        if run.finish_reason == "cancelled":
            return None
        found.append(run.seconds)
    return tuple(found)
