"""Forward passes of a run: any failure becomes one line, and so do logits that leave no choice."""

from __future__ import annotations

import re

import torch
from torch import Tensor
from transformers import PreTrainedModel

from lookahead.backend import BackendError, PassError, failure_line

NO_CHOICE = -1
"""Stands for a row of logits that has no largest finite one: NaN or infinity is among them, or all are masked."""

_DTYPES_DISAGREE = re.compile(r"dtype|scalar type|BFloat16|\bHalf\b|Float8|\bDouble\b")
_FLOATS = (torch.float32, torch.bfloat16, torch.float16)


class forward_pass:
    """A context that turns whatever a forward pass raises into a ``PassError``; a generator would miss StopIteration.

    Args:
        drafts: Whether the pass verifies a draft, so that a run without drafts may succeed.
    """

    __slots__ = ("_drafts", "_model")

    def __init__(self, model: PreTrainedModel, drafts: bool = False) -> None:
        self._model, self._drafts = model, drafts

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if not isinstance(error, Exception) or isinstance(error, PassError | BackendError):
            return
        advice = dtype_advice(self._model, error) or ("; decoding_length 1 runs without drafts" if self._drafts else "")
        raise PassError(failure_line(error, advice)) from error


def dtype_advice(model: PreTrainedModel, error: BaseException) -> str:
    """What to do about dtypes that disagree (quantised weights, mostly); empty if the error is about something else."""
    if not _DTYPES_DISAGREE.search(str(error)):
        return ""
    others = {parameter.dtype for parameter in model.parameters()}.intersection(_FLOATS) - {torch.float32}
    other = torch.bfloat16 if len(others) != 1 else others.pop()
    if other == model.dtype and torch.float32 not in {parameter.dtype for parameter in model.parameters()}:
        other = torch.float32
    return f"; --dtype {str(other).removeprefix('torch.')} may help, as the model's dtypes disagree"


def choices(logits: Tensor) -> list[int]:
    """The largest logit's index in every row, or ``NO_CHOICE``; float64 is rounded first, as in ``generate``.

    Indices and values arrive in one synchronisation.
    """
    if logits.dtype == torch.float64:
        logits = logits.float()
    values, indices = logits.max(dim=-1)
    return indices.where(values.isfinite(), NO_CHOICE).tolist()  # of a row with NaN, the largest is NaN


def no_choice(logits: Tensor, length: int) -> PassError:
    """Why there is no choice after ``length`` tokens, from the model's row of logits ``(vocab,)`` and its dtype."""
    if bool(logits.float().max() < torch.inf):  # NaN is not smaller than anything
        return PassError(
            f"no token has a logit above minus infinity after {length} tokens; "
            "check the model's weights, and what generation_config forbids (suppress_tokens, bad_words_ids)"
        )
    dtype = str(logits.dtype).removeprefix("torch.")
    advice = (
        "float16 overflows; choose --dtype float32 or bfloat16"
        if logits.dtype == torch.float16
        else f"check the model's weights, or whether {dtype} overflows (choose another --dtype)"
    )
    what = "NaN" if bool(logits.isnan().any()) else "infinite"
    return PassError(f"the logits are {what} after {length} tokens: {advice}")
