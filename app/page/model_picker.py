"""The model of the page: a chip that says what it is and how exactly it verifies, and a list to choose another from."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import TimeoutError as NotYet
from functools import partial
from html import escape
from time import monotonic
from typing import Any

import gradio as gr

from app.model.host import ModelHost
from app.model.loading import EMBEDDED
from app.views.step_messages import short_count

TELL_SECONDS = 0.5
"""Time between two lines about a model that is being loaded."""

EXACTNESS: dict[str | None, tuple[str, str]] = {
    "bitwise": (
        "bit-exact",
        "Tried when the model was loaded: a draft's logits are bit for bit those of decoding one token at a time, at "
        "every width that was tried. Drafts cannot change the text.",
    ),
    "within rounding": (
        "exact within rounding",
        "Tried when the model was loaded: the logits of a wide pass differ from those of a narrow one by rounding "
        "alone. Only where two tokens are almost equally likely could a draft change which one is written; Compare "
        "shows whether it did.",
    ),
}
"""What the chip says of a verdict, and its explanation."""


class ModelPicker:
    """The chip and the list, made where it is created; the list shows only where there is something to choose."""

    def __init__(self, host: ModelHost) -> None:
        self._host = host
        self.chip = gr.HTML(chip(host), apply_default_css=False, elem_id="model-chip")
        self.choice = gr.Dropdown(
            self._choices(),
            value=host.name,
            label="Model",
            container=False,
            visible=len(host.offered) > 1,
            elem_id="model-picker",
        )

    def _choices(self) -> list[tuple[str, str]]:
        """Labels, short where they tell the models apart, and names."""
        names = self._host.offered
        short = ["embedded model" if name == EMBEDDED else name.rstrip("/").rsplit("/", 1)[-1] for name in names]
        return list(zip(short if len(set(short)) == len(names) else names, names, strict=True))

    @property
    def outputs(self) -> list[Any]:
        """What ``shown`` gives values to."""
        return [self.chip, self.choice]

    def shown(self) -> tuple[Any, Any]:
        """The chip and the list as they are now, for a page that is opened and after a choice."""
        return chip(self._host), gr.update(value=self._host.name)


def chip(host: ModelHost) -> str:
    """The model's facts as HTML."""
    info = host.info
    name = info.name.rsplit("/", 1)[-1]
    facts = (name, short_count(info.parameters), info.dtype, info.device.upper())
    spans = f"<span title='{escape(info.name)}, {facts[1]} parameters'>{escape(' · '.join(facts))}</span>"
    verdict, why = EXACTNESS.get(info.exactness, ("", ""))
    exact = f"<details><summary>{verdict}</summary><p>{why}</p></details>" if verdict else ""
    notice = f"<details><summary>notice</summary><p>{escape(host.notice)}</p></details>" if host.notice else ""
    return f"<div class='model' role='group' aria-label='Model'>{spans}{exact}{notice}</div>"


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
            try:
                loading.result(TELL_SECONDS)
            except NotYet:
                continue
        loading.result()
    finally:
        loading.exception()
