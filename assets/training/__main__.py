"""``python -m assets.training``: from nothing (or the last checkpoint) to the model folder and its table."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerFast

from .encoding import Encoder
from .evaluate import Generator, made_cases, markdown, real_cases, report
from .export import export
from .machine import choose, keep_freed_memory
from .mixture import tokenizer_texts
from .network import Network, Shape
from .plan import scaled, stream
from .real_text import FILES, RealText, read_real_text
from .threads import ThreadChoice
from .tokenizer import train_tokenizer
from .trainer import Trainer

HERE = Path(__file__).parent


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m assets.training", description=__doc__)
    parser.add_argument(
        "--data",
        type=Path,
        help=f"folder with the real text, {', '.join(FILES)} (without it: made-up text only; see the model's card)",
    )
    parser.add_argument("--out", type=Path, default=HERE.parent / "model", help="where the model goes")
    parser.add_argument("--work", type=Path, default=Path(".training"), help="where checkpoint and tokenizer are kept")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--resume", action=argparse.BooleanOptionalAction, default=True, help="go on from the checkpoint"
    )
    parser.add_argument("--threads", type=int, help="CPU threads (default: one or all, whatever is faster now)")
    parser.add_argument(
        "--dtype", choices=("auto", "float32", "bfloat16"), default="auto", help="auto: ten steps decide"
    )
    parser.add_argument("--scale", type=float, default=1.0, help="this many times the tokens of every stage")
    parser.add_argument("--no-compile", dest="compile", action="store_false")
    parser.add_argument("--stop-after", metavar="STAGE", help="end after this stage")
    parser.add_argument("--export-only", action="store_true", help="write the checkpoint to --out and stop")
    parser.add_argument("--evaluate", action="store_true", help="no training: print the table of the model in --out")
    parser.add_argument("--cases", type=int, default=300, help="held-out prompts of each made-up task")
    return parser.parse_args()


def kept_tokenizer(folder: Path, text: RealText, seed: int, resume: bool) -> PreTrainedTokenizerFast:
    """The tokenizer of an earlier start, or a new one."""
    if resume and (folder / "tokenizer.json").exists():
        return PreTrainedTokenizerFast.from_pretrained(folder)
    tokenizer = train_tokenizer(tokenizer_texts(text, seed))
    tokenizer.save_pretrained(folder)
    return tokenizer


def evaluated(folder: Path, text: RealText, cases: int) -> str:
    """The table of the model in ``folder``."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    chosen = made_cases(cases, text) + real_cases(text)
    answers = Generator(folder, device).answers([case.prompt for case in chosen])
    return markdown(report(chosen, answers))


def main() -> None:
    options = arguments()
    keep_freed_memory()
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        text = read_real_text(options.data)
    except OSError as error:
        raise SystemExit(f"--data: {error.filename}: {error.strerror}; it holds {', '.join(FILES)}") from None
    if options.evaluate:
        print(evaluated(options.out, text, options.cases))
        return
    torch.manual_seed(options.seed)
    shape = Shape()
    tokenizer = kept_tokenizer(options.work / "tokenizer", text, options.seed, options.resume)
    device, dtype, measured = choose(shape, None if options.dtype == "auto" else getattr(torch, options.dtype))
    print(f"{measured}; training in {str(dtype).removeprefix('torch.')} on {device}")
    torch.manual_seed(options.seed)
    most = torch.get_num_threads()
    threads = ThreadChoice(most) if device.type == "cpu" and most > 1 and not options.threads else None
    trainer = Trainer(Network(shape).to(device, dtype), options.work, compiled=options.compile, threads=threads)
    if options.resume:
        trainer.resume()
    encoder = Encoder(tokenizer)
    for planned in () if options.export_only else scaled(options.scale):
        trainer.run(planned.stage, stream(planned, options.seed, encoder, text))
        if planned.stage.name == options.stop_after:
            break
    export(trainer.optimizer.masters, shape, tokenizer, options.out)
    if not options.export_only:
        print(evaluated(options.out, text, options.cases))


if __name__ == "__main__":
    main()
