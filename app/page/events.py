"""What happens when a control is used. Only here an error becomes a ``gr.Error``."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
from gradio.components import Component

from app.model.host import HostError, ModelHost, most_recent
from app.model.runs import Outputs
from app.page import presets
from app.page.controls import Controls
from app.run.settings import PageSettings, from_controls, from_query, offered_here
from app.run.start import start_run
from app.run.store import RunStore
from app.run.stored_run import StoredRun
from app.run.tabs import Tabs
from app.serve.modules import read
from app.serve.steps import wait_while_read
from app.views.step_messages import how_it_ended, to_json
from lookahead.backend import BackendError
from lookahead.config import LookaheadConfig, RunSettings, chosen
from lookahead.records import Method

QUEUE: dict[str, Any] = {"queue": True, "concurrency_limit": 1, "concurrency_id": "model"}
"""Every event that uses the model waits for its turn."""

RUN: tuple[Method, ...] = ("lookahead",)
COMPARE: tuple[Method, ...] = ("lookahead", "plain")


class Handlers:
    """Everything that the page's events call; one per app."""

    def __init__(self, host: ModelHost, store: RunStore) -> None:
        self.host = host
        self.store = store
        self.tabs = Tabs()
        self.settings = offered_here(host, "page")
        self._shared: Outputs = ()
        self._lock = threading.Lock()

    # ------------------------------------------------------------------ runs

    def scene(self, methods: tuple[Method, ...], tab: str, values: dict[str, Any]) -> Iterator[tuple[Any, Any, Any]]:
        """Runs of one prompt, one after the other: the stage's value, the status line, the run to draw figures of.

        The stage learns the ids of the runs, each as soon as it begins, and reads their steps from the step stream.

        Args:
            values: What the controls hold, by name (see ``Controls.inputs``).
        """
        try:
            settings = from_controls(values, self.settings)
            prompt = presets.compose(values["document"], values["prompt"])
            runs: list[StoredRun] = []
            with self.tabs.going(tab) as cancelled:
                while len(runs) < len(methods) and not cancelled.is_set():
                    run = self._start(methods[len(runs)], prompt, settings, tab, cancelled, runs[:1])
                    runs.append(run)
                    scene = {"scene": [run.run_id for run in runs], "of": len(methods)}
                    yield to_json(scene), "Running …", gr.skip()
                    wait_while_read(run)
                    self._remember(tab, run, settings)
                    if run.problem:
                        break
            yield gr.skip(), how_it_ended(runs[-1]) if runs else "No run was started.", runs[0].run_id if runs else ""
        except (HostError, BackendError, ValueError) as error:
            yield gr.skip(), str(error), ""  # Gradio's own message disappears after a while
            raise gr.Error(str(error), print_exception=False) from error

    def _start(
        self,
        method: Method,
        prompt: str,
        settings: dict[str, Any],
        tab: str,
        cancelled: threading.Event,
        beside: list[StoredRun],
    ) -> StoredRun:
        keep = chosen(PageSettings, settings).keep_trie
        return start_run(
            self.host,
            self.store,
            prompt,
            chosen(LookaheadConfig, settings),
            chosen(RunSettings, settings).max_new_tokens,
            method,
            earlier=self._known(tab) if keep else (),
            cancelled=cancelled,
            beside=beside[0].run if beside else None,
        )

    def _known(self, tab: str) -> Outputs:
        """Outputs of earlier runs: the tab's own, or everybody's."""
        return self._shared if self.host.options.share_trie else self.tabs.memory(tab)

    def _remember(self, tab: str, run: StoredRun, settings: dict[str, Any]) -> None:
        """Keep a lookahead run's output for the next run, within the bound."""
        output = run.run.token_ids if run.run else ()
        if run.method == "plain" or "output" not in run.config.sources or not settings["keep_trie"]:
            return
        if not self.host.options.share_trie:
            self.tabs.remember(tab, most_recent((*self.tabs.memory(tab), output)))
            return
        with self._lock:
            self._shared = most_recent((*self._shared, output))

    def figures(self, run_id: str) -> tuple[Any, ...]:
        """The figures of a finished lookahead run, and their place opened; nothing changes where there is none."""
        stored = self.store.get(run_id)
        if stored is None or stored.run is None:
            return tuple(gr.skip() for _ in range(7))
        from app.views.figures import all_figures

        return (gr.update(open=True), *all_figures(stored.run))

    def figures_of_shown(self, event: gr.EventData) -> tuple[Any, ...]:
        """The same for the run that the stage has just opened."""
        return self.figures(str(getattr(event, "run", "")))

    def stop(self, left: str, request: gr.Request) -> str:
        """Stop this tab's run; one that is still queued is cancelled by changing ``left``, whose change cancels it."""
        return left if self.tabs.stop(_tab(request)) else left + "."

    # ------------------------------------------------------------------ fields

    def choose_preset(self, name: str) -> tuple[Any, Any]:
        """The preset's document and prompt."""
        preset = presets.by_name(name)
        return (
            gr.update(value=preset.document, visible=preset.grounded),
            gr.update(value=preset.prompt, label="Question" if preset.grounded else "Prompt"),
        )


