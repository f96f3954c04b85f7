"""What happens when a control is used. Here, and in the endpoints, an error becomes a ``gr.Error``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import gradio as gr
from gradio.components import Component

from app.model.error_line import error_line
from app.model.host import ModelHost
from app.page import presets
from app.page.controls import Controls, prompt_line
from app.page.model_picker import chip, choosing
from app.run.settings import from_controls, from_query, offered_here
from app.run.start import start_run
from app.run.store import RunStore
from app.run.stored_run import StoredRun
from app.run.tabs import SHARED, Tabs
from app.serve.endpoints import shown
from app.serve.modules import read
from app.serve.question_thread import QuestionThread
from app.serve.steps import wait_while_read
from app.views.step_messages import how_it_ended, to_json
from lookahead.config import LookaheadConfig, RunSettings, Sampling
from lookahead.records import Method
from lookahead.setting import Setting, chosen

QUEUE: dict[str, Any] = {"queue": True, "concurrency_limit": 1, "concurrency_id": "model"}
"""For every event that uses the model: one at a time."""

MOST_LINKED = 4_000
"""Longest text in characters that a link fills in."""

RUN: tuple[Method, ...] = ("lookahead",)
COMPARE: tuple[Method, ...] = ("lookahead", "plain")


class Handlers:
    """Everything that the page's events call; one per app."""

    def __init__(self, host: ModelHost, store: RunStore) -> None:
        self.host = host
        self.store = store
        self.tabs = Tabs()

    @property
    def settings(self) -> dict[str, Setting]:
        """The settings that the page offers with its present model."""
        return offered_here(self.host, "page")

    def scene(self, methods: tuple[Method, ...], tab: str, values: dict[str, Any]) -> Iterator[tuple[Any, Any, Any]]:
        """Runs of one prompt, one after the other: the stage's value, the status line, the run to draw figures of.

        The stage learns the id of each run as soon as it begins, and reads the steps from the step stream.

        Args:
            values: The values of the controls, by name (see ``Controls.inputs``); ``kept`` is the id of a finished run
                that stays in the scene, before the new ones.
        """
        try:
            settings = from_controls(values, self.settings)
            prompt = presets.compose(values["document"], values["prompt"])
            config, limit = chosen(LookaheadConfig, settings), chosen(RunSettings, settings).max_new_tokens
            sampling = chosen(Sampling, settings)
            memory = SHARED if self.host.options.share_trie else tab
            memory = memory and f"{memory} {self.host.name}"  # another model has other token ids
            earlier = self.tabs.memory(memory) if settings["keep_trie"] else ()
            kept = self.store.get(values.get("kept"))
            before = [kept] if kept and kept.run else []
            if kept := self._comparable(kept, prompt, sampling):
                earlier = kept.earlier  # what the kept run wrote must not help the one beside it
            runs: list[StoredRun] = []
            with self.tabs.going(tab) as cancelled:
                while len(runs) < len(methods) and not cancelled.is_set():
                    method, beside = methods[len(runs)], kept or next(iter(runs), None)
                    run = start_run(
                        *(self.host, self.store, prompt, config, limit, method),
                        sampling=sampling,
                        earlier=earlier,
                        cancelled=cancelled,
                        beside=beside,
                        expected=values.get("expected") or "",
                    )
                    runs.append(run)
                    scene = {"scene": [run.run_id for run in before + runs], "of": len(before) + len(methods)}
                    yield to_json(scene), "Running …", gr.skip()
                    wait_while_read(run)
                    if run.run and method == "lookahead" and "output" in config.sources and settings["keep_trie"]:
                        self.tabs.remember(memory, run.run.token_ids)
                    if run.problem:
                        break
            yield gr.skip(), how_it_ended(runs[-1]) if runs else "No run was started.", runs[0].run_id if runs else ""
        except Exception as error:  # a tokenizer or a chat template may raise anything
            yield gr.skip(), error_line(error), ""  # Gradio's own message disappears after a while
            raise shown(error) from error

    def _comparable(self, kept: StoredRun | None, prompt: str, sampling: Sampling) -> StoredRun | None:
        """The kept run if a new one of this prompt can be measured by it: made here, by the same model."""
        if kept is None or kept.run is None or kept.opened or kept.model.name != self.host.info.name:
            return None
        same = kept.request.sampling == sampling and kept.prompt_ids == self.host.encode(prompt)
        return kept if same else None

    def figures(self, run_id: str) -> tuple[Any, ...]:
        """The six figures of a finished run; nothing changes if the id names none."""
        stored = self.store.get(run_id)
        if stored is None or stored.run is None:
            return (gr.skip(),) * 6
        from app.views.figures import all_figures

        return tuple(gr.update(value=figure, visible=True) for figure in all_figures(stored.run))

    def opened(self, event: gr.EventData) -> tuple[str, str, str | None]:
        """The status line, the run that the stage has just opened, and the prompt of its own that it brings.

        There is none after a reload: the fields stay as they are.
        """
        run_id = str(getattr(event, "run", ""))
        stored = self.store.get(run_id)
        texts = stored.run.texts if stored and stored.run else None
        return "Ready.", run_id, texts.prompt if texts and getattr(event, "fields", False) else None

    def busy(self, kept: str, request: gr.Request) -> tuple[Any, ...]:
        """The status line and the buttons of a tab whose run is queued, and the run that it keeps."""
        self.tabs.arrive(_tab(request))
        buttons = (gr.update(interactive=on) for on in (False, True, False))
        return "Waiting …", *buttons, kept

    def stop(self, left: str, request: gr.Request) -> str:
        """Stop this tab's run. A queued one is cancelled by changing ``left``, whose change event cancels it."""
        return left if self.tabs.stop(_tab(request)) else left + "."


