"""Plain decoding for models whose cache cannot drop tokens: one per pass, with what ``generate`` prepares."""

from __future__ import annotations

from torch import Tensor
from transformers import PreTrainedModel

from lookahead.config import GREEDY, Sampling
from lookahead.draft import Chain, DraftShape, DraftTree
from lookahead.hf.chain_session import ChainSession
from lookahead.hf.chain_state import ChainState
from lookahead.hf.generation import GenerationRules
from lookahead.hf.session import ForwardPlan


class PlainSession(ChainSession):
    """State of one run on a model that takes no drafts: every pass reads the root alone.

    Args:
        rows: Most tokens of the run; a static cache gets this size at once.
    """

    draft_shape: DraftShape = "none"

    def __init__(
        self, model: PreTrainedModel, rules: GenerationRules, capacity: int, rows: int, sampling: Sampling = GREEDY
    ) -> None:
        super().__init__(model, ForwardPlan(chain=Chain(), copies=True), rules, capacity, sampling)
        self._rows = rows

    @property
    def chain(self) -> None:
        """Nothing: there is no draft."""

    def choose(self, tree: DraftTree) -> tuple[int, ...]:
        """The model's choice after the root, shape ``(1,)``."""
        if len(tree) != 1:
            raise ValueError(f"a draft tree of {len(tree)} nodes; this model decodes one token at a time")
        return super().choose(tree)

    def _new_cache(self, prompt_ids: Tensor) -> ChainState:
        arguments = self._rules.prepare(prompt_ids, self._rows).arguments
        return ChainState(arguments, prompt_ids[0].tolist(), rewinds=False, steps=False, copies=True)
