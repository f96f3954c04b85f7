"""Options that several commands share, and the settings and models that come from them.

What cannot be used is a ``UsageError``.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from lookahead.cli.console import UsageError, bad_input, note
from lookahead.config import DTYPES, GREEDY, LookaheadConfig, RunSettings, Sampling, offered, stop_strings
from lookahead.inputs import excerpt, opened
from lookahead.models import EMBEDDED_MODEL
from lookahead.setting import MAX_NUMBER, Place, Setting, chosen, settings_of

if TYPE_CHECKING:
    from lookahead.hf.backend import HFBackend


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line, raised as UsageError."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError, with a hint to the command's help."""
        raise UsageError(f"{message}; see {self.prog} --help")

    def parse_known_args(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, args: Sequence[str], namespace: Any = None
    ) -> Any:
        """Parse, and refuse what argparse lets pass here, so that the hint names this command's help."""
        found, unknown = super().parse_known_args(args, namespace)
        for text in args:
            if re.fullmatch(r"--?[\w-]+=--", text):  # argparse took it for no value at all
                self.error(f"argument {text[:-3]}: expected a value, got '--'")
        if unknown:
            self.error(f"unrecognized arguments: {excerpt(' '.join(unknown))}")
        return found, unknown


def add_command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], None], help: str, description: str, epilog: str
) -> Parser:
    """The parser of a new command, which ``run`` carries out."""
    shape = argparse.RawDescriptionHelpFormatter
    parser = commands.add_parser(name, help=help, description=description, epilog=epilog, formatter_class=shape)
    parser.set_defaults(run=run)
    return parser


def count(high: int = MAX_NUMBER) -> Callable[[str], int]:
    """A whole number from 1 to ``high``, as an argparse type."""
    return _reader(Setting("", "whole", 1, "", "", low=1, high=high))


def _reader(described: Setting) -> Callable[[str], Any]:
    """A setting's value from an argument, as an argparse type. To get None, leave the flag out."""

    def read(text: str) -> Any:
        try:
            value = described.from_text(text)
        except ValueError:
            value = None
        if value is None:
            raise argparse.ArgumentTypeError(f"{described.rule}, got {excerpt(text, 40)!r}")
        return value

    return read


def _add_flags(parser: argparse._ArgumentGroup, settings: Mapping[str, Setting], absent: bool = False) -> None:
    """Add one flag per setting, built from its description; ``absent`` leaves out of the result what is not given."""
    for one in settings.values():
        default = ",".join(one.default) if one.kind == "choices" else one.none if one.default is None else one.default
        summary = f"{one.summary[:1].lower()}{one.summary[1:].rstrip('.')} (default: {default})"
        more: dict[str, Any] = {"type": _reader(one), "metavar": "A,B,..." if one.kind == "choices" else "N"}
        if one.kind == "choice":
            more = {"choices": one.choices}
        if one.kind == "switch":
            more = {"action": argparse.BooleanOptionalAction}
        value = argparse.SUPPRESS if absent else one.default
        parser.add_argument(one.flag, default=value, help=summary.replace("%", "%%"), **more)


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
        help="auto: float32, on CUDA bfloat16. Other dtypes may decide near-ties differently (default: auto)",
    )
    group.add_argument(
        "--exact",
        action="store_true",
        help="verify drafts bit for bit in float32, too (bfloat16 and float16 always try to). Where only passes of one "
        "width are exact, every pass, plain decoding's too, is filled up to --decoding-length",
    )


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """``--max-new-tokens --stop --raw``, and how tokens are chosen."""
    group = parser.add_argument_group("run")
    _add_flags(group, offered("generate", settings_of(RunSettings)))
    group.add_argument(
        "--stop", action="append", default=[], metavar="TEXT", help="end the output before this text; may be repeated"
    )
    group.add_argument("--raw", action="store_true", help="send the prompt as it is, without the chat template")
    _add_flags(parser.add_argument_group("choice of tokens"), offered("generate", settings_of(Sampling)))


def add_draft_options(parser: argparse.ArgumentParser, place: Place, absent: bool = False) -> None:
    """The draft settings that are offered at a place, and ``--trie`` where a model runs.

    Args:
        absent: Whether a setting that is not given is absent from the arguments (else it has its default there).
    """
    group = parser.add_argument_group("draft")
    _add_flags(group, offered(place, settings_of(LookaheadConfig)), absent)
    if place == "generate":
        group.add_argument("--trie", metavar="FILE", help="also draft from this file of make-trie (source: corpus)")


def config_from(args: argparse.Namespace, **more: Any) -> LookaheadConfig:
    """The draft settings from the options, and ``more`` of them."""
    try:
        return chosen(LookaheadConfig, vars(args) | more)
    except ValueError as error:
        raise UsageError(str(error)) from None


