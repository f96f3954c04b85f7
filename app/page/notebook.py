"""The lab on a model in memory (``lookahead.lab``): the page in threads of the caller's process."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import msgspec

from app.model.engine_thread import EngineThread
from app.model.host import ModelHost
from app.model.loading import LoadedModel
from app.options import AppOptions
from app.page.layout import launch
from app.run.live_study import LiveStudy
from app.run.studies import Studies
from app.run.study_job import StudyRequest
from lookahead.config import MAX_TOKENS, LookaheadConfig, Sampling
from lookahead.inputs import InputError, read_bytes
from lookahead.study.result import Study
from lookahead.study.table import table

Prompts = str | Path | Iterable[str | Mapping[str, Any]] | None
MOST_BYTES = AppOptions.__dataclass_fields__["max_study_bytes"].default


class OpenLab:
    """A lab that is served at ``url``, the address of its study if there is one."""

    def __init__(self, host: ModelHost, studies: Studies, demo: gr.Blocks, url: str, study: LiveStudy | None) -> None:
        self._host, self._studies, self._demo, self._study = host, studies, demo, study
        self.url = url

    @property
    def study(self) -> Study | None:
        """What the study has found so far; None before its first row, and without a study."""
        if self._study is None or self._study.result is None:
            return None
        return msgspec.json.decode(self._study.result, type=Study)

    def table(self) -> Any:
        """The rows so far as a pandas ``DataFrame``, a row per prompt."""
        import pandas

        found = self.study
        names, rows = table(found.rows) if found else ([], [])
        return pandas.DataFrame(rows, columns=names)

    def wait(self, seconds: float | None = None) -> OpenLab:
        """This lab, when its study is over or that time has passed.

        Raises:
            ValueError: If the study broke off; one line says why.
        """
        if self._study is not None:
            self._study.over.wait(seconds)
            if self._study.problem:
                raise ValueError(self._study.problem)
        return self

    def close(self) -> None:
        """End the study and the page. The model stays as it is."""
        self._studies.close()
        self._demo.close()
        self._host.close()

    def _repr_html_(self) -> str:
        return f'<a href="{escape(self.url, quote=True)}" target="_blank">Open the lab</a>'

    def __repr__(self) -> str:
        return f"<lab at {self.url}>"


def open_lab(
    model: Any,
    tokenizer: Any,
    prompts: Prompts,
    *,
    config: LookaheadConfig | None,
    max_new_tokens: int,
    sampling: Sampling,
    plain: bool,
    sweep: bool,
    port: int | None,
) -> OpenLab:
    """The lab, as ``lookahead.lab`` describes it."""
    asked = None
    if prompts is not None:
        name, data = _material(prompts)
        settings = {} if config is None else asdict(config)
        asked = StudyRequest(
            name, data, settings, sampling=sampling, max_new_tokens=max_new_tokens, plain=plain, sweep=sweep
        )
    host = _host(model, tokenizer, max_new_tokens)
    studies = Studies(host)
    demo, url = launch(host, studies, server_port=port, inline=False, inbrowser=False, quiet=True)
    host.prepare()  # after Gradio has tried its own page, which needs an answer within seconds
    if asked is None:
        return OpenLab(host, studies, demo, f"{url}lab", None)
    session, key = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    studies.invited[key] = session
    study = studies.start(session, asked, followed=False)
    return OpenLab(host, studies, demo, f"{url}lab/open?key={key}&study={study.study_id}", study)


def _host(model: Any, tokenizer: Any, max_new_tokens: int) -> ModelHost:
    """The model as the page needs it, not tried out yet."""
    from lookahead.hf.backend import HFBackend
    from lookahead.hf.describe import model_info

    named = isinstance(model, str | Path)
    backend = HFBackend.from_pretrained(str(model)) if named else HFBackend(model, tokenizer)
    info = model_info(backend)
    options = AppOptions(max_new_tokens=max(512, max_new_tokens), max_prompt_tokens=MAX_TOKENS)
    host = ModelHost(LoadedModel(info.name, backend, info, ()), options, EngineThread())
    host.offered = (host.name,)
    return host


def _material(prompts: Prompts) -> tuple[str, bytes]:
    """Name and content of the material.

    Raises:
        InputError: If the file cannot be read, or a prompt is neither a text nor an object with one.
    """
    if isinstance(prompts, str | Path):
        return Path(prompts).name, read_bytes(prompts, MOST_BYTES)
    rows = [{"prompt": one} if isinstance(one, str) else dict(one) for one in prompts or ()]
    if not rows:
        raise InputError("no prompts; give at least one text")
    return "prompts.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode()
