"""Records of a run: the only interface between the engine and the code that shows, counts or stores it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from lookahead.config import GREEDY, LookaheadConfig, Sampling
from lookahead.costs import PassCosts
from lookahead.draft import Chain, DraftTree

FinishReason = Literal["eos", "stop", "length", "context", "cancelled", "error"]
Method = Literal["lookahead", "plain"]
"""``plain`` is the same loop without drafts: one token per pass."""
METHOD_WORDS: dict[str, Method] = {"lookahead": "lookahead", "plain": "plain", "greedy": "plain"}
"""Names of the methods for callers and run files. Without a temperature plain decoding is greedy decoding."""
Reason = Literal["unseen", "pays", "branch_length", "width", "strategy"]
"""Why a token was not drafted: no source had seen anything more there; it is not probable enough to pay for a wider
pass; its branch was full; the draft was full; the strategy gives its parent one child only."""


@dataclass(frozen=True, slots=True)
class StepTimings:
    """Where the time of one step went, in seconds."""

    retrieve_seconds: float = 0.0
    forward_seconds: float = 0.0
    verify_seconds: float = 0.0
    commit_seconds: float = 0.0

    @property
    def total_seconds(self) -> float:
        """The sum of the four parts."""
        return self.retrieve_seconds + self.forward_seconds + self.verify_seconds + self.commit_seconds


@dataclass(frozen=True, slots=True)
class TrieChange:
    """The tries of a run after a step: all n-grams (nodes and leaves), and those that this step added and pruned."""

    nodes: int = 0
    added: int = 0
    pruned: int = 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A token that a source had seen and that was not drafted.

    Attributes:
        parent: Draft node that would have been its parent.
        probability: Estimated probability that the model would accept it (its whole path).
        source: Name of the source that had seen it.
        reason: Why it was left out.
    """

    token_id: int
    parent: int
    probability: float
    source: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What a search saw and did not draft, and why.

    ``unseen`` counts draft nodes (the root included) after which no source had seen anything that was not drafted; the
    other counts are places (a node and a level of one source there) where a next candidate was left out.

    Attributes:
        unseen: Nodes where the sources ended.
        pays: Places cut because the next candidate was less probable than what pays.
        branch_length: Nodes at the end of a full branch.
        width: Places cut because the draft was full.
        strategy: Places cut because the strategy gives their node one child.
        best: The most probable candidate that was left out; None where there was none.
    """

    unseen: int = 0
    pays: int = 0
    branch_length: int = 0
    width: int = 0
    strategy: int = 0
    best: Candidate | None = None


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One forward pass.

    Attributes:
        index: 0 for the prefill, then 1, 2, ...
        context_length: Committed tokens before the pass, the root included (the prompt's length for the prefill).
        match_length: Tokens in the longest suffix of the context that a trie has read with something after it (0 for
            the prefill).
        draft: The draft tree that went through the model; None for the prefill.
        target_ids: The model's choice (or the token drawn) at every node of the draft, shape ``(n,)``; one for the
            prefill. -1 if the choice depends on the path (as with a repetition penalty) and the node is not on the
            accepted path.
        accepted_nodes: Indices of the accepted nodes, the root's child first. A stop inside the path cuts it there.
        emitted_ids: Tokens that the step added to the output, in order.
        timings: Seconds per phase.
        trie: Size of the tries after the step.
        finish_reason: None until the last step.
        left_out: What was seen and not drafted, and why; None for the prefill, and if it was not recorded.
        successors: What the model found likely after each node of the draft (after the last token of the prompt for the
            prefill), one row of ``sources/recycled.py`` each; None if the source ``model`` was off, or did not keep it.
        chain: What the pass read besides its draft, on a model that takes one branch; None where it takes trees.
        bigrams: What the model finds likely after tokens by themselves, of those that the step looked up first: token
            and row of ``sources/recycled.py``, ``BIGRAM_BYTES`` each; None if it looked up none, or did not keep them.
    """

    index: int
    context_length: int
    match_length: int
    draft: DraftTree | None
    target_ids: tuple[int, ...]
    accepted_nodes: tuple[int, ...]
    emitted_ids: tuple[int, ...]
    timings: StepTimings
    trie: TrieChange
    finish_reason: FinishReason | None = None
    left_out: LeftOut | None = None
    successors: bytes | None = None
    chain: Chain | None = None
    bigrams: bytes | None = None


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The target model of a run: enough to say what was measured.

    Attributes:
        name: Hub id, or the name of a folder.
        device: ``cpu``, ``cuda:0``, ``mps`` ...
        dtype: ``float32``, ``bfloat16`` ...
        vocab_size: Width of the logits; every token id is below it.
        exactness: Whether a draft's logits are bit for bit those of plain decoding: ``bitwise``,
            ``bitwise at one width``, or else ``within rounding``; None if that was not tried, or the model takes no
            drafts.
    """

    name: str
    device: str
    dtype: str
    parameters: int
    vocab_size: int
    exactness: str | None = None


@dataclass(frozen=True, slots=True)
class RunTexts:
    """The text of a run's token ids, for readers without the tokenizer.

    Attributes:
        prompt: The prompt as it was given (before a chat template).
        output: The generated text.
        prompt_pieces: The text that each prompt token completes, one piece per token.
        output_pieces: The same for each generated token; a character split over several tokens belongs to the last.
        tokens: Token id -> its text, for the ids that appear in drafts and choices.
    """

    prompt: str
    output: str
    prompt_pieces: tuple[str, ...] = ()
    output_pieces: tuple[str, ...] = ()
    tokens: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TokenGap:
    """How close a decision between two tokens was.

    Attributes:
        gap: Distance of their scores (>= 0).
        spacing: Distance of neighbouring numbers of the model's dtype at the size of the larger logit.
        noise: The largest gap that this model's rounding explains, as measured (0 where passes are exact); None if it
            was not measured.
    """

    gap: float
    spacing: float
    noise: float | None = None

    @property
    def near_tie(self) -> bool:
        """Whether rounding can explain a different decision; unmeasured, it is taken to add up to 8 spacings."""
        return self.gap <= (8 * self.spacing if self.noise is None else self.noise)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One finished run: what went in, every forward pass, and how long it took. A run file holds one.

    Attributes:
        prompt_ids: The prompt's tokens, shape ``(p,)``, p >= 1.
        steps: One record per forward pass, the prefill first.
        method: ``lookahead``, or ``plain`` (the same loop without drafts).
        seconds: Wall clock of the whole run, the prefill included.
        first_token_seconds: Wall clock until the first token; None when there was none.
        pass_costs: T(n) as the run's budget used it; None if the width did not depend on cost. A replay reads it.
        texts: The text of the ids; None if the run kept no text.
        sampling: How tokens were chosen.
        created: Date and time, ISO 8601 with the offset from UTC.
        version: Version of the program that recorded it.
        expected_ids: What the caller expected, as tokens; the source ``expected`` drafts from it.
        repeat_seconds: Wall clock of the same run made again, in turns with the run beside it; None if it was not.
    """

    prompt_ids: tuple[int, ...]
    steps: tuple[StepRecord, ...]
    config: LookaheadConfig
    model: ModelInfo
    method: Method
    finish_reason: FinishReason
    seconds: float
    first_token_seconds: float | None
    max_new_tokens: int
    stop: tuple[str, ...] = ()
    pass_costs: PassCosts | None = None
    texts: RunTexts | None = None
    sampling: Sampling = GREEDY
    created: str = ""
    version: str = ""
    expected_ids: tuple[int, ...] = ()
    repeat_seconds: tuple[float, ...] | None = None

    @property
    def token_ids(self) -> tuple[int, ...]:
        """The generated tokens in order, EOS included when it was generated."""
        return tuple(token_id for step in self.steps for token_id in step.emitted_ids)


@dataclass(frozen=True, slots=True)
class TimedRun:
    """One output by one method of ``bench``.

    Attributes:
        token_ids: The generated tokens, EOS included when it was generated.
        seconds: Wall clock of the whole run.
        decode_seconds: Wall clock after the first pass.
        forward_passes: Forward passes, the prefill included.
        decoded_tokens: Tokens of the passes after the first.
        outcomes: Of every pass after the first, its draft tokens and the accepted ones; None if they are not known.
    """

    token_ids: tuple[int, ...]
    seconds: float
    decode_seconds: float
    forward_passes: int
    decoded_tokens: int
    outcomes: tuple[tuple[int, int], ...] | None = None
