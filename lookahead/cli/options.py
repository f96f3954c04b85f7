"""Options that several commands share, and the settings they make."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn, get_args

from lookahead.cli.console import UsageError, note
from lookahead.config import DTYPES, Budget, LookaheadConfig, Ranking, Strategy
from lookahead.embedded import EMBEDDED_MODEL
from lookahead.shapes import SHAPES

if TYPE_CHECKING:
    from lookahead.hf.backend import HFBackend


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that refuses in one line, by raising UsageError."""

    def error(self, message: str) -> NoReturn:
        """Refuse."""
        raise UsageError(f"{message}; see {self.prog} --help")


def count(low: int) -> type:
    """An integer of at least ``low``, as an argparse type."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"need an integer, got {text!r}") from None
        if value < low:
            raise argparse.ArgumentTypeError(f"need at least {low}, got {value}")
        return value

    return parse  # type: ignore[return-value]


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """``--model --device --dtype``."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model", metavar="ID_OR_DIR", help="Hugging Face id or local folder (default: the embedded model)"
    )
    group.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or mps (default: auto)")
    group.add_argument(
        "--dtype",
        default="auto",
        choices=DTYPES,
        help="auto: float32, on CUDA bfloat16. Other dtypes than float32 may break near-ties (default: auto)",
    )


def add_run_options(parser: argparse.ArgumentParser, max_new_tokens: int = 128) -> None:
    """``--max-new-tokens --stop --raw``."""
    group = parser.add_argument_group("run")
    group.add_argument(
        "--max-new-tokens",
        type=count(1),
        default=max_new_tokens,
        metavar="N",
        help=f"most tokens to generate (default: {max_new_tokens})",
    )
    group.add_argument(
        "--stop", action="append", default=[], metavar="TEXT", help="end the output before this text; may be repeated"
    )
    group.add_argument("--raw", action="store_true", help="send the prompt as it is, without the chat template")


def add_draft_options(parser: argparse.ArgumentParser, budget: bool = True) -> None:
    """``--decoding-length --branch-length --strategy --ranking`` and, where time counts, ``--budget``."""
    group = parser.add_argument_group("draft")
    group.add_argument(
        "--decoding-length",
        type=count(1),
        default=64,
        metavar="N",
        help="most tokens in one forward pass, the root included; 1 drafts nothing (default: 64)",
    )
    group.add_argument(
        "--branch-length", type=count(1), metavar="N", help="most draft tokens in one branch (default: the width)"
    )
    group.add_argument(
        "--strategy",
        choices=get_args(Strategy),
        default="hierarchical",
        help="one merged tree, branches that part at the root, or one branch (default: hierarchical)",
    )
    group.add_argument(
        "--ranking",
        choices=get_args(Ranking),
        default="probability",
        help="by estimated probability, or by frequency as in the paper (default: probability)",
    )
    if budget:
        group.add_argument(
            "--budget",
            choices=get_args(Budget),
            default="adaptive",
            help="adaptive: as wide as the measured time of a pass pays for; fixed: always the full width",
        )


def config_from(args: argparse.Namespace, budget: Budget | None = None) -> LookaheadConfig:
    """The settings that the options name.

    Raises:
        UsageError: If one is out of its range.
    """
    try:
        return LookaheadConfig(
            decoding_length=args.decoding_length,
            branch_length=args.branch_length,
            strategy=args.strategy,
            ranking=args.ranking,
            budget=budget or args.budget,
        )
    except ValueError as error:
        raise UsageError(str(error)) from None


def check_stop(stop: list[str]) -> tuple[str, ...]:
    """The stop strings.

    Raises:
        UsageError: If one is empty or no text.
    """
    if any(not text for text in stop):
        raise UsageError("--stop is empty; name the text to stop at, or leave it out")
    for text in stop:
        check_text(text, "--stop")
    return tuple(stop)


def check_text(text: str, name: str) -> None:
    """Raise UsageError unless UTF-8 can carry the text (an argument of broken bytes cannot)."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(f"{name} is not UTF-8 text") from None


def model_name(args: argparse.Namespace) -> str:
    """What results call the model that the options name."""
    return "embedded" if args.model is None else args.model


def model_folder(args: argparse.Namespace) -> str:
    """Id or folder of the model that the options name.

    Raises:
        UsageError: If there is no embedded model to fall back on.
    """
    if args.model is None and not (EMBEDDED_MODEL / "config.json").is_file():
        raise UsageError("the embedded model is not installed here, it lies in the repository; name one with --model")
    return str(EMBEDDED_MODEL) if args.model is None else args.model


def load_backend(args: argparse.Namespace) -> HFBackend:
    """The model that the options name, other libraries kept quiet.

    Raises:
        UsageError: If there is no embedded model to fall back on.
        BackendError: If it cannot be loaded.
    """
    model = model_folder(args)
    from lookahead.hf.quiet import quiet

    quiet()
    from lookahead.hf.backend import HFBackend

    backend = HFBackend.from_pretrained(model, device=args.device, dtype=args.dtype)
    if backend.notice:
        note(f"note: {backend.notice}")
    return backend


def check_shape(name: str) -> None:
    """Raise UsageError unless the shape is known."""
    if name not in SHAPES:
        raise UsageError(f"--shape: {name!r} is not known; choose one of {', '.join(SHAPES)}")


def load_shape(args: argparse.Namespace) -> HFBackend:
    """A model of the shape ``--shape`` with random weights.

    Raises:
        BackendError: If it cannot be made.
    """
    from lookahead.hf.quiet import quiet

    quiet()
    from lookahead.hf.shapes import random_backend

    return random_backend(args.shape, args.device, args.dtype)


def room_for(backend: HFBackend, prompt_ids: list[int], max_new_tokens: int, what: str) -> int:
    """How many of the new tokens fit behind the prompt.

    Raises:
        UsageError: If the prompt is empty or leaves no room.
    """
    if not prompt_ids:
        raise UsageError(f"{what} is empty; need at least one token")
    limit = backend.context_limit
    if limit is None:
        return max_new_tokens
    if len(prompt_ids) >= limit:
        raise UsageError(
            f"{what} has {len(prompt_ids)} tokens; the model's context holds {limit}, output included: shorten it"
        )
    return min(max_new_tokens, limit - len(prompt_ids))


def note_lengths(backend: HFBackend, prompts: Sequence[Sequence[int]], max_new_tokens: int) -> None:
    """Say on stderr which runs decode one token at a time because of their length."""
    notices = [backend.run_notice(len(prompt_ids) + max_new_tokens, len(prompt_ids)) for prompt_ids in prompts]
    found = [notice for notice in notices if notice is not None]
    if found:
        note(f"note: {found[0]}" + (f" ({len(found)} of {len(prompts)} prompts)" if len(prompts) > 1 else ""))
