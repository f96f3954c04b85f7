"""Flags of ``python app.py`` and their twins in the environment."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass

DTYPES = ("auto", "float32", "bfloat16", "float16")

_EPILOG = """\
Every flag has a twin in the environment: --model is LOOKAHEAD_MODEL, --max-new-tokens is LOOKAHEAD_MAX_NEW_TOKENS,
--share-trie is LOOKAHEAD_SHARE_TRIE=1, and so on; for --host and --port Gradio's own GRADIO_SERVER_NAME and
GRADIO_SERVER_PORT count, too. A flag wins over its twin.

examples:
  python app.py
  python app.py --model Qwen/Qwen2.5-0.5B-Instruct --dtype bfloat16
  LOOKAHEAD_MODEL=/models/mine GRADIO_SERVER_PORT=7000 python app.py
"""


@dataclass(frozen=True, slots=True)
class AppOptions:
    """What the page was started with.

    Attributes:
        model: Hub id or folder; None takes the embedded model.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        dtype: ``auto`` or a dtype's name.
        host: Address to listen on; None leaves it to Gradio.
        port: Port; None takes the first free one from 7860 on.
        share_trie: Whether all visitors fill one trie (otherwise each tab has its own).
        max_new_tokens: Most new tokens of a run.
        max_prompt_tokens: Most tokens of a prompt.
        max_waiting: Most runs that wait in the queue.
    """

    model: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    host: str | None = None
    port: int | None = None
    share_trie: bool = False
    max_new_tokens: int = 512
    max_prompt_tokens: int = 4096
    max_waiting: int = 32


def parse(arguments: Sequence[str] | None = None) -> AppOptions:
    """The options of this command line and environment; exits with status 2 and one line where one is wrong."""
    parser = argparse.ArgumentParser(
        prog="app.py",
        description="Open a page on which every step of a local model's generation can be watched.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    model = parser.add_argument_group("model")
    model.add_argument("--model", metavar="ID_OR_DIR", help="Hugging Face id or folder (default: the embedded model)")
    model.add_argument("--device", metavar="NAME", help="auto, cpu, cuda or mps (default: auto)")
    model.add_argument("--dtype", choices=DTYPES, help="auto: float32, on CUDA bfloat16 (default: auto)")
    server = parser.add_argument_group("server")
    server.add_argument("--host", metavar="ADDRESS", help="address to listen on (default: 127.0.0.1)")
    server.add_argument("--port", type=int, metavar="N", help="port (default: the first free one from 7860 on)")
    server.add_argument(
        "--share-trie", action="store_true", default=None, help="one trie for all visitors instead of one a tab"
    )
    limits = parser.add_argument_group("limits")
    for name, what in (
        ("max-new-tokens", "most new tokens of a run"),
        ("max-prompt-tokens", "most tokens of a prompt"),
        ("max-waiting", "most runs that wait in the queue"),
    ):
        default = getattr(AppOptions, "__dataclass_fields__")[name.replace("-", "_")].default  # noqa: B009
        limits.add_argument(f"--{name}", type=int, metavar="N", help=f"{what} (default: {default})")
    parser.set_defaults(**_from_environment(parser))
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    options = AppOptions(**given)
    for name in ("max_new_tokens", "max_prompt_tokens", "max_waiting"):
        if getattr(options, name) < 1:
            parser.error(f"--{name.replace('_', '-')}: need at least 1, got {getattr(options, name)}")
    return options


def _from_environment(parser: argparse.ArgumentParser) -> dict[str, object]:
    """Defaults that the environment sets."""
    values: dict[str, object] = {}
    for action in parser._actions:
        variable = f"LOOKAHEAD_{action.dest.upper()}"
        text = os.environ.get(variable, "").strip()
        if not text or action.dest == "help":
            continue
        if action.dest == "share_trie":
            values[action.dest] = text.lower() not in ("0", "false", "no", "off")
        elif action.type is int:
            if not text.isdigit():
                parser.error(f"{variable}={text!r}; need a whole number")
            values[action.dest] = int(text)
        elif action.choices and text not in action.choices:
            parser.error(f"{variable}={text!r}; choose one of {', '.join(action.choices)}")
        else:
            values[action.dest] = text
    return values
