"""The column beside the stage: prompt, buttons and settings, each with a line that explains it."""

from __future__ import annotations

import gradio as gr
from gradio.components import Component

from . import presets
from .host import ModelHost
from .settings import WIDEST, Settings


class Controls:
    """The column beside the stage: prompt, buttons, settings."""

    def __init__(self, host: ModelHost) -> None:
        first = presets.PRESETS[0]
        gr.HTML("<h2>Run your own prompt</h2>", apply_default_css=False, elem_id="controls-title")
        self.preset = gr.Dropdown(
            presets.names(),
            value=first.name,
            label="Start from",
            info=TINY_LINE if host.info.name == "embedded" else "Prompts to begin with.",
            elem_id="preset",
        )
        self.document = gr.Textbox(
            first.document, label="Document", lines=5, max_lines=9, elem_id="document", visible=first.grounded,
            info="Goes before the question. The answer quotes it, so most draft tokens come from here.",
        )  # fmt: skip
        self.prompt = gr.Textbox(
            first.prompt, label="Question" if first.grounded else "Prompt", lines=3, max_lines=14, elem_id="prompt",
            info=_prompt_line(host),
        )  # fmt: skip
        with gr.Row(elem_id="buttons"):
            self.run = gr.Button("Run", variant="primary", elem_id="run", min_width=64)
            self.stop = gr.Button("Stop", variant="stop", elem_id="stop", min_width=64, interactive=False)
            self.compare = gr.Button("Compare with greedy", elem_id="compare", min_width=160)
        gr.HTML(BUTTONS_LINE, apply_default_css=False, elem_id="buttons-line")
        self.status = gr.HTML("Ready.", html_template=STATUS, js_on_load=STATUS_SCRIPT, elem_id="status")
        with gr.Accordion("Settings", open=False, elem_id="settings"):
            self.settings = _settings(host)
            gr.HTML(OTHER_MODEL, js_on_load=GROUPS_SCRIPT, apply_default_css=False, elem_id="other-model")


TINY_LINE = (
    "One prompt for each task of the embedded model, which is tiny and often wrong. What counts is that both lanes "
    "write the same."
)
BUTTONS_LINE = (
    "<p class='limits'>Run decodes with lookahead. Stop ends a run within one step. Compare runs lookahead, then "
    "greedy decoding, on the same model.</p>"
)
OTHER_MODEL = (
    "<p class='limits'>Another model: <code>python app.py --model ID_OR_FOLDER</code>, or LOOKAHEAD_MODEL in the "
    "environment.</p>"
)
STATUS = "<p role='status'>Ready.</p>"
STATUS_SCRIPT = "watch('value', () => { element.querySelector('p').textContent = props.value; });"
"""The status line is text, whatever it says."""
GROUPS_SCRIPT = """
const settings = element.closest('#settings');
new MutationObserver(() => settings.querySelectorAll('fieldset').forEach((group) => {
  group.setAttribute('aria-label', group.querySelector('[data-testid=block-info]').textContent);
})).observe(settings, { childList: true, subtree: true });
"""
"""Gradio's groups of radios and checkboxes, which come a moment later, have no name for a screen reader."""


def _prompt_line(host: ModelHost) -> str:
    """What a prompt may be, and that it shares the model's context with what is generated, where that tells."""
    most, context = host.most_prompt_tokens, host.backend.context_limit
    shared = context is not None and most + host.options.max_new_tokens > context
    fewer = "; a long one leaves room for fewer new tokens" if shared else ""
    return f"Sent as your message, {most:,} tokens at most{fewer}."


def _settings(host: ModelHost) -> list[Component]:
    """The controls of ``Settings``, in the order of its fields, each with a line that explains it."""
    default, most = Settings(), host.options.max_new_tokens
    return [
        gr.Slider(
            1, most, min(default.max_new_tokens, most), step=1, label="Max new tokens", elem_id="max-new-tokens",
            info=f"The run ends here at the latest; {most} is the most.",
        ),
        gr.Slider(
            1, WIDEST, default.decoding_length, step=1, label="decoding_length", elem_id="decoding-length",
            info="Most tokens in one forward pass, the root included. 1 drafts nothing.",
        ),
        gr.Slider(
            0, WIDEST, default.branch_length, step=1, label="branch_length", elem_id="branch-length",
            info="Most draft tokens in one branch. 0: as long as the width allows.",
        ),
        gr.Radio(
            ["hierarchical", "parallel", "single"], value=default.strategy, label="Strategy", elem_id="strategy",
            info="One tree with shared prefixes, branches that part at the root, or one branch.",
        ),
        gr.Radio(
            ["adaptive", "fixed"], value=default.budget, label="Budget", elem_id="budget",
            info="Adaptive: as wide as the measured time of a pass pays for. Fixed: always the full width.",
        ),
        gr.CheckboxGroup(
            list(host.sources), value=list(host.sources), label="Sources", elem_id="sources",
            info="Where guesses may come from: the prompt, outputs (this one and earlier ones)"
            + (", a corpus that this page was started with." if "corpus" in host.sources else "."),
        ),
        gr.Checkbox(
            default.keep_trie, label="Keep the trie between runs", elem_id="keep-trie",
            info=f"Earlier outputs of {'all visitors' if host.options.share_trie else 'this tab'} help the next run "
            "(the last 32,000 tokens). Off: every run starts fresh.",
        ),
    ]  # fmt: skip
