"""The bar above the stage: examples, the prompt in one line, buttons; the prompt's drawer holds all other fields."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.components import Component

from app.model.host import ModelHost
from app.page import presets
from app.run.settings import offered_here
from lookahead.setting import Setting


class Controls:
    """The bar above the stage.

    Attributes:
        described: The settings of the page, by name.
        settings: Their controls, by the same names.
    """

    def __init__(self, host: ModelHost, status: gr.HTML) -> None:
        self.status = status
        chips = [(preset.chip or preset.name, preset.name) for preset in presets.PRESETS]
        self.preset = gr.Radio(chips, value=presets.PRESETS[0].name, label="Example", elem_id="preset")
        with gr.Column(elem_id="drawer", min_width=0), gr.Column(elem_id="fields", min_width=0):
            self._texts(host)
            self.described = offered_here(host, "page")
            self.expected = gr.Textbox(
                "", label="Expected text", lines=2, max_lines=2, elem_id="expected", info=EXPECTED
            )
            with gr.Accordion("Settings", open=False, elem_id="settings"):
                self.settings = {name: control(one) for name, one in self.described.items()}
                gr.HTML(OTHER_MODEL, apply_default_css=False, elem_id="other-model")
        with gr.Row(elem_id="buttons"):
            gr.Button("Settings", elem_id="gear", min_width=0)
            self.run = gr.Button("Run", variant="primary", elem_id="run", min_width=0)
            self.stop = gr.Button("Stop", variant="stop", elem_id="stop", min_width=0, interactive=False)
            self.compare = gr.Button("Compare", elem_id="compare", min_width=0)

    def _texts(self, host: ModelHost) -> None:
        """The fields of document and prompt, and what there is to say about them."""
        first = presets.PRESETS[0]
        self.document = gr.Textbox(
            first.document, label="Document", lines=5, max_lines=5, placeholder="+ document", elem_id="document",
            info="Placed before the prompt. The answer quotes it, and that is where most guesses come from.",
        )  # fmt: skip
        self.prompt = gr.Textbox(
            first.prompt, label="Prompt", lines=3, max_lines=3, elem_id="prompt", placeholder="Prompt",
            info=prompt_line(host),
        )  # fmt: skip
        tiny = TINY_LINE if host.info.name == "embedded" else ""
        line = f"<p class='limits'>{BUTTONS_LINE}{tiny}</p>"
        gr.HTML(line, js_on_load=GROUPS_SCRIPT, apply_default_css=False, elem_id="buttons-line")
        if host.options.share_trie:
            gr.HTML(SHARED_LINE, apply_default_css=False, elem_id="shared-line")

    @property
    def texts(self) -> dict[str, Component]:
        """The fields of texts by name; a preset fills them all."""
        return {"document": self.document, "prompt": self.prompt, "expected": self.expected}

    @property
    def inputs(self) -> dict[str, Component]:
        """All controls that a run depends on, by name."""
        return {**self.settings, **self.texts}


MOST_ON_SLIDER = 100_000
"""A slider over more whole numbers cannot be set to one of them."""


def control(one: Setting) -> Component:
    """The control of a setting."""
    says: dict[str, Any] = {"label": one.label, "info": one.help, "elem_id": one.name.replace("_", "-")}
    value = one.plain(one.default)
    match one.kind:
        case "whole" if one.high > MOST_ON_SLIDER:
            return gr.Number(value, minimum=0 if one.optional else one.low, maximum=one.high, precision=0, **says)
        case "whole":
            return gr.Slider(0 if one.optional else one.low, one.high, value, step=1, **says)
        case "number":
            return gr.Number(value, minimum=0 if one.optional else one.low, maximum=one.high, step=0.1, **says)
        case "choice":
            return gr.Radio(list(one.choices), value=value, **says)
        case "choices":
            return gr.CheckboxGroup(list(one.choices), value=value, **says)
        case "switch":
            return gr.Checkbox(value, **says)


EXPECTED = (
    "A text that the answer should be like, such as the file before an edit. It is drafted from, never copied in."
)


def status_line() -> gr.HTML:
    """The line that says what the run does; always text, never HTML."""
    return gr.HTML("Ready.", html_template=STATUS, js_on_load=STATUS_SCRIPT, elem_id="status")


BUTTONS_LINE = (
    "Run uses lookahead (Ctrl+Enter). Compare also times plain decoding. Stop takes effect after the current pass."
)
TINY_LINE = " The built-in model is tiny and often wrong; the point is that both runs write exactly the same text."
SHARED_LINE = (
    "<p class='limits'>All visitors of this page share one Trie: outputs of your runs help other visitors' runs, and "
    "they can read them there. Turn off “Keep the trie between runs” to share nothing.</p>"
)
OTHER_MODEL = (
    "<p class='limits'>Other models: <code>python app.py --model ID_OR_FOLDER</code>, as often as you like, or "
    "LOOKAHEAD_MODEL in the environment.</p>"
)
STATUS = "<p role='status'>Ready.</p>"
STATUS_SCRIPT = """
const line = element.querySelector('p');
const show = () => {
  line.textContent = line.title = props.value;
  // A phone has no room for what the stage says, too.
  line.toggleAttribute('data-idle', /^Ready\\.$|^(Greedy|Plain|Lookahead): .* s, (?!broke)/.test(props.value));
};
watch('value', show);
show();
"""
GROUPS_SCRIPT = """
const bar = element.closest('#ask');
const name = () => bar.querySelectorAll('fieldset').forEach((group) => {
  group.setAttribute('aria-label', group.querySelector('[data-testid=block-info]').textContent);
});
new MutationObserver(name).observe(bar, { childList: true, subtree: true });
name();
"""
"""Gives Gradio's groups of radios and checkboxes, which appear a moment later, a name for screen readers."""


def prompt_line(host: ModelHost) -> str:
    """How long a prompt may be for the page's model, and whether a longer one leaves less room for the answer."""
    most, context = host.most_prompt_tokens, host.context_limit
    shared = context is not None and most + host.options.max_new_tokens > context
    fewer = "; a longer prompt leaves less room for the answer" if shared else ""
    return f"Sent as your message. Up to {most:,} tokens{fewer}."
