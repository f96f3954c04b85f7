"""The public endpoints, for scripts: ``/generate``, ``/replay`` and ``/models``. Everything else is the page's own."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from inspect import Parameter, Signature, getdoc
from typing import Any

import gradio as gr
from gradio.events import api

from app.model.host import HostError, ModelHost
from app.run.settings import offered_here
from app.run.start import start_run
from app.run.store import RunStore
from app.serve.steps import messages
from app.views import what_if
from app.views.step_messages import short_count, to_json
from lookahead.backend import BackendError
from lookahead.config import LookaheadConfig, RunSettings, Setting, chosen, offered
from lookahead.records import METHOD_WORDS, RunRecord
from lookahead.runs import runfile

TYPES: dict[str, Any] = {"whole": int, "number": float, "choice": str, "choices": list[str] | None, "switch": bool}
"""Type of a setting's plain value, by its kind."""


def add_endpoints(host: ModelHost, store: RunStore, queue: dict[str, Any]) -> None:
    """Add the three endpoints to the app that is being built.

    Args:
        queue: Concurrency of everything that uses the model.
    """
    api(_generate(host, store), api_name="generate", **queue)
    api(_replay(), api_name="replay")
    api(_models(host), api_name="models", queue=False)


def _generate(host: ModelHost, store: RunStore) -> Callable[..., Any]:
    settings = offered_here(host, "endpoint")

    def generate(*values: Any) -> Generator[str, None, None]:
        """Continue a prompt and stream every forward pass, as JSON texts of one object each.

        An object carries new steps, numbered from `from` on: draft tree, the model's choices, emitted tokens, times.
        The last one also has `end` (the numbers; `problem` says what broke the run off) and `run_file` (the text of a
        run file, or null and the reason in `run_file_problem`).

        `/models` says how long the prompt may be. `method` is lookahead or greedy.
        """
        prompt, *plain, method = values
        try:
            if not isinstance(prompt, str):
                raise HostError(f"prompt={_shown(prompt)}; need a text")
            config = {name: settings[name].from_plain(value) for name, value in _given(settings, plain).items()}
            config.setdefault("sources", host.sources)
            if not isinstance(method, str) or method not in METHOD_WORDS:
                raise HostError(f"method={_shown(method)}; choose lookahead or greedy")
            run = start_run(
                host,
                store,
                prompt,
                chosen(LookaheadConfig, config),
                chosen(RunSettings, config).max_new_tokens,
                METHOD_WORDS[method],
            )
            with closing(messages(run)) as found:
                for message in found:
                    text, problem = _run_file(run.run if message["end"] else None)
                    yield to_json({**message, "run_file": text, "run_file_problem": problem})
        except (HostError, BackendError, ValueError) as error:
            raise gr.Error(str(error), print_exception=False) from error

    # The endpoint yields text, since Gradio's client cannot put together the differences between objects whose lists
    # change their length.
    return _described(generate, settings, "prompt", {"method": "lookahead"}, str)


def _replay() -> Callable[..., Any]:
    settings = offered("what-if")

    def replay(*values: Any) -> dict[str, Any]:
        """Draft a recorded run again with other settings, without the model.

        `run_file` is the text of a run file. Answers with the numbers as they were (`real`) and as they would be
        (`estimate`); times are estimated from the measured T(n), passes and acceptance are right if `exact` is true:
        if the replay with the run's own settings, of `again` passes, is the run itself.
        """
        run_file, *plain = values
        try:
            if not isinstance(run_file, str):
                raise HostError("not a run file: need its text")
            run = runfile.from_json(run_file)
            return what_if.answer(run, what_if.changed(run.config, _given(settings, plain)))
        except ValueError as error:
            raise gr.Error(str(error), print_exception=False) from error

    return _described(replay, settings, "run_file", {}, dict[str, Any])


def _models(host: ModelHost) -> Callable[..., Any]:
    def models() -> list[dict[str, Any]]:
        """The models of this page with their device, dtype and limits.

        A prompt and what is generated after it share the context: together at most context_limit tokens.
        """
        info = host.info
        return [
            {
                "name": info.name,
                "device": info.device,
                "dtype": info.dtype,
                "parameters": info.parameters,
                "size": short_count(info.parameters),
                "vocab_size": info.vocab_size,
                "context_limit": host.backend.context_limit,
                "max_prompt_tokens": host.most_prompt_tokens,
                "max_new_tokens": host.options.max_new_tokens,
            }
        ]

    return models


def _described(
    function: Callable[..., Any], settings: Mapping[str, Setting], first: str, last: Mapping[str, str], returned: Any
) -> Callable[..., Any]:
    """The function with the signature that Gradio shows and clients use: a parameter per setting, each explained.

    Args:
        first: Name of the text that comes before the settings.
        last: Texts that come after them, with their defaults.
        returned: Type of the answer.
    """
    # Some of several words stay as they are where they are left out.
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


def _given(settings: Mapping[str, Setting], values: Sequence[Any]) -> dict[str, Any]:
    """The values of the settings' parameters by name, without those that were left out."""
    given = zip(settings.items(), values, strict=True)
    return {name: value for (name, one), value in given if value is not None or one.kind != "choices"}


def _explained(one: Setting) -> str:
    """What a setting may be, in words."""
    if one.kind == "choices":
        words = f"some of {', '.join(one.choices)} (null: as in the run)"
    elif one.choices:
        words = f"{', '.join(one.choices[:-1])} or {one.choices[-1]}"
    else:
        words = f"{one.low:g} to {one.high:g}" if one.high < 1e9 else f"at least {one.low:g}"
    return f"{one.name} is {words}{', or 0 for no limit of its own' if one.optional else ''}"


def _shown(value: object) -> str:
    """A value in a message: one short line."""
    return repr(value)[:60]


def _run_file(run: RunRecord | None) -> tuple[str | None, str | None]:
    """The text of a finished run's file, or one line on why there is none (it is too large, say)."""
    if run is None:
        return None, None
    try:
        return runfile.to_json(run), None
    except runfile.RunFileError as error:
        return None, str(error)