def connect(
    demo: gr.Blocks,
    handlers: Handlers,
    controls: Controls,
    view: gr.HTML,
    figures: list[Component | gr.Accordion],
) -> None:
    """Connect every control of the page with what it does.

    Args:
        view: The stage.
        figures: The place of the figures, then the figures.
    """
    buttons = [controls.run, controls.stop, controls.compare]
    quiet: dict[str, Any] = {
        "queue": False,
        "api_visibility": "private",
        "show_progress": "hidden",
        # Gradio's page renews every component that ever showed progress with every update of a run.
        "show_progress_on": [controls.status],
    }
    streamed: dict[str, Any] = {**quiet, **QUEUE, "show_progress": "minimal", "inputs_kwargs": controls.inputs}
    runs: list[Any] = []
    drawn = gr.Textbox(visible=False)  # the run to draw figures of
    for button, methods in ((controls.run, RUN), (controls.compare, COMPARE)):
        started = button.click(_busy(handlers), None, [controls.status, *buttons], **quiet)
        done = started.then(_scene(handlers, methods), None, [view, controls.status, drawn], **streamed)
        runs.append(done)
        for after in (done.success, done.failure):
            after(_ready, None, buttons, **quiet).success(handlers.figures, drawn, figures, **quiet)
    shown = gr.Textbox(visible=False)  # filled by the script, which knows the run on the stage
    view.select(handlers.figures_of_shown, None, figures, **quiet)
    view.select(lambda: "Ready.", None, controls.status, **quiet)
    place = figures[0]
    assert isinstance(place, gr.Accordion)
    place.expand(handlers.figures, shown, figures, js=SHOWN_RUN, **quiet)
    left = gr.Textbox(visible="hidden")  # no gr.State: its changes do not cancel
    controls.stop.click(handlers.stop, left, left, **quiet)
    left.change(_left, None, [controls.status, *buttons], cancels=runs, **quiet)
    controls.preset.input(handlers.choose_preset, controls.preset, [controls.document, controls.prompt], **quiet)
    _remember_fields(demo, handlers, controls, quiet)


def _remember_fields(demo: gr.Blocks, handlers: Handlers, controls: Controls, quiet: dict[str, Any]) -> None:
    """The URL holds the settings and the preset; what was typed is there again after a reload."""
    fields, texts = [*controls.settings.values(), controls.preset], [controls.document, controls.prompt]
    script = _url_script(controls)
    loaded = demo.load(_from_url(handlers, controls), None, [*fields, *texts], **quiet)
    loaded.then(None, texts, texts, js=TYPED, **quiet)
    loaded.then(None, fields, None, js=script, **quiet)
    for field in fields:
        field.input(None, fields, None, js=script, **quiet)  # pyright: ignore[reportAttributeAccessIssue]
    for text in texts:
        text.input(None, texts, None, js=TYPE, **quiet)
    controls.preset.input(None, None, None, js=TYPE_NOTHING, **quiet)


def _from_url(handlers: Handlers, controls: Controls) -> Callable[..., Any]:
    """The settings and the preset that the page's URL names."""

    def from_url(request: gr.Request) -> dict[Component, Any]:
        query = {name: str(value) for name, value in dict(request.query_params).items()}
        found = controls.shown(from_query(query, controls.described))
        preset = query.get("preset", "")
        if preset in presets.names():
            document, prompt = handlers.choose_preset(preset)
            found |= {controls.preset: preset, controls.document: document, controls.prompt: prompt}
        return found

    return from_url


def _url_script(controls: Controls) -> str:
    """Writes the settings that differ from their defaults into the URL."""
    texts = {name: one.text(one.default) for name, one in controls.described.items()}
    defaults = {name: ",".join(sorted(text.split(","))) for name, text in texts.items()}  # as the script writes them
    defaults["preset"] = presets.PRESETS[0].name
    script = read("url.js").replace("NAMES", json.dumps(list(defaults)))
    return script.replace("DEFAULTS", json.dumps(list(defaults.values())))


TYPE = "(...texts) => { sessionStorage.setItem('lookahead-typed', JSON.stringify(texts)); }"
TYPE_NOTHING = "() => { sessionStorage.removeItem('lookahead-typed'); }"
TYPED = "(...texts) => JSON.parse(sessionStorage.getItem('lookahead-typed') || 'null') || texts.slice(0, 2)"
SHOWN_RUN = "() => document.querySelector('#stage [data-run]')?.dataset.run || ''"


def _scene(handlers: Handlers, methods: tuple[Method, ...]) -> Callable[..., Any]:
    def scene(request: gr.Request, **values: Any) -> Iterator[tuple[Any, Any, Any]]:
        yield from handlers.scene(methods, _tab(request), values)

    return scene


def _busy(handlers: Handlers) -> Callable[..., Any]:
    def busy(request: gr.Request) -> tuple[Any, ...]:
        handlers.tabs.arrive(_tab(request))
        return "Waiting …", gr.update(interactive=False), gr.update(interactive=True), gr.update(interactive=False)

    return busy


def _ready() -> tuple[Any, Any, Any]:
    return gr.update(interactive=True), gr.update(interactive=False), gr.update(interactive=True)


def _left() -> tuple[Any, ...]:
    return ("Stopped before it began.", *_ready())


def _tab(request: gr.Request) -> str:
    """The tab that asks."""
    return str(request.session_hash or "")
