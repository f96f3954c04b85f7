"""The model of the page: a chip that says what it is and how exactly it verifies, and a list to choose another from."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import wait
from functools import partial
from html import escape
from time import monotonic

import gradio as gr

from app.model.host import ModelHost
from app.model.loading import EMBEDDED
from app.views.step_messages import model_line, short_count
from lookahead.costs import PassCosts

TELL_SECONDS = 0.5
"""Time between two lines about a model that is being loaded."""

EXACTNESS: dict[str | None, tuple[str, str]] = {
    "bitwise": (
        "bit-exact",
        "Tried when the model was loaded: a draft's logits are bit for bit those of decoding one token at a time, at "
        "every width that was tried. Drafts cannot change the text.",
    ),
    "bitwise at one width": (
        "bit-exact at one width",
        "Tried when the model was loaded: passes of one width give every token the same bits, so every pass is filled "
        "up to that width. Drafts cannot change the text.",
    ),
    "within rounding": (
        "exact within rounding",
        "Tried when the model was loaded: the logits of a wide pass differ from those of a narrow one by rounding "
        "alone. Only where two tokens are almost equally likely could a draft change which one is written; Compare "
        "shows whether it did.",
    ),
}
"""What the chip says of a verdict, and its explanation."""


def model_picker(host: ModelHost) -> tuple[gr.HTML, gr.Dropdown]:
    """The chip and the list, made where this is called; the list shows only where there is something to choose."""
    names = host.offered
    short = ["embedded model" if name == EMBEDDED else name.rstrip("/").rsplit("/", 1)[-1] for name in names]
    labels = short if len(set(short)) == len(names) else names  # short ones where they tell the models apart
    choices = list(zip(labels, names, strict=True))
    return gr.HTML(chip(host), apply_default_css=False, elem_id="model-chip"), gr.Dropdown(
        choices, value=host.name, label="Model", container=False, visible=len(names) > 1, elem_id="model-picker"
    )


def chip(host: ModelHost) -> str:
    """What Run uses, as HTML: one line, which opens to what was found out about it.

    The examples were recorded with another model as a rule, so the line says what it is for.
    """
    info = host.info
    name = info.name.rsplit("/", 1)[-1]
    verdict, why = EXACTNESS.get(info.exactness, ("one token per pass", ""))
    uses = f"Run uses {model_line(info)}. The figures of the examples are of the model that they were recorded with."
    lines = [uses, f"{verdict}: {why}" if why else "", _pays(host.costs), host.notice]
    more = "".join(f"<p>{escape(line)}</p>" for line in lines if line)
    return (
        f"<details class='model' aria-label='Model'><summary title='{escape(verdict, quote=True)}'>"
        f"{escape(f'Run uses {name} · {short_count(info.parameters)}')}</summary><div>{more}</div></details>"
    )


def _pays(costs: PassCosts | None) -> str:
    """From how many tokens per pass on a draft pays on this machine; empty if T(n) is not known."""
    if costs is None:
        return ""
    least = ", ".join(f"{1 + costs.break_even(width):.1f} at {width}" for width in (4, 16, 64))
    return f"On this machine drafts pay if a pass brings more tokens than: {least} tokens wide."


def choosing(host: ModelHost, name: str) -> Iterator[str]:
    """What is being done while another model is loaded in the engine's thread, in lines for the status.

    It ends when the model is there. However it ends, the engine's thread is done with it.

    Raises:
        HostError: If it cannot be loaded; the model before is there again.
    """
    told, began = ["starting"], monotonic()
    loading = host.thread.start(partial(host.choose, name, told.append), threading.Event())
    try:
        while not loading.done():
            yield f"Loading {name}: {told[-1]} ({monotonic() - began:.0f} s) …"
            wait((loading,), TELL_SECONDS)
        loading.result()
    finally:
        loading.exception()
