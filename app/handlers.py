"""What happens when a control is used: values in, values out. Only here an error becomes a ``gr.Error``."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from typing import Any

import gradio as gr

from lookahead.backend import BackendError
from lookahead.records import Method, RunRecord

from . import presets, stage
from .host import HostError, ModelHost, most_recent
from .lane import how_it_ended, updates
from .settings import Settings, from_controls, from_query
from .store import Ending, RunStore
from .stored_run import Outputs

BEAT_SECONDS = 0.25
"""Time between two messages of a run through Gradio's queue, which says at the next one whether the page has gone."""


class Handlers:
    """Everything that the page's events call; one per app, no state of a visitor in it but the stored runs."""

    def __init__(self, host: ModelHost, store: RunStore) -> None:
        self.host = host
        self.store = store
        self._shared: Outputs = ()
        self._lock = threading.Lock()

    # ------------------------------------------------------------------ the two buttons

    def run(self, *values: Any) -> Generator[str, None, None]:
        """Run: one lookahead run, as messages for the stage: its beginning, its end and a beat now and then.

        The steps themselves come to the page as they are made (see ``live``).
        """
        yield from self._lanes(values, ("lookahead",))

    def compare(self, *values: Any) -> Generator[str, None, None]:
        """Compare: the lookahead run, then greedy decoding of the same prompt on the same model."""
        yield from self._lanes(values, ("lookahead", "plain"))

    def ended(self, request: gr.Request) -> tuple[str, str]:
        """After a run: a line on how it ended, and the run to draw figures of.

        Asked for once, so that every update of a run but the first carries the stage's message alone: whatever else it
        carries costs the engine's processor time, and the page's.
        """
        ending = self.store.take_ending(_session(request))
        return (ending.line, ending.run_id) if ending else ("Nothing was run.", "")

    def _lanes(self, values: tuple[Any, ...], lanes: tuple[Method, ...]) -> Generator[str, None, None]:
        *controls, document, prompt, request = values
        settings = from_controls(controls)
        text = presets.compose(document, prompt)
        session = _session(request)
        drawn = reason = ""
        first: RunRecord | None = None
        due = 0.0
        ids: list[str] = []
        try:
            with self.store.going(session) as cancelled:
                if cancelled.is_set():
                    return
                for lane in lanes:
                    earlier = self._known(session) if settings.keep_trie else ()
                    for update in updates(self.host, self.store, text, settings, lane, earlier, cancelled, first):
                        if update.message["head"] is not None:
                            update.message["head"]["lanes"] = len(lanes)
                        if update.run is not None:
                            reason = update.run.finish_reason
                            if lane == "lookahead":
                                self._remember(session, update.run, settings)
                                drawn, first = update.stored.run_id, update.run
                            self.store.leave_ending(session, Ending(how_it_ended(update.stored, update.run), drawn))
                        begins, now = not update.stored.data, time.monotonic()
                        if begins or update.run is not None or now >= due:
                            due = now + BEAT_SECONDS
                            if update.stored.run_id not in ids:
                                ids.append(update.stored.run_id)
                            yield stage.to_json({"scene": ids, "of": len(lanes)})
                    if cancelled.is_set() or reason == "error":
                        break
        except (HostError, BackendError, ValueError) as error:
            self.store.leave_ending(session, Ending(str(error), ""))  # the message on the page goes after a while
            raise gr.Error(str(error), print_exception=False) from error

    def _known(self, session: str) -> Outputs:
        """Outputs of earlier runs: the tab's own, or everybody's."""
        return self._shared if self.host.options.share_trie else self.store.memory(session)

    def _remember(self, session: str, run: RunRecord, settings: Settings) -> None:
        """Keep this run's output for the next one, within the bound."""
        if not settings.keep_trie or "output" not in settings.sources:
            return
        if not self.host.options.share_trie:
            self.store.remember(session, most_recent((*self.store.memory(session), run.token_ids)))
            return
        with self._lock:
            self._shared = most_recent((*self._shared, run.token_ids))

    def figures(self, run_id: str) -> tuple[Any, ...]:
        """The figures of a finished lookahead run, and their place opened; nothing changes where there is none."""
        stored = self.store.get(run_id)
        if stored is None or stored.run is None:
            return tuple(gr.skip() for _ in range(7))
        from .figures import all_figures

        return (gr.update(open=True), *all_figures(stored.run))

    def figures_of_shown(self, event: gr.EventData) -> tuple[Any, ...]:
        """The same for the run that the stage has just opened."""
        return self.figures(str(getattr(event, "run", "")))

    def arrive(self, request: gr.Request) -> None:
        """A run of this tab is about to be queued."""
        self.store.arrive(_session(request))

    def stop(self, left: str, request: gr.Request) -> str:
        """Stop this tab's run within one step; one that still waits is left by making ``left`` another text."""
        return left if self.store.stop(_session(request)) else left + "."

    # ------------------------------------------------------------------ settings

    def choose_preset(self, name: str) -> tuple[Any, Any]:
        """The preset's document and prompt."""
        preset = presets.by_name(name)
        return (
            gr.update(value=preset.document, visible=preset.grounded),
            gr.update(value=preset.prompt, label="Question" if preset.grounded else "Prompt"),
        )

    def from_url(self, request: gr.Request) -> tuple[Any, ...]:
        """The settings and the preset that the page's URL names."""
        query = {name: str(value) for name, value in dict(request.query_params).items()}
        settings = from_query(query, self.host.options.max_new_tokens, self.host.sources)
        preset = query.get("preset", "")
        controls = [getattr(settings, name) for name in Settings.__dataclass_fields__]
        controls[5] = list(settings.sources)
        if preset not in presets.names():
            return (*controls, gr.skip(), gr.skip(), gr.skip())
        return (*controls, preset, *self.choose_preset(preset))


def _session(request: gr.Request | None) -> str:
    """The tab that asks; nothing where a test does."""
    return str(getattr(request, "session_hash", "") or "")
