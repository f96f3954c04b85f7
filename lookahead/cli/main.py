"""The parser of all commands, and their errors as one line on stderr."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from lookahead import __version__
from lookahead.cli import bench, bigrams, check, costs, generate, make_trie, replay, study, trie
from lookahead.cli.console import BAD_INPUT, BrokenOff, complain, note
from lookahead.cli.options import Parser
from lookahead.process import Ended, ends_like_ctrl_c, wait_briefly

COMMANDS = (generate, bench, study, check, costs, bigrams, replay, make_trie, trie)
"""Every command, a file beside this one with ``add_parser(commands)`` and ``run(args)``; README has a row for each."""
EXIT_BROKEN_OFF = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141

_DESCRIPTION = """\
Several tokens per forward pass from any causal language model, and not one token changed: a Trie of the prompt
and of earlier outputs drafts a tree of likely continuations, one forward pass checks all of it, and the longest
branch that agrees with the model is accepted.
"""
_EPILOG = """\
examples:
  python -m lookahead generate --prompt "Once upon a time"
  python -m lookahead bench --prompts prompts.jsonl --repeat 3
  python -m lookahead replay trace.jsonl --decoding-length 16

For more, run python -m lookahead COMMAND --help. With --json the last line on stdout is one JSON object.
"""


def build_parser() -> Parser:
    """The parser of the whole command line."""
    parser = Parser(
        prog="lookahead",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"lookahead {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=Parser)
    for command in COMMANDS:
        command.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status.

    0 for success, 1 if a forward pass or the system failed (a full disk), 2 for bad input, 130 for Ctrl-C, 143 for
    SIGTERM.
    """
    arguments = sys.argv[1:] if argv is None else argv
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the parent process
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    wait_briefly()
    try:
        with ends_like_ctrl_c():
            args = build_parser().parse_args(arguments)
            args.run(args)
            sys.stdout.flush()
    except Ended as signal_:
        note("terminated")
        return 128 + signal_.args[0]  # as shells do it
    except KeyboardInterrupt:
        note("interrupted")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _drop_output()
        return EXIT_BROKEN_PIPE
    except (OSError, BrokenOff) as error:  # an OSError: a full disk behind stdout, for example
        if isinstance(error, OSError):
            _drop_output()
        complain(f"error: {error}", arguments)
        return EXIT_BROKEN_OFF
    except BAD_INPUT as error:
        complain(f"error: {error}", arguments)
        return EXIT_USAGE
    return 0


def _drop_output() -> None:
    """Discard pending output, so that the interpreter does not complain when it flushes at exit."""
    with suppress(OSError):  # a stdout that is not a file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
