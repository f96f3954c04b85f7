"""The public endpoints, for scripts: ``/generate``, ``/replay`` and ``/models``. Everything else is the page's own."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from inspect import Parameter, Signature, getdoc, signature
from typing import Any

import gradio as gr
from gradio.events import api

from app.model.error_line import error_line
from app.model.host import WIDEST, ModelHost
from app.run.settings import offered_here
from app.run.start import start_run
from app.run.store import RunStore
from app.serve.question_thread import QuestionThread
from app.serve.questions import opened
from app.serve.steps import messages
from app.views import what_if
from app.views.step_messages import short_count, to_json
from lookahead.config import LookaheadConfig, RunSettings, Sampling
from lookahead.records import METHOD_WORDS, RunRecord
from lookahead.runs import runfile
from lookahead.setting import Setting, chosen, shown_value

TYPES: dict[str, Any] = {"whole": int, "number": float, "choice": str, "choices": list[str] | None, "switch": bool}
"""Type of a setting's plain value, by the kind of the setting."""


def add_endpoints(host: ModelHost, store: RunStore, queue: dict[str, Any], thread: QuestionThread) -> None:
    """Add the three endpoints to the app that is being built; ``queue``: Gradio's options where the model is used."""
    api(_generate(host, store), api_name="generate", **queue)
    # The thread has a queue of its own; in Gradio's, those that wait would take the places of runs.
    api(_replay(thread), api_name="replay", concurrency_limit=None)
    api(_models(host), api_name="models", queue=False)


def _generate(host: ModelHost, store: RunStore) -> Callable[..., Any]:
    settings = offered_here(host, "endpoint")

    def generate(*values: Any) -> Generator[str, None, None]:
        """Continue a prompt and stream every forward pass, as JSON texts of one object each.

        Each object has new steps, numbered from `from` on: draft tree, the model's choices, emitted tokens, times.
        The last one also has `end` (the numbers; `problem` says why a run broke off) and `run_file` (the text of a run
        file, or null and the reason in `run_file_problem`).

        `/models` says how long the prompt may be. `method` is lookahead or greedy. `expected` is a text that the output
        is expected to be like, to draft from (the file before an edit, say); empty for none.
        """
        given = signature(generate).bind(*values).arguments
        prompt, method, expected = given["prompt"], given["method"], given["expected"]
        try:
            if not isinstance(prompt, str):
                raise ValueError(f"prompt={shown_value(prompt)}; need a text")
            config = {name: settings[name].from_plain(value) for name, value in _given(settings, given).items()}
            config.setdefault("sources", host.sources)
            if not isinstance(method, str) or method not in METHOD_WORDS:
                raise ValueError(f"method={shown_value(method)}; choose lookahead or greedy")
            drafts, limit = chosen(LookaheadConfig, config), chosen(RunSettings, config).max_new_tokens
            sampling = chosen(Sampling, config)
            if not isinstance(expected, str):
                raise ValueError(f"expected={shown_value(expected)}; need a text")
            words = {"sampling": sampling, "expected": expected}
            run = start_run(host, store, prompt, drafts, limit, METHOD_WORDS[method], **words)
            with closing(messages(run)) as found:
                for message in found:
                    text, problem = _run_file(run.run) if message["end"] and run.run else (None, None)
                    yield to_json({**message, "run_file": text, "run_file_problem": problem})
        except Exception as error:  # a tokenizer or a chat template may raise anything
            raise shown(error) from error

    # The endpoint yields text: Gradio's client cannot merge the differences between objects whose lists change length.
    return _described(generate, settings, "prompt", {"method": "lookahead", "expected": ""}, str)