def sampling_from(args: argparse.Namespace) -> Sampling:
    """How tokens are chosen, from the options."""
    try:
        sampling = chosen(Sampling, vars(args))
    except ValueError as error:
        raise UsageError(f"--{error}") from None
    if sampling.greedy and sampling != GREEDY:
        flags = [one.flag for name, one in settings_of(Sampling).items() if getattr(sampling, name) != one.default]
        note(f"note: decoding is greedy and {', '.join(flags)} changes nothing; --temperature above 0 draws tokens")
    return sampling


def check_stop(stop: list[str]) -> tuple[str, ...]:
    """The stop strings; none is empty, too long or not text."""
    if any(not text for text in stop):
        raise UsageError("--stop is empty; name the text to stop at, or leave it out")
    with bad_input("--stop"):
        return stop_strings(stop)


def check_text(text: str, name: str) -> None:
    """Raise UsageError unless the text can be encoded as UTF-8 (an argument with broken bytes cannot)."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(f"{name} is not UTF-8 text") from None


def check_trie(args: argparse.Namespace) -> None:
    """Raise InputError unless the file of ``--trie`` can be read (call it before a model is loaded)."""
    if args.trie is not None:
        with opened(args.trie):
            pass


def model_name(args: argparse.Namespace) -> str:
    """The name of the options' model in results."""
    return "embedded" if args.model is None else args.model


def model_folder(args: argparse.Namespace) -> str:
    """Id or folder of the options' model.

    Raises:
        UsageError: If the default is needed and there is no embedded model.
    """
    if args.model is None and not (EMBEDDED_MODEL / "config.json").is_file():
        raise UsageError("the embedded model is not here, it is only in the repository; name a model with --model")
    return str(EMBEDDED_MODEL) if args.model is None else args.model


def load_backend(args: argparse.Namespace) -> HFBackend:
    """The options' model; other libraries are kept quiet.

    Raises:
        UsageError: If the default is needed and there is no embedded model.
        BackendError: If it cannot be loaded.
    """
    model = model_folder(args)
    from lookahead.hf.quiet import quiet

    quiet()
    from lookahead.hf.backend import HFBackend

    with bad_input(f"model {model!r}"):
        backend = HFBackend.from_pretrained(model, device=args.device, dtype=args.dtype, **_exact(args))
        asked = getattr(args, "temperature", 0) or "temperature" not in args
        for notice in (*backend.notices, *filter(None, (backend.notice, None if asked else backend.rules.notice))):
            note(f"note: {notice}")
    return backend


def load_shape(args: argparse.Namespace) -> HFBackend:
    """A model of the shape ``--shape`` with random weights.

    Raises:
        BackendError: If it cannot be created.
    """
    from lookahead.hf.quiet import quiet

    quiet()
    from lookahead.hf.shapes import random_backend

    return random_backend(args.shape, args.device, args.dtype, **_exact(args))


def _exact(args: argparse.Namespace) -> dict[str, Any]:
    """How exact the model's passes shall be, from the options."""
    if not getattr(args, "exact", False):
        return {}
    return {
        "exact": True,
        "exact_width": getattr(args, "decoding_length", settings_of(LookaheadConfig)["decoding_length"].default),
    }


def encode(args: argparse.Namespace, backend: HFBackend, text: str, name: str) -> list[int]:
    """The token ids of a prompt with which a run can begin; of a random model (``--shape``) its UTF-8 bytes.

    Raises:
        UsageError: If the tokenizer, its chat template or the model cannot take the prompt.
    """
    from lookahead.engine import LookaheadEngine

    if backend.tokenizer is None:
        prompt_ids = list(text.encode())
    else:
        template = backend.tokenizer.chat_template is not None and not args.raw
        with bad_input(f"{name} cannot be encoded", "--raw sends it without the chat template" if template else ""):
            prompt_ids = backend.encode(text, args.raw)
    with bad_input(name):
        LookaheadEngine(backend).generate(
            prompt_ids, max_new_tokens=1
        )  # it is checked now, and runs only when iterated
    return prompt_ids


def note_lengths(backend: HFBackend, prompts: Sequence[Sequence[int]], max_new_tokens: int) -> None:
    """Note on stderr how many runs decode one token at a time because of their length."""
    notices = [backend.run_notice(len(prompt_ids) + max_new_tokens, len(prompt_ids)) for prompt_ids in prompts]
    found = [notice for notice in notices if notice is not None]
    if found:
        note(f"note: {found[0]}" + (f" ({len(found)} of {len(prompts)} prompts)" if len(prompts) > 1 else ""))
