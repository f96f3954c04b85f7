"""The page: what stands where, and which control calls what."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from . import live, presets, server
from .api import add_endpoints
from .controls import Controls
from .handlers import Handlers
from .host import ModelHost
from .recorded import RUNS, first_sight
from .settings import as_query, from_query
from .stage import short_count
from .store import RunStore
from .theme import page_options, read

SESSIONS = 500
"""Tabs whose part of the page the server keeps."""

QUEUE: dict[str, Any] = {"queue": True, "concurrency_limit": 1, "concurrency_id": "model"}


def launch(host: ModelHost, **options: Any) -> tuple[gr.Blocks, str]:
    """Serve the whole app; returns it and its address while it goes on.

    Args:
        options: For Gradio's ``launch``.
    """
    store = RunStore()
    demo = build_demo(host, store)
    _, url, _ = demo.launch(
        prevent_thread_lock=True,
        app_kwargs={"routes": live.routes(store)},
        state_session_capacity=SESSIONS,
        **page_options(),
        **options,
    )
    return demo, url


def build_demo(host: ModelHost, store: RunStore, runs: Path = RUNS) -> gr.Blocks:
    """The whole page; nothing runs yet.

    Args:
        store: Where its runs are kept.
        runs: Folder of recorded runs; the first one is what a visitor sees first.
    """
    handlers = Handlers(host, store)
    with gr.Blocks(title="Lookahead", analytics_enabled=False, fill_width=True) as demo:
        gr.HTML(_title(host), elem_id="title", apply_default_css=False)
        with gr.Row(elem_id="page"):
            with gr.Column(scale=1, min_width=0, elem_id="watch"):
                view = gr.HTML(
                    first_sight(store, runs, host.sources),
                    html_template=read("stage.html"),
                    js_on_load=read("boot.js"),
                    apply_default_css=False,
                    server_functions=server.functions(store),
                    elem_id="stage",
                )
                figures = _figures()
            with gr.Column(scale=0, min_width=300, elem_id="controls"):
                controls = Controls(host)
        _wire(demo, handlers, controls, view, figures)
        add_endpoints(handlers, QUEUE)
    demo.queue(max_size=host.options.max_waiting)
    _spare_the_engine(demo)
    return demo


def _spare_the_engine(demo: gr.Blocks) -> None:
    """Have Gradio's server do less beside a run: whatever it does takes the interpreter from the engine."""
    demo._queue.sleep_when_free = 0.05  # it wakes a thousand times a second otherwise
    demo._queue.progress_update_sleep_when_free = 0.25
    sys.modules.setdefault("matplotlib", None)  # type: ignore[arg-type]  # looked for on the disk with every update


def _figures() -> list[Component | gr.Accordion]:
    """Where the figures of a finished run go: drawn when they are asked for, and after each run."""
    with gr.Accordion("Figures of this run", open=False, elem_id="figures") as place:
        first = gr.Plot(show_label=False)
        with gr.Row():
            second, third = gr.Plot(show_label=False, min_width=280), gr.Plot(show_label=False, min_width=280)
        with gr.Row():
            fourth, fifth = gr.Plot(show_label=False, min_width=280), gr.Plot(show_label=False, min_width=280)
        sixth = gr.Plot(show_label=False)
    return [place, first, second, third, fourth, fifth, sixth]