def connect(
    demo: gr.Blocks,
    handlers: Handlers,
    controls: Controls,
    view: gr.HTML,
    place: gr.Accordion,
    plots: list[gr.Plot],
    thread: QuestionThread,
) -> None:
    """Connect every control of the page, and the stage, to its handler.

    The thread draws the figures, only while their accordion is open and when it is opened.
    """

    async def figures(run_id: str) -> tuple[Any, ...]:
        if not run_id:  # closed: nothing to wait for in the thread, which refuses what waits too long
            return (gr.skip(),) * len(plots)
        try:
            return await thread.ask(partial(handlers.figures, run_id))
        except Exception as error:
            raise shown(error) from error

    buttons = [controls.run, controls.stop, controls.compare]
    quiet: dict[str, Any] = {
        "queue": False,
        "api_visibility": "private",
        "show_progress": "hidden",
        # Gradio's page renews every component that ever showed progress with every update of a run.
        "show_progress_on": [controls.status],
    }
    kept = gr.Textbox(visible=False)  # the run that stays on the stage beside the next one
    inputs = {**controls.inputs, "kept": kept}
    streamed: dict[str, Any] = {**quiet, **QUEUE, "show_progress": "minimal", "inputs_kwargs": inputs}
    runs: list[Any] = []
    drawn = gr.Textbox(visible=False)  # the run to draw figures of
    for button, methods in ((controls.run, RUN), (controls.compare, COMPARE)):
        started = button.click(handlers.busy, kept, [controls.status, *buttons, kept], js=KEPT_RUN, **quiet)
        done = started.then(_scene(handlers, methods), None, [view, controls.status, drawn], **streamed)
        runs.append(done)
        for after in (done.success, done.failure):
            after(_ready, None, buttons, **quiet).success(figures, drawn, plots, js=IF_OPEN, **quiet)
    texts = controls.texts

    def show_opened(event: gr.EventData) -> dict[Component, Any]:
        status, run_id, prompt = handlers.opened(event)
        shown = {controls.status: status, drawn: run_id}
        return shown if prompt is None else {**shown, controls.preset: None, **_filled(texts, prompt=prompt)}

    opened = view.select(show_opened, None, [controls.status, drawn, controls.preset, *texts.values()], **quiet)
    opened.then(None, [controls.preset, *texts.values()], None, js=_named(KEEP_TYPED, texts), **quiet)
    opened.then(figures, drawn, plots, js=IF_OPEN, **quiet)
    place.expand(figures, drawn, plots, js=SHOWN_RUN, **quiet)
    left = gr.Textbox(visible="hidden")  # no gr.State: its changes do not cancel
    controls.stop.click(handlers.stop, left, left, **quiet)
    left.change(_left, None, [controls.status, *buttons], cancels=runs, **quiet)
    controls.preset.input(lambda name: _choose_preset(texts, name), controls.preset, [*texts.values()], **quiet)
    _remember_fields(demo, controls, quiet)


def connect_picker(
    demo: gr.Blocks, handlers: Handlers, controls: Controls, facts: gr.HTML, choice: gr.Dropdown
) -> None:
    """Connect the list of models; the page's limits and settings follow the model."""
    host, skipped = handlers.host, [gr.skip()] * 4
    follow = [facts, choice, controls.prompt, controls.settings["sources"]]

    def shown_now() -> list[Any]:
        sources = gr.update(choices=list(handlers.settings["sources"].choices))
        return [chip(host), gr.update(value=host.name), gr.update(info=prompt_line(host)), sources]

    def choose(name: str) -> Iterator[list[Any]]:
        try:
            for line in choosing(host, name):
                yield [line, *skipped]
            yield ["Ready.", *shown_now()]
        except Exception as error:
            yield [error_line(error), *shown_now()]
            raise shown(error) from error

    quiet = {"api_visibility": "private", "show_progress": "hidden", "show_progress_on": [controls.status]}
    choice.input(choose, choice, [controls.status, *follow], **QUEUE, **quiet)
    demo.load(shown_now, None, follow, queue=False, **quiet)