def _replay(thread: QuestionThread) -> Callable[..., Any]:
    settings = what_if.narrowed(WIDEST)

    async def replay(*values: Any) -> dict[str, Any]:
        """Draft a recorded run again with other settings, without the model.

        `run_file` is the text of a run file. Returns the numbers as they were (`real`) and as they would be
        (`estimate`). Times are estimated from the measured T(n). Passes and acceptance are right if `exact` is true:
        the replay with the run's own settings, which takes `again` passes, then is the run itself.
        """
        given = signature(replay).bind(*values).arguments
        try:
            return await thread.ask(lambda: again(given))
        except Exception as error:
            raise shown(error) from error

    def again(given: Mapping[str, Any]) -> dict[str, Any]:
        if not isinstance(given["run_file"], str):
            raise ValueError("not a run file: need its text")
        run = opened(given["run_file"]).run
        return what_if.answer(run, what_if.changed(run.config, _given(settings, given), WIDEST))

    return _described(replay, settings, "run_file", {}, dict[str, Any])


def _models(host: ModelHost) -> Callable[..., Any]:
    def models() -> list[dict[str, Any]]:
        """The models of this page: first the one that is loaded, with its device, dtype and limits.

        The prompt and the generated tokens share the context: together they have at most context_limit tokens.
        `exactness` says whether a draft's logits are bit for bit those of decoding one token at a time (`bitwise`,
        `bitwise at one width`, or else `within rounding`), `notice` what else there is to know. Of the others, which a
        visitor of the page can choose, there is only the name.
        """
        limits = {
            "loaded": True,
            "notice": host.notice,
            "size": short_count(host.info.parameters),
            "context_limit": host.context_limit,
            "max_prompt_tokens": host.most_prompt_tokens,
            "max_new_tokens": host.options.max_new_tokens,
        }
        others = [{"name": name, "loaded": False} for name in host.offered if name != host.name]
        return [dataclasses.asdict(host.info) | limits, *others]

    return models


def _described(
    function: Callable[..., Any], settings: Mapping[str, Setting], first: str, last: Mapping[str, str], returned: Any
) -> Callable[..., Any]:
    """The function with the signature that Gradio shows and clients use: one parameter per setting, explained.

    Args:
        first: Name of the text parameter before the settings.
        last: Text parameters after them, with their defaults.
        returned: Type of the answer.
    """
    # A list of words that is left out keeps the run's own.
    known = {name: None if one.kind == "choices" else one.plain(one.default) for name, one in settings.items()}
    types = {first: str, **{name: TYPES[one.kind] for name, one in settings.items()}, **dict.fromkeys(last, str)}
    defaults = {first: Parameter.empty, **known, **last}
    function.__signature__ = Signature(  # type: ignore[attr-defined]
        [
            Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=defaults[name], annotation=kind)
            for name, kind in types.items()
        ],
        return_annotation=returned,
    )
    function.__annotations__ = {**types, "return": returned}
    function.__doc__ = f"{getdoc(function)}\n\n{'; '.join(map(_explained, settings.values()))}."
    return function


def _given(settings: Mapping[str, Setting], given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the settings' parameters, without lists that were left out."""
    return {name: given[name] for name, one in settings.items() if given[name] is not None or one.kind != "choices"}


def _explained(one: Setting) -> str:
    """What a setting may be, in words."""
    if one.kind == "choices":
        words = f"some of {', '.join(one.choices)} (null: as in the run)"
    elif one.choices:
        words = f"{', '.join(one.choices[:-1])} or {one.choices[-1]}"
    else:
        words = f"{one.low:g} to {one.high:g}" if one.high < 1e9 else f"at least {one.low:g}"
    return f"{one.name} is {words}{', or 0 for no limit of its own' if one.optional else ''}"


def shown(error: Exception) -> gr.Error:
    """The error that Gradio shows on the page and to scripts, in one line."""
    if not isinstance(error, ValueError):
        logging.getLogger(__name__).warning("a request failed", exc_info=error)
    return gr.Error(error_line(error), print_exception=False)


def _run_file(run: RunRecord) -> tuple[str | None, str | None]:
    """The text of a finished run's file; or None and why, in one line (it is too large, say)."""
    try:
        return runfile.to_json(run), None
    except runfile.RunFileError as error:
        return None, str(error)