def _wire(
    demo: gr.Blocks,
    handlers: Handlers,
    controls: Controls,
    view: gr.HTML,
    figures: list[Component | gr.Accordion],
) -> None:
    buttons = [controls.run, controls.stop, controls.compare]
    inputs = [*controls.settings, controls.document, controls.prompt]
    quiet: dict[str, Any] = {
        "queue": False,
        "api_visibility": "private",
        "show_progress": "hidden",
        # Gradio's page renews every component that ever showed progress with every update of a run.
        "show_progress_on": [controls.status],
    }
    streamed: dict[str, Any] = {**quiet, **QUEUE, "show_progress": "minimal"}
    runs: list[Any] = []
    drawn = gr.Textbox(visible=False)  # the run to draw figures of
    for button, handler in ((controls.run, handlers.run), (controls.compare, handlers.compare)):
        started = button.click(_busy(handlers), None, [controls.status, *buttons], **quiet)
        done = started.then(_streamed(handler), inputs, [view, controls.status], **streamed)
        runs.append(done)
        for after in (done.success, done.failure):
            ended = after(_idle(handlers), None, [controls.status, drawn, *buttons], **quiet)
            ended.success(handlers.figures, drawn, figures, **quiet)
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
    """The settings and the preset stand in the URL; what was typed is there again after a reload."""
    fields, texts = [*controls.settings, controls.preset], [controls.document, controls.prompt]
    script = _url_script(handlers.host)
    loaded = demo.load(handlers.from_url, None, [*fields, *texts], **quiet)
    loaded.then(None, texts, texts, js=TYPED, **quiet)
    loaded.then(None, fields, None, js=script, **quiet)
    for field in fields:
        field.input(None, fields, None, js=script, **quiet)  # pyright: ignore[reportAttributeAccessIssue]
    for text in texts:
        text.input(None, texts, None, js=TYPE, **quiet)
    controls.preset.input(None, None, None, js=TYPE_NOTHING, **quiet)


def _url_script(host: ModelHost) -> str:
    """Writes the settings that differ from their defaults into the URL."""
    settings = from_query({}, host.options.max_new_tokens, host.sources)
    defaults = as_query(settings) | {"preset": presets.PRESETS[0].name}
    names = json.dumps(list(defaults))
    return read("url.js").replace("NAMES", names).replace("DEFAULTS", json.dumps(list(defaults.values())))


TYPE = "(...texts) => { sessionStorage.setItem('lookahead-typed', JSON.stringify(texts)); }"
TYPE_NOTHING = "() => { sessionStorage.removeItem('lookahead-typed'); }"
TYPED = "(...texts) => JSON.parse(sessionStorage.getItem('lookahead-typed') || 'null') || texts.slice(0, 2)"
SHOWN_RUN = "() => document.querySelector('#stage [data-run]')?.dataset.run || ''"


def _streamed(handler: Any) -> Any:
    """The handler's messages; with the first one the status line says that the run goes and waits no longer."""

    def handle(request: gr.Request, *values: Any) -> Any:
        status: Any = "Running …"
        with closing(handler(*values, request)) as messages:
            for message in messages:
                yield message, status
                status = gr.skip()

    return handle


def _busy(handlers: Handlers) -> Any:
    def busy(request: gr.Request) -> tuple[Any, ...]:
        handlers.arrive(request)
        return "Waiting …", gr.update(interactive=False), gr.update(interactive=True), gr.update(interactive=False)

    return busy


def _idle(handlers: Handlers) -> Any:
    def idle(request: gr.Request) -> tuple[Any, ...]:
        return (*handlers.ended(request), *_ready())

    return idle


def _ready() -> tuple[Any, Any, Any]:
    return gr.update(interactive=True), gr.update(interactive=False), gr.update(interactive=True)


def _left() -> tuple[Any, ...]:
    return ("Stopped before it began.", *_ready())


def _title(host: ModelHost) -> str:
    """The page's head; the model's name comes from the operator and is escaped all the same."""
    from html import escape

    info = host.info
    name = "embedded model" if info.name == "embedded" else info.name
    facts = (name, f"{short_count(info.parameters)} parameters", info.dtype, info.device)
    chips = "".join(f"<span>{escape(fact)}</span>" for fact in facts)
    return (
        "<header><div><h1>Lookahead</h1><p>A Trie guesses the next tokens, the model checks them all in one forward "
        "pass. The same text, in fewer passes.</p></div>"
        f"<div class='model' role='group' aria-label='Model'>{chips}</div></header>"
    )