def _remember_fields(demo: gr.Blocks, controls: Controls, quiet: dict[str, Any]) -> None:
    """Keep the settings and the preset in the URL, and what was typed over a reload (``page.js`` stores it)."""
    named, texts = {**controls.settings, "preset": controls.preset}, controls.texts
    fields = [*named.values()]

    def from_url(request: gr.Request) -> dict[Component, Any]:
        query = {name: str(value) for name, value in dict(request.query_params).items()}
        values = from_query(query, controls.described)
        found: dict[Component, Any] = {
            controls.settings[name]: one.plain(values[name]) for name, one in controls.described.items()
        }
        if preset := query.get("preset") or presets.titles().get(query.get("example", "")):
            preset = presets.by_name(preset).name
            found |= {controls.preset: preset, **_choose_preset(texts, preset)}
        if query.get("prompt"):
            found |= {field: query.get(name, "")[:MOST_LINKED] for name, field in texts.items()}
            found[controls.preset] = None
        return found

    script = _named(_url_script(controls), named)
    loaded = demo.load(from_url, None, [*fields, *texts.values()], **quiet)
    typed = [controls.preset, *texts.values()]
    restored = loaded.then(None, typed, typed, js=_named(TYPED, texts), **quiet)
    restored.then(None, fields, None, js=script, **quiet).then(None, None, None, js=FILLED, **quiet)
    typed_in = gr.Button(elem_id="typed-in", visible="hidden")  # pressed by page.js: no example any more
    typed_in.click(None, None, controls.preset, js="() => [null]", **quiet)
    changes = [field.input for field in fields]  # pyright: ignore[reportAttributeAccessIssue]
    gr.on(changes, None, fields, None, js=script, **quiet)
    controls.preset.input(None, None, None, js=TYPE_NOTHING, **quiet)


def _url_script(controls: Controls) -> str:
    """The script that writes the settings that differ from their defaults into the URL."""
    texts = {name: one.text(one.default) for name, one in controls.described.items()}
    defaults = {name: ",".join(sorted(text.split(","))) for name, text in texts.items()}  # as the script writes them
    defaults["preset"] = presets.PRESETS[0].name
    return read("url.js").replace("DEFAULTS", json.dumps(defaults))


def _named(script: str, fields: dict[str, Component]) -> str:
    """A script that gets the values of these fields, with their names: Gradio hands over a list."""
    return script.replace("NAMES", json.dumps(list(fields)))


FILLED = "() => { requestAnimationFrame(() => document.dispatchEvent(new Event('filled'))); }"
"""The fields hold what the address asks for and what was typed before: ``page.js`` lets a run begin."""
TYPE_NOTHING = "() => { sessionStorage.removeItem('lookahead-typed'); }"
KEEP_TYPED = """(preset, ...texts) => {
  const named = Object.fromEntries(NAMES.map((name, i) => [name, texts[i]]));
  if (!preset) sessionStorage.setItem('lookahead-typed', JSON.stringify(named));
}"""
"""The texts of a run that was opened stay over a reload, as typed ones do."""
TYPED = """(preset, ...texts) => {
  const typed = JSON.parse(sessionStorage.getItem('lookahead-typed') || '{}');
  const kept = NAMES.map((name, i) => typed[name] ?? texts[i]);
  const own = NAMES.some((name, i) => name !== 'expected' && kept[i] !== texts[i]);
  return [own ? null : preset, ...kept];
}"""
SHOWN_RUN = "() => document.querySelector('#stage [data-run]')?.dataset.run || ''"
KEPT_RUN = "() => document.querySelector('#stage [data-run]')?.dataset.kept || ''"
IF_OPEN = "(run) => document.querySelector('#figures .label-wrap.open') ? run : ''"
"""Gradio's plots leak some 50 DOM nodes each whenever they are drawn again, so nothing is drawn out of sight."""


def _scene(handlers: Handlers, methods: tuple[Method, ...]) -> Callable[..., Any]:
    def scene(request: gr.Request, **values: Any) -> Iterator[tuple[Any, Any, Any]]:
        yield from handlers.scene(methods, _tab(request), values)

    return scene


def _choose_preset(texts: dict[str, Component], name: str) -> dict[Component, Any]:
    """The preset's document and prompt in their fields."""
    preset = presets.by_name(name)
    return _filled(texts, document=preset.document, prompt=preset.prompt)


def _filled(texts: dict[str, Component], **given: str) -> dict[Component, Any]:
    """The text of every field: what is given, and nothing in the others."""
    return {field: given.get(name, "") for name, field in texts.items()}


def _ready() -> tuple[Any, Any, Any]:
    return gr.update(interactive=True), gr.update(interactive=False), gr.update(interactive=True)


def _left() -> tuple[Any, ...]:
    return ("Stopped before it began.", *_ready())


def _tab(request: gr.Request) -> str:
    """The name of the tab that asks."""
    return str(request.session_hash or "")
