"""What happens when a control is used: values in, values out. Only here an error becomes a ``gr.Error``."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from lookahead.backend import BackendError
from lookahead.failures import PASS_ERRORS, failure_line
from lookahead.metrics import first_difference
from lookahead.records import FinishReason, Method, RunRecord, TokenGap

from . import presets, stage
from .host import HostError, ModelHost, most_recent
from .runner import RunRequest, broken_off
from .settings import Settings, from_controls, from_query
from .store import Ending, RunStore
from .stored_run import Outputs, StoredRun, new_id

BEAT_SECONDS = 0.25
"""Time between two messages of a run through Gradio's queue, which says at the next one whether the page has gone."""


@dataclass(frozen=True, slots=True)
class Update:
    """One update of a run: the message for the page, and the run once it has ended."""

    message: dict[str, Any]
    stored: StoredRun
    run: RunRecord | None = None


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
        yield from self._lanes(values, ("lookahead", "greedy"))

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
        due, told = 0.0, 0
        try:
            with self.store.going(session) as cancelled:
                if cancelled.is_set():
                    return
                for lane in lanes:
                    earlier = self._known(session) if settings.keep_trie else ()
                    for update in self.lane(text, settings, lane, earlier, cancelled, first):
                        if update.message["head"] is not None:
                            update.message["head"]["lanes"] = len(lanes)
                        if update.run is not None:
                            reason = update.run.finish_reason
                            if lane == "lookahead":
                                self._remember(session, update.run, settings)
                                drawn, first = update.stored.run_id, update.run
                            self.store.leave_ending(session, Ending(_how_it_ended(update.stored, update.run), drawn))
                        begins, now = not update.stored.data, time.monotonic()
                        if begins or update.run is not None or now >= due:
                            message = update.message if begins else update.stored.beat(told)
                            due, told = now + BEAT_SECONDS, message["from"] + len(message["steps"])
                            yield stage.to_json(message)
                    if cancelled.is_set() or reason == "error":
                        break
        except (HostError, BackendError, ValueError) as error:
            raise gr.Error(str(error), print_exception=False) from error

    def lane(
        self,
        text: str,
        settings: Settings,
        lane: Method,
        earlier: Outputs,
        cancelled: threading.Event,
        beside: RunRecord | None = None,
    ) -> Generator[Update, None, None]:
        """One run, an update every 40 ms. Where a pass fails, the run ends there, with the finish reason ``error``.

        Args:
            beside: A finished run of the same prompt; where the two part, the end says how close it was.

        Raises:
            HostError: If the prompt or a setting cannot be used.
            ValueError: If a setting is out of its range.
        """
        from lookahead.hf.describe import RunTextStream

        config = settings.config()
        prompt_ids = self.host.encode(text)
        request = RunRequest(prompt_ids, config, self.host.new_tokens(settings.max_new_tokens), lane, earlier)
        texts = RunTextStream(self.host.backend, prompt_ids)
        head = stage.head_data(
            prompt_pieces=texts.prompt_pieces,
            method=lane,
            model=self.host.info,
            config=config,
            limit=request.max_new_tokens,
            note=self.host.notice_for(request),
            corpus=bool(self.host.corpus),
        )
        stored = StoredRun(new_id(), lane, request, texts.prompt_pieces, head, self.host.corpus)
        stored.token_text, stored.cancelled = texts.token_text, cancelled
        self.store.add(stored)
        batches = self.host.stream(request, cancelled)
        ends: list[float] = []
        try:
            yield Update(stored.since(0), stored)
            for batch in batches:
                ends += batch.ends
                data = []
                for step, end in zip(batch.steps, batch.ends, strict=True):
                    pieces = texts.push(step.emitted_ids)
                    if batch.run is not None and step is batch.steps[-1]:
                        pieces[-1] += texts.finish()
                    data.append(stage.step_data(step, pieces, texts.token_text, end))
                message = stored.add(batch.steps, data)
                if batch.run is not None:
                    run = self._with_texts(batch.run, text)
                    message["end"] = stored.finish(run, self._parted(beside, run))
                    yield Update(message, stored, run)
                else:
                    yield Update(message, stored)
        except Exception as error:  # whatever it is, the page must not wait for more
            run = self._with_texts(broken_off(request, self.host.info, stored.steps, ends, "error"), text)
            stored.finish(run, problem=failure_line(error))
            yield Update(stored.since(len(stored.data)), stored, run)
            if not isinstance(error, PASS_ERRORS):
                raise
            logging.getLogger(__name__).warning("a run broke off", exc_info=error)
        finally:
            stored.close()
            batches.close()

    def _with_texts(self, run: RunRecord, prompt: str) -> RunRecord:
        """The run with what its ids say."""
        from lookahead.hf.describe import run_texts

        return replace(run, texts=run_texts(self.host.backend, run, prompt, self.host.backend.decode(run.token_ids)))

    def _parted(self, first: RunRecord | None, second: RunRecord) -> TokenGap | None:
        """How close the decision was at the first token that differs; None where both have the same."""
        if first is None:
            return None
        ids, others = first.token_ids, second.token_ids
        place = first_difference(ids, others)
        if place is None or place >= min(len(ids), len(others)):
            return None
        return self.host.token_gap(first.prompt_ids, ids[:place], ids[place], others[place])

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


def _how_it_ended(stored: StoredRun, run: RunRecord) -> str:
    """One line on a finished run."""
    count, tokens = len(stored.steps), len(run.token_ids)
    name = "Greedy" if stored.lane == "greedy" else "Lookahead"
    ended: dict[FinishReason, str] = {
        "cancelled": "stopped",
        "context": "the model's context is full",
        "eos": "ended by itself",
        "error": f"broke off: {(stored.end or {}).get('problem')}",
        "length": "reached the limit",
        "stop": "reached a stop string",
    }
    passes = "pass" if count == 1 else "passes"
    return f"{name}: {tokens} tokens in {count} forward {passes}, {run.seconds:.2f} s, {ended[run.finish_reason]}."
