"""The page: where everything is."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from app.model.host import ModelHost
from app.page.controls import Controls
from app.page.events import QUEUE, Handlers, connect
from app.page.theme import page_options
from app.run.store import RunStore
from app.serve import modules, steps
from app.serve.endpoints import add_endpoints
from app.serve.modules import read
from app.serve.questions import functions
from app.views.first_sight import RUNS, first_sight
from app.views.step_messages import short_count

SESSIONS = 500
"""Tabs whose part of the page the server keeps."""


def launch(host: ModelHost, **options: Any) -> tuple[gr.Blocks, str]:
    """Serve the whole app, in a thread of its own; returns it and its address.

    Args:
        options: For Gradio's ``launch``.
    """
    store = RunStore()
    demo = build_demo(host, store)
    _, url, _ = demo.launch(
        prevent_thread_lock=True,
        app_kwargs={"routes": [*steps.routes(store), modules.route()]},
        state_session_capacity=SESSIONS,
        **page_options(),
        **options,
    )
    return demo, url


def build_demo(host: ModelHost, store: RunStore, runs: Path = RUNS) -> gr.Blocks:
    """The whole page, not served yet.

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
                    first_sight(host, store, runs),
                    html_template=read("stage.html"),
                    js_on_load=read("boot.js"),
                    apply_default_css=False,
                    server_functions=functions(store),
                    elem_id="stage",
                )
                figures = _figures()
            with gr.Column(scale=0, min_width=300, elem_id="controls"):
                controls = Controls(host)
        connect(demo, handlers, controls, view, figures)
        add_endpoints(host, store, QUEUE)
    demo.queue(max_size=host.options.max_waiting)
    # Gradio's queue looks for work a thousand times a second, which takes the interpreter from the engine: a pass took
    # 1.12 to 1.14 times as long. There is no public setting for it.
    demo._queue.sleep_when_free = 0.05
    demo._queue.progress_update_sleep_when_free = 0.25
    return demo


def _figures() -> list[Component | gr.Accordion]:
    """The place of the figures of a finished run, then the figures: drawn after each run, and when it is opened."""
    with gr.Accordion("Figures of this run", open=False, elem_id="figures") as place:
        first = gr.Plot(show_label=False)
        with gr.Row():
            second, third = gr.Plot(show_label=False, min_width=280), gr.Plot(show_label=False, min_width=280)
        with gr.Row():
            fourth, fifth = gr.Plot(show_label=False, min_width=280), gr.Plot(show_label=False, min_width=280)
        sixth = gr.Plot(show_label=False)
    return [place, first, second, third, fourth, fifth, sixth]


def _title(host: ModelHost) -> str:
    """The page's head."""
    info = host.info
    name = "embedded model" if info.name == "embedded" else info.name
    facts = (name, f"{short_count(info.parameters)} parameters", info.dtype, info.device)
    chips = "".join(f"<span>{escape(fact)}</span>" for fact in facts)
    return (
        "<header><div><h1>Lookahead</h1><p>A Trie guesses the next tokens, the model checks them all in one forward "
        "pass. The same text, in fewer passes.</p></div>"
        f"<div class='model' role='group' aria-label='Model'>{chips}</div></header>"
    )
