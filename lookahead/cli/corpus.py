"""``--trie``: a trie file that ``generate`` and ``bench`` draft from besides prompt and outputs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from lookahead.cli.console import UsageError
from lookahead.config import LookaheadConfig

if TYPE_CHECKING:
    from lookahead.hf.backend import HFBackend
    from lookahead.trie import Trie


def add_trie_option(parser: argparse.ArgumentParser) -> None:
    """``--trie``."""
    parser.add_argument("--trie", metavar="FILE", help="draft from this file of make-trie as well (source: corpus)")


def check_trie(args: argparse.Namespace) -> None:
    """Raise UsageError unless the file of ``--trie`` can be opened; said before a model is loaded."""
    if args.trie is not None:
        try:
            open(args.trie, "rb").close()
        except OSError as error:
            raise UsageError(f"{args.trie}: cannot be read ({error.strerror or error})") from None


def load_corpus(args: argparse.Namespace, backend: HFBackend, config: LookaheadConfig) -> tuple[Trie, ...]:
    """The trie that ``--trie`` names, within the bounds of the settings; nothing where it names none.

    Raises:
        UsageError: If it is no trie file, cut short, or of another tokenizer.
    """
    from lookahead.trie import file

    try:
        return file.load_corpus(args.trie, backend, config)
    except file.TrieFileError as error:
        raise UsageError(str(error)) from None
