"""Flags of ``python app.py``, and the environment variables that set the same options."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from ipaddress import ip_address
from typing import Any

import click
from click.core import ParameterSource

from lookahead.config import DTYPES, MAX_TOKENS

_EPILOG = """\
\b
Every flag can be set in the environment: --model by LOOKAHEAD_MODEL (several with commas between them),
--max-new-tokens by LOOKAHEAD_MAX_NEW_TOKENS, --share-trie by LOOKAHEAD_SHARE_TRIE=1, and so on; --host and --port also
by Gradio's own GRADIO_SERVER_NAME and GRADIO_SERVER_PORT. A flag overrides its variable.

\b
examples:
  python app.py
  python app.py --model Qwen/Qwen2.5-0.5B-Instruct --dtype bfloat16
  python app.py --model models/mine --model Qwen/Qwen2.5-0.5B-Instruct
  python -m lookahead make-trie manual.txt --save manual.trie && python app.py --trie manual.trie
  LOOKAHEAD_MODEL=/models/mine GRADIO_SERVER_PORT=7000 python app.py
"""


class _Whole(click.IntRange):
    name = "whole number"  # as messages say it


class _Model(click.ParamType):
    name = "model"
    envvar_list_splitter = ","  # a folder's name may have spaces


class _Host(click.ParamType):
    """The name in an address, which people paste whole."""

    name = "host"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name alone.

        Raises:
            click.BadParameter: If there is none.
        """
        address = str(value).strip().lower()
        try:
            return str(ip_address(address.strip("[]")))
        except ValueError:
            name = re.split(r"[:/]", address.rpartition("://")[2], maxsplit=1)[0]
        if not re.fullmatch(r"[\w.*-]+", name):
            self.fail(f"{str(value)[:60]!r} is not a host; need a name (my.example, *.my.example)", param, ctx)
        return name

    def split_envvar_value(self, rv: str) -> list[str]:
        """Names with commas or spaces between them."""
        return rv.replace(",", " ").split()


_COUNT: dict[str, Any] = {"type": _Whole(1, MAX_TOKENS), "metavar": "N"}


def _flag(default: Any, help: str, on_space: int | None = None, also: tuple[str, ...] = (), **more: Any) -> Any:
    """An option: its default, and what its flag is made from.

    Args:
        on_space: The default on a Space of Hugging Face, where visitors share the machine; None if it is the same.
        also: Environment variables besides its own.
    """
    told = f"{help} (default: {default}{'' if on_space is None else f', on a Space {on_space}'})" if default else help
    here = default if on_space is None else lambda: on_space if os.environ.get("SPACE_ID") else default
    return field(default=default, metadata={"default": here, "help": told, "envvar": also, **more})


@dataclass(frozen=True, slots=True)
class AppOptions:
    """What the page was started with."""

    model: tuple[str, ...] = _flag(
        (),
        "Hugging Face id, folder or GGUF file (default: the embedded model); repeated, the page lets visitors choose",
        metavar="ID_OR_DIR",
        multiple=True,
        type=_Model(),
    )
    device: str = _flag("auto", "auto, cpu, cuda or mps", metavar="NAME")
    dtype: str = _flag("auto", "auto: float32, on CUDA bfloat16", type=click.Choice(DTYPES))
    trie: str | None = _flag(None, "every run also drafts from this file of make-trie", metavar="FILE")
    host: str | None = _flag(
        None, "address to listen on (default: 127.0.0.1)", metavar="ADDRESS", also=("GRADIO_SERVER_NAME",)
    )
    port: int | None = _flag(
        None, "port (default: first free from 7860)", type=_Whole(1, 65_535), metavar="N", also=("GRADIO_SERVER_PORT",)
    )
    allow_host: tuple[str, ...] = _flag(
        (),
        "answer for this name, too (of a reverse proxy, say); may be repeated",
        metavar="NAME",
        multiple=True,
        type=_Host(),
    )
    share_trie: bool = _flag(False, "one trie for all visitors instead of one per tab", is_flag=True)
    max_new_tokens: int = _flag(512, "most new tokens of a run", **_COUNT)
    max_prompt_tokens: int = _flag(4096, "most tokens of a prompt, within the model's context", **_COUNT)
    max_waiting: int = _flag(32, "most runs in the queue", **_COUNT)
    max_studies: int = _flag(3, "most studies of /lab at one time", **_COUNT)
    max_study_prompts: int = _flag(1000, "most prompts of a study", on_space=50, **_COUNT)
    max_study_seconds: int = _flag(900, "most seconds that the replays of a study may take", on_space=120, **_COUNT)
    max_study_bytes: int = _flag(
        32_000_000, "largest file of a study", on_space=4_000_000, type=_Whole(1, 32_000_000), metavar="N"
    )


def parse(arguments: Sequence[str] | None = None) -> AppOptions:
    """The options of this command line and environment; exits with status 2 and one line if one is wrong."""
    command = click.Command(
        "app.py",
        params=[
            click.Option(
                [f"--{one.name.replace('_', '-')}"],
                **{**one.metadata, "envvar": [f"LOOKAHEAD_{one.name.upper()}", *one.metadata["envvar"]]},
            )
            for one in fields(AppOptions)
        ],
        callback=AppOptions,
        help="Serve a page that shows every step of a local model's generation.",
        epilog=_EPILOG,
        context_settings={"max_content_width": 120, "help_option_names": ["-h", "--help"]},
    )
    try:
        options = command.main(arguments, prog_name="app.py", standalone_mode=False)
        if not isinstance(options, AppOptions):  # --help was asked for
            raise SystemExit(0)
        _check_address(options)
    except click.ClickException as error:
        print(f"app.py: {' '.join(_message(error).split())}", file=sys.stderr)
        raise SystemExit(2) from None
    return options


def _message(error: click.ClickException) -> str:
    """What is wrong, and with which flag or environment variable."""
    if isinstance(error, click.BadParameter) and error.param and error.ctx:
        by = error.ctx.get_parameter_source(str(error.param.name))
        if by is ParameterSource.ENVIRONMENT:
            return f"{next(name for name in error.param.envvar or () if os.environ.get(name))}: {error.message}"
    return error.format_message()


def _check_address(options: AppOptions) -> None:
    """Raise UsageError if the page cannot be served at this address, before a model is loaded."""
    host, port = options.host or "127.0.0.1", options.port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host.strip("[]"), port or 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        where = f"{host}, port {port}" if port else host
        raise click.UsageError(f"cannot listen on {where} ({reason}); choose another --host or --port") from None
