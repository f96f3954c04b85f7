"""Descriptions for a run: its model, and the text of its tokens."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from lookahead.hf.backend import HFBackend
from lookahead.hf.text import TextStream
from lookahead.records import ModelInfo, RunRecord, RunTexts


def model_info(backend: HFBackend, name: str | None = None) -> ModelInfo:
    """The model in five facts.

    Args:
        name: Its name in the record; None takes its id, or the name of its folder or GGUF file, without ``.gguf``.
    """
    loaded = str(getattr(backend.model.config, "name_or_path", ""))
    known = name or loaded or type(backend.model).__name__
    if loaded.lower().endswith(".gguf") and (os.path.exists(known) or known.lower().endswith(".gguf")):
        known = os.path.splitext(os.path.basename(loaded))[0]  # the folder or repository may hold several
    return ModelInfo(
        name=os.path.basename(os.path.abspath(known)) if os.path.isdir(known) else known,
        device=str(backend.device),
        dtype=str(backend.dtype).removeprefix("torch."),
        parameters=backend.parameters,
        vocab_size=backend.vocab_size,
    )


class RunTextStream:
    """The text of one run's tokens as it runs: one piece per token in reading order, and the text of any single token.

    Attributes:
        prompt_pieces: The text that each prompt token completes.
        tokens: Every token requested so far and its text.
    """

    def __init__(self, backend: HFBackend, prompt_ids: Sequence[int]) -> None:
        self._vocabulary = backend.vocabulary
        self._stream = TextStream(self._vocabulary, skip_special=False)
        self._anchor_id = prompt_ids[-1]
        self._anchor = self._vocabulary.alone(self._anchor_id)
        self.prompt_pieces = self.push(prompt_ids)
        self.tokens: dict[int, str] = {}

    def push(self, token_ids: Sequence[int]) -> list[str]:
        """The text that each of the next tokens completes, special tokens spelled out."""
        return [self._stream.push((token_id,)) for token_id in token_ids]

    def finish(self) -> str:
        """The text still held back; it belongs to the last token."""
        return self._stream.finish()

    def token_text(self, token_id: int) -> str:
        """A token's text after another token (some tokenizers strip a space at the start of a text).

        If it is only a part of a character: its bytes.
        """
        if token_id not in self.tokens:
            text = self._vocabulary.decode((self._anchor_id, token_id), skip_special=False)
            after = text.startswith(self._anchor) and len(text) > len(self._anchor)
            alone = text[len(self._anchor) :] if after else self._vocabulary.alone(token_id)
            self.tokens[token_id] = self._vocabulary.label(token_id, alone)
        return self.tokens[token_id]


def with_texts(backend: HFBackend, run: RunRecord, prompt: str) -> RunRecord:
    """The run with its texts: the output up to a stop string, pieces in reading order, each drafted or chosen token."""
    if backend.tokenizer is None:
        return replace(run, texts=RunTexts(prompt, ""))
    output = backend.output_text((*run.stop, *backend.stop_strings))
    output.push(run.token_ids)
    output.finish()
    stream = RunTextStream(backend, run.prompt_ids)
    seen = {*run.prompt_ids, *run.token_ids}
    for step in run.steps:
        seen.update(step.target_ids)
        seen.update(step.draft.token_ids if step.draft else ())
    seen.discard(-1)
    pieces = stream.push(run.token_ids)
    last = pieces if pieces else stream.prompt_pieces
    last[-1] += stream.finish()
    tokens = {token_id: stream.token_text(token_id) for token_id in sorted(seen)}
    return replace(run, texts=RunTexts(prompt, output.text, tuple(stream.prompt_pieces), tuple(pieces), tokens))
