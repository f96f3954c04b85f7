"""The public endpoints, for scripts: ``/generate``, ``/replay`` and ``/models``. Everything else is the page's own."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import gradio as gr
from gradio.events import api

from lookahead.backend import BackendError
from lookahead.records import METHOD_WORDS, Method, RunRecord
from lookahead.runs import runfile

from . import whatif
from .handlers import Handlers
from .host import HostError
from .lane import updates
from .settings import WIDEST, Settings
from .stage import short_count, to_json


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


def add_endpoints(handlers: Handlers, queue: dict[str, Any]) -> None:
    """Add the three endpoints to the app that is being built.

    Args:
        queue: Concurrency of everything that uses the model.
    """
    host = handlers.host

    def generate(
        prompt: str,
        max_new_tokens: int = 128,
        decoding_length: int = 32,
        branch_length: int = 0,
        strategy: str = "hierarchical",
        budget: str = "adaptive",
        method: str = "lookahead",
    ) -> Generator[str, None, None]:
        """Continue a prompt and stream every forward pass, as JSON texts of one object each.

        An object carries new steps, numbered from `from` on: draft tree, the model's choices, emitted tokens, times.
        The last one also has `end` (the numbers; `problem` says what broke the run off) and `run_file` (the text of a
        run file, or null and the reason in `run_file_problem`).

        `/models` says how long the prompt and max_new_tokens may be. decoding_length is 1 to 128, branch_length at
        least 1, or 0 for no limit of its own; strategy is hierarchical, parallel or single, budget adaptive or fixed,
        method lookahead or greedy.
        """
        try:
            if not isinstance(prompt, str):
                raise HostError(f"prompt={_shown(prompt)}; need a text")
            numbers = {"max_new_tokens": max_new_tokens, "decoding_length": decoding_length}
            for name, value in (numbers | {"branch_length": branch_length}).items():
                if type(value) is not int:
                    raise HostError(f"{name}={_shown(value)}; need a whole number")
            settings = Settings(
                max_new_tokens, decoding_length, branch_length, str(strategy), str(budget), host.sources
            )
            if decoding_length > WIDEST:  # T(n) is not known there: it would be measured while others wait
                raise HostError(f"decoding_length={_shown(decoding_length)}; {WIDEST} is the most here")
            if method not in METHOD_WORDS:
                raise HostError(f"method={_shown(method)}; choose lookahead or greedy")
            lane: Method = METHOD_WORDS[method]
            with handlers.store.going("") as cancelled:
                for update in updates(host, handlers.store, prompt, settings, lane, (), cancelled):
                    text, problem = _run_file(update.run)
                    yield to_json({**update.message, "run_file": text, "run_file_problem": problem})
        except (HostError, BackendError, ValueError) as error:
            raise gr.Error(str(error), print_exception=False) from error

    def replay(
        run_file: str,
        decoding_length: int = 32,
        branch_length: int = 0,
        strategy: str = "hierarchical",
        budget: str = "adaptive",
        ranking: str = "probability",
    ) -> dict[str, Any]:
        """Draft a recorded run again with other settings, without the model.

        `run_file` is the text of a run file. Answers with the numbers as they were (`real`) and as they would be
        (`estimate`); times are estimated from the measured T(n), passes and acceptance are right if `exact` is true:
        if the replay with the run's own settings, of `again` passes, is the run itself (see `app/whatif.py`).
        decoding_length is 1 to 1024 here, ranking probability or frequency; the others are as in `/generate`.
        """
        values = {
            "decoding_length": decoding_length,
            "branch_length": branch_length,
            "strategy": strategy,
            "budget": budget,
            "ranking": ranking,
        }
        try:
            if not isinstance(run_file, str):
                raise HostError("not a run file: need its text")
            run = runfile.from_json(run_file)
            return whatif.answer(run, whatif.changed(run.config, values))
        except ValueError as error:
            raise gr.Error(str(error), print_exception=False) from error

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

    # A generator's endpoint answers with what it yields: that is the type the API page shows. It yields text, since
    # Gradio's client cannot put together the differences between objects whose lists change their length.
    generate.__annotations__["return"] = str
    api(generate, api_name="generate", **queue)
    api(replay, api_name="replay")
    api(models, api_name="models", queue=False)
