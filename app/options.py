"""Flags of ``python app.py`` and their twins in the environment."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from lookahead.config import DTYPES, MAX_TOKENS

_SWITCHES = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}

_EPILOG = """\
Every flag has a twin in the environment: --model is LOOKAHEAD_MODEL, --max-new-tokens is LOOKAHEAD_MAX_NEW_TOKENS,
--share-trie is LOOKAHEAD_SHARE_TRIE=1, and so on; for --host and --port Gradio's own GRADIO_SERVER_NAME and
GRADIO_SERVER_PORT count, too. A flag wins over its twin.

examples:
  python app.py
  python app.py --model Qwen/Qwen2.5-0.5B-Instruct --dtype bfloat16
  python -m lookahead make-trie manual.txt --save manual.trie && python app.py --trie manual.trie
  LOOKAHEAD_MODEL=/models/mine GRADIO_SERVER_PORT=7000 python app.py
"""


@dataclass(frozen=True, slots=True)
class AppOptions:
    """What the page was started with.

    Attributes:
        model: Hub id or folder; None takes the embedded model.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        dtype: ``auto`` or a dtype's name.
        trie: Trie file of ``lookahead make-trie`` that every run drafts from; None for none.
        host: Address to listen on; None leaves it to Gradio.
        port: Port; None takes the first free one from 7860 on.
        share_trie: Whether all visitors fill one trie (otherwise each tab has its own).
        max_new_tokens: Most new tokens of a run.
        max_prompt_tokens: Most tokens of a prompt; the model's context bounds it, too.
        max_waiting: Most runs that wait in the queue.
    """

    model: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    trie: str | None = None
    host: str | None = None
    port: int | None = None
    share_trie: bool = False
    max_new_tokens: int = 512
    max_prompt_tokens: int = 4096
    max_waiting: int = 32


def parse(arguments: Sequence[str] | None = None) -> AppOptions:
    """The options of this command line and environment; exits with status 2 and one line where one is wrong."""
    parser = _parser()
    try:
        parser.set_defaults(**_from_environment(parser))
        given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
        options = AppOptions(**given)
        _check_address(options)
    except OptionError as error:
        print(f"app.py: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    return options


class OptionError(ValueError):
    """A flag or its twin that cannot be used; one line says why."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise OptionError(f"{message}; see app.py --help")


def _parser() -> _Parser:
    parser = _Parser(
        prog="app.py",
        description="Serve a page on which every step of a local model's generation can be watched.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    model = parser.add_argument_group("model")
    model.add_argument("--model", metavar="ID_OR_DIR", help="Hugging Face id or folder (default: the embedded model)")
    model.add_argument("--device", metavar="NAME", help="auto, cpu, cuda or mps (default: auto)")
    model.add_argument("--dtype", choices=DTYPES, help="auto: float32, on CUDA bfloat16 (default: auto)")
    model.add_argument("--trie", metavar="FILE", help="every run drafts from this file of make-trie, too")
    server = parser.add_argument_group("server")
    server.add_argument("--host", metavar="ADDRESS", help="address to listen on (default: 127.0.0.1)")
    server.add_argument(
        "--port", type=_whole(1, 65_535), metavar="N", help="port (default: the first free one from 7860 on)"
    )
    server.add_argument(
        "--share-trie", action="store_true", default=None, help="one trie for all visitors instead of one a tab"
    )
    limits = parser.add_argument_group("limits")
    for name, what in (
        ("max-new-tokens", "most new tokens of a run"),
        ("max-prompt-tokens", "most tokens of a prompt, within the model's context"),
        ("max-waiting", "most runs that wait in the queue"),
    ):
        default = AppOptions.__dataclass_fields__[name.replace("-", "_")].default
        limits.add_argument(f"--{name}", type=_whole(1, MAX_TOKENS), metavar="N", help=f"{what} (default: {default})")
    return parser


def _whole(low: int, high: int) -> Callable[[str], int]:
    """A whole number in ``low..high``, as an argparse type."""

    def parse_number(text: str) -> int:
        if not (text.isascii() and text.lstrip("+-").isdigit() and len(text) < 20):
            raise argparse.ArgumentTypeError(f"need a whole number, got {text[:40]!r}")
        if not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"need {low} to {high}, got {text}")
        return int(text)

    return parse_number


def _from_environment(parser: argparse.ArgumentParser) -> dict[str, object]:
    """Defaults that the environment sets."""
    values: dict[str, object] = {}
    for action in parser._actions:
        variable = f"LOOKAHEAD_{action.dest.upper()}"
        text = os.environ.get(variable, "").strip()
        if text and action.dest != "help":
            values[action.dest] = _from_text(action, variable, text)
    return values


def _from_text(action: argparse.Action, variable: str, text: str) -> object:
    if action.dest == "share_trie":
        if text.lower() not in _SWITCHES:
            raise OptionError(f"{variable}={text[:40]!r}; choose 1 or 0")
        return _SWITCHES[text.lower()]
    if action.choices and text not in action.choices:
        raise OptionError(f"{variable}={text[:40]!r}; choose one of {', '.join(action.choices)}")
    if action.type is None:
        return text
    try:
        return action.type(text)  # type: ignore[operator]
    except argparse.ArgumentTypeError as error:
        raise OptionError(f"{variable}: {error}") from None


def _check_address(options: AppOptions) -> None:
    """Raise OptionError where the page could not be served; said before a model is loaded."""
    port, by_gradio = options.port, os.environ.get("GRADIO_SERVER_PORT", "").strip()
    if by_gradio:
        try:
            port = port or _whole(1, 65_535)(by_gradio)
        except argparse.ArgumentTypeError as error:
            raise OptionError(f"GRADIO_SERVER_PORT: {error}") from None
    host = options.host or os.environ.get("GRADIO_SERVER_NAME", "").strip() or "127.0.0.1"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host.strip("[]"), port or 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        where = f"{host}, port {port}" if port else host
        raise OptionError(f"cannot listen on {where} ({reason}); choose another --host or --port") from None
