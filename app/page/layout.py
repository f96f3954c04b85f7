"""The page: what is where."""

from __future__ import annotations

from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from app.model.host import ModelHost
from app.page import presets
from app.page.controls import Controls, status_line
from app.page.events import QUEUE, Handlers, connect, connect_picker
from app.page.model_picker import model_picker
from app.page.theme import head, page_css, theme
from app.run.store import RunStore
from app.run.studies import Studies
from app.serve import lab_page, learn, modules, page_head, steps
from app.serve.endpoints import add_endpoints
from app.serve.guard import Guard, Hosts, Place
from app.serve.kept_files import KeptFiles
from app.serve.lab import Lab
from app.serve.modules import read
from app.serve.page_head import PageHead
from app.serve.question_thread import QuestionThread
from app.serve.questions import server_functions
from app.serve.queue_readers import QueueReaders
from app.views.first_sight import example_lines, first_sight

TITLE = (
    "<header><h1>Lookahead</h1><nav aria-label='Pages'><a href='./' aria-current='page'>Watch</a>"
    "<a href='./learn'>Learn</a><a href='./lab'>Lab</a></nav>"
    "</header>"
)
SESSIONS = 500
"""Most tabs whose components the server keeps."""
MOST_UPLOAD = 1_000_000
"""Largest file in bytes that Gradio takes; the page itself uploads none."""
DELETED = (60, 300)
"""How often Gradio's files are looked through, and the age at which they are deleted, in seconds."""


def launch(host: ModelHost, studies: Studies | None = None, **options: Any) -> tuple[gr.Blocks, str]:
    """Serve the whole app in its own thread, with these options of Gradio's ``launch``; returns it and its address."""
    store, readers = RunStore(), QueueReaders()
    thread = QuestionThread(store)
    demo = build_demo(host, store, thread)
    course = learn.routes(learn.Course(host), thread)
    hosts = Hosts(options.get("server_name"), host.options.allow_host)
    lab = Lab(host, thread, studies or Studies(host), hosts.on_space)
    _, url, _ = demo.launch(
        prevent_thread_lock=True,
        app_kwargs={
            "routes": [
                *steps.routes(store),
                *modules.routes(),
                *page_head.routes(),
                *course,
                *lab.routes(),
                *lab_page.routes(host),
            ],
            "middleware": [
                Middleware(Guard, hosts, lambda: Place(demo.share_url or "", demo.root_path or "", demo.share)),
                Middleware(KeptFiles),
                Middleware(readers.counting),
                Middleware(PageHead, example_lines(store, presets.titles())),
            ],
            "lifespan": lab.watching(readers.watching(demo._queue)),
        },
        state_session_capacity=SESSIONS,
        max_file_size=MOST_UPLOAD,
        enable_monitoring=False,
        favicon_path=page_head.ICON,
        show_error=True,  # what is wrong with a request that does not reach our functions
        theme=theme(),
        css=page_css(),
        head=head(),
        footer_links=["api"],
        run_history=False,
        ssr_mode=False,
        **options,
    )
    return demo, url


def build_demo(host: ModelHost, store: RunStore, thread: QuestionThread | None = None) -> gr.Blocks:
    """The whole page, not served yet; the store keeps its runs, the thread answers its questions."""
    handlers, thread = Handlers(host, store), thread or QuestionThread(store)
    with gr.Blocks(title="Lookahead", analytics_enabled=False, fill_width=True, delete_cache=DELETED) as demo:
        with gr.Row(elem_id="bar"):
            gr.HTML(TITLE, elem_id="title", apply_default_css=False)
            status = status_line()
            picker = model_picker(host)
            gr.HTML("<span id='page-tools'></span>", elem_id="tools", apply_default_css=False)
        with gr.Row(elem_id="ask"):
            controls = Controls(host, status)
        view = gr.HTML(
            first_sight(host, store, presets.titles()),
            html_template=read("watch.html"),
            js_on_load=read("boot.js"),
            apply_default_css=False,
            server_functions=server_functions(store, thread),
            elem_id="stage",
        )
        place, plots = _figures()
        connect(demo, handlers, controls, view, place, plots, thread)
        connect_picker(demo, handlers, controls, *picker)
        add_endpoints(host, store, QUEUE, thread)
    demo.queue(max_size=host.options.max_waiting, api_open=False)
    # Gradio's queue looks for work a thousand times per second and takes the interpreter from the engine: a pass took
    # 1.12 to 1.14 times as long. Gradio has no public setting for it.
    demo._queue.sleep_when_free = 0.05
    demo._queue.progress_update_sleep_when_free = 0.25
    return demo


def _figures() -> tuple[gr.Accordion, list[gr.Plot]]:
    """The place of the figures, closed until the visitor opens it, and the six figures.

    They are hidden until there are some: Gradio's page loads what draws a plot before it shows anything at all.
    """
    with gr.Accordion("Figures", open=False, elem_id="figures") as place:
        plots = [gr.Plot(show_label=False, visible=False)]
        for _ in range(2):
            with gr.Row():
                plots += [gr.Plot(show_label=False, min_width=280, visible=False) for _ in range(2)]
        plots.append(gr.Plot(show_label=False, visible=False))
    return place, plots
