"""What a run and a measurement say about the model, the machine and the tokens."""

from __future__ import annotations

import os
import platform
from typing import Any

import torch
import transformers

from lookahead.hf.backend import HFBackend
from lookahead.hf.loading import describe
from lookahead.hf.text import TextStream, Vocabulary
from lookahead.records import ModelInfo, RunRecord, RunTexts


def model_info(backend: HFBackend, name: str | None = None) -> ModelInfo:
    """The model in five facts.

    Args:
        name: What to call it; None takes its id, or its folder's own name.
    """
    known = name or str(getattr(backend.model.config, "name_or_path", "")) or type(backend.model).__name__
    return ModelInfo(
        name=os.path.basename(os.path.abspath(known)) if os.path.isdir(known) else known,
        device=str(backend.device),
        dtype=str(backend.dtype).removeprefix("torch."),
        parameters=backend.model.num_parameters(),
        vocab_size=backend.vocab_size,
    )


def environment(backend: HFBackend) -> dict[str, Any]:
    """Versions, processor and threads: what a measured time depends on besides the model."""
    found = describe(backend.model)
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "platform": platform.platform(),
        "hardware": found["hardware"],
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "attention": found["attention"],
    }


def run_texts(backend: HFBackend, run: RunRecord, prompt: str, output: str) -> RunTexts:
    """What the tokens of a run say: pieces in reading order, and every drafted or chosen token by itself.

    Args:
        prompt: The prompt as it was given.
        output: The generated text as it was shown.
    """
    if backend.tokenizer is None:
        return RunTexts(prompt, output)
    vocabulary = Vocabulary(backend.tokenizer)
    seen = {*run.prompt_ids, *run.token_ids}
    for step in run.steps:
        seen.update(step.target_ids)
        seen.update(step.draft.token_ids if step.draft else ())
    seen.discard(-1)
    pieces = _pieces(vocabulary, (*run.prompt_ids, *run.token_ids))
    count = len(run.prompt_ids)
    tokens = _token_texts(vocabulary, sorted(seen), run.prompt_ids[-1])
    return RunTexts(prompt, output, tuple(pieces[:count]), tuple(pieces[count:]), tokens)


def _pieces(vocabulary: Vocabulary, token_ids: tuple[int, ...]) -> list[str]:
    """The text that became complete with each token, special tokens spelled out."""
    stream = TextStream(vocabulary, skip_special=False)
    pieces = [stream.push((token_id,)) for token_id in token_ids]
    if pieces:
        pieces[-1] += stream.finish()
    return pieces


def _token_texts(vocabulary: Vocabulary, token_ids: list[int], anchor_id: int) -> dict[int, str]:
    """Each token's text as it stands after another one (some tokenizers strip a space at the start of a text)."""
    anchor = vocabulary.decode((anchor_id,), skip_special=False)
    texts: dict[int, str] = {}
    for token_id in token_ids:
        text = vocabulary.decode((anchor_id, token_id), skip_special=False)
        after = text.startswith(anchor) and len(text) > len(anchor)
        texts[token_id] = text[len(anchor) :] if after else vocabulary.decode((token_id,), skip_special=False)
    return texts
