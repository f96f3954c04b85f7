"""The model's side of one run: its cache, its masks, its own choices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import LogitsProcessorList, PreTrainedModel

from lookahead.config import GREEDY, Sampling
from lookahead.draft import Chain, DraftShape, DraftTree
from lookahead.hf.cache import GROWTH_ROWS, LayerShape, RowCache
from lookahead.hf.chain_state import ChainState
from lookahead.hf.choosing import Chooser
from lookahead.hf.generation import GenerationRules
from lookahead.hf.masks import Mask, MaskPlan, TreeMasks
from lookahead.hf.passes import NO_CHOICE, forward_pass, no_choice
from lookahead.hf.recurrence import Exchange
from lookahead.hf.successors import successors, to_bytes, to_host
from lookahead.hf.threads import ThreadChoice


@dataclass(frozen=True, slots=True)
class ForwardPlan:
    """What a model's forward pass takes and keeps, determined once per model.

    Attributes:
        shapes: What each layer caches.
        cache_argument: Name of the cache in its forward pass.
        masks: The attention masks that it takes.
        places: Whether its masks carry the places of a draft tree's rows, for the registered attention.
        chain: What it takes instead of trees, where nothing above counts; None if it takes trees.
        steps: What lets its recurrent layers read a chain step by step; empty if they cannot.
        copies: Whether its state is copied before a chain, although its cache claims that it can be cropped.
        width: Tokens that every pass after the prefill reads at least: drafts and plain decoding's roots are filled up.
            0 fills up none.
    """

    shapes: tuple[LayerShape | None, ...] = ()
    cache_argument: str = ""
    masks: MaskPlan = MaskPlan({"full_attention": None})  # noqa: RUF009, it is frozen
    places: bool = False
    chain: Chain | None = None
    steps: tuple[Exchange, ...] = ()
    copies: bool = False
    width: int = 0


class TreeSession:
    """State of one run on a model that verifies draft trees; see ``DecodeSession`` for the order of calls.

    Attributes:
        threads: How many CPU threads its passes use; by default as many as torch does.
    """

    draft_shape: DraftShape = "tree"

    @property
    def chain(self) -> Chain | None:
        """Nothing: it takes trees."""
        return None

    def __init__(
        self,
        model: PreTrainedModel,
        plan: ForwardPlan,
        rules: GenerationRules,
        capacity: int,
        sampling: Sampling = GREEDY,
    ) -> None:
        self._model = model
        self._plan = plan
        self._rules = rules
        self._capacity = capacity
        self._sampling = sampling
        self._cache: RowCache | ChainState | None = None
        self._masks = TreeMasks(plan.masks, model.dtype, model.device, plan.places)
        self._root_id = torch.zeros((1, 1), dtype=torch.long, device=model.device)
        self._positions = torch.zeros((1, 0), dtype=torch.long, device=model.device)
        self._chooser = Chooser(LogitsProcessorList())
        self._context_ids = self._positions
        self._recycles = False
        self._successors: Tensor | None = None
        self.threads = ThreadChoice(1)

    def recycle(self) -> None:
        """Keep the likeliest successors of the passes from now on (see ``Recycling``)."""
        self._recycles = True

    @property
    def successors(self) -> bytes:
        """The rows of the last pass (see ``Recycling``)."""
        return b"" if self._successors is None else to_bytes(self._successors)

    def _recycle(self, logits: Tensor) -> None:
        """Start copying the rows of these logits to the host; waiting for the choices waits for them, too."""
        if self._recycles:
            self._successors = to_host(successors(logits))

    def prefill(self, prompt_ids: Sequence[int]) -> int:
        """The model's choice after the prompt, shape of the pass ``(1, prompt)``, logits of its last token only."""
        with forward_pass(self._model), torch.inference_mode():
            count = len(prompt_ids)
            ids = torch.tensor([prompt_ids], dtype=torch.long, device=self._model.device)
            self._cache = self._new_cache(ids)
            self._chooser = self._rules.chooser(ids, self._capacity, self._sampling)
            if self._chooser.along_path:
                self._context_ids = ids
            last_only = {"logits_to_keep": 1} if self._rules.keeps_logits else {}
            logits = self._forward(ids, self._position_ids(0, count), None, **last_only)
            self._cache.commit(count)
            self._recycle(logits[-1:])
            return self._choice(logits[-1], count)

    def choose(self, tree: DraftTree) -> tuple[int, ...]:
        """The model's choice after every node of the tree, shape ``(n,)``; -1 off the path if it matters."""
        length = self._open_cache().length
        drafts = len(tree) > 1
        with self.threads.one_pass(len(tree)), forward_pass(self._model, drafts=drafts), torch.inference_mode():
            logits = self.logits(tree)
            self._recycle(logits)
            if self._chooser.along_path:
                return self._choices_along_path(tree, logits, length)
            scores = self._chooser.scores(logits, self._context_ids)
            target_ids = self._chooser.pick(scores, [length + 1 + depth for depth in tree.depths()])
            if NO_CHOICE in target_ids:
                _check_path(tree, target_ids, logits, length)
            return tuple(target_ids)

    def logits(self, tree: DraftTree) -> Tensor:
        """The model's logits after every node, shape ``(n, vocab)``, from one forward pass."""
        if len(tree) < self._plan.width:
            return self.logits(tree.filled_up(self._plan.width))[: len(tree)]
        cache = self._open_cache()
        count, length = len(tree), cache.length
        cache.reserve(length + count)
        if count == 1:
            self._root_id.fill_(tree.token_ids[0])
            return self._forward(self._root_id, self._position_ids(length, 1), self._masks.root(length))
        depths = tree.depths()
        inputs = torch.tensor([tree.token_ids, [length + depth for depth in depths]]).to(self._model.device)
        return self._forward(inputs[:1], inputs[1:], self._masks.tree(tree.parents, depths, length))

    def keep(self, accepted_nodes: Sequence[int]) -> None:
        """Keep the rows of the root and of these nodes, made adjacent; drop the others."""
        cache = self._open_cache()
        with forward_pass(self._model), torch.inference_mode():
            cache.keep(accepted_nodes)

    def rewind(self, length: int) -> None:
        """Go back to the first ``length`` committed tokens."""
        self._open_cache().rewind(length)

    def close(self) -> None:
        """Free the cache."""
        self._cache = None

    def _new_cache(self, prompt_ids: Tensor) -> RowCache | ChainState:
        count = prompt_ids.shape[1]
        capacity = min(self._capacity, count + max(count, GROWTH_ROWS))
        on_cpu = prompt_ids.device.type == "cpu"  # twice the memory: not measured on a GPU
        return RowCache(self._plan.shapes, capacity, self._plan.places and on_cpu)

    def _open_cache(self) -> RowCache | ChainState:
        if self._cache is None:
            raise RuntimeError("the session is not open: call prefill first, and nothing after close")
        return self._cache

    def _forward(self, ids: Tensor, position_ids: Tensor, mask: Mask | None, **last_only: int) -> Tensor:
        """Logits of the pass, shape ``(n, vocab)``."""
        outputs = self._model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=position_ids,
            use_cache=True,
            **{self._plan.cache_argument: self._cache},
            **last_only,
        )
        return outputs.logits[0]

    def _position_ids(self, start: int, count: int) -> Tensor:
        if start + count > self._positions.shape[1]:
            rows = max(start + count, self._open_cache().capacity)
            self._positions = torch.arange(rows, device=self._model.device)[None]
        return self._positions.narrow(1, start, count)

    def _choices_along_path(self, tree: DraftTree, logits: Tensor, length: int) -> tuple[int, ...]:
        """Choices at the root and down the path they open; -1 elsewhere. One synchronisation per node of the path."""
        children = _children(tree)
        target_ids = [-1] * len(tree)
        node: int | None = 0
        while node is not None:
            if length == self._context_ids.shape[1]:
                more = self._context_ids.new_zeros((1, length + GROWTH_ROWS))
                self._context_ids = torch.cat((self._context_ids, more), dim=1)
            self._context_ids[0, length] = tree.token_ids[node]
            length += 1
            target_ids[node] = self._choice(logits[node], length)
            node = children.get((node, target_ids[node]))
        return tuple(target_ids)

    def _choice(self, logits: Tensor, length: int) -> int:
        """The choice after the first ``length`` tokens.

        Raises:
            PassError: If there is none.
        """
        scores = self._chooser.scores(logits[None], self._context_ids[:, :length])
        (token_id,) = self._chooser.pick(scores, [length])
        if token_id == NO_CHOICE:
            raise no_choice(logits, length)
        return token_id


def _children(tree: DraftTree) -> dict[tuple[int, int], int]:
    """The node of each parent and token."""
    pairs = zip(tree.parents, tree.token_ids, strict=True)
    return {pair: node for node, pair in enumerate(pairs)}


def _check_path(tree: DraftTree, target_ids: Sequence[int], logits: Tensor, length: int) -> None:
    """Raise PassError if a node of the accepted path has no choice; elsewhere it changes nothing."""
    children, node = _children(tree), 0
    while target_ids[node] != NO_CHOICE:
        length += 1
        if (child := children.get((node, target_ids[node]))) is None:
            return
        node = child
    raise no_choice(logits[node], length + 1)
